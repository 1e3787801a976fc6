"""What stands between an evaluation and a request: behaviour, the version loaded for real, the dictionary's effect."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pvcore.cli import app
from pvcore.config import open_workspace
from pvcore.cycle import (
    approval,
    behaviours,
    candidate,
    data,
    judging,
    loaded,
    receipts,
    recounted,
    registration,
)
from pvcore.errors import GateError, InputError, PvError, RegistryError
from pvcore.evaluation.report import Report
from pvcore.records import canonical
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.names import resolve

NAME = "seriousness@3"
ASKED = {"required": True, "cases": 2, "rounds": 3, "latency": 20.0}


def write_policy(root: Path, **sections: Any) -> None:
    file = root / "recipes" / "policy.yaml"
    value = yaml.safe_load(file.read_text())
    value["problems"]["seriousness"] |= {"behaviour": sections.pop("behaviour", {})}
    file.write_text(yaml.safe_dump({**value, **sections}))


def write_tests(own: Any, tests: Any) -> None:
    folder = own.workspace.root / "behaviour"
    folder.mkdir(exist_ok=True)
    (folder / "seriousness.yaml").write_text(yaml.safe_dump({"problem": "seriousness", "tests": tests}))


def again(own: Any) -> judging.Evaluation:
    """The candidate as today's policy and tests judge it."""
    specification = registration.specification_of(own.workspace, NAME)
    return judging.evaluation(own.workspace, judging.evaluate(own.workspace, specification))


def _copy(told: Any, root: Path) -> Any:
    shutil.copytree(told.workspace.root, root)
    return dataclasses.replace(told, town=dataclasses.replace(told.town, workspace=open_workspace(root)))


