"""The circle of phases: one a version, the next cases as a work list that comes back, what its batch closed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pvcore.advice import failures
from pvcore.annotations import batch as batches
from pvcore.annotations import label_studio
from pvcore.cli import app
from pvcore.cycle import (
    asking,
    building,
    candidate,
    claims,
    dictionaries,
    judging,
    mending,
    phase_pages,
    phases,
    registration,
)
from pvcore.cycle.targeting import Chosen
from pvcore.errors import ConfigError, NotFound
from pvcore.records import Annotation, Case, Prediction
from pvcore.registry.blobs import get_blob
from pvcore.registry.names import resolve

pytestmark = pytest.mark.long


def unlabelled(own: Any, count: int) -> None:
    """A batch of cases of which nobody said anything is admitted and taken into a dataset."""
    from pvcore.annotations.generate import generate_cases

    ws = own.workspace
    dictionary = dictionaries.load_dictionary(ws, "90.1")
    cases, _ = generate_cases(dictionary, n=count, seed=5, prefix="silent", year=2025)
    path = own.town.arrivals / "silent.json"
    label_studio.write(cases, [], path)
    own.town.drop("annotations", path)
    own.admit()
    building.build_dataset(ws, "90.1", [])


def answered(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tasks as an annotator fills them in who agrees with every prediction."""
    return [
        {"id": n, "data": task["data"], "annotations": [
            {"id": n, "completed_by": {"email": "a@example.org"}, "result": task["predictions"][0]["result"]}
        ]}
        for n, task in enumerate(tasks, 1)
    ]  # fmt: skip


def test_a_phase_asks_and_the_next_version_says_what_its_batch_closed(
    own: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = own.workspace
    # 24 tune rows prove no mode: here any slice of five rows counts as one.
    monkeypatch.setattr(failures, "MINIMUM", 5)
    monkeypatch.setattr(failures, "LEVEL", 1.0)
    unlabelled(own, 40)
    first = phases.phase(ws, "seriousness", size=15)
    assert first.body["name"] == "seriousness@2" and first.body["asked"] == 15 and not first.body["stopped"]
    assert phases.phase(ws, "seriousness", size=15).digest == first.digest  # twice is once
    assert [e.body["number"] for e in own.town.entries("Phase")] == [1]

    # The work list lies in the store and is written on demand; it asks of training cases without a label only.
    root, file = str(ws.root), tmp_path / "next.json"
    done = CliRunner().invoke(
        app, ["phases", "seriousness", "--tasks", str(file), "--out", str(tmp_path / "p.svg"), "-w", root]
    )
    assert done.exit_code == 0, done.output
    assert ws.store.get("worklists/seriousness/001.json") == file.read_bytes()
    assert (tmp_path / "p.svg").read_text().count("<svg") == 1
    tasks = json.loads(file.read_text())
    asked = {task["data"]["case_id"] for task in tasks}
    from pvcore.annotations.dataset import load

    cases = load(ws.store, own.town.entries("DatasetBuilt")[-1].key).cases.set_index("case_id")
    assert set(cases.loc[sorted(asked), "split"]) == {"train"} and all(
        name.startswith("silent") for name in asked
    )
    assert all(task["predictions"][0]["model_version"] == "seriousness@2" for task in tasks)

    # Filled in it comes back through the inbox; the next version's dossier says what became of the modes.
    back = own.town.arrivals / "back.json"
    back.write_text(json.dumps(answered(tasks)))
    own.town.drop("annotations", back)
    own.admit()
    built = building.build_dataset(ws, "90.1", [])
    specification = candidate.specify(ws, "seriousness", built.digest)
    candidate.train(ws, specification)
    name = registration.register(ws, specification, judging.evaluate(ws, specification))
    version = resolve(ws.store, ws.ledger, name)
    page = get_blob(ws.store, version.manifest.dossier).decode()
    modes = mending.modes_of(ws, first)
    assert "What became of the failure modes before" in page and "asked for 15 annotations" in page
    told = page[page.index("What became of the failure modes before") :]
    assert modes and told.count("<td>yes</td>") + told.count("<td>no</td>") == len(modes)
    assert claims.dossier(ws, version) == "the same bytes, written again"
    before = get_blob(ws.store, resolve(ws.store, ws.ledger, "seriousness@2").manifest.dossier).decode()
    assert "What became of the failure modes before" not in before

    # The next phase asks for none of those again, and stops where the target is reached.
    assert phases.next_of(ws, "seriousness", name) == {
        "problem": "seriousness",
        "target": 0.0,
        "size": 15,
        "how": "mixed",
    }
    second = phases.phase(ws, "seriousness", target=0.01, size=15)
    assert second.body["stopped"].startswith("the target of 0.01 is reached") and second.body["file"] is None
    assert second.body["rows"] > first.body["rows"] and second.body["left"] < first.body["left"]
    assert phases.next_of(ws, "seriousness", "seriousness@4") is None
    rows = phase_pages.table(phase_pages.as_json(ws, "seriousness"))
    assert [row["phase"] for row in rows] == [1, 2] and f"of {len(modes)}" in rows[1]["closed"]
    refused = CliRunner().invoke(app, ["phases", "seriousness", "--tasks", str(file), "-w", root])
    assert refused.exit_code != 0 and "There is no work list" in str(refused.exception)


def test_without_cases_to_ask_about_it_stops_with_the_reason(own: Any) -> None:
    done = CliRunner().invoke(app, ["phases", "seriousness", "-w", str(own.workspace.root)])
    assert done.exit_code != 0 and "no phase of seriousness was run" in str(done.exception)
    entry = phases.phase(own.workspace, "seriousness")
    assert entry.body["stopped"] == "no case without a label is left to ask about" and not entry.body["asked"]
    assert phases.phase(own.workspace, "seriousness").digest == entry.digest
    unlabelled(own, 20)  # what stopped goes on where there is something new to ask about
    again = phases.phase(own.workspace, "seriousness", size=5)
    assert (again.body["number"], again.body["asked"], again.body["stopped"]) == (2, 5, "")
    with pytest.raises(ConfigError, match="no way to choose"):
        phases.way("gut feeling")
    with pytest.raises(NotFound):
        phases.phase(own.workspace, "triage")


def chosen(problem: str, said: str) -> Chosen:
    case = Case("A-1", "He took aspirin. A rash came up.", "VAERS")
    return Chosen(f"{problem}@1", (case,), (Prediction(f"A-1#{problem}", said, 0.8),), {"A-1": "why"}, 0)


@pytest.mark.parametrize(
    ("problem", "said", "value"),
    [("triage", "urgent", {"class": "urgent"}), ("ddi", "interaction", {"interaction": True})],
)
def test_a_table_asks_where_label_studio_has_no_form(
    problem: str, said: str, value: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"is written as \.csv"):
        asking.write(chosen(problem, said), problem, tmp_path / "x.json")
    path = tmp_path / "x.csv"
    asking.write(chosen(problem, said), problem, path)
    assert batches.read(path).annotations == ()  # nobody signed
    with path.open() as file:
        (row,) = csv.DictReader(file)
    with path.open("w") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row | {"annotator": "a@example.org"})
    (back,) = batches.read(path).annotations
    assert (back.problem, back.value) == (problem, value)


