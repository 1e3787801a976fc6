"""A new dictionary's effect on the champion, told apart from what the candidate does, for one evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pvcore.config import Workspace
from pvcore.cycle import data, dictionaries
from pvcore.evaluation.compare import frame
from pvcore.evaluation.effects import Release, told_apart
from pvcore.evaluation.policy import Policy
from pvcore.evaluation.report import EDITION, Effects
from pvcore.problems import PROBLEMS
from pvcore.records import Example, Prediction
from pvcore.training.specification import Specification

if TYPE_CHECKING:
    import pandas as pd


def asked_again(
    workspace: Workspace, asked: Specification, champion: Specification, test: Sequence[Example]
) -> list[Example]:
    """What the champion is asked a second time, with the terms of its own release; [] where there is nothing to tell.

    Of the held-out examples `test` those that the dataset held out that the champion was trained on, with their labels
    as they were: nothing is mapped back, for a mapping is no inverse (several old terms may lead to one new term).
    """
    if PROBLEMS[asked.problem].terms is None or champion.dictionary == asked.dictionary:
        return []
    shared = {example.example_id for example in test}
    return [example for example in _held_out(workspace, champion) if example.example_id in shared]


def of_dictionary(
    workspace: Workspace,
    asked: Specification,
    champion: Specification,
    candidate: pd.DataFrame,
    before: pd.DataFrame,
    again: tuple[Sequence[Example], Sequence[Prediction]],
    policy: Policy,
    edition: int = EDITION,
) -> Effects:
    """Both effects between the champion's release and the candidate's.

    `candidate` and `before` are the frames of candidate and champion in the new release, without cases that
    either learned from; `again` is what the champion was `asked_again`, and what it answered.
    Raises GateError for answers to other examples.
    """
    old, new = (data.dataset_entry(workspace, s.dataset).body["version"] for s in (champion, asked))
    problem = PROBLEMS[asked.problem]
    if problem.terms is None:
        words = (
            f"Labels of {problem.name} do not depend on the dictionary: what changed is the model's doing."
        )
        return Effects(old, new, words)
    if champion.dictionary == asked.dictionary:
        return Effects(old, new, "The dictionary is the champion's: what changed is the model's doing.")
    held, now = ({example.example_id for example in _held_out(workspace, s)} for s in (champion, asked))
    releases = [dictionaries.by_digest(workspace, s.dictionary) for s in (champion, asked)]
    metrics = problem.metrics_for(releases[1])
    rules = policy.problems.get(asked.problem)
    named = {*rules.non_inferiority, *rules.floors} if rules else set()
    return told_apart(
        Release(str(old), problem.metrics_for(releases[0])),
        Release(str(new), metrics),
        frame(*again),
        before,
        candidate,
        # In the metrics' order, not in the policy's, which its stored form does not keep.
        headline=[name for name in metrics if name in named] or list(problem.metrics),
        confidence=policy.evaluation.confidence,
        resamples=policy.evaluation.resamples,
        seed=asked.seed,
        only_old=len(held - now),
        edition=edition,
    )


def _held_out(workspace: Workspace, made: Specification) -> list[Example]:
    return data.examples(workspace, made.problem, made.dataset, made.settings).get("test", [])
