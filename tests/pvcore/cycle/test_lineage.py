"""A case that a model learned from does not judge it, nor those that are continued from it, once it is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from town import found_town

from pvcore.annotations import dataset as datasets
from pvcore.annotations import label_studio
from pvcore.annotations.batch import make_batch
from pvcore.annotations.leakage import SplitSettings
from pvcore.config import Workspace
from pvcore.cycle import (
    admission,
    building,
    candidate,
    data,
    hearing,
    inbox,
    judging,
    lineage,
    registration,
    stored,
    targeting,
)
from pvcore.errors import NotFound
from pvcore.problems import PROBLEMS
from pvcore.records import Annotation, Case, canonical, digest
from pvcore.registry.blobs import put_blob
from pvcore.registry.disk import LocalStore
from pvcore.registry.names import resolve
from pvcore.training.specification import Specification

FAMILIES = 30


def story(family: int, changed: int) -> str:
    """120 words, of which the last `changed` are others: 18 of them leave two stories just apart, 9 do not."""
    words = [digest([family, n])[:6] for n in range(120)]
    words[120 - changed :] = [digest([family, n, "other"])[:6] for n in range(120 - changed, 120)]
    return " ".join(words)


def build(ws: Workspace, name: str, cases: list[Case]) -> str:
    said = [
        Annotation(c.case_id, "seriousness", {"serious": i % 2 == 0, "criteria": []}, "ann",
                   time="2026-01-01T00:00:00Z")
        for i, c in enumerate(cases)
    ]  # fmt: skip
    file = ws.root / f"{name}.json"
    label_studio.write(cases, said, file)
    inbox.put(ws, "annotations", [file])
    for found in inbox.look(ws, "annotations"):
        admission.admit_batch(ws, found, inbox.read_batch(ws, found), b"{}")
    built = building.build_dataset(ws, None, [])
    assert built
    return built.digest


def updated(ws: Workspace, dataset: str) -> tuple[str, str]:
    specification = candidate.specify(ws, "seriousness", dataset)
    assert specification
    candidate.train(ws, specification)
    return specification, judging.evaluate(ws, specification)


def test_a_case_that_a_bridge_moves_into_the_test_split(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = found_town(tmp_path, tiny_base).workspace
    (ws.root / "recipes" / "coding.yaml").unlink()
    policy = yaml.safe_load((ws.root / "recipes" / "policy.yaml").read_text())
    policy["problems"].pop("coding")
    (ws.root / "recipes" / "policy.yaml").write_text(yaml.safe_dump(policy))
    pairs = [Case(f"{who}{f:02d}", story(f, n)) for f in range(FAMILIES) for who, n in (("a", 0), ("c", 18))]
    split = dict(
        data.datasets.load(ws.store, first := build(ws, "first", pairs)).cases[["case_id", "split"]].values
    )
    family = next(f for f in range(FAMILIES) if (split[f"a{f:02d}"], split[f"c{f:02d}"]) == ("train", "test"))
    old, key = updated(ws, first)
    champion = resolve(ws.store, ws.ledger, registration.register(ws, old, key))
    assert (
        f"a{family:02d}" in lineage.consumed(ws, old) and judging.evaluation(ws, key).entry.body["seen"] == 0
    )

    more = [Case(f"new{i}", story(100 + i, 0)) for i in range(20)]
    second = build(ws, "second", [Case("bridge", story(family, 9)), *more])
    now = data.datasets.load(ws.store, second).cases.set_index("case_id")["split"]
    assert now[f"a{family:02d}"] == now["bridge"] == "test"

    def as_champion(*_: Any) -> Any:
        return champion

    monkeypatch.setattr(candidate, "champion_of", as_champion)
    monkeypatch.setattr(judging, "champion_of", as_champion)
    new, key = updated(ws, second)
    assert candidate.load_specification(ws, new).parent == champion.digest
    assert lineage.consumed(ws, new) > lineage.consumed(ws, old)
    judged, held = judging.evaluation(ws, key), data.examples(ws, "seriousness", second)["test"]
    assert judged.entry.body["seen"] == 3  # a, c and the bridge are one cluster now
    assert judged.report.overall.rows == len(held) - 3
    seen = {e.case_id for e in held} - {e.case_id for e in lineage.unseen(ws, second, held, [new, old])}
    assert seen == {f"a{family:02d}", f"c{family:02d}", "bridge"}
    assert {example.case_id for example in stored.read(ws, judged.entry).test} == {
        e.case_id for e in held
    } - seen

    rules: list[bool] = []
    monkeypatch.setattr(hearing, "asked_of", lambda *_, by_text: rules.append(by_text) or ({}, []))
    before = {name: said for name, said in judged.entry.body.items() if name not in lineage.BY_TEXT}
    for body in (judged.entry.body, before):
        stored.read(ws, replace(judged.entry, body=body))
    assert rules == [True, False], "an evaluation of before is counted again as it was"
    trained = ws.ledger.find("Trained", new)
    assert trained and lineage.told_by_text(trained.body)


WORDS = [digest(n)[:6] for n in range(40)]
YEARS = SplitSettings(by="time", test_years=(2022,))
TEXT, SIMILAR, OTHER = (
    " ".join(WORDS),
    " ".join([*WORDS, "again"]),
    " ".join(digest([n, "other"])[:6] for n in range(40)),
)


def judges(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    *batches: Sequence[Case],
    by_text: bool = True,
    nullified: Sequence[str] = (),
) -> list[str]:
    """Who of the test split of the last of datasets judges a run that was trained on the first one.

    The last one takes the cases back that are `nullified`.
    """
    store = LocalStore(root)
    built: list[datasets.DatasetInfo] = []
    for number, cases in enumerate(batches):
        said = [Annotation(c.case_id, "seriousness", {"serious": True, "criteria": []}, "ann") for c in cases]
        base = built[-1].digest if built else None
        gone = nullified if number + 1 == len(batches) else ()
        batch = make_batch(str(number), "x", cases, said, nullified=gone)
        built.append(
            datasets.build(store, batches=[batch], meddra_version=None, base=base, split=YEARS, seed=1)
        )
    trained = datasets.load(store, built[0].digest).cases
    learned = trained.loc[trained["split"] == "train", "case_id"].tolist()
    asked = Specification("seriousness", "encoder", {}, built[0].digest, seed=1)
    body = {
        "specification": put_blob(store, asked.to_json()),
        "consumed": put_blob(store, canonical(learned)),
    }
    monkeypatch.setattr(lineage, "runs", lambda *_: [SimpleNamespace(key=body["specification"], body=body)])
    last = datasets.load(store, built[-1].digest)
    test = PROBLEMS["seriousness"].examples(last.cases, last.labels)["test"]
    assert learned and test
    place: Any = SimpleNamespace(store=store)
    kept = lineage.unseen(place, built[-1].digest, test, [body["specification"]], by_text=by_text)
    return [example.case_id for example in kept]


def test_a_case_that_was_set_aside_since_it_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [Case("a", TEXT, received="2019-01-01")]
    second = [Case("b", SIMILAR, received="2022-01-01"), Case("c", OTHER, received="2022-01-01")]
    assert judges(tmp_path, monkeypatch, first, second) == ["c"]
    assert judges(tmp_path, monkeypatch, first, second, by_text=False) == ["b", "c"]


def test_a_text_that_a_follow_up_replaced_since_it_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [Case("a", TEXT, received="2019-01-01"), Case("d", story(1, 0), received="2019-01-01")]
    follow_up = [Case("a", OTHER, received="2019-01-01")]
    third = [Case("b", SIMILAR, received="2022-01-01"), Case("c", story(2, 0), received="2022-01-01")]
    assert judges(tmp_path, monkeypatch, first, follow_up, third) == ["c"]
    assert judges(tmp_path, monkeypatch, first, follow_up, third, by_text=False) == ["b", "c"]
    described = [Case(c.case_id, f"Drug 1: {c.case_id}\n\nDrug 2: x", received="2019-01-01") for c in first]
    assert judges(tmp_path, monkeypatch, described, follow_up, third) == ["b", "c"]


def test_a_case_that_was_taken_back_since_it_was_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [Case("a", TEXT, received="2019-01-01")]
    second = [Case("b", SIMILAR, received="2022-01-01"), Case("c", OTHER, received="2022-01-01")]
    assert judges(tmp_path, monkeypatch, first, second, nullified=["a"]) == ["c"]


def test_a_run_that_was_not_trained_is_not_taken_for_an_innocent_one(tmp_path: Path, tiny_base: Path) -> None:
    with pytest.raises(NotFound, match="was not trained"):
        lineage.consumed(found_town(tmp_path, tiny_base).workspace, "0" * 64)


@pytest.mark.parametrize("of_a_case", [1, 3])
def test_what_a_bound_cut_off_is_learned_by_the_next_update(
    tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch, of_a_case: int
) -> None:
    """Whether a case has one row or, as in coding, several of which a bound may leave some out."""
    ws = found_town(tmp_path, tiny_base, ["seriousness"]).workspace
    recipe = ws.root / "recipes" / "seriousness.yaml"
    said = yaml.safe_load(recipe.read_text())
    recipe.write_text(yaml.safe_dump({**said, "training": {**said["training"], "max_rows": 8}}))
    dataset = build(ws, "first", [Case(f"c{n:02d}", story(n, 0)) for n in range(30)])
    read = data.examples

    def examples(*asked: Any) -> Any:
        """The rows, as if so many in turn were of one case."""
        found = read(*asked)
        train = [replace(row, case_id=f"c{n // of_a_case:02d}") for n, row in enumerate(found["train"])]
        return {**found, "train": train}

    monkeypatch.setattr(data, "examples", examples)
    monkeypatch.setattr(
        data, "refuse_leakage", lambda *_: None
    )  # the rows are not of the cases that they say
    rows = data.examples(ws, "seriousness", dataset)["train"]
    versions: dict[str, Any] = {}

    def as_champion(*_: Any) -> Any:
        return versions[max(versions)] if versions else None

    for module in (candidate, lineage):
        monkeypatch.setattr(module, "resolve", lambda store, ledger, name: versions[name])
    monkeypatch.setattr(candidate, "champion_of", as_champion)
    for update in range(-(-len(rows) // 8)):
        specification = candidate.specify(ws, "seriousness", dataset)
        assert specification
        body, name = candidate.train(ws, specification), str(update)
        new = min(8, len(rows) - 8 * update)
        assert (body["new_rows"], body["replayed"]) == (new, -(-new // 2) if update else 0)
        trained = [row for row in rows if lineage.trained_on(ws, specification)(row)]
        assert len(trained) == min(len(rows), 8 * (update + 1))
        # Whose words are weighed counts as consumed, and is still to be learned by the network.
        assert lineage.consumed(ws, specification) == {row.case_id for row in rows}
        asked = candidate.load_specification(ws, specification)
        told = targeting.asked_tune(ws, asked, body["files"])  # what its failures and phases say
        assert told.size == sum(told.learned.values()) == len(trained)
        adapter, made = {"files": body["files"]}, {"specification": specification, "dataset": dataset}
        versions[name] = SimpleNamespace(digest=name, manifest=SimpleNamespace(**made, adapter=adapter))
    assert candidate.specify(ws, "seriousness", dataset) is None, "all was learned"
    bounded = versions["0"]
    assert len(candidate.fresh_rows(ws, "seriousness", rows, bounded)) == len(rows) - 8
    # A start from the base would cut off the same rows again; a run of before did not say what it read.
    assert candidate.fresh_rows(ws, "seriousness", rows, bounded, continued=False) == []
    monkeypatch.setattr(ws.ledger, "find", lambda *_: None)
    assert candidate.fresh_rows(ws, "seriousness", rows, bounded) == []
