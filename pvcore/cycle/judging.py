"""What a candidate is worth: measured beside the champion and a baseline, decided by the policy's gate."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pvcore.config import PolicyDocument, Workspace
from pvcore.cycle import behaviours, data, effects, learned, mending
from pvcore.cycle.baselines import Splits, baselines
from pvcore.cycle.candidate import champion_of, load_specification, predict, train
from pvcore.cycle.groups import grouped
from pvcore.cycle.lineage import unseen
from pvcore.cycle.predictions import lines
from pvcore.cycle.program import program_digest
from pvcore.cycle.references import references_of
from pvcore.cycle.spending import cases_blob, spending
from pvcore.dossier.intended import intended_text
from pvcore.errors import NotFound
from pvcore.evaluation import reliability
from pvcore.evaluation.compare import changed_answers, frame
from pvcore.evaluation.compare import evaluate as measure
from pvcore.evaluation.comparing import CHAMPION
from pvcore.evaluation.gate import Decision, Policy, decide
from pvcore.evaluation.report import Report
from pvcore.problems import PROBLEMS
from pvcore.records import Example, Prediction, canonical, digest
from pvcore.registry.ledger import Entry, State
from pvcore.registry.manifest import Version, resolve
from pvcore.registry.store import get_blob, put_blob
from pvcore.training.specification import Specification


def evaluate(workspace: Workspace, specification: str) -> str:
    """Judge what a specification trained against the champion on the same held-out cases; returns the key.

    Both are held against the same labels in the same dictionary, so that a change of the dictionary
    is not taken for one of the model, without cases that either has learned from (`lineage`), and under the
    same guardrails; so is the anchor that the policy names. All are put the behaviour tests. Recorded once a
    candidate, policy, champion and tests, and each record spends a use of the held-out cases (`spending`).
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
    problem, terms = PROBLEMS[asked.problem], data.terms(workspace, asked)
    beside = references_of(workspace, asked.problem, policy.gate, champion)
    examples, test = asked_of(workspace, asked, beside.specifications, policy.gate)
    tests = behaviours.suite(workspace, asked.problem, terms)
    replies: dict[str, Any] = {}

    def ask(files: Mapping[str, Any], base: Mapping[str, Any], within: Any = terms) -> behaviours.Ask:
        return lambda questions: predict(workspace, files, base, questions, within, policy.guardrails)

    def ask_version(version: Version, within: Any = terms) -> behaviours.Ask:
        theirs = load_specification(workspace, version.manifest.specification)
        return ask(version.manifest.adapter["files"], theirs.settings["base"], within)

    def answers_of(version: Version) -> list[Prediction]:
        given, replies[version.digest] = behaviours.put(problem, tests, test, ask_version(version))
        return given

    answered, replied = behaviours.put(problem, tests, test, ask(trained["files"], asked.settings["base"]))
    others, unavailable = beside.answered(answers_of)
    others |= baselines(problem, {**examples, "test": test}, terms)
    candidate = frame(test, answered, problem.judged)
    theirs = frame(test, others[CHAMPION], problem.judged) if champion else None
    apart = None
    if champion and theirs is not None:
        trained_by = load_specification(workspace, champion.manifest.specification)
        asking = partial(ask_version, champion)
        apart = effects.of_dictionary(workspace, asked, trained_by, candidate, theirs, policy.gate, asking)
    champion_replied = replies[champion.digest] if champion else None
    measured = dataclasses.replace(
        reported(workspace, asked, test, answered, others, policy.gate),
        unavailable=unavailable,
        behaviour=behaviours.judged(problem, tests, replied, champion_replied, tested),
        effects=apart,
    )

    mended = mending.record(workspace, asked, trained["files"])

    def record(state: State) -> dict[str, Any]:
        # Counted as the entry is written: of two evaluations at once, the later one knows of the other.
        report = spent(workspace, measured, state, test, policy.gate)
        decision = decide(report, policy.gate, first=champion is None)
        return {
            "specification": specification,
            "problem": asked.problem,
            "adapter": trained["adapter"],
            "champion": champion.digest if champion else None,
            "outcome": decision.outcome,
            "reasons": list(decision.reasons),
            "held_out": report.held_out,
            "cases": cases_blob(workspace.store, test),
            "uses": report.uses,
            "allowed": policy.gate.evaluation.maximum_uses,
            "seen": len(examples.get("test", [])) - len(test),
            "report": put_blob(workspace.store, canonical(report.to_json())),
            "decision": put_blob(workspace.store, canonical(decision.to_json())),
            "policy": put_blob(workspace.store, canonical(dict(policy.raw))),
            "predictions": put_blob(workspace.store, lines(answered)),
            # Whoever verifies the report later needs everything that it was made of, and by what.
            "references": {name: version.digest for name, version in beside.versions.items()},
            "answers": {name: put_blob(workspace.store, lines(found)) for name, found in others.items()},
            "program": program_digest(),
            "behaviour": tested,
            "replies": put_blob(
                workspace.store, lines([r.prediction for row in replied for r in row if r.prediction])
            ),
            "tests": put_blob(
                workspace.store, behaviours.kept(workspace, asked.problem, replied, champion_replied)
            ),
            "loaded": policy.loaded.required,
            "intended": put_blob(workspace.store, intended_text(workspace.root, asked.problem)),
            "changed": put_blob(
                workspace.store, canonical(changed_answers(candidate, theirs, positive=problem.positive))
            ),
            **learned.record(workspace, asked.problem, policy, state.entries),
            **mended,
        }

    workspace.ledger.append("Evaluated", record, actor="evaluate", key=key)
    return key


def asked_of(
    workspace: Workspace, asked: Specification, beside: Sequence[str], policy: Policy
) -> tuple[Splits, list[Example]]:
    """All examples of a candidate's dataset, and those it is judged by, in their groups.

    These are held out, and none of the candidate and the specifications `beside` it has learned from their like.
    """
    examples = data.examples(workspace, asked.problem, asked.dataset, asked.settings)
    test = unseen(workspace, asked.dataset, examples.get("test", []), [asked.digest, *beside])
    return examples, grouped(workspace, asked.problem, asked.dataset, test, policy)


def reported(
    workspace: Workspace,
    asked: Specification,
    test: Sequence[Example],
    answered: Sequence[Prediction],
    others: Mapping[str, Sequence[Prediction]],
    policy: Policy,
) -> Report:
    """The numbers of a candidate's answers, beside those of champion, anchor and baselines by name."""
    problem = PROBLEMS[asked.problem]
    # In the order of their names, which is how the ledger keeps them.
    frames = {name: frame(test, others[name], problem.judged) for name in sorted(others)}
    dictionary = data.dictionary_by_digest(workspace, asked.dictionary)
    return measure(
        asked.problem,
        {**problem.metrics_for(dictionary), **reliability.METRICS},
        frame(test, answered, problem.judged),
        frames.pop(CHAMPION, None),
        policy,
        asked.seed,
        baselines=frames,
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
