"""Learning curves of the user's own data: nested samples of several sizes, trained, and scored on the tune split.

The tune split, never the test split: a curve is looked at again and again while data is collected, and what is
looked at cannot judge a candidate any more. A size's rows are a part of the next size's with the same seed (but for
a row a stratum, where shares are rounded).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pvcore.config import Workspace
from pvcore.cycle import data, samples
from pvcore.cycle.baselines import baselines
from pvcore.cycle.samples import Planned
from pvcore.errors import GateError, NotFound
from pvcore.evaluation import curve as curves
from pvcore.evaluation.compare import frame
from pvcore.evaluation.curve import Curve, Point
from pvcore.evaluation.metrics import recall
from pvcore.problems import PROBLEMS, Problem
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
MORE = 500
"""Annotations that the gain is told of."""
WORTHWHILE = 0.005
"""A gain of MORE annotations below this is none."""


def plan(
    workspace: Workspace, problem: str, *, sizes: Sequence[int] = (), seeds: int = SEEDS, dataset: str = ""
) -> list[Planned]:
    """The runs of a curve; nothing is trained yet. Sizes by default: all rows, half of them, a quarter ...

    `dataset` is a digest, the latest one if empty. Raises GateError where the data does not carry a curve.
    """
    dataset = dataset or samples.latest(workspace)
    recipe = workspace.recipe(problem)
    examples = data.examples(workspace, problem, dataset)
    rows = len(examples.get("train", []))
    chosen = sorted({*sizes} or {rows >> n for n in range(SIZES) if rows >> n >= LEAST})
    samples.refuse(f"no learning curve of {problem}", chosen, examples, least=3)
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
    metrics = problem.metrics_for(data.dictionary_by_digest(workspace, asked.dictionary))
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


@dataclass(frozen=True)
class Learned:
    """A measured curve: of the recipe's model and of the word list, by one metric; `words` in sentences.

    `labels`: what MORE annotations bring to the recall of each class that has rows enough.
    """

    problem: str
    metric: str
    dataset: str
    curve: Curve
    baseline: str
    beside: tuple[Point, ...]
    words: tuple[str, ...]
    labels: Mapping[str, curves.Interval]

    def to_json(self) -> dict[str, Any]:
        """JSON values only, every estimate with its interval."""
        largest = self.curve.largest
        return {
            "problem": self.problem,
            "metric": self.metric,
            "dataset": self.dataset,
            "points": [[p.size, p.seed, p.score] for p in self.curve.points],
            "baseline": {"name": self.baseline, "points": [[p.size, p.seed, p.score] for p in self.beside]},
            "now": _interval(self.curve.mean_at(largest)),
            "gain": {"more": MORE, **_interval(self.curve.gain(largest, MORE))},
            "predicted": {str(size): _interval(self.curve.mean_at(size)) for size in readings(largest)},
            "flat": self.curve.flat(MORE, WORTHWHILE),
            "doubts": list(self.curve.doubts(largest + MORE)),
            "labels": {name: _interval(gain) for name, gain in self.labels.items()},
            "words": list(self.words),
        }


def _interval(value: curves.Interval) -> dict[str, float]:
    return {"value": value.value, "low": value.low, "high": value.high}


def readings(largest: int) -> tuple[int, ...]:
    """The sizes that a curve is read at: what was measured, MORE rows more, twice and four times."""
    return tuple(sorted({largest, largest + MORE, 2 * largest, 4 * largest}))


def learned(workspace: Workspace, problem: str, metric: str = "", target: float | None = None) -> Learned:
    """The newest curve that was measured of a problem. Raises NotFound; GateError for a metric it does not have.

    `metric` is the first that the policy asks for, if empty.
    """
    entries = [e for e in workspace.ledger.entries() if e.kind == POINT and e.body["problem"] == problem]
    if not entries:
        raise NotFound(f"no learning curve of {problem} was measured. Measure one: pv curve {problem}")
    rows = [e.body for e in entries if e.body["curve"] == entries[-1].body["curve"]]
    metric = metric or first_metric(workspace, problem)
    known = sorted(set.intersection(*(set(row["scores"]) for row in rows)))
    if metric not in known:
        raise GateError(f"the curve of {problem} has no {metric}. It has: {', '.join(known)}.")
    fitted = curves.fit(_points(rows, "scores", metric))
    largest = fitted.largest
    labels = {
        name.removeprefix(RECALL): curves.fit(_points(rows, "scores", name)).gain(largest, MORE)
        for name in known
        if name.startswith(RECALL)
    }
    return Learned(
        problem, metric, rows[-1]["dataset"], fitted, rows[-1]["baseline"],
        tuple(sorted(_points(rows, "baseline_scores", metric))), _words(fitted, metric, target), labels,
    )  # fmt: skip


def first_metric(workspace: Workspace, problem: str) -> str:
    """The first metric that the policy has a floor for, else the problem's first."""
    policy = workspace.policy(workspace.recipe(problem).policy).gate.problems.get(problem)
    return next(iter(policy.floors if policy else ()), "") or next(iter(PROBLEMS[problem].metrics))


def _points(rows: Sequence[Mapping[str, Any]], of: str, metric: str) -> list[Point]:
    return [Point(row["size"], row["seed"], row[of][metric]) for row in rows if metric in row[of]]


def _words(fitted: Curve, metric: str, target: float | None) -> tuple[str, ...]:
    """What the curve says, a sentence each."""
    largest, spoken = fitted.largest, metric.replace("_", " ")
    gain, now = fitted.gain(largest, MORE), fitted.mean_at(largest)
    found = [
        f"With {largest:,} rows the {spoken} is {_told(now)}.",
        f"{MORE} more annotations bring {gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}).",
    ]
    if target is not None:
        share, rows = fitted.rows_for(target)
        if now.low >= target:
            found.append(f"The target of {target:g} is reached.")
        elif rows is None:
            found.append(
                f"The target of {target:g} is out of reach for {1 - share:.0%} of the possible curves."
            )
        else:
            found.append(
                f"The target of {target:g} takes {rows.value:,.0f} rows ({rows.low:,.0f} to {rows.high:,.0f})."
            )
    if fitted.flat(MORE, WORTHWHILE):
        found.append(
            "The curve is flat: more of the same brings nothing. Look at consistency instead (pv consistency) and "
            "at where it fails."
        )
    found += [f"Not to be relied on: {doubt}." for doubt in fitted.doubts(largest + MORE)]
    return tuple(found)


def _told(value: curves.Interval) -> str:
    return f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})"
