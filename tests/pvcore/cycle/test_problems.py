"""Triage and drug pairs through the cycle: batch in, dataset, training, decision, promotion, reference sets."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from expectations import validate_batch
from pvcore.annotations import pair_files, table
from pvcore.annotations.generate_pairs import generate_pairs
from pvcore.annotations.generate_triage import generate_triage
from pvcore.config import open_workspace
from pvcore.cycle import (
    admission,
    approval,
    building,
    candidate,
    consistency,
    data,
    inbox,
    judging,
    registration,
)
from pvcore.cycle.external import external
from pvcore.errors import ConfigError, InputError
from pvcore.evaluation.external import MEAN, WEIGHTED
from pvcore.meddra.generate import Size, generate

SIGNER = "demo.physician@example.org"


def admit(workspace: Any) -> list[str]:
    """What a watcher does; the kinds of what came of it."""
    kinds = []
    for found in inbox.look(workspace, "annotations"):
        try:
            batch = inbox.read_batch(workspace, found)
            checked = validate_batch(batch)
            checked.require()
            kinds.append(admission.admit_batch(workspace, found, batch, checked.to_json()).kind)
        except InputError as error:
            kinds.append(admission.quarantine(workspace, found, error).kind)
    return kinds


def promoted(town: Any, problem: str) -> tuple[str, str]:
    """From what waits in the workspace to a champion; (specification, evaluation)."""
    ws = town.workspace
    built = building.build_dataset(ws, None, [])
    assert built
    specification = candidate.specify(ws, problem, built.digest)
    assert specification
    key = judging.evaluate(ws, specification)
    request = approval.request(ws, registration.register(ws, specification, key), "promote")
    said = {"decision": "approve", "name": SIGNER, "reason": "as tested"}
    signature = approval.sign(ws, request, **said, key=town.key)
    approval.decide(ws, request, signature=signature, **said)
    return specification, key


@pytest.fixture(scope="module")
def triage(tiny_base: Path, town_module: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A town whose triage champion learned from 250 reports of two annotators."""
    town = town_module.found_town(tmp_path_factory.mktemp("triage"), tiny_base, ("triage",))
    dictionary = generate(town.arrivals, version="90.0", seed=1, size=Size.small()).dictionary
    cases, said = generate_triage(dictionary, n=250, seed=1, prefix="T")
    for who in ("annotator-a", "annotator-b"):
        table.write(cases, [a for a in said if a.annotator == who], town.arrivals / f"{who}.csv")
        town.drop("annotations", town.arrivals / f"{who}.csv")
    assert admit(town.workspace) == ["BatchAdmitted"] * 2
    town.told = promoted(town, "triage")
    return town


def test_three_classes_are_learned_judged_and_promoted(triage: Any) -> None:
    ws, (specification, key) = triage.workspace, triage.told
    judged = judging.evaluation(ws, key).report
    assert set(judged.overall.labels) == {"non-expedited", "expedited 15 days", "expedited 7 days"}
    assert {"under_triage", "over_triage", "cost", "weighted_kappa"} <= set(judged.overall.results)
    assert judged.references == ("TF-IDF",) and "paediatric" in judged.slices
    # the word list beats chance, so it did get the classes right way round
    assert judged.overall.results["weighted_kappa"].against["TF-IDF"].reference.value > 0.2
    assert ws.ledger.state().champion("triage")
    assert candidate.load_specification(ws, specification).settings["table"]


def test_annotators_who_disagree_on_a_fact_make_no_label(triage: Any) -> None:
    (built,) = [e.body for e in triage.workspace.ledger.entries() if e.kind == "DatasetBuilt"]
    (kappa,) = built["kappa"].items()
    assert kappa[0] == "triage: annotator-a and annotator-b" and kappa[1][1] == 250 and 0.8 < kappa[1][0] < 1


def test_another_table_is_another_specification_with_other_labels(triage: Any, tmp_path: Path) -> None:
    ws, (specification, _) = triage.workspace, triage.told
    dataset = candidate.load_specification(ws, specification).dataset
    before = data.examples(ws, "triage", dataset)["train"]
    recipe = ws.root / "recipes" / "triage.yaml"
    text = recipe.read_text()
    changed = yaml.safe_load(text)
    changed["table"] = [{"serious": True, "class": "expedited 15 days"}, {"class": "non-expedited"}]
    try:
        recipe.write_text(yaml.safe_dump(changed))
        now = open_workspace(ws.root)
        after = data.examples(now, "triage", dataset)["train"]
        assert {e.label for e in after} == {"expedited 15 days", "non-expedited"} < {e.label for e in before}
        # rows whose label changed are new to the champion, whose own labels are still those of its own table
        assert candidate.specify(now, "triage", dataset) not in (None, specification)
        asked = candidate.load_specification(now, specification)
        assert data.examples(now, "triage", dataset, asked.settings)["train"] == before
        assert candidate.specify(now, "triage", dataset, scratch=True) != specification
    finally:
        recipe.write_text(text)
    assert candidate.specify(open_workspace(ws.root), "triage", dataset) is None


