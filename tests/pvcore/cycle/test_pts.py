"""Sets of PTs through two updates: labels from the codings of a case, carried to the PTs of a new release."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from expectations import validate_training_set
from pvcore.annotations import dataset as stored
from pvcore.cycle import candidate, data, judging, scoring
from pvcore.meddra.generate import Size, generate
from pvcore.registry.blobs import get_blob
from pvcore.registry.names import resolve

PT_CHANGES = ("demotions", "name_changes", "promotions", "llts_moved")


@dataclass(frozen=True)
class Moved:
    """A workspace with two champions of pts, and the releases that they answer in."""

    told: Any
    old: Any
    new: Any
    first: str
    second: str
    changed: dict[str, set[str]]

    def labels(self, dataset: str) -> dict[str, str]:
        """Case -> its set of PTs, of every split."""
        found = data.examples(self.told.workspace, "pts", dataset)
        return {e.case_id: e.label for rows in found.values() for e in rows}


@pytest.fixture(scope="module")
def moved(tiny_base: Path, town_module: Any, telling: Any, tmp_path_factory: pytest.TempPathFactory) -> Moved:
    """The first batch is coded to terms that the second release changes, half of it."""
    told = telling(town_module.found_town(tmp_path_factory.mktemp("pts"), tiny_base, ("pts",)))
    town = told.town
    town.arrivals.mkdir(parents=True)
    old = generate(town.arrivals, version="90.0", seed=1, size=Size.small())
    new = generate(town.arrivals, version="90.1", seed=1, size=Size.small(), previous=old.dictionary)
    table = new.changes
    changed = {kind: set(table.query("kind == @kind")["code"]) for kind in PT_CHANGES}
    town.drop("meddra", old.archive)
    favoured = sorted(set.union(*changed.values()))
    for file in town_module.write_batch(
        town.arrivals, old.dictionary, name="first", n=220, seed=1, terms=favoured
    ):
        town.drop("annotations", file, "90.0" if file.suffix == ".json" else None)
    told.admit()
    first = told.update()
    town.drop("meddra", new.archive)
    fresh = sorted(set(table.query("kind == 'new_pts'")["code"]))
    for file in town_module.write_batch(
        town.arrivals, new.dictionary, name="second", n=90, seed=2, terms=fresh
    ):
        town.drop("annotations", file, "90.1" if file.suffix == ".json" else None)
    told.admit()
    return Moved(told, old.dictionary, new.dictionary, first, told.update(), changed)


def codings(moved: Moved, dataset: str) -> dict[str, dict[str, str]]:
    """Case -> verbatim -> LLT, as the dataset's labels say."""
    labels = stored.load(moved.told.workspace.store, dataset).labels
    found: dict[str, dict[str, str]] = {}
    for row in labels[labels["problem"] == "coding"].itertuples():
        found.setdefault(row.case_id, {})[row.target] = json.loads(row.value)["llt_code"]
    return found


def test_a_label_follows_its_terms_to_the_pts_of_the_new_release(moved: Moved) -> None:
    before, after = moved.labels(moved.first), moved.labels(moved.second)
    said = codings(moved, moved.first)
    both = sorted(before.keys() & after.keys())
    for case in both:
        assert before[case] == " ".join(sorted({moved.old.pt_of(code) for code in said[case].values()}))
        assert after[case] == " ".join(sorted({moved.new.pt_of(code) for code in said[case].values()}))
    recoded = {case for case in both if before[case] != after[case]}
    for kind in ("demotions", "promotions", "llts_moved"):
        coded = {case for case in both if set(said[case].values()) & moved.changed[kind]}
        assert coded & recoded, kind
    gone = moved.changed["demotions"] & set(moved.old.tables["pt"]["pt_code"])
    assert gone and not gone & {code for label in after.values() for code in label.split()}
    renamed = {case for case in both if set(said[case].values()) & moved.changed["name_changes"]}
    assert renamed - recoded, "another name, the same code"


