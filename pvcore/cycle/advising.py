"""Advice on a problem of a workspace: what the user says of it, what the data shows, and the ladder's answer."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pvcore.advice.costs import Costs, Prices, compare
from pvcore.advice.decision import Advice, Facts, decide
from pvcore.advice.sufficiency import RANGES, Sufficiency, sufficiency
from pvcore.config import Workspace
from pvcore.cycle import (
    arrivals,
    candidate,
    compared,
    data,
    dictionaries,
    drifting,
    judging,
    mending,
    phase_pages,
)
from pvcore.cycle import learned as curves
from pvcore.cycle.curves import RECALL
from pvcore.cycle.learned import MORE, WORTHWHILE, Learned, first_metric, require_rising
from pvcore.cycle.pricing import prices as completed_prices
from pvcore.cycle.situation import Situation
from pvcore.errors import ConfigError, GateError, NotFound
from pvcore.evaluation.curve import Interval
from pvcore.problems import PROBLEMS
from pvcore.problems import problem as known_problem
from pvcore.problems.seriousness import LABELS as SERIOUSNESS
from pvcore.registry.blobs import get_blob

PAIRS = 30
"""Cases judged by both annotators below which a kappa says nothing."""
START = 500
"""Examples to start with where no range is published (terms)."""

SPOKEN = {"not serious": SERIOUSNESS[0]}
"""What annotators' answers are called where they are compared -> the label that a model learns."""


