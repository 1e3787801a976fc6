"""Learning curves of the user's own data: nested samples of several sizes, trained, and scored on the tune split.

The tune split, never the test split: a curve is looked at again and again while data is collected, and what is
looked at cannot judge a candidate any more. A size's rows are a part of the next size's with the same seed (but for
a row a stratum, where shares are rounded).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pvcore.config import Workspace
from pvcore.cycle import data, dictionaries, samples
from pvcore.cycle.baselines import baselines
from pvcore.cycle.samples import Planned
from pvcore.evaluation.compare import frame
from pvcore.evaluation.curve import LEAST as LEAST_SIZES
from pvcore.evaluation.metrics import recall
from pvcore.problems import PROBLEMS, Problem
from pvcore.problems import problem as known_problem
from pvcore.records import Example, digest
from pvcore.training.mixture import sample
from pvcore.training.specification import Specification

POINT = "CurvePoint"
SIZES, SEEDS, LEAST = 5, 3, 50
"""Sizes and repetitions by default, and the smallest size of those."""
OF_A_LABEL = 10
"""Tune rows of a label below which it has no curve of its own."""
RECALL = "recall of "
"""In front of a label: the metric that its own curve is drawn by."""


def plan(
    workspace: Workspace, problem: str, *, sizes: Sequence[int] = (), seeds: int = SEEDS, dataset: str = ""
) -> list[Planned]:
    """The runs of a curve; nothing is trained yet. Sizes by default: all rows, half of them, a quarter ...

    `dataset` is a digest, the latest one if empty. Raises NotFound, GateError where the data does not carry a curve.
    """
    known_problem(problem)
    dataset = dataset or samples.latest(workspace)
    recipe = workspace.recipe(problem)
    examples = data.examples(workspace, problem, dataset)
    rows = len(examples.get("train", []))
    chosen = sorted({*sizes} or {rows >> n for n in range(SIZES) if rows >> n >= LEAST})
    samples.refuse(f"no learning curve of {problem}", chosen, examples, least=LEAST_SIZES)
    runs = [(size, recipe.seed + number) for size in chosen for number in range(seeds)]
    return [
        Planned(size, seed, samples.specified(workspace, recipe, dataset, size=size, seed=seed))
        for size, seed in runs
    ]


def measure(workspace: Workspace, specification: str) -> dict[str, float]:
    """Metric -> score on the tune split of what a planned run trained; recorded once, with the word list's beside it.

    Raises NotFound for a specification that was not trained.
    """
    known = workspace.ledger.find(POINT, specification)
    if known:
        return dict(known.body["scores"])
    asked, trained, answered = samples.answers(workspace, specification)
    problem = PROBLEMS[asked.problem]
    examples = data.examples(workspace, asked.problem, asked.dataset, asked.settings)
    tune, terms = examples["tune"], data.terms(workspace, asked)
    metrics = problem.metrics_for(dictionaries.by_digest(workspace, asked.dictionary))
    mine = frame(tune, answered, problem.judged)
    name, words = next(
        iter(baselines(problem, {"train": _learned(asked, examples), "test": tune}, terms).items())
    )
    theirs = frame(tune, words, problem.judged)
    metrics |= {RECALL + name: recall(name, RECALL + name) for name in _classes(problem, tune)}
    scores = {name: metric(mine) for name, metric in metrics.items()}
    beside = {name: metric(theirs) for name, metric in metrics.items()}
    body = {
        "specification": specification,
        "problem": asked.problem,
        "dataset": asked.dataset,
        "size": asked.settings["training"]["max_rows"],
        "seed": asked.seed,
        "curve": _series(asked),
        "scores": _defined(scores),
        "baseline": name,
        "baseline_scores": _defined(beside),
        "seconds": trained["seconds"],
    }
    entry = workspace.ledger.append(POINT, body, actor="curve", key=specification)
    return dict(entry.body["scores"])


def _classes(problem: Problem, tune: Sequence[Example]) -> list[str]:
    """The classes with tune rows enough for a recall of their own; () for a problem without classes."""
    counts = Counter(row.label for row in tune)
    classes = problem.labels if problem.kind == "classification" else ()
    return [name for name in classes if counts[name] >= OF_A_LABEL]


def _learned(asked: Specification, examples: Any) -> list[Example]:
    """The rows that a planned run learned from."""
    kept = asked.settings["mixture"]["keep"]
    return sample(examples["train"], asked.settings["training"]["max_rows"], asked.seed, kept)


def _series(asked: Specification) -> str:
    """What the runs of one curve have in common: all but size and seed."""
    settings = {**asked.settings, "training": {**asked.settings["training"], "max_rows": None}}
    return digest([asked.problem, asked.family, settings, asked.dataset, asked.code])


def _defined(scores: dict[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in scores.items() if value == value}
