"""What a candidate is worth: measured beside the champion and a baseline, decided by the policy's gate."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pvcore.config import PolicyDocument, Workspace
from pvcore.cycle import behaviours, dictionaries, effects, learned, mending
from pvcore.cycle.candidate import champion_of, load_specification, train
from pvcore.cycle.hearing import Answers, Questions, hear, questions_to
from pvcore.cycle.lineage import BY_TEXT
from pvcore.cycle.predictions import lines
from pvcore.cycle.program import program_digest
from pvcore.cycle.spending import cases_blob, spending
from pvcore.dossier.intended import intended_text
from pvcore.errors import NotFound
from pvcore.evaluation import reliability
from pvcore.evaluation.compare import changed_answers, frame
from pvcore.evaluation.compare import evaluate as measure
from pvcore.evaluation.comparing import CHAMPION
from pvcore.evaluation.gate import Decision, Policy, decide
from pvcore.evaluation.report import EDITION, Report
from pvcore.problems import PROBLEMS
from pvcore.records import Example, Prediction, canonical, digest
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.ledger import Entry, State
from pvcore.registry.names import resolve
from pvcore.registry.version import Version
from pvcore.training.specification import Specification

Frames = tuple[Any, Any]
"""Evaluation frames of candidate and champion (None before the first promotion)."""


def evaluate(workspace: Workspace, specification: str) -> str:
    """Judge what a specification trained against the champion on the same held-out cases; returns the key.

    Both are held against the same labels in the same dictionary, so that a change of the dictionary
    is not taken for one of the model, without cases that either has learned from (`lineage`), and under the
    same guardrails; so is the anchor that the policy names (`hearing`). Recorded once a candidate, policy, champion
    and tests, and each record spends a use of the held-out cases (`spending`).
    """
    asked = load_specification(workspace, specification)
    recipe = workspace.recipe(asked.problem)
    policy = workspace.policy(recipe.policy)
    champion = champion_of(workspace, asked.problem)
    if champion and champion.manifest.specification == specification:
        # Asked again after its own promotion: the record of that time stands.
        return str(evaluations(workspace, specification)[-1].key)
    tested = behaviours.digest_of(workspace, asked.problem)
    key = digest([specification, policy.digest, champion.digest if champion else None, tested])
    if workspace.ledger.find("Evaluated", key):
        return key
    trained = train(workspace, specification)
    questions = questions_to(workspace, asked, policy, champion)
    answers = hear(questions, trained["files"])
    frames = _frames(questions, answers)
    measured = _measured(questions, answers, frames, tested)
    fixed = {
        "specification": specification,
        "problem": asked.problem,
        "adapter": trained["adapter"],
        "champion": champion.digest if champion else None,
        "behaviour": tested,
        **_kept(questions, answers, frames),
        **mending.record(workspace, asked, trained["files"]),
    }

    def record(state: State) -> dict[str, Any]:
        # Counted as the entry is written: of two evaluations at once, the later one knows of the other.
        report = spent(workspace, measured, state, questions.test, policy.gate)
        decision = decide(report, policy.gate, first=champion is None)
        return {
            **fixed,
            "outcome": decision.outcome,
            "reasons": list(decision.reasons),
            "held_out": report.held_out,
            "uses": report.uses,
            "report": put_blob(workspace.store, canonical(report.to_json())),
            "decision": put_blob(workspace.store, canonical(decision.to_json())),
            **learned.record(workspace, asked.problem, policy, state.entries),
        }

    workspace.ledger.append("Evaluated", record, actor="evaluate", key=key)
    return key


def _measured(questions: Questions, answers: Answers, frames: Frames, tested: str) -> Report:
    """The report on these answers, but for what the ledger knows of the cases' uses."""
    workspace, asked, policy = questions.workspace, questions.asked, questions.policy.gate
    effect = None
    if questions.champion:
        candidate, theirs = frames
        assert theirs is not None
        trained = load_specification(workspace, questions.champion.manifest.specification)
        effect = effects.of_dictionary(workspace, asked, trained, candidate, theirs, answers.old, policy)
    return dataclasses.replace(
        reported(workspace, asked, questions.test, answers.candidate, answers.others, policy),
        unavailable=answers.unavailable,
        behaviour=behaviours.judged(
            questions.problem, questions.tests, answers.replied, answers.champion_replied, tested
        ),
        effects=effect,
    )


def _frames(questions: Questions, answers: Answers) -> Frames:
    problem, test = questions.problem, questions.test
    theirs = frame(test, answers.others[CHAMPION], problem.judged) if questions.champion else None
    return frame(test, answers.candidate, problem.judged), theirs