@dataclass(frozen=True)
class Advised:
    """The answer with all that it rests on. `learned` None: no curve was measured; `costs` None: no prices given.

    `bases`, `phases` and `drift` are what was measured last of each, as JSON values; empty or None: nothing was.
    `agreement`: Krippendorff's alpha of each label that two people judged against the rest, with its interval.
    """

    problem: str
    advice: Advice
    facts: Facts
    data: Sufficiency
    agreement: Mapping[str, Interval]
    learned: Learned | None
    costs: Costs | None
    prices: Prices | None
    bases: Sequence[Mapping[str, Any]]
    phases: Sequence[Mapping[str, Any]]
    drift: Mapping[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """JSON values only."""
        return {
            "problem": self.problem,
            "outcome": self.advice.outcome,
            "facts": dataclasses.asdict(dataclasses.replace(self.facts, costs=None)),
            "path": [dataclasses.asdict(step) for step in self.advice.path],
            "changes": [dataclasses.asdict(change) for change in self.advice.changes],
            "data": dataclasses.asdict(self.data) | {"advice": list(self.data.advice)},
            "agreement": {label: dataclasses.asdict(alpha) for label, alpha in self.agreement.items()},
            "curve": self.learned.to_json() if self.learned else None,
            "costs": dataclasses.asdict(self.costs) if self.costs else None,
            "prices": self.prices.model_dump() if self.prices else None,
            "bases": list(self.bases),
            "phases": list(self.phases),
            "drift": self.drift,
        }


def advise(workspace: Workspace, problem: str, said: Situation) -> Advised:
    """Gather what is known and ask the ladder. Raises NotFound where no dataset was built or no recipe stands."""
    posed, recipe = known_problem(problem), workspace.recipe(problem)
    _require_metric(problem, said.metric)
    built = arrivals.last(workspace, "DatasetBuilt")
    if built is None:
        raise NotFound(
            "no dataset was built yet. Put a batch of labelled cases into the inbox: pv ingest FILE"
        )
    examples = data.examples(workspace, problem, built.body["dataset"], recipe.trained_by())
    rows = [row for split in ("train", "tune") for row in examples.get(split, [])]
    labels = _preferred(workspace, rows, built) if posed.kind == "ranking" else rows
    found = sufficiency(problem, posed.kind, posed.labels, labels, terms=posed.terms is not None)
    learned = _learned(workspace, problem, said)
    enough = RANGES.get(posed.kind, (START, 0))[0]
    prices = completed_prices(workspace, problem, said, rows, max(0, enough - found.distinct))
    costs = compare(prices) if prices else None
    report = json.loads(get_blob(workspace.store, built.body["consistency"]))
    least = kappa(built.body["kappa"], problem)
    facts = Facts(
        cases_per_month=said.cases_per_month,
        minutes=said.minutes_per_case,
        fixed_answers=said.fixed_answers,
        guideline=said.guideline,
        kappa=least[1] if least else None,
        kappa_between=_between(report, problem, least[0]) if least else None,
        examples=found.distinct,
        enough=enough,
        target=said.target,
        data_may_leave=said.data_may_leave,
        same_answer=said.same_answer,
        audited=said.audited,
        costs=costs,
        **_scores(workspace, problem, said, learned),
    )
    asked = bool(mending.phases(workspace.ledger.state(), problem))
    return Advised(
        problem, decide(facts), facts, found, agreed(report, problem), learned, costs, prices,
        bases=compared.newest(workspace, problem),
        phases=phase_pages.as_json(workspace, problem) if asked else (),
        drift=drifting.newest(workspace, problem),
    )  # fmt: skip


def _require_metric(problem: str, metric: str) -> None:
    known = PROBLEMS[problem].metrics
    if metric and metric not in known and not metric.startswith(RECALL):
        raise ConfigError(f"{problem} has no metric {metric}. It has: {', '.join(known)}.")
    require_rising(problem, metric)


def agreed(report: Mapping[str, Any], problem: str) -> dict[str, Interval]:
    """Label -> alpha, out of a dataset's stored report of its consistency."""
    return {
        SPOKEN.get(row["name"], row["name"]): Interval(
            row["alpha"], *(row.get("alpha_bounds") or (-1.0, 1.0))
        )
        for row in report["agreement"]
        if row["problem"] == problem and row["by"] == "label" and row["alpha"] is not None
    }


def kappa(pairs: Mapping[str, tuple[float | None, int]], problem: str) -> tuple[str, float] | None:
    """The two annotators with PAIRS cases in common who agree least, and their kappa; None without such two."""
    told = [
        (pair.removeprefix(f"{problem}: "), value)
        for pair, (value, number) in pairs.items()
        if pair.startswith(f"{problem}: ") and number >= PAIRS and value is not None
    ]
    return min(told, key=lambda found: found[1], default=None)


def _between(report: Mapping[str, Any], problem: str, pair: str) -> Interval | None:
    """The interval of two annotators' kappa, where the report has one: not of spans, nor in one of before."""
    return next(
        (
            Interval(row["cohen"], *row["cohen_bounds"])
            for row in report["agreement"]
            if (row["problem"], row["by"], row["name"]) == (problem, "annotators", pair)
            if row.get("cohen_bounds")
        ),
        None,
    )


def _preferred(workspace: Workspace, rows: list[Any], built: Any) -> list[Any]:
    """The rows with the name of their LLT's PT as label: coverage is counted by PT, as reports are."""
    dictionary = dictionaries.of_version(workspace, built.body["version"])
    if dictionary is None:
        return rows
    names = {
        code: dictionary.pt_name(dictionary.pt_of(code))
        for code in {row.label for row in rows}
        if code in dictionary
    }
    return [dataclasses.replace(row, label=names.get(row.label, row.label)) for row in rows]


def _learned(workspace: Workspace, problem: str, said: Situation) -> Learned | None:
    try:
        return curves.learned(workspace, problem, said.metric, said.target)
    except (NotFound, GateError):
        return None


def _scores(workspace: Workspace, problem: str, said: Situation, learned: Learned | None) -> dict[str, Any]:
    """What a model reaches: by the learning curve, else by the champion's report; nothing where neither is."""
    if learned:
        curve = learned.curve
        gain = curve.mean_at(curve.largest + MORE)
        rows = curve.rows_for(said.target)[1] if said.target is not None else None
        return {
            "reached": curve.mean_at(curve.largest),
            "ahead": gain,
            "more": MORE,
            "flat": curve.flat(MORE, WORTHWHILE),
            "rows_for_target": rows.value if rows else None,
        }
    champion = candidate.champion_of(workspace, problem)
    if champion is None:
        return {}
    results = judging.latest_evaluation(workspace, champion).report.overall.results
    metric = said.metric or first_metric(workspace, problem)
    shown = results[metric].candidate if metric in results else None
    if shown is None or shown.value is None or shown.low is None or shown.high is None:
        return {}
    return {"reached": Interval(shown.value, shown.low, shown.high)}
