"""Advice on a problem of a workspace: what the user says of it, what the data shows, and the ladder's answer."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pvcore.advice.costs import Costs, Prices, compare
from pvcore.advice.decision import Advice, Facts, decide
from pvcore.advice.sufficiency import RANGES, Sufficiency, sufficiency
from pvcore.config import Workspace, explain, read_yaml
from pvcore.cycle import arrivals, candidate, curves, data, judging
from pvcore.cycle.curves import MORE, WORTHWHILE, Learned
from pvcore.errors import ConfigError, GateError, NotFound
from pvcore.evaluation.curve import Interval
from pvcore.problems import PROBLEMS
from pvcore.problems.seriousness import LABELS as SERIOUSNESS
from pvcore.registry.store import get_blob

PAIRS = 30
"""Cases judged by both annotators below which a kappa says nothing."""
LETTERS = 4
"""Letters a token of English text: the rule of thumb of API price lists, where no count is given."""
TIMED = 100
"""Cases that are answered to measure a champion's speed."""
START = 500
"""Examples to start with where no range is published (terms)."""

SPOKEN = {"not serious": SERIOUSNESS[0]}
"""What annotators' answers are called where they are compared -> the label that a model learns."""


class Situation(BaseModel):
    """What only the user knows of a problem. What is left out is unknown, and the page says how that was taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cases_per_month: float | None = Field(default=None, gt=0)
    minutes_per_case: float = Field(default=2.0, gt=0, description="of a person who does it by hand")
    fixed_answers: bool = Field(default=True, description="classes, terms or spans; False: free text")
    guideline: bool | None = Field(default=None, description="a written rule says how to choose")
    metric: str = Field(default="", description="by which the target is set; the policy's first if empty")
    target: float | None = Field(default=None, gt=0, le=1)
    data_may_leave: bool | None = Field(default=None, description="texts may be sent to an API")
    same_answer: bool | None = Field(default=None, description="the same bytes must come out years later")
    audited: bool | None = Field(default=None, description="what was trained on what has to be shown")
    prices: dict[str, float] = Field(default_factory=dict, description="see pvcore.advice.costs.Prices")


@dataclass(frozen=True)
class Advised:
    """The answer with all that it rests on. `learned` None: no curve was measured; `costs` None: no prices given.

    `agreement`: Krippendorff's alpha of each label against the rest, of those that two people judged.
    """

    problem: str
    advice: Advice
    facts: Facts
    data: Sufficiency
    agreement: Mapping[str, float]
    learned: Learned | None
    costs: Costs | None
    prices: Prices | None

    def to_json(self) -> dict[str, Any]:
        """JSON values only."""
        return {
            "problem": self.problem,
            "outcome": self.advice.outcome,
            "facts": dataclasses.asdict(dataclasses.replace(self.facts, costs=None)),
            "path": [dataclasses.asdict(step) for step in self.advice.path],
            "changes": [dataclasses.asdict(change) for change in self.advice.changes],
            "data": dataclasses.asdict(self.data) | {"advice": list(self.data.advice)},
            "agreement": dict(self.agreement),
            "curve": self.learned.to_json() if self.learned else None,
            "costs": dataclasses.asdict(self.costs) if self.costs else None,
            "prices": self.prices.model_dump() if self.prices else None,
        }


def situation(path: Path | None) -> Situation:
    """The user's YAML; all unknown without one. Raises ConfigError with every fault."""
    return Situation() if path is None else _validated(str(path), read_yaml(path))


def completed(said: Situation, answers: Mapping[str, Any]) -> Situation:
    """What was said with answers to what it left out. Raises ConfigError with every fault."""
    return _validated("the answers", {**said.model_dump(exclude_unset=True), **answers})


def _validated(where: str, raw: Mapping[str, Any]) -> Situation:
    try:
        return Situation.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(explain(where, error)) from None


def advise(workspace: Workspace, problem: str, said: Situation) -> Advised:
    """Gather what is known and ask the ladder. Raises NotFound where no dataset was built or no recipe stands."""
    recipe, posed = workspace.recipe(problem), PROBLEMS[problem]
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
    prices = _prices(workspace, problem, said, rows, max(0, enough - found.distinct))
    costs = compare(prices) if prices else None
    facts = Facts(
        cases_per_month=said.cases_per_month,
        minutes=said.minutes_per_case,
        fixed_answers=said.fixed_answers,
        guideline=said.guideline,
        kappa=kappa(built.body["kappa"], problem),
        examples=found.distinct,
        enough=enough,
        target=said.target,
        data_may_leave=said.data_may_leave,
        same_answer=said.same_answer,
        audited=said.audited,
        costs=costs,
        **_scores(workspace, problem, said, learned),
    )
    agreement = agreed(json.loads(get_blob(workspace.store, built.body["consistency"])), problem)
    return Advised(problem, decide(facts), facts, found, agreement, learned, costs, prices)


