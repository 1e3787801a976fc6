"""A learning curve that was measured: the newest one, what it says, and what of it an evaluation keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pvcore.config import PolicyDocument, Workspace
from pvcore.cycle import candidate, data
from pvcore.cycle.curves import POINT, RECALL
from pvcore.dossier.advice import learning_curve
from pvcore.dossier.finding import Finding
from pvcore.errors import ConfigError, GateError, NotFound
from pvcore.evaluation import curve as curves
from pvcore.evaluation.curve import Curve, Interval, Point
from pvcore.problems import PROBLEMS
from pvcore.problems import problem as known_problem
from pvcore.records import canonical
from pvcore.registry.blobs import put_blob
from pvcore.registry.ledger import Entry

MORE = 500
"""Annotations that the gain is told of."""
MEASURED = ("problem", "metric", "dataset", "measured", "meddra", "base", "points", "baseline")
"""What of a curve as JSON was measured; the rest is read out of it."""
WORTHWHILE = 0.005
"""A gain of MORE annotations below this is none."""


@dataclass(frozen=True)
class Learned:
    """A measured curve: of the recipe's model and of the word list, by one metric; `words` in sentences.

    `measured` is when its last run was scored, `meddra` the version that its labels are in (None: no dictionary),
    `base` what every run started from. `labels`: what MORE annotations bring to the recall of each class that has
    rows enough.
    """

    problem: str
    metric: str
    dataset: str
    measured: str
    meddra: str | None
    base: Mapping[str, Any]
    curve: Curve
    baseline: str
    beside: tuple[Point, ...]
    words: tuple[str, ...]
    labels: Mapping[str, Interval]

    def to_json(self) -> dict[str, Any]:
        """JSON values only, every estimate with its interval."""
        largest = self.curve.largest
        return {
            "problem": self.problem,
            "metric": self.metric,
            "dataset": self.dataset,
            "measured": self.measured,
            "meddra": self.meddra,
            "base": dict(self.base),
            "points": [[p.size, p.seed, p.score] for p in self.curve.points],
            "baseline": {"name": self.baseline, "points": [[p.size, p.seed, p.score] for p in self.beside]},
            "now": asdict(self.curve.mean_at(largest)),
            "gain": {"more": MORE, **asdict(self.curve.gain(largest, MORE))},
            "predicted": {str(size): asdict(self.curve.mean_at(size)) for size in readings(largest)},
            "flat": self.curve.flat(MORE, WORTHWHILE),
            "doubts": list(self.curve.doubts(largest + MORE)),
            "labels": {name: asdict(gain) for name, gain in self.labels.items()},
            "words": list(self.words),
        }


def readings(largest: int) -> tuple[int, ...]:
    """The sizes that a curve is read at: what was measured, MORE rows more, twice and four times."""
    return tuple(sorted({largest, largest + MORE, 2 * largest, 4 * largest}))


def learned(workspace: Workspace, problem: str, metric: str = "", target: float | None = None) -> Learned:
    """The newest curve that was measured of a problem.

    `metric` is the first that the policy asks for, if empty. Raises NotFound; GateError for a metric it does
    not have, ConfigError for one of which less is better, and for a target that is no score.
    """
    known_problem(problem)
    require_target(target)
    require_rising(problem, metric)
    metric = metric or first_metric(workspace, problem)
    return _read(workspace, problem, metric, workspace.ledger.entries(), target)


def _read(
    workspace: Workspace, problem: str, metric: str, entries: Sequence[Entry], target: float | None = None
) -> Learned:
    rows = _newest(entries, problem)
    if not rows:
        raise NotFound(f"no learning curve of {problem} was measured. Measure one: pv curve {problem}")
    last = rows[-1].body
    bodies = [row.body for row in rows]
    known = sorted(set.intersection(*(set(body["scores"]) for body in bodies)))
    if metric not in known:
        raise GateError(f"the curve of {problem} has no {metric}. It has: {', '.join(known)}.")
    fitted = curves.fit(_points(bodies, "scores", metric))
    labels = {
        name.removeprefix(RECALL): curves.fit(_points(bodies, "scores", name)).gain(fitted.largest, MORE)
        for name in known
        if name.startswith(RECALL)
    }
    return Learned(
        problem=problem,
        metric=metric,
        dataset=last["dataset"],
        measured=rows[-1].time,
        meddra=data.dataset_entry(workspace, last["dataset"]).body["version"],
        base=candidate.load_specification(workspace, last["specification"]).settings["base"],
        curve=fitted,
        baseline=last["baseline"],
        beside=tuple(sorted(_points(bodies, "baseline_scores", metric))),
        words=_words(fitted, metric, target),
        labels=labels,
    )


def require_target(target: float | None) -> None:
    """Raise ConfigError for a score that nothing can reach, or everything does."""
    if target is not None and not 0 < target <= 1:
        raise ConfigError(f"a target is a score above 0 and at most 1, found {target:g}.")


def rising(problem: str) -> list[str]:
    """The problem's metrics of which more is better: what a curve rises by and a target is reached by from below."""
    return [name for name, metric in PROBLEMS[problem].metrics.items() if metric.higher_is_better]