def test_spans_are_pre_annotated_and_come_back(tmp_path: Path) -> None:
    spans = [{"start": 8, "end": 15, "label": "Drug"}, {"start": 19, "end": 23, "label": "Reaction"}]
    path = tmp_path / "x.json"
    config = asking.write(
        chosen("extraction", json.dumps({"relations": [[0, 1]], "spans": spans})), "extraction", path
    )
    assert config and 'name="spans"' in config.read_text() and 'name="llt"' not in config.read_text()
    (task,) = json.loads(path.read_text())
    marked = [result["value"]["text"] for result in task["predictions"][0]["result"]]
    assert marked == ["aspirin", "rash"]
    drawn = answered([task])
    drawn[0]["annotations"][0]["result"].append({"type": "relation", "from_id": "a", "to_id": "b"})
    path.write_text(json.dumps(drawn))
    found = batches.read(path)
    assert found.annotations == (Annotation("A-1", "extraction", {"spans": spans}, "a@example.org"),)
    assert found.dropped == {"relation": 1}


def test_pts_are_asked_for_as_codings(tmp_path: Path) -> None:
    asking.write(chosen("pts", "90000001"), "pts", tmp_path / "x.json")
    (task,) = json.loads((tmp_path / "x.json").read_text())
    assert task["predictions"] == [] and task["data"]["reason"] == "why; PTs: 90000001"


def test_words_of_narratives_are_shown_only_where_the_policy_lets_texts_out() -> None:
    told = {"phase": 1, "modes": [{"mode": "like: smith, rash"}, {"mode": "negation"}]}
    assert [row["mode"] for row in mending.shown(told, 0)["modes"]] == [mending.ALIKE, "negation"]
    assert mending.shown(told, 80) == told