def test_only_cases_with_every_reaction_coded_are_learned_from(moved: Moved) -> None:
    cases = stored.load(moved.told.workspace.store, moved.second).cases
    said, labels = codings(moved, moved.second), moved.labels(moved.second)
    verbatims = {
        row.case_id: {reaction["verbatim"] for reaction in json.loads(row.reactions)}
        for row in cases.itertuples()
    }
    whole = {case for case, texts in verbatims.items() if texts <= said.get(case, {}).keys()}
    assert labels.keys() == whole < set(verbatims)


def test_the_update_goes_on_from_the_champion_with_the_new_terms(moved: Moved) -> None:
    ws = moved.told.workspace
    champion = resolve(ws.store, ws.ledger, "pts@champion")
    asked = candidate.load_specification(ws, champion.manifest.specification)
    assert champion.name == "pts@2" and asked.parent == resolve(ws.store, ws.ledger, "pts@1").digest
    assert asked.dictionary == moved.new.digest
    terms = data.terms(ws, asked)
    assert terms is not None
    assert (
        set(terms["llt_code"])
        == set(moved.new.tables["pt"]["pt_code"])
        != set(moved.old.tables["pt"]["pt_code"])
    )
    trained = candidate.train(ws, champion.manifest.specification)
    before, after = moved.labels(moved.first), moved.labels(moved.second)
    changed = {case for case in before if after.get(case, before[case]) != before[case]}
    assert trained["replayed"] and changed & set(json.loads(get_blob(ws.store, trained["consumed"])))
    new = [
        e.case_id
        for e in candidate.fresh_rows(
            ws,
            "pts",
            data.examples(ws, "pts", moved.second)["train"],
            resolve(ws.store, ws.ledger, "pts@1"),
        )
    ]
    assert set(new) & changed and trained["new_rows"] == len(new)


def test_it_is_judged_beside_the_champion_and_tfidf(moved: Moved) -> None:
    ws = moved.told.workspace
    entry = moved.told.town.entries("Evaluated")[-1]
    judged = judging.evaluation(ws, entry.key)
    assert judged.report.references == ("champion", "TF-IDF")
    assert {"micro_f1", "macro_f1", "precision_at_5"} <= set(judged.report.overall.results)
    assert {"negation", "several_reactions", "new_terms", "unseen_terms"} <= set(judged.report.slices)
    assert judged.report.overall.results["micro_f1"].against["TF-IDF"].reference.value is not None
    page = get_blob(ws.store, resolve(ws.store, ws.ledger, "pts@2").manifest.dossier).decode()
    assert "precision at 5" in page.replace("_", " ")


def test_its_training_set_is_checked_against_the_dictionary(moved: Moved) -> None:
    cases, labels, examples, dictionary = data.training_set(moved.told.workspace, "pts", moved.second)
    validate_training_set(cases, labels, examples, problem="pts", dictionary=dictionary).require()
    found = validate_training_set(cases, labels, examples, problem="pts", dictionary=moved.old)
    unknown = [fault for fault in found.failures if "has no PT" in fault.what]
    assert unknown and all("MedDRA 90.0" in fault.what for fault in unknown)


def test_new_cases_are_answered_in_the_release_that_is_adopted(moved: Moved, tmp_path: Path) -> None:
    from pvcore.annotations import table
    from pvcore.annotations.generate import generate_cases

    unseen, _ = generate_cases(moved.new, n=5, seed=9, prefix="NEW", year=2025, brief=True)
    table.write(unseen, [], tmp_path / "new.csv")
    answers = scoring.score_cases(
        moved.told.workspace, "pts@champion", scoring.read_cases(tmp_path / "new.csv")
    )
    assert [a["example_id"] for a in answers] == [f"{case.case_id}#pts" for case in unseen]
    assert {a["dictionary"] for a in answers} == {"90.1"}
    known = set(moved.new.tables["pt"]["pt_code"])
    assert {code for a in answers for code, _ in a["ranked"]} <= known
    assert all(check["name"] != "wording" for a in answers for check in a["guardrails"])