def test_doubtful_labels_of_three_classes(triage: Any) -> None:
    found = consistency.doubtful(triage.workspace, "triage")
    assert len({row["given"] for row in found}) == 3


def test_a_value_that_says_nothing_is_refused_at_the_door(triage: Any) -> None:
    rows = (
        "case_id,narrative,annotator,problem,value\n"
        'X-1,She had a rash on the second day.,jane,triage,"{""class"": ""soon""}"\n'
        'X-2,She had a rash on the third day.,jane,ddi,"{""interaction"": true}"\n'
    )
    file = triage.arrivals / "wrong.csv"
    file.write_text(rows)
    triage.drop("annotations", file)
    assert admit(triage.workspace) == ["Quarantined"]
    body = triage.entries("Quarantined")[-1].body
    report = json.loads(triage.workspace.store.get(body["report"]))
    said = {fault["where"]: fault["what"] for fault in report["faults"]}
    assert "class 'soon'" in said["case X-1, triage by jane"]
    assert "does not describe two drugs" in said["case X-2, ddi by jane"]


def test_a_problem_without_labels_trains_nothing(triage: Any) -> None:
    ws = triage.workspace
    (ws.root / "recipes" / "seriousness.yaml").write_text(
        (ws.root / "recipes" / "triage.yaml").read_text().replace("problem: triage", "problem: seriousness")
        .partition("table:")[0]
    )  # fmt: skip
    try:
        dataset = triage.entries("DatasetBuilt")[-1].body["dataset"]
        assert candidate.specify(open_workspace(ws.root), "seriousness", dataset) is None
    finally:
        (ws.root / "recipes" / "seriousness.yaml").unlink()


@pytest.fixture(scope="module")
def pairs(tiny_base: Path, town_module: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A town whose ddi champion learned from pairs of 60 drugs, of which a part is held out."""
    town = town_module.found_town(tmp_path_factory.mktemp("pairs"), tiny_base, ("ddi",))
    settings = town.workspace.root / "pv.yaml"
    settings.write_text(settings.read_text() + "split: {by: drug, test: 0.4, tune: 0.2}\n")
    town = dataclasses.replace(town, workspace=open_workspace(town.workspace.root))
    town.arrivals.mkdir(parents=True)
    cases, said = generate_pairs(n=900, seed=1, drugs=60)
    pair_files.write(cases, said, town.arrivals / "pairs.csv")
    town.drop("annotations", town.arrivals / "pairs.csv")
    assert admit(town.workspace) == ["BatchAdmitted"]
    town.told = promoted(town, "ddi")
    return town


def test_drugs_are_held_out_and_popularity_stands_beside_the_model(pairs: Any) -> None:
    report = judging.evaluation(pairs.workspace, pairs.told[1]).report
    assert report.references == ("TF-IDF", "popularity")
    assert "both_drugs_unseen" not in report.slices  # every pair is one: the overall numbers say it
    results = report.overall.results
    assert results["recall"].against["popularity"].reference.value == 0.0  # it has never heard of these drugs
    precision = results["precision"].candidate.value, results["precision_at_2pc"].candidate.value
    assert precision[0] is None or precision[1] < precision[0]


def test_reference_sets_are_reported_with_both_averages(pairs: Any, tmp_path: Path) -> None:
    for number, (n, drugs) in enumerate(((40, 60), (200, 90))):
        pair_files.write(*generate_pairs(n=n, seed=5 + number, drugs=drugs), tmp_path / f"set-{number}.csv")
    rows = external(pairs.workspace, "ddi@champion", tmp_path)
    names = ["set-0", "set-1", MEAN, WEIGHTED]
    assert [(row["answered by"], row["set"]) for row in rows] == [
        (who, name) for who in ("ddi@1", "popularity") for name in names
    ]
    by = {(row["answered by"], row["set"]): row for row in rows}
    known = by["popularity", "set-0"]
    assert (known["pairs"], known["positives"]) == (40, 16)
    assert by["popularity", "set-1"]["drugs unseen"] > known["drugs unseen"] > 0
    mean = (known["accuracy"] + by["popularity", "set-1"]["accuracy"]) / 2
    assert by["popularity", MEAN]["accuracy"] == pytest.approx(mean)


def test_reference_sets_are_for_pairs(triage: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="answers triage"):
        external(triage.workspace, "triage@champion", tmp_path)