@pytest.fixture(scope="module")
def waiting(told: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The town with a third candidate of seriousness, which passed the gate of a policy that asks for the check."""
    own = _copy(told, tmp_path_factory.mktemp("waiting") / "town")
    ledger = own.workspace.root / ".pv" / "store" / "ledger"
    for entry in sorted(ledger.iterdir())[len(told.kinds) :]:
        entry.unlink()  # what other tests have added
    write_policy(own.workspace.root, loaded=ASKED)
    own = dataclasses.replace(
        own, town=dataclasses.replace(own.town, workspace=open_workspace(own.workspace.root))
    )
    dataset = own.town.entries("DatasetBuilt")[-1].key
    specification = candidate.specify(own.workspace, "seriousness", dataset, scratch=True)
    key = judging.evaluate(own.workspace, specification)
    assert registration.register(own.workspace, specification, key) == NAME
    assert judging.evaluation(own.workspace, key).decision.outcome == "pass"
    return own


@pytest.fixture
def own(waiting: Any, tmp_path: Path) -> Any:
    """That town in a copy that a test may change as it likes."""
    return _copy(waiting, tmp_path / "own")


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The process that `loaded` starts, played by this one: a real one costs seconds, and one test pays them."""
    started: list[str] = []
    real = subprocess.run

    def run(command: list[str], **options: Any) -> Any:
        if command[2] != "pvcore.cycle.loaded":
            return real(command, **options)
        started.append(command[4])
        try:
            loaded.main(*command[3:])
        except PvError as error:
            return SimpleNamespace(returncode=1, stderr=f"Traceback\n{type(error).__name__}: {error}")
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(loaded, "LEAST", 0.0)
    monkeypatch.setattr(loaded.subprocess, "run", run)
    return started


def test_the_shipped_tests_and_those_of_the_workspace_are_asked_and_decide(own: Any) -> None:
    assert not judging.stale(own.workspace, NAME)
    own_tests = {name: [{"text": name, "answered": True}] for name in ("pregnancy", "empty")}
    write_tests(own, own_tests)
    assert judging.stale(own.workspace, NAME), "another test: judged again before anybody is asked"
    rules = {"pregnancy": {"minimum": 1.0}, "empty": {"minimum": 1.0, "tests": 3}, "dose": {}}
    write_policy(own.workspace.root, behaviour=rules)
    evaluated = again(own)
    assert not judging.stale(own.workspace, NAME)
    found, decision = evaluated.report.behaviour, evaluated.decision
    assert "numbers from" in recounted.report(own.workspace, evaluated.entry)
    assert {"negation", "history", "rule_out", "misspelling", "drug_name", "units", "long"} <= set(
        found.kinds
    )
    assert found.kinds["empty"].tests == 3 == found.kinds["empty"].passed == found.kinds["empty"].champion
    assert found.kinds["negation"].p_worse is not None and found.kinds["negation"].failures
    assert {c.group: c.outcome for c in decision.checks if c.rule == "behaviour"} == {
        "pregnancy": "pass", "empty": "pass", "dose": "fail",
    }  # fmt: skip
    assert decision.outcome == "fail" and "behaviour dose: no such test was asked" in decision.reasons[0]
    with pytest.raises(GateError, match="the gate said fail"):
        approval.request(own.workspace, NAME, "promote")


def test_files_that_cannot_be_used_are_refused_on_the_command_line(own: Any) -> None:
    write_tests(own, {"negation": [{"text": "x", "answer": "maybe"}, {"text": "{y}", "answered": True}]})
    done = CliRunner().invoke(app, ["behaviour", "seriousness", "-w", str(own.workspace.root)])
    assert isinstance(done.exception, InputError) and len(done.exception.faults) == 2
    (own.workspace.root / "behaviour" / "seriosness.yaml").write_text("")
    with pytest.raises(InputError, match=r"seriosness.yaml: is of no problem"):
        behaviours.digest_of(own.workspace, "seriousness")


def test_the_command_line_puts_a_version_to_the_tests(told: Any) -> None:
    root = str(told.workspace.root)
    done = CliRunner().invoke(app, ["behaviour", "coding@2", "--json", "-w", root])
    kinds = json.loads(done.stdout)["kinds"]
    recorded = _report(told, "coding").behaviour.kinds
    assert {n: k["passed"] for n, k in kinds.items()} == {n: k.passed for n, k in recorded.items()}
    assert kinds["empty"]["passed"] == 2 and kinds["as_term"]["tests"] == 16
    listed = CliRunner().invoke(app, ["behaviour", "ddi", "--json", "-w", root])
    assert {"order", "empty"} <= {row["kind"] for row in json.loads(listed.stdout)}


def test_an_input_that_crashes_the_model_fails_its_test_alone(told: Any) -> None:
    from pvcore.evaluation.behaviour import Behaviour
    from pvcore.problems import PROBLEMS
    from pvcore.records import Prediction

    asked: list[int] = []

    def ask(questions: Any) -> list[Prediction]:
        asked.append(len(questions))
        if any("x" in q.text for q in questions):
            raise IndexError("no token")
        return [Prediction(q.example_id, "serious", 0.9) for q in questions]

    tests = [Behaviour(t, "long", "answered", (t,)) for t in ("a", "x", "b", "")]
    _, found = behaviours.put(PROBLEMS["seriousness"], tests, [], ask)
    assert [row[0].crash for row in found] == ["", "IndexError: no token", "", ""]
    assert asked == [4, 2, 1, 1, 2], "by halves"


def test_nobody_is_asked_before_a_fresh_process_has_answered(own: Any) -> None:
    """The real process, once: fetched, verified, the evaluation's answers twice, time beside the champion."""
    with pytest.raises(GateError, match=f"was not loaded for real .* pv loaded {NAME}"):
        approval.request(own.workspace, NAME, "promote")
    entry = loaded.check(own.workspace, NAME)
    assert entry and entry.body["outcome"] == "pass", entry and entry.body["reasons"]
    body = entry.body
    assert body["first"] == body["second"] and body["differ"] == 0 and body["answers"] == 6
    assert body["ratio"] > 0 < body["champion_milliseconds"] and body["measured"] == 1
    golden = json.loads(get_blob(own.workspace.store, body["golden"]))
    assert len(golden["cases"]) == 2 and len(golden["texts"]) == 4
    assert loaded.check(own.workspace, NAME) == entry, "once an evaluation"
    version = resolve(own.workspace.store, own.workspace.ledger, NAME)
    assert "pass, 6 golden answers" in receipts.loaded(own.workspace, version)
    assert approval.standing(own.workspace, NAME) == ""
    assert own.sign(approval.request(own.workspace, NAME, "promote")).switched
    # Who was champion comes back without one: nobody waits for a measurement in an emergency.
    assert own.sign(approval.request(own.workspace, "seriousness@previous", "rollback")).switched
    _forge_what_was_loaded(own.workspace, version, body, golden)


def _forge_what_was_loaded(ws: Any, version: Any, body: Any, golden: Any) -> None:
    name, answer = next(iter(golden["answers"].items()))
    other = {**golden, "answers": {**golden["answers"], name: {**answer, "score": 0.5}}}
    for change, why in (
        ({"first": "0" * 64}, "first bytes is"),
        ({"reasons": ["slow"]}, "reasons is"),
        ({"report": "0" * 64}, "by which it was not judged"),
        ({"golden": put_blob(ws.store, canonical(other))}, "golden answers is"),
    ):
        ws.ledger.append("Loaded", {**body, **change}, actor="x")
        with pytest.raises(RegistryError, match=why):
            receipts.loaded(ws, version)


def test_a_slow_version_is_measured_twice_and_refused(
    own: Any, in_this_process: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, clock = str(own.workspace.root), itertools.cycle([30.0, 1.0])  # a candidate's turn, a champion's
    monkeypatch.setattr(loaded, "_seconds", lambda ask, times: next(clock))
    done = CliRunner().invoke(app, ["loaded", NAME, "-w", root])
    assert isinstance(done.exception, GateError) and "as long as the champion, measured twice" in str(
        done.exception
    )
    (entry,) = own.town.entries("Loaded")
    assert entry.body["measured"] == 2 and entry.body["outcome"] == "fail"
    with pytest.raises(GateError, match=r"did not pass: takes 30.00 times .*the policy allows 20"):
        approval.request(own.workspace, NAME, "promote")
    assert approval.standing(own.workspace, NAME).startswith("loaded for real and failed: takes")
    CliRunner().invoke(app, ["loaded", NAME, "-w", root])
    assert len(in_this_process) == 1, "a failure stands until somebody asks again"


def test_a_failure_may_be_measured_again(
    own: Any, in_this_process: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, wrong = loaded._golden, []

    def altered(*arguments: Any) -> Any:
        golden = real(*arguments)
        wrong.append(golden["cases"][0].example_id)
        golden["answers"][wrong[0]] |= {"score": 0.123}
        return golden

    monkeypatch.setattr(loaded, "_golden", altered)
    monkeypatch.setattr(loaded, "_timed", lambda *_: {"ratio": 1.0})
    entry = loaded.check(own.workspace, NAME)
    assert entry and entry.body["reasons"] == [f"1 answers are not those of the evaluation ({wrong[0]})"]
    with pytest.raises(GateError, match="not those of the evaluation"):
        approval.request(own.workspace, NAME, "promote")
    monkeypatch.setattr(loaded, "_golden", real)
    done = CliRunner().invoke(app, ["loaded", NAME, "--again", "-w", str(own.workspace.root)])
    assert done.exit_code == 0 and [e.body["outcome"] for e in own.town.entries("Loaded")] == ["fail", "pass"]
    assert approval.request(own.workspace, NAME, "promote").version == NAME


def test_a_version_that_cannot_be_fetched_is_refused(own: Any, in_this_process: list[str]) -> None:
    version = resolve(own.workspace.store, own.workspace.ledger, NAME)
    blob = version.manifest.adapter["files"]["adapter_model.safetensors"]["sha256"]
    file = own.workspace.root / ".pv" / "store" / "blobs" / "sha256" / blob
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    entry = loaded.check(own.workspace, NAME)
    (reason,) = entry.body["reasons"] if entry else [""]
    assert "could not answer with it" in reason and blob[:12] in reason


def test_what_changed_since_the_evaluation_is_judged_again_first(
    own: Any, in_this_process: list[str]
) -> None:
    write_tests(own, {"dose": [{"text": "She took 5 mg.", "answered": True}]})
    with pytest.raises(GateError, match="Judge it again"):
        loaded.check(own.workspace, NAME)
    assert not in_this_process


def test_nothing_is_asked_where_the_policy_asks_nothing(told: Any) -> None:
    assert loaded.check(told.workspace, "seriousness@2") is None
    done = CliRunner().invoke(app, ["loaded", "seriousness@2", "-w", str(told.workspace.root)])
    assert "nothing is asked of seriousness@2" in str(done.exception)


def _report(told: Any, problem: str) -> Report:
    """The report of the second version of a problem."""
    (_, entry) = [e for e in told.town.entries("Evaluated") if e.body["problem"] == problem][:2]
    return judging.evaluation(told.workspace, entry.key).report


def test_an_update_tells_the_dictionary_from_the_model(told: Any) -> None:
    """The numbers again, by hand: the first champion asked in its own release, about the labels of that time."""
    from pvcore.evaluation.compare import frame
    from pvcore.problems import PROBLEMS

    ws = told.workspace
    found = _report(told, "coding").effects
    assert (found.old, found.new) == ("90.0", "90.1") and found.cases > 30 and found.only_new > 0
    first, second = (resolve(ws.store, ws.ledger, f"coding@{n}").manifest for n in (1, 2))
    old = candidate.load_specification(ws, first.specification)
    new = {e.example_id: e.label for e in data.examples(ws, "coding", second.dataset)["test"]}
    held = [e for e in data.examples(ws, "coding", first.dataset)["test"] if e.example_id in new]
    assert found.cases <= len(held)
    (effect,) = found.results
    assert effect.metric == "accuracy_at_5"
    if found.cases == len(held):
        terms = data.terms(ws, old)
        guardrails = ws.policy().guardrails
        said = candidate.predict(ws, first.adapter["files"], old.settings["base"], held, terms, guardrails)
        expected = PROBLEMS["coding"].metrics["accuracy_at_5"](frame(held, said))
        assert effect.champion_old.value == pytest.approx(expected)
        assert found.relabelled == sum(e.label != new[e.example_id] for e in held)
    total = effect.dictionary.value + effect.model.value
    assert total == pytest.approx(effect.candidate_new.value - effect.champion_old.value)
    assert effect.dictionary.low <= effect.dictionary.value <= effect.dictionary.high
    other = _report(told, "seriousness").effects
    assert other.results == () and "do not depend on the dictionary" in other.words
    assert judging.evaluation(ws, told.town.entries("Evaluated")[0].key).report.effects is None