def _kept(questions: Questions, answers: Answers, frames: Frames) -> dict[str, Any]:
    """What whoever verifies the report later needs: everything that it was made of, and by what."""
    workspace, policy, test = questions.workspace, questions.policy, questions.test
    problem, store = questions.problem, questions.workspace.store
    replied = [r.prediction for row in answers.replied for r in row if r.prediction]
    changed = changed_answers(*frames, positive=problem.positive)
    tests = behaviours.kept(workspace, problem.name, answers.replied, answers.champion_replied)
    return {
        "cases": cases_blob(store, test),
        "seen": len(questions.examples.get("test", [])) - len(test),
        **BY_TEXT,
        "allowed": policy.gate.evaluation.maximum_uses,
        "policy": put_blob(store, canonical(dict(policy.raw))),
        "loaded": policy.loaded.required,
        "predictions": put_blob(store, lines(answers.candidate)),
        "references": {name: version.digest for name, version in questions.beside.versions.items()},
        "answers": {name: put_blob(store, lines(found)) for name, found in answers.others.items()},
        "old_answers": put_blob(store, lines(answers.old[1])) if answers.old[0] else None,
        "replies": put_blob(store, lines(replied)),
        "tests": put_blob(store, tests),
        "changed": put_blob(store, canonical(changed)),
        "intended": put_blob(store, intended_text(workspace.root, problem.name)),
        "program": program_digest(),
    }


def reported(
    workspace: Workspace,
    asked: Specification,
    test: Sequence[Example],
    answered: Sequence[Prediction],
    others: Mapping[str, Sequence[Prediction]],
    policy: Policy,
    edition: int = EDITION,
) -> Report:
    """The numbers of a candidate's answers, beside those of champion, anchor and baselines by name."""
    problem = PROBLEMS[asked.problem]
    # In the order of their names, which is how the ledger keeps them.
    frames = {name: frame(test, others[name], problem.judged) for name in sorted(others)}
    dictionary = dictionaries.by_digest(workspace, asked.dictionary)
    return measure(
        asked.problem,
        {**problem.metrics_for(dictionary), **reliability.METRICS},
        frame(test, answered, problem.judged),
        frames.pop(CHAMPION, None),
        policy,
        asked.seed,
        baselines=frames,
        edition=edition,
    )


def spent(
    workspace: Workspace, report: Report, state: State, test: Sequence[Example], policy: Policy
) -> Report:
    """The report with what the held-out cases had decided by a state of the ledger, this time included."""
    allowed = policy.evaluation.maximum_uses
    found = spending(workspace.store, state, report.problem, test, allowed)
    return dataclasses.replace(report, uses=found.uses, fresh=found.fresh)


def evaluations(workspace: Workspace, specification: str) -> list[Entry]:
    """The Evaluated entries of a specification, oldest first."""
    return [
        entry
        for entry in workspace.ledger.entries()
        if entry.kind == "Evaluated" and entry.body["specification"] == specification
    ]


def stored_policy(workspace: Workspace, name: str) -> PolicyDocument:
    """The policy of this digest, as it was when it judged. Raises NotFound."""
    return workspace.policy(name, stored=json.loads(get_blob(workspace.store, name)))


@dataclass(frozen=True)
class Evaluation:
    """A recorded evaluation, read back."""

    entry: Entry
    report: Report
    decision: Decision


def evaluation(workspace: Workspace, key: str) -> Evaluation:
    """A recorded evaluation by its key. Raises NotFound."""
    entry = workspace.ledger.find("Evaluated", key)
    if entry is None:
        raise NotFound(f"the ledger has no evaluation {key}")
    report = Report.from_json(json.loads(get_blob(workspace.store, entry.body["report"])))
    decision = Decision.from_json(json.loads(get_blob(workspace.store, entry.body["decision"])))
    return Evaluation(entry, report, decision)


def latest_evaluation(workspace: Workspace, version: Version) -> Evaluation:
    """What the gate said last of a version: it is judged again when the champion or the policy changes."""
    return evaluation(workspace, evaluations(workspace, version.manifest.specification)[-1].key)


def stale(workspace: Workspace, version: str) -> bool:
    """Whether a version was judged beside another champion, by another policy or other tests than there are today.

    A version that was champion is not judged again: it is rolled back to.
    """
    found = resolve(workspace.store, workspace.ledger, version)
    state, body = workspace.ledger.state(), latest_evaluation(workspace, found).entry.body
    if found.digest in {entry.body["version"] for entry in state.history(found.problem)}:
        return False
    policy = workspace.policy(workspace.recipe(found.problem).policy)
    tested = behaviours.digest_of(workspace, found.problem)
    now = (state.champion(found.problem), policy.digest, tested)
    return (body["champion"], body["policy"], body.get("behaviour", tested)) != now
