"""The difference of two datasets: everything that is not as it was stands in it, with its reason."""

from __future__ import annotations

import dataclasses
import json

import pandas as pd
import pytest

from pvcore.annotations import dataset
from pvcore.annotations.batch import Batch, make_batch
from pvcore.annotations.dataset_diff import DatasetDiff, compare
from pvcore.annotations.generate import generate_cases
from pvcore.annotations.leakage import SplitSettings
from pvcore.meddra.mapping import Migration
from pvcore.records import Annotation, Case, digest


def build(store, *batches, version="29.0", base=None, mappings=(), split=None):
    settings = split or SplitSettings()
    return dataset.build(
        store, batches=batches, mappings=mappings, meddra_version=version, base=base, split=settings, seed=17
    ).digest


def case(name: str, text: str = "", **more) -> Case:
    words = text or " ".join(digest([name, i])[:7] for i in range(40))
    return Case(name, words, received="2001-02-03", **more)


def coded(name: str, code: str, who: str = "a", version: str = "29.0", **more) -> Annotation:
    value = {"llt_code": code}
    return Annotation(name, "coding", value, who, target="rash", meddra_version=version, **more)


def judged(name: str, serious: bool, who: str = "a", **more) -> Annotation:
    return Annotation(name, "seriousness", {"serious": serious, "criteria": []}, who, **more)


def batch(name: str, cases: list[Case], said: list[Annotation]) -> Batch:
    return make_batch(name, "x", cases, said)


def migration(store, *rows: tuple[str, str, str | None, str, str], old="29.0", new="29.1") -> str:
    columns = ["row_id", "old_code", "new_code", "new_pt_code", "class", "rule", "suggestions"]
    table = [
        (dataset.row_id(name, "rash", code), code, to, to, kind, rule, [])
        for name, code, to, kind, rule in rows
    ]
    frame = pd.DataFrame(table, columns=columns, dtype="object")
    data = Migration(old, new, "d1", "d2", 3, frame).to_json().encode()
    store.put_if_absent(f"blobs/sha256/{digest(data)}", data)
    return digest(data)


def told(found: DatasetDiff) -> set[tuple[str, str, str]]:
    return {(c.case_id, c.change, c.reason) for c in (*found.cases, *found.labels)}


def test_nothing_changed(store, generated) -> None:
    one = build(store, batch("first", *generated))
    found = compare(store, one, one)
    assert not found.cases and not found.labels and not found.table()
    assert set(found.counts()["cases"].values()) | set(found.counts()["labels"].values()) == {0}


def test_new_cases_and_labels_name_their_batch(store) -> None:
    first = batch("first", [case("c1")], [judged("c1", True)])
    second = batch("second.xml", [case("c2")], [judged("c2", False)])
    third = batch("third.json", [case("c1")], [coded("c1", "90000001")])
    old = build(store, first)
    new = build(store, second, third, base=old)
    found = compare(store, old, new, [second, third])
    assert told(found) == {
        ("c2", "added", "batch second.xml"), ("c1", "added", "batch third.json"),
    }  # fmt: skip
    assert [(c.case_id, c.problem, c.after) for c in found.labels] == [
        ("c1", "coding", '{"llt_code":"90000001"} MedDRA 29.0'),
        ("c2", "seriousness", '{"criteria":[],"serious":false}'),
    ]
    assert found.batches == (second.digest, third.digest)
    # without the batches at hand a case still knows its own; an annotation does not
    assert ("c1", "added", "one of 2 new batches") in told(compare(store, old, new))
    assert ("c2", "added", f"batch {second.digest[:12]}") in told(compare(store, old, new))


def test_a_follow_up_and_fields_that_are_filled_in(store) -> None:
    first = batch("1", [case("c1"), case("c2")], [judged("c1", True), judged("c2", True)])
    follow_up = case("c1", "A wholly different narrative of the same case arrives later.")
    second = batch("2", [follow_up, case("c2", sex="F")], [judged("c1", False)])
    old = build(store, first)
    found = compare(store, old, build(store, second, base=old), [second])
    assert told(found) == {
        ("c1", "replaced", "batch 2"), ("c1", "changed", "superseded in batch 2"), ("c2", "filled", "batch 2"),
    }  # fmt: skip
    assert next(c.detail for c in found.cases if c.change == "filled") == "sex"


def test_a_case_that_two_new_batches_hold_came_with_the_first(store) -> None:
    first = batch("1", [case("c0")], [judged("c0", True)])
    two, three = (batch(name, [case("c1")], [judged("c1", True, name)]) for name in ("2", "3"))
    old = build(store, first)
    found = compare(store, old, build(store, two, three, base=old), [two, three])
    assert told(found) == {("c1", "added", "batch 2"), ("c1", "added", "batch 3")}
    assert [(c.reason, c.detail) for c in found.labels] == [("batch 3", "2, 3")]


