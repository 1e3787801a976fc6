"""Learning curves of the user's own data: nested samples of several sizes, trained, and scored on the tune split.

The tune split, never the test split: a curve is looked at again and again while data is collected, and what is
looked at cannot judge a candidate any more. A size's rows are a part of the next size's with the same seed (but for
a row a stratum, where shares are rounded).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pvcore.config import Workspace
from pvcore.cycle import arrivals, candidate, data
from pvcore.cycle.judging import baselines
from pvcore.errors import GateError, NotFound
from pvcore.evaluation import curve as curves
from pvcore.evaluation.compare import frame
from pvcore.evaluation.curve import Curve, Point
from pvcore.problems import PROBLEMS
from pvcore.records import Example, digest
from pvcore.registry.store import put_blob
from pvcore.training.mixture import sample
from pvcore.training.specification import Specification, code_digest

POINT = "CurvePoint"
SIZES, SEEDS, LEAST, TUNE = 5, 3, 50, 50
"""Sizes and repetitions by default, the smallest size, and the fewest tune rows that tell anything."""
MORE = 500
"""Annotations that the gain is told of."""
WORTHWHILE = 0.005
"""A gain of MORE annotations below this is none."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A run of a curve: how many rows, drawn by which seed, and the specification that trains on them."""

    size: int
    seed: int
    specification: str


def plan(
    workspace: Workspace, problem: str, *, sizes: Sequence[int] = (), seeds: int = SEEDS, dataset: str = ""
) -> list[Planned]:
    """The runs of a curve; nothing is trained yet. Sizes by default: all rows, half of them, a quarter ...

    `dataset` is a digest, the latest one if empty. Raises GateError where the data does not carry a curve.
    """
    dataset = dataset or latest_dataset(workspace)
    recipe = workspace.recipe(problem)
    examples = data.examples(workspace, problem, dataset)
    rows, tune = len(examples["train"]), len(examples.get("tune", []))
    chosen = sorted({*sizes} or {rows >> n for n in range(SIZES) if rows >> n >= LEAST})
    faults = [f"{size} rows are asked for, {rows} are there" for size in chosen if size > rows]
    faults += [f"a size is a number of rows, found {size}" for size in chosen if size < 1]
    faults += [f"{tune} rows to score on (split tune), {TUNE} are needed"] if tune < TUNE else []
    faults += (
        [f"{len(chosen)} sizes, a curve needs three: {rows} training rows are too few"]
        if len(chosen) < 3
        else []
    )
    if faults:
        raise GateError(f"no learning curve of {problem}:\n" + "\n".join(f"  {fault}" for fault in faults))
    found = []
    for size in chosen:
        for number in range(seeds):
            settings = recipe.trained_by()
            settings["training"] |= {"max_rows": size}
            asked = Specification(
                problem=problem,
                family=recipe.family,
                settings=settings,
                dataset=dataset,
                seed=recipe.seed + number,
                code=code_digest(),
                dictionary=data.dictionary_digest(workspace, dataset) if PROBLEMS[problem].terms else None,
            )
            found.append(Planned(size, asked.seed, put_blob(workspace.store, asked.to_json())))
    return found


def measure(workspace: Workspace, specification: str) -> dict[str, float]:
    """Metric -> score on the tune split of what a planned run trained; recorded once, with the word list's beside it.

    Raises NotFound for a specification that was not trained.
    """
    known = workspace.ledger.find(POINT, specification)
    if known:
        return dict(known.body["scores"])
    asked = candidate.load_specification(workspace, specification)
    trained = workspace.ledger.find("Trained", specification)
    if trained is None:
        raise NotFound(f"specification {specification[:12]} was not trained yet")
    problem = PROBLEMS[asked.problem]
    examples = data.examples(workspace, asked.problem, asked.dataset, asked.settings)
    tune, terms = examples["tune"], data.terms(workspace, asked)
    guardrails = workspace.policy(workspace.recipe(asked.problem).policy).guardrails
    answered = candidate.predict(
        workspace, trained.body["files"], asked.settings["base"], tune, terms, guardrails
    )
    metrics = problem.metrics_for(data.dictionary_by_digest(workspace, asked.dictionary))
    mine = frame(tune, answered, problem.judged)
    name, words = next(
        iter(baselines(problem, {"train": _learned(asked, examples), "test": tune}, terms).items())
    )
    theirs = frame(tune, words, problem.judged)
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
        "seconds": trained.body["seconds"],
    }
    entry = workspace.ledger.append(POINT, body, actor="curve", key=specification)
    return dict(entry.body["scores"])


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


def latest_dataset(workspace: Workspace) -> str:
    """The digest of the newest dataset. Raises NotFound."""
    entry = arrivals.last(workspace, "DatasetBuilt")
    if entry is None:
        raise NotFound(
            "no dataset was built yet. Put a batch of labelled cases into the inbox: pv ingest FILE"
        )
    return str(entry.body["dataset"])


@dataclass(frozen=True)
class Learned:
    """A measured curve: of the recipe's model and of the word list, by one metric; `words` in sentences."""

    problem: str
    metric: str
    dataset: str
    curve: Curve
    baseline: str
    beside: tuple[Point, ...]
    words: tuple[str, ...]

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
    metric = metric or metric_of(workspace, problem)
    known = sorted(set.intersection(*(set(row["scores"]) for row in rows)))
    if metric not in known:
        raise GateError(f"the curve of {problem} has no {metric}. It has: {', '.join(known)}.")
    fitted = curves.fit([Point(row["size"], row["seed"], row["scores"][metric]) for row in rows])
    beside = [
        Point(row["size"], row["seed"], row["baseline_scores"][metric])
        for row in rows
        if metric in row["baseline_scores"]
    ]
    return Learned(
        problem, metric, rows[-1]["dataset"], fitted, rows[-1]["baseline"], tuple(sorted(beside)),
        _words(fitted, metric, target),
    )  # fmt: skip


def metric_of(workspace: Workspace, problem: str) -> str:
    """The metric that a problem's progress is told by: the first that the policy asks for, else its own first."""
    policy = workspace.policy(workspace.recipe(problem).policy).gate.problems.get(problem)
    return next(iter(policy.floors if policy else ()), "") or next(iter(PROBLEMS[problem].metrics))


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
