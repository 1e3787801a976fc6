"""retrain without a problem: what is a run of its own, what is the same run, and what is told of failures."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows import retrain as flow
from pvcore.annotations import table
from pvcore.config import init_workspace, open_workspace
from pvcore.cycle import admission, building, inbox
from pvcore.cycle import candidate as candidates
from pvcore.errors import InputError
from pvcore.records import Annotation, Case
from pvcore.registry.state import State

DATASET = "d" * 64


class Ended:
    """How a task ended, as Prefect returns it."""

    def __init__(self, failed: str = "") -> None:
        self.failed, self.message = failed, failed or "Completed"

    def is_completed(self) -> bool:
        return not self.failed

    def result(self) -> str:
        return self.message


class Started(dict[str, dict[str, Any]]):
    """Runs by the key that they were started under: a key that is there finds its run."""

    failing: dict[str, str]

    def once(self, deployment: str, parameters: dict[str, Any], *, key: str) -> str:
        assert deployment == "retrain/retrain"
        self.setdefault(key, parameters)
        return str(parameters["problem"])

    def wait_for(self, run: str, return_state: bool = False) -> Ended:
        assert return_state, "the first failure would end the waiting"
        return Ended(self.failing.get(run, ""))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with two recipes, which flows find through PV_WORKSPACE."""
    init_workspace(tmp_path)
    for file in (tmp_path / "recipes").glob("*.yaml"):
        if file.stem not in ("seriousness", "coding", "policy"):
            file.unlink()
    monkeypatch.setenv("PV_WORKSPACE", str(tmp_path))
    return tmp_path


@pytest.fixture
def started(root: Path, monkeypatch: pytest.MonkeyPatch) -> Started:
    """What `retrain_all` starts, with its tasks called as they are."""
    runs = Started()
    runs.failing = {}
    monkeypatch.setattr(flow.runs, "start_once", runs.once)
    monkeypatch.setattr(flow.runs, "wait_for", runs.wait_for)
    monkeypatch.setattr(flow.data, "problems", flow.data.problems.fn)
    monkeypatch.setattr(flow.candidate, "retraining", flow.candidate.retraining.fn)
    monkeypatch.setattr(flow.inbox, "bound_retries", lambda: None)
    return runs


def test_what_is_asked_twice_is_started_once(started: Started) -> None:
    lines = flow.retrain_all(DATASET)
    assert lines == flow.retrain_all(DATASET) == ["coding: Completed", "seriousness: Completed"]
    assert [run["problem"] for run in started.values()] == ["coding", "seriousness"]


def test_another_recipe_start_program_or_champion_is_another_run(
    root: Path, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.retrain_all(DATASET)
    file = root / "recipes" / "coding.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "seed": 18}))
    flow.retrain_all(DATASET)
    assert [run["problem"] for run in started.values()] == ["coding", "seriousness", "coding"]
    flow.retrain.fn(dataset=DATASET, scratch=True)
    assert [run["scratch"] for run in started.values()] == [False] * 3 + [True] * 2
    monkeypatch.setattr(candidates, "code_digest", lambda: "another program")
    flow.retrain_all(DATASET)
    assert len(started) == 7
    monkeypatch.setattr(State, "champion", lambda state, problem: "rolled back")
    flow.retrain_all(DATASET)
    assert len(started) == 9


def test_a_failure_hides_no_other(started: Started) -> None:
    started.failing = {"coding": "no memory", "seriousness": "leaked"}
    state: Any = flow.retrain_all(DATASET)
    assert state.is_failed() and state.message == "coding: no memory; seriousness: leaked"
    del started.failing["seriousness"]
    state = flow.retrain_all(DATASET)
    assert state.is_failed() and state.message == "coding: no memory; seriousness: Completed"


def test_too_few_labels_of_one_problem_stop_no_other(
    root: Path, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = _built(root)
    monkeypatch.setattr(flow.data, "adopted_version", lambda: None)
    monkeypatch.setattr(flow.data, "build_dataset", lambda version, mappings: dataset)
    assert flow.retrain.fn() == [f"{problem}: Completed" for problem in ("seriousness", "triage")]
    monkeypatch.setattr("tasks.data.show", lambda *page: None)
    flow.data.validate_for.fn("seriousness", dataset)
    monkeypatch.setattr(flow.data, "validate_for", flow.data.validate_for.fn)
    monkeypatch.setattr(flow.candidate, "specify", flow.candidate.specify.fn)
    with pytest.raises(InputError, match="training set of triage"):
        flow.retrain.fn("triage", dataset)


def _built(root: Path) -> str:
    """A dataset of sixty labels of seriousness and three of triage, for which there is a recipe now."""
    (root / "recipes" / "coding.yaml").unlink()
    shipped = resources.files("pvcore.recipes") / "triage.yaml"
    (root / "recipes" / "triage.yaml").write_text(shipped.read_text("utf-8"))
    words = ("rash", "fever", "cough", "itch", "thirst", "nausea")
    cases = [Case(f"US-{n}", f"{words[n % 6]} on day {n}, with {words[n * 7 % 5]}.") for n in range(60)]
    said = [
        Annotation(c.case_id, "seriousness", {"serious": n % 2 == 0}, "jane") for n, c in enumerate(cases)
    ]
    said += [Annotation(c.case_id, "triage", {"class": "non-expedited"}, "jane") for c in cases[:3]]
    table.write(cases, said, root / "first.csv")
    workspace = open_workspace(root, settle_seconds=0.0)
    inbox.put(workspace, "annotations", [root / "first.csv"])
    (found,) = inbox.look(workspace, "annotations")
    admission.admit_batch(workspace, found, inbox.read_batch(workspace, found), b"{}")
    built = building.build_dataset(workspace, None, [])
    assert built
    return built.digest
