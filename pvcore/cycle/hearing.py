"""A candidate, its champion, anchor and baselines asked the same held-out cases, before anything is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pvcore.config import PolicyDocument, Workspace
from pvcore.cycle import behaviours, data, effects
from pvcore.cycle.baselines import Splits, baselines
from pvcore.cycle.candidate import load_specification, predict
from pvcore.cycle.groups import grouped
from pvcore.cycle.lineage import unseen
from pvcore.cycle.references import References, references_of
from pvcore.evaluation.behaviour import Behaviour, Reply
from pvcore.evaluation.gate import Policy
from pvcore.problems import PROBLEMS, Problem
from pvcore.records import Example, Prediction
from pvcore.registry.version import Version
from pvcore.training.specification import Specification

Replies = Sequence[Sequence[Reply]]


@dataclass(frozen=True)
class Questions:
    """The held-out cases `test` and the behaviour tests that are asked, and who is asked beside the candidate."""

    workspace: Workspace
    asked: Specification
    policy: PolicyDocument
    champion: Version | None
    beside: References
    examples: Splits
    test: list[Example]
    tests: list[Behaviour]
    terms: Any

    @property
    def problem(self) -> Problem:
        return PROBLEMS[self.asked.problem]

    def ask(self, files: Mapping[str, Any], base: Mapping[str, Any], within: Any = None) -> behaviours.Ask:
        """Asks an adapter on its base, about the terms of another dictionary if these are given."""
        terms = self.terms if within is None else within
        return lambda asked: predict(self.workspace, files, base, asked, terms, self.policy.guardrails)

    def ask_version(self, version: Version, within: Any = None) -> behaviours.Ask:
        """Asks a registered version."""
        trained = load_specification(self.workspace, version.manifest.specification)
        return self.ask(version.manifest.adapter["files"], trained.settings["base"], within)


@dataclass(frozen=True)
class Answers:
    """What the candidate said, and the others by the name that a report gives them; why somebody said nothing.

    `old` is what the champion was asked again in its own release, and what it said (`effects.asked_again`).
    """

    candidate: list[Prediction]
    replied: Replies
    others: Mapping[str, list[Prediction]]
    unavailable: Mapping[str, str] = field(default_factory=dict)
    champion_replied: Replies | None = None
    old: tuple[list[Example], list[Prediction]] = ([], [])


def questions_to(
    workspace: Workspace, asked: Specification, policy: PolicyDocument, champion: Version | None
) -> Questions:
    """The cases and tests that a candidate is judged by, beside whom."""
    terms = data.terms(workspace, asked)
    beside = references_of(workspace, workspace.ledger.state(), asked.problem, policy.gate, champion)
    examples, test = asked_of(workspace, asked, beside.specifications, policy.gate)
    tests = behaviours.suite(workspace, asked.problem, terms)
    return Questions(workspace, asked, policy, champion, beside, examples, test, tests, terms)


def asked_of(
    workspace: Workspace,
    asked: Specification,
    beside: Sequence[str],
    policy: Policy,
    *,
    by_text: bool = True,
) -> tuple[Splits, list[Example]]:
    """All examples of a candidate's dataset, and those it is judged by, in their groups.

    These are held out, and none of the candidate and the specifications `beside` it has learned from their like
    (`by_text` as in `lineage.unseen`).
    """
    examples = data.examples(workspace, asked.problem, asked.dataset, asked.settings)
    held = examples.get("test", [])
    test = unseen(workspace, asked.dataset, held, [asked.digest, *beside], by_text=by_text)
    return examples, grouped(workspace, asked.problem, asked.dataset, test, policy)


def hear(questions: Questions, files: Mapping[str, Any]) -> Answers:
    """Ask everybody: the candidate whose adapter has these files, champion and anchor, and the baselines.

    The behaviour tests are put to candidate and champion, since the gate compares these two by them.
    """
    replies: dict[str, Replies] = {}

    def put(ask: behaviours.Ask) -> tuple[list[Prediction], Replies]:
        return behaviours.put(questions.problem, questions.tests, questions.test, ask)

    def answer(version: Version) -> list[Prediction]:
        ask = questions.ask_version(version)
        if questions.champion is None or version.digest != questions.champion.digest:
            return ask(questions.test)
        given, replies[version.digest] = put(ask)
        return given

    candidate, replied = put(questions.ask(files, questions.asked.settings["base"]))
    others, unavailable = questions.beside.answered(answer)
    others |= baselines(questions.problem, {**questions.examples, "test": questions.test}, questions.terms)
    if questions.champion is None:
        return Answers(candidate, replied, others, unavailable)
    old = _asked_again(questions, questions.champion)
    return Answers(candidate, replied, others, unavailable, replies[questions.champion.digest], old)


def _asked_again(questions: Questions, champion: Version) -> tuple[list[Example], list[Prediction]]:
    trained = load_specification(questions.workspace, champion.manifest.specification)
    test = effects.asked_again(questions.workspace, questions.asked, trained, questions.test)
    if not test:
        return [], []  # and no release is read for it
    within = data.terms(questions.workspace, trained)
    return test, questions.ask_version(champion, within)(test)