def test_disagreement_and_what_settles_it(store) -> None:
    one = batch("1", [case("c1")], [judged("c1", True)])
    two = batch("2", [case("c1")], [judged("c1", False, "b")])
    three = batch("3", [case("c1")], [judged("c1", False, "chief", guideline="adjudication")])
    first = build(store, one)
    second = build(store, two, base=first)
    third = build(store, three, base=second)
    (lost,) = compare(store, first, second, [two]).labels
    assert (lost.change, lost.reason) == ("lost", "disagreement")
    assert lost.detail == "a: serious, b: not serious" and lost.after == ""
    (added,) = compare(store, second, third, [three]).labels
    assert added.reason == "was open (disagreement) and is settled, by batch 3" and added.detail == "chief"
    # over both steps the label has changed, by adjudication
    (changed,) = compare(store, first, third, [two, three]).labels
    assert (changed.change, changed.reason) == ("changed", "adjudicated in batch 3")


def test_a_second_annotator_confirms(store) -> None:
    one = batch("1", [case("c1")], [judged("c1", True)])
    two = batch("2", [case("c1")], [judged("c1", True, "b")])
    first = build(store, one)
    (change,) = compare(store, first, build(store, two, base=first), [two]).labels
    assert (change.change, change.reason, change.detail) == ("confirmed", "said again in batch 2", "b")


def test_migrations_are_named_with_class_and_rule(store) -> None:
    cases = [case(f"c{i}") for i in range(4)]
    old = build(store, batch("1", cases, [coded(f"c{i}", f"9000000{i}") for i in range(4)]))
    mapping = migration(
        store,
        ("c0", "90000000", "90000000", "unchanged", ""),
        ("c1", "90000001", "90000005", "recoded", "preferred_term"),
        ("c2", "90000002", None, "needs_review", "name_moved"),
        ("c3", "90000003", "90000003", "unchanged", ""),
    )
    again = batch("2", [cases[3]], [coded("c3", "90000008", version="29.1")])
    new = build(store, again, version="29.1", base=old, mappings=[mapping])
    found = compare(store, old, new, [again])
    by = f"migration {mapping[:12]}: "
    assert told(found) == {
        ("c0", "carried", by + "unchanged"), ("c1", "changed", by + "recoded (preferred_term)"),
        ("c2", "lost", by + "needs_review (name_moved)"), ("c3", "changed", "superseded in batch 2"),
    }  # fmt: skip
    assert found.mappings == (mapping,) and (found.old_version, found.new_version) == ("29.0", "29.1")
    assert found.counts()["labels"] == {"added": 0, "changed": 2, "carried": 1, "confirmed": 0, "lost": 1}


def test_two_migrations_in_one_difference(store) -> None:
    old = build(store, batch("1", [case("c0")], [coded("c0", "90000000")]))
    one = migration(store, ("c0", "90000000", "90000001", "recoded", "same_words"))
    middle = build(store, version="29.1", base=old, mappings=[one])
    two = migration(store, ("c0", "90000001", "90000001", "renamed", ""), old="29.1", new="30.0")
    new = build(store, version="30.0", base=middle, mappings=[two])
    (change,) = compare(store, old, new).labels
    assert change.reason == f"migration {one[:12]}: recoded (same_words); migration {two[:12]}: renamed"


def test_without_a_mapping_a_label_is_lost_for_that_reason(store) -> None:
    old = build(store, batch("1", [case("c0")], [coded("c0", "90000000")]))
    (change,) = compare(store, old, build(store, version="29.1", base=old)).labels
    assert (change.change, change.reason, change.detail) == ("lost", "no mapping", "from MedDRA 29.0 to 29.1")


