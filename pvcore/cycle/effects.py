"""A new dictionary's effect on the champion, told apart from what the candidate does, for one evaluation."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pvcore.config import Workspace
from pvcore.cycle import data
from pvcore.cycle.behaviours import Ask
from pvcore.evaluation.compare import frame
from pvcore.evaluation.effects import Release, told_apart
from pvcore.evaluation.policy import Policy
from pvcore.evaluation.report import Effects
from pvcore.problems import PROBLEMS
from pvcore.training.specification import Specification

if TYPE_CHECKING:
    import pandas as pd


def of_dictionary(
    workspace: Workspace,
    asked: Specification,
    champion: Specification,
    candidate: pd.DataFrame,
    before: pd.DataFrame,
    policy: Policy,
    asking: Callable[..., Ask],
) -> Effects:
    """Both effects between the champion's release and the candidate's.

    `candidate` and `before` are the frames of candidate and champion in the new release, without cases that
    either learned from; `asking(within=terms)` asks the champion with other terms. The old labels are those of the
    dataset that the champion was trained on, as they were: nothing is mapped back, for a mapping is no inverse
    (several old terms may lead to one new term).
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
    held = data.examples(workspace, asked.problem, champion.dataset, champion.settings).get("test", [])
    shared = set(before["example_id"])
    test = [example for example in held if example.example_id in shared]
    now = data.examples(workspace, asked.problem, asked.dataset, asked.settings).get("test", [])
    gone = {example.example_id for example in held} - {example.example_id for example in now}
    releases = [data.dictionary_by_digest(workspace, s.dictionary) for s in (champion, asked)]
    terms = data.terms_of(asked.problem, releases[0])
    rules = policy.problems.get(asked.problem)
    named = dict.fromkeys([*rules.non_inferiority, *rules.floors] if rules else ())
    return told_apart(
        Release(str(old), problem.metrics_for(releases[0])),
        Release(str(new), problem.metrics_for(releases[1])),
        frame(test, asking(within=terms)(test) if test else []),
        before,
        candidate,
        headline=[name for name in named if name in problem.metrics_for(releases[1])]
        or list(problem.metrics),
        confidence=policy.evaluation.confidence,
        resamples=policy.evaluation.resamples,
        seed=asked.seed,
        only_old=len(gone),
    )
