"""A version on reference sets of drug pairs that a user has, beside what the drugs' popularity alone makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from pvcore.annotations.agreement import consensus
from pvcore.annotations.batch import Batch
from pvcore.annotations.merge import row_of
from pvcore.annotations.pair_sets import read_sets
from pvcore.annotations.pairs import DDI
from pvcore.config import Workspace
from pvcore.cycle import candidate, data
from pvcore.cycle.scoring import trusted
from pvcore.errors import ConfigError
from pvcore.evaluation.compare import frame
from pvcore.evaluation.external import summary
from pvcore.problems import PROBLEMS
from pvcore.problems.ddi import drugs
from pvcore.records import Example, canonical

METRICS = ("recall", "specificity", "accuracy", "precision", "precision_at_2pc", "roc_auc")


def external(workspace: Workspace, name: str, folder: Path) -> list[dict[str, Any]]:
    """Rows as `summary` gives them, for the version and for each baseline of the problem.

    `answered by` names whose answers a row is about; `drugs unseen` is the share of a set's drugs in no pair
    that the version learnt from: only there does a set say something of new drugs. Raises ConfigError for a
    version of another problem, NotFound, BatchError.
    """
    version = trusted(workspace, name)
    if version.problem != DDI:
        raise ConfigError(
            f"{version.name} answers {version.problem}, and the sets are pairs of drugs: name a {DDI}@..."
        )
    asked = candidate.load_specification(workspace, version.manifest.specification)
    train = data.examples(workspace, DDI, asked.dataset, asked.settings)["train"]
    problem, sets = PROBLEMS[DDI], {title: examples(batch) for title, batch in read_sets(folder).items()}
    every = [example for found in sets.values() for example in found]
    # A pair may stand in several sets: it is asked once, and counts in each.
    distinct = list({example.example_id: example for example in every}.values())
    policy = workspace.policy(workspace.recipe(DDI).policy)
    files, base = version.manifest.adapter["files"], asked.settings["base"]
    answers = {version.name: candidate.predict(workspace, files, base, distinct, None, policy.guardrails)}
    answers |= {title: made(train, distinct) for title, made in problem.baselines.items()}
    metrics = {metric: problem.metrics[metric] for metric in METRICS}
    seen = {drug for example in train for drug in drugs(example)}
    rows = []
    for who, given in answers.items():
        by_id = {answer.example_id: answer for answer in given}
        frames = {t: frame(found, [by_id[e.example_id] for e in found]) for t, found in sets.items()}
        for row in summary(frames, metrics, str(problem.positive)):
            unseen = _unseen(sets.get(row["set"], every), seen)
            rows.append({"answered by": who, **row, "drugs unseen": unseen})
    return rows


def examples(batch: Batch) -> list[Example]:
    """The labelled pairs of a set; where its annotators disagree there is no label, as in a dataset."""
    cases = pd.DataFrame([{**row_of(c), "cluster": c.case_id, "split": "test"} for c in batch.cases])
    agreed = consensus(batch.annotations).resolved
    labels = pd.DataFrame(
        [(x.case_id, x.problem, x.target, canonical(dict(x.value)).decode()) for x in agreed],
        columns=["case_id", "problem", "target", "value"],
    )
    return PROBLEMS[DDI].examples(cases, labels)["test"]


def _unseen(found: list[Example], seen: set[str]) -> float:
    there = {drug for example in found for drug in drugs(example)}
    return sum(drug not in seen for drug in there) / max(len(there), 1)