def test_a_bridge_between_two_clusters_moves_a_case_to_the_held_out(store) -> None:
    # two narratives of a similarity of 0.76, and one in the middle, 0.85 and more to both
    words = [digest(i)[:7] for i in range(150)]
    held = [case(f"h{i}") for i in range(40)]
    first = build(store, batch("1", held, [judged(c.case_id, True) for c in held]))
    table = dataset.load(store, first).cases.set_index("case_id")["split"]
    test, train = table.index[table == "test"][0], table.index[table == "train"][0]
    texts = {test: " ".join(words), train: " ".join(words[:-20] + [f"x{i}" for i in range(20)])}
    cases = [dataclasses.replace(c, narrative=texts.get(c.case_id, c.narrative)) for c in held]
    old = build(store, batch("1", cases, [judged(c.case_id, True) for c in cases]))
    splits = dataset.load(store, old).cases.set_index("case_id")["split"]
    assert (splits[test], splits[train]) == ("test", "train")
    bridge = case("zz", " ".join(words[:-10] + [f"x{i}" for i in range(10)]))
    second = batch("2", [bridge], [judged("zz", True)])
    found = compare(store, old, build(store, second, base=old), [second])
    moved = [c for c in found.cases if c.change == "moved"]
    assert [(c.case_id, c.before, c.after, c.reason, c.detail) for c in moved] == [
        (train, "train", "test", "nearly identical to a case of test", f"case {test}")
    ]


def test_cases_set_aside_and_taken_in_again(store) -> None:
    early = SplitSettings(by="time", train_until=2000, test_years=(2002,))
    later = SplitSettings(by="time", train_until=2001, test_years=(2002,))
    cases = [case("c0"), dataclasses.replace(case("c1"), received="1999-01-01")]
    old = build(store, batch("1", cases, [judged("c0", True), judged("c1", True)]), split=early)
    new = build(store, base=old, split=later)
    assert told(compare(store, old, new)) == {
        ("c0", "moved", "other settings of the split"), ("c0", "added", "was open (aside) and is settled"),
    }  # fmt: skip
    (case_back,) = compare(store, old, new).cases
    assert (case_back.before, case_back.after) == ("aside", "train")


def test_cases_that_were_taken_back_name_the_batch_that_did(store) -> None:
    cases = [case("c1"), case("c2"), case("c3")]
    one = build(store, batch("1", cases, [judged(c.case_id, True) for c in cases]))
    gone, late = make_batch("gone.xml", "x", [], [], nullified=["c1", "c9"]), batch("2", [case("c1")], [])
    more = make_batch("more.xml", "x", [case("c4")], [], nullified=["c1", "c2"])
    new = build(store, gone, late, more, base=one)
    found = compare(store, one, new, [gone, late, more])
    assert told(found) == {
        ("c1", "nullified", "batch gone.xml"), ("c1", "lost", "its case was nullified"),
        ("c2", "nullified", "batch more.xml"), ("c2", "lost", "its case was nullified"),
        ("c4", "added", "batch more.xml"),
    }  # fmt: skip
    assert found.counts()["cases"]["nullified"] == 2 and found.counts()["cases"]["lost"] == 0
    assert compare(store, new, one).counts()["cases"] == {
        "added": 2, "replaced": 0, "filled": 0, "moved": 0, "nullified": 0, "lost": 1,
    }  # fmt: skip


def test_datasets_that_are_not_related(store) -> None:
    one = build(store, batch("1", [case("c1")], [judged("c1", True)]))
    other = build(store, batch("2", [case("c2")], [judged("c2", True)]))
    found = compare(store, one, other)
    assert [(c.case_id, c.change) for c in found.cases] == [("c1", "lost"), ("c2", "added")]
    assert next(c for c in found.labels if c.change == "lost").reason == "its case was lost"


def labels_of(store, name: str) -> dict[tuple[str, ...], str]:
    keys, columns = ("case_id", "problem", "target"), ("value", "meddra_version", "annotators", "time")
    rows = dataset.load(store, name).labels.to_dict("records")
    return {tuple(row[k] for k in keys): str([row[c] for c in columns]) for row in rows}


@pytest.mark.parametrize("seed", [1, 2])
def test_every_difference_is_accounted_for(store, truth, generated, seed: int) -> None:
    """Old tables + changes = new tables, and nothing is named that did not change."""
    old = build(store, batch("1", *generated))
    more = batch("2", *generate_cases(truth.dictionary, n=40, seed=seed, prefix="U"))
    late = batch("3", list(generated[0][:30]), [dataclasses.replace(a, annotator="third") for a in generated[1][:40]
                 if a.case_id in {c.case_id for c in generated[0][:30]}])  # fmt: skip
    new = build(store, more, late, base=old)
    found = compare(store, old, new, [more, late])
    was, now = (labels_of(store, name) for name in (old, new))
    differ = {key for key in {*was, *now} if was.get(key) != now.get(key)}
    assert differ == {(c.case_id, c.problem, c.target) for c in found.labels}
    assert len(found.labels) == len(differ) > 40
    assert all(c.reason for c in found.labels) and sum(row["number"] for row in found.table()) == len(
        found.labels
    ) + len(found.cases)
    assert json.loads(json.dumps(found.to_json()))["counts"] == found.counts()