def agreed(report: Mapping[str, Any], problem: str) -> dict[str, float]:
    """Label -> alpha, out of a dataset's stored report of its consistency."""
    return {
        SPOKEN.get(row["name"], row["name"]): row["alpha"]
        for row in report["agreement"]
        if row["problem"] == problem and row["by"] == "label" and row["alpha"] is not None
    }


def kappa(pairs: Mapping[str, tuple[float | None, int]], problem: str) -> float | None:
    """The lowest kappa of two annotators with PAIRS cases in common; None where there are no such two."""
    told = [
        value
        for pair, (value, number) in pairs.items()
        if pair.startswith(f"{problem}: ") and number >= PAIRS and value is not None
    ]
    return min(told, default=None)


def _preferred(workspace: Workspace, rows: list[Any], built: Any) -> list[Any]:
    """The rows with the name of their LLT's PT as label: coverage is counted by PT, as reports are."""
    dictionary = data.dictionary_of(workspace, built.body["version"])
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
    policy = workspace.policy(workspace.recipe(problem).policy).gate.problems.get(problem)
    metric = said.metric or next(iter(policy.floors if policy else ()), "")
    shown = results[metric].candidate if metric in results else None
    if shown is None or shown.value is None or shown.low is None or shown.high is None:
        return {}
    return {"reached": Interval(shown.value, shown.low, shown.high)}


def _prices(
    workspace: Workspace, problem: str, said: Situation, rows: list[Any], missing: int
) -> Prices | None:
    """The user's prices, completed by what was measured here; None without any."""
    if not said.prices:
        return None
    posed = PROBLEMS[problem]
    known: dict[str, Any] = {"examples": missing, "minutes_per_label": said.minutes_per_case}
    if said.cases_per_month:
        known["cases_per_month"] = said.cases_per_month
    if rows:
        letters = sum(len(posed.prompt(row.text)) for row in rows[:500]) / len(rows[:500])
        known["tokens_in"] = letters / LETTERS
    trained = [e for e in workspace.ledger.entries() if e.kind == "Trained" and e.body["problem"] == problem]
    if trained:
        known["training_hours"] = trained[-1].body["seconds"] / 3600
    if "cases_per_hour" not in said.prices and (speed := cases_per_hour(workspace, problem, rows)):
        known["cases_per_hour"] = speed
    try:
        return Prices.model_validate(known | said.prices)
    except ValidationError as error:
        raise ConfigError(explain("prices", error)) from None


def cases_per_hour(workspace: Workspace, problem: str, rows: list[Any]) -> float | None:
    """How many cases the champion answers an hour on this machine, loading not counted; None without one."""
    champion = candidate.champion_of(workspace, problem)
    if champion is None or not rows:
        return None
    asked = candidate.load_specification(workspace, champion.manifest.specification)
    terms = data.terms(workspace, asked)
    guardrails = workspace.policy(workspace.recipe(problem).policy).guardrails

    def seconds(number: int) -> float:
        started = time.perf_counter()
        candidate.predict(
            workspace,
            champion.manifest.adapter["files"],
            asked.settings["base"],
            rows[:number],
            terms,
            guardrails,
        )
        return time.perf_counter() - started

    number = min(TIMED, len(rows))
    loading = seconds(1)
    return 3600 * (number - 1) / max(1e-3, seconds(number) - loading) if number > 1 else None


def picture(learned: Learned, target: float | None = None) -> bytes:
    """A measured curve as SVG."""
    from pvcore.dossier.advice import learning_curve

    return learning_curve(
        learned.curve, learned.metric, beside=learned.beside, baseline=learned.baseline, target=target
    )


def page(found: Advised) -> str:
    """The advice as one HTML page."""
    from pvcore.dossier.advice import advice_page

    return advice_page(
        found.problem,
        found.advice,
        found.data,
        agreement=found.agreement,
        gains=found.learned.labels if found.learned else {},
        curve=picture(found.learned, found.facts.target) if found.learned else None,
        words=found.learned.words if found.learned else (),
        costs=found.costs,
        months=found.prices.months if found.prices else 0,
    )