def require_rising(problem: str, metric: str) -> None:
    """Raise ConfigError for a metric of the problem of which less is better."""
    if metric in PROBLEMS[problem].metrics and metric not in (usable := rising(problem)):
        raise ConfigError(
            f"less {metric} is better, and a learning curve and a target are of a score that rises. "
            f"Take one of: {', '.join(usable)}."
        )


def _newest(entries: Sequence[Entry], problem: str) -> list[Entry]:
    """The points of the newest curve with sizes enough to be fitted; of the newest at all where none has."""
    of_curve: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.kind == POINT and entry.body["problem"] == problem:
            # Taken out and put back: the curve that was added to last stands last.
            of_curve[entry.body["curve"]] = [*of_curve.pop(entry.body["curve"], []), entry]
    found = list(of_curve.values())
    whole = [rows for rows in found if len({row.body["size"] for row in rows}) >= curves.LEAST]
    return (whole or found or [[]])[-1]


def first_metric(workspace: Workspace, problem: str, policy: PolicyDocument | None = None) -> str:
    """The problem's first metric that the policy (default: today's) has a floor for, else its first.

    In the problem's order, not in the policy's, which its stored form does not keep. Never one of which less is better.
    """
    floors = _floors(policy or workspace.policy(workspace.recipe(problem).policy), problem)
    usable = rising(problem)
    of_dictionary = sorted(floors.keys() - PROBLEMS[problem].metrics.keys())
    return ([name for name in usable if name in floors] or of_dictionary or usable)[0]


def _floors(policy: PolicyDocument, problem: str) -> Mapping[str, float]:
    asked = policy.gate.problems.get(problem)
    return asked.floors if asked else {}


def _points(rows: Sequence[Mapping[str, Any]], of: str, metric: str) -> list[Point]:
    return [Point(row["size"], row["seed"], row[of][metric]) for row in rows if metric in row[of]]


# --- what an evaluation keeps ------------------------------------------------------------------------------------


def then(
    workspace: Workspace, problem: str, policy: PolicyDocument, entries: Sequence[Entry], metric: str = ""
) -> dict[str, Any] | None:
    """The curve of a problem as JSON values, as it was after these entries of the ledger; None without one.

    By `metric` where the policy has a floor for it (or none for any), else by the first.
    """
    if metric not in (_floors(policy, problem) or PROBLEMS[problem].metrics):
        metric = first_metric(workspace, problem, policy)
    try:
        return _read(workspace, problem, metric, entries).to_json()
    except (NotFound, GateError):
        return None


def record(
    workspace: Workspace, problem: str, policy: PolicyDocument, entries: Sequence[Entry]
) -> dict[str, str]:
    """{"learning": blob} of the curve after these entries; {} where none was measured."""
    found = then(workspace, problem, policy, entries)
    return {"learning": put_blob(workspace.store, canonical(found))} if found else {}


def shown(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What an evaluation kept, as the dossier shows it: its plot drawn again from the points."""
    points = [Point(*row) for row in kept["points"]]
    beside = [Point(*row) for row in kept["baseline"]["points"]]
    sizes = sorted({point.size for point in points})
    return {
        "plot": learning_curve(
            curves.fit(points), kept["metric"], beside=beside, baseline=kept["baseline"]["name"]
        ),
        "words": kept["words"],
        "facts": {
            "measured": kept["measured"],
            "fitted to": f"{len(points)} runs from the base on {', '.join(f'{size:,}' for size in sizes)} rows, "
            "each scored on the split tune",
            "dataset": kept["dataset"],
            "MedDRA version": kept["meddra"],
            "base": kept["base"]["source"],
            "base's digest": kept["base"]["digest"],
        },
    }


# --- for people -------------------------------------------------------------------------------------------------


def table(found: Learned) -> list[dict[str, str]]:
    """A row a size that the curve is read at."""
    return [
        {"rows": f"{size:,}", found.metric: told(asdict(found.curve.mean_at(size)))}
        for size in readings(found.curve.largest)
    ]


def finding(found: Learned, target: float | None = None) -> Finding:
    """The curve as every page shows it."""
    plot = learning_curve(
        found.curve, found.metric, beside=found.beside, baseline=found.baseline, target=target
    )
    alt = "The score by the number of annotated examples, with what the measured sizes leave possible."
    return Finding(f"{found.problem}: learning curve", alt, plot, table(found), found.words)


def told(shown: Mapping[str, float | None], form: str = ".3f") -> str:
    """A value with its interval."""
    if any(value is None for value in shown.values()):
        return "not defined on so few rows"
    return f"{shown['value']:{form}} ({shown['low']:{form}} to {shown['high']:{form}})"


def _words(fitted: Curve, metric: str, target: float | None) -> tuple[str, ...]:
    """What the curve says, a sentence each."""
    largest, spoken = fitted.largest, metric.replace("_", " ")
    gain, now = fitted.gain(largest, MORE), fitted.mean_at(largest)
    found = [
        f"With {largest:,} rows the {spoken} is {told(asdict(now))}.",
        f"{MORE} more annotations bring {told(asdict(gain), '+.3f')}.",
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
