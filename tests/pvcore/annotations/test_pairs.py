"""Pairs of drugs: one case whichever comes first, and split by their drugs."""

from __future__ import annotations

import doctest

import pytest

from pvcore.annotations import dataset, generate_pairs, merge, pairs
from pvcore.annotations.batch import make_batch
from pvcore.annotations.leakage import EXCLUDED, SplitSettings
from pvcore.annotations.pairs import Described, drugs_of, pair_annotation, pair_case, pair_text
from pvcore.records import Annotation, Case

A = Described("abacol", "CC(=O)O", ("Humans", "HIV-1"), ("CYP3A4", "ABCB1"))
B = Described("Zelafib")


def test_the_worked_examples() -> None:
    for module in (pairs, generate_pairs):
        found = doctest.testmod(module)
        assert found.attempted and not found.failed


def test_swapped_drugs_are_the_same_case() -> None:
    assert pair_case(A, B) == pair_case(B, A)
    assert pair_annotation(A, B, True, "x") == pair_annotation(B, A, True, "x")
    assert pair_annotation(B, A, True, "x").target == "abacol + Zelafib"
    renamed = Described(" ABACOL", A.smiles)
    assert pair_case(renamed, B).case_id == pair_case(A, B).case_id
    assert drugs_of(pair_text(B, A)) == (A, B)


@pytest.mark.parametrize(
    "text", ["She had a rash.", "Drug 1: abacol", "Drug 1: a\nDose: 5 mg\n\nDrug 2: b", ""]
)
def test_what_is_no_pair(text: str) -> None:
    assert drugs_of(text) is None


def split_of(store, info) -> dict[str, str]:
    loaded = dataset.load(store, info.digest).cases
    return dict(zip(loaded["case_id"], loaded["split"], strict=True))


def drugs_by_split(cases, splits) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for case in cases:
        if case.case_id in splits:
            found.setdefault(splits[case.case_id], set()).update(drug.name for drug in case.drugs)
    return found


def test_no_drug_is_in_two_splits_then_or_later(store) -> None:
    settings = SplitSettings(by="drug", test=0.3, tune=0.2)
    cases, said = generate_pairs.generate_pairs(n=700, seed=1, drugs=60)
    report = Case("US-1", "She had a rash on the second day and recovered.")
    options = {"mappings": (), "meddra_version": None, "split": settings, "seed": 17}
    one = dataset.build(
        store, batches=[make_batch("b", "pairs", [*cases, report], said)], base=None, **options
    )
    first = split_of(store, one)
    sides = drugs_by_split(cases, first)
    assert set(sides) == {"train", "tune", "test"} and all(len(drugs) > 5 for drugs in sides.values())
    assert not (
        sides["train"] & sides["test"] or sides["train"] & sides["tune"] or sides["tune"] & sides["test"]
    )
    assert len(first) < len(cases) and set(dataset.set_aside(store, one)["split"]) == {EXCLUDED}
    assert "US-1" in first
    # The same drugs in new pairs, in a workspace that asks for another share meanwhile: each stays where it was.
    later, told = generate_pairs.generate_pairs(n=300, seed=2, drugs=60, avoid=cases)
    options["split"] = SplitSettings(by="drug", test=0.6, tune=0.2)
    two = dataset.build(store, batches=[make_batch("c", "pairs", later, told)], base=one.digest, **options)
    second = split_of(store, two)
    assert {name: second[name] for name in first} == first
    both = drugs_by_split([*cases, *later], second)
    assert not both["train"] & both["test"] and both["train"] == sides["train"]


def test_pairs_with_a_drug_in_common_are_no_duplicates(store) -> None:
    cases, said = generate_pairs.generate_pairs(n=300, seed=1, drugs=40)
    info = dataset.build(
        store, batches=[make_batch("b", "pairs", cases, said)], mappings=(), meddra_version=None,
        split=SplitSettings(), seed=17,
    )  # fmt: skip
    table = dataset.load(store, info.digest).cases
    assert len(table) == table["cluster"].nunique() == 300 and set(table["split"]) == {
        "train",
        "tune",
        "test",
    }


def test_one_pair_has_one_label_however_its_drugs_are_spelled(store) -> None:
    loud = Described("ABACOL"), Described("ZELAFIB")
    case = pair_case(A, B)
    said = [
        [pair_annotation(A, B, True, "x")],
        [pair_annotation(*loud, False, "y")],
        [Annotation(case.case_id, "ddi", {"interaction": False}, "z")],
    ]
    options = {"meddra_version": None, "split": SplitSettings(), "seed": 17}

    def build(*given: list[Annotation], base: str | None = None) -> tuple[dataset.DatasetInfo, list[str]]:
        batches = [make_batch("b", "pairs", [case], annotations) for annotations in given]
        info = dataset.build(store, batches=batches, base=base, **options)
        labels = dataset.load(store, info.digest).labels
        return info, [f"{row.target}: {row.value}" for row in labels.itertuples()]

    one, labels = build(said[0])
    assert labels == ['abacol + Zelafib: {"interaction":true}']
    for both in (build(said[1], base=one.digest), build(said[0], said[1]), build([*said[0], *said[1]])):
        assert both[0].excluded == {"disagreement": 2} and both[1] == []
    assert build(said[2], base=both[0].digest)[1] == ['ABACOL + ZELAFIB: {"interaction":false}']
    assert build([pair_annotation(*loud, False, "x")], base=one.digest)[1] == [
        'abacol + Zelafib: {"interaction":false}'
    ]


def test_a_dataset_of_before_with_two_labels_of_a_pair(store, monkeypatch: pytest.MonkeyPatch) -> None:
    said = [pair_annotation(A, B, True, "x"), pair_annotation(Described("ABACOL"), B, False, "y")]
    options = {"meddra_version": None, "split": SplitSettings(), "seed": 17}
    batch = make_batch("b", "pairs", [pair_case(A, B)], said)
    with monkeypatch.context() as before:
        before.setattr(merge, "DDI", "")
        old = dataset.build(store, batches=[batch], **options)
    now = dataset.build(store, batches=[], base=old.digest, **options)
    assert old.counts["labels"] == {"ddi": 2}
    assert now.counts["labels"] == {} and now.excluded == {"disagreement": 2}


def test_generated_pairs() -> None:
    cases, said = generate_pairs.generate_pairs(n=400, seed=3, drugs=60)
    assert (cases, said) == generate_pairs.generate_pairs(n=400, seed=3, drugs=60)
    assert sum(a.value["interaction"] for a in said) == 160
    noisy = generate_pairs.generate_pairs(n=400, seed=3, drugs=60, noise=0.2)[1]
    flipped = sum(a.value != b.value for a, b in zip(said, noisy, strict=True))
    assert 50 < flipped < 110
    with pytest.raises(ValueError, match="there are"):
        generate_pairs.generate_pairs(n=4000, seed=3, drugs=60)
