"""Evaluate a candidate beside the champion and baselines on the same held-out rows."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pvcore.errors import GateError
from pvcore.evaluation.comparing import CHAMPION
from pvcore.evaluation.metrics import Bools, Floats, Metric, answered
from pvcore.evaluation.paired import (
    FEW,
    Resamples,
    clustered_tango,
    clustered_wilson,
    few_of,
    percentile_interval,
    sign_test,
)
from pvcore.evaluation.policy import Policy, ProblemPolicy
from pvcore.evaluation.reliability import reliability
from pvcore.evaluation.report import EDITION, Comparison, Estimate, Group, Report, Result
from pvcore.evaluation.tolerance import intolerable
from pvcore.records import Example, Prediction, digest

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "example_id", "case_id", "cluster", "label", "slices", "answer", "said", "stopped", "score", "ranked",
    "confidence", "raised", "criteria", "criteria_scores", "met",
)  # fmt: skip
WITHHELD = "withheld"
EXACT = "exact sign test over case clusters (McNemar), one-sided"
BOOTSTRAP = "bootstrap by case cluster, one-sided"


def frame(
    examples: Sequence[Example],
    predictions: Iterable[Prediction],
    judged: Callable[[str, str], str] = lambda label, answer: answer,
) -> pd.DataFrame:
    """The evaluation frame: one row per held-out example with one model's answer to it.

    Columns example_id, case_id, cluster, label, slices (tuple), answer ("" where it was withheld, and for an
    empty set), said (the answer, withheld or not), stopped (whether it was withheld), score, ranked (tuple of
    labels, best first; the answer alone where the model does not rank or it was withheld), confidence (NaN:
    none), raised ((guardrail, outcome) of those that did not pass), criteria ({name: met} as far as it is
    known), criteria_scores ({name: probability}) and met (tuple of names), sorted by example_id. `judged`
    (label, answer) leaves of an answer what its label can judge.
    Raises GateError if an example has no answer or two, or an answer no example.
    """
    import pandas as pd

    given = list(predictions)
    answers = {prediction.example_id: prediction for prediction in given}
    known = Counter(example.example_id for example in examples)
    faults = {
        "examples without an answer": known.keys() - answers.keys(),
        "answers without an example": answers.keys() - known.keys(),
        "examples given twice": {name for name, count in known.items() if count > 1},
        "answers given twice": _repeated(prediction.example_id for prediction in given),
    }
    _refuse("the answers do not fit the held-out examples", faults)
    rows = [
        {
            "example_id": example.example_id,
            "case_id": example.case_id,
            "cluster": example.cluster,
            "label": example.label,
            "slices": tuple(example.slices),
            "answer": judged(example.label, answer.answer),
            "said": judged(example.label, answer.said),
            "stopped": answer.stopped,
            "score": answer.score,
            "ranked": (not answer.stopped and tuple(label for label, _ in answer.ranked)) or (answer.answer,),
            "confidence": math.nan if answer.confidence is None else answer.confidence,
            "raised": tuple((check.name, check.outcome) for check in answer.raised),
            "criteria": dict(example.criteria or {}),
            "criteria_scores": dict(answer.criteria),
            "met": tuple(answer.met),
        }
        for example in sorted(examples, key=lambda e: e.example_id)
        for answer in (answers[example.example_id],)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def evaluate(
    problem: str,
    metrics: Mapping[str, Metric] | Iterable[Metric],
    candidate: pd.DataFrame,
    champion: pd.DataFrame | None,
    policy: Policy,
    seed: int,
    *,
    baselines: Mapping[str, pd.DataFrame] | None = None,
    uses: int = 1,
    fresh: int = 0,
    unavailable: Mapping[str, str] | None = None,
    edition: int = EDITION,
) -> Report:
    """Measure `candidate` on all held-out rows and on every slice, beside each reference.

    The frames come from `frame` and hold the same examples with the same labels. After a change of
    dictionary both models are held against the new labels: the champion's answers are carried over
    by the stored mapping first, or the gate would judge the dictionary. `baselines` are further
    references by name ("TF-IDF", a frozen "anchor"); a frame that stands under two names is measured
    once. `uses`, `fresh`, `unavailable` and `edition` are those of the report. A slice that holds every row is
    measured only if the policy names it. The same input gives the same report, whatever the order of
    the rows.
    Raises GateError for an empty held-out set or frames that differ, with the names that do.
    """
    if candidate.empty:
        raise GateError(
            f"there are no held-out examples of {problem} to evaluate on. Check the dataset's split."
        )
    candidate = candidate.sort_values("example_id", ignore_index=True)
    references = dict(baselines or {})
    if champion is not None:
        references = {CHAMPION: champion, **references}
    same = {
        n: next(m for m, first in references.items() if first is other) for n, other in references.items()
    }
    aligned = {
        name: _aligned(candidate, other, name) for name, other in references.items() if same[name] == name
    }
    chosen = list(metrics.values() if isinstance(metrics, Mapping) else metrics)
    slices = sorted({name for names in candidate["slices"] for name in names})
    rows = {name: np.array([name in names for names in candidate["slices"]]) for name in slices}
    section = policy.problems.get(problem, ProblemPolicy())
    measured = [name for name in slices if not rows[name].all() or section.rule_of(name)]

    def group(name: str, inside: np.ndarray | None) -> Group:
        pick = slice(None) if inside is None else inside
        others = {key: other.loc[pick].reset_index(drop=True) for key, other in aligned.items()}
        part = candidate.loc[pick].reset_index(drop=True)
        found = _group(name, chosen, part, others, policy, seed, same, few_of(edition))
        forbidden = intolerable(section.rule_of(name), chosen, part, others.get(CHAMPION))
        return dataclasses.replace(found, intolerable=forbidden)

    return Report(
        problem=problem,
        overall=group("all", None),
        slices={name: group(name, rows[name]) for name in measured},
        references=tuple(references),
        held_out=held_out_digest(candidate),
        uses=uses,
        confidence=policy.evaluation.confidence,
        resamples=policy.evaluation.resamples,
        seed=seed,
        reliability=reliability(candidate),
        fresh=fresh,
        unavailable=dict(unavailable or {}),
        edition=edition,
    )


def held_out_digest(rows: pd.DataFrame) -> str:
    """The digest that names a held-out set: its example ids, clusters and labels, whatever their order."""
    ordered = rows.sort_values("example_id")
    return digest(ordered[["example_id", "cluster", "label"]].to_numpy(dtype=object).tolist())


def changed_answers(
    candidate: pd.DataFrame,
    champion: pd.DataFrame | None = None,
    *,
    positive: str | None = None,
    limit: int = 20,
) -> dict[str, Any]:
    """What a reader of the dossier wants to look up: cases by id, without their narratives.

    {"wrong", "withheld", "newly_wrong", "newly_right": counts, "rows": at most `limit` wrong answers}:
    an answer that was withheld is not wrong, and not right. Newly
    wrong ones first, among them those whose label is `positive` (missed cases), then the surest by
    the distance of `score` from 0.5. Without a champion nothing is new.
    """
    rows = candidate.sort_values("example_id", ignore_index=True)
    wrong, given = _wrong(rows), answered(rows)
    other = None if champion is None else _aligned(rows, champion, CHAMPION)
    was_wrong = wrong if other is None else _wrong(other)
    sure = np.abs(rows["score"].to_numpy(dtype=float) - 0.5)
    found = rows["label"].to_numpy(dtype=object) != positive
    order = [i for i in np.lexsort((np.arange(len(rows)), -sure, found, was_wrong)) if wrong[i]][:limit]
    return {
        "wrong": int(wrong.sum()),
        "newly_wrong": int((wrong & ~was_wrong).sum()),
        "newly_right": int((was_wrong & ~wrong & given).sum()),
        "withheld": int((~given).sum()),
        "rows": [
            {
                "example_id": str(rows.at[i, "example_id"]),
                "case_id": str(rows.at[i, "case_id"]),
                "label": str(rows.at[i, "label"]),
                "candidate": str(rows.at[i, "answer"]),
                "score": round(float(rows.at[i, "score"]), 3),
                "champion": None if other is None else _shown(other, i),
                "slices": list(rows.at[i, "slices"]),
            }
            for i in order
        ],
    }


def _wrong(rows: pd.DataFrame) -> Bools:
    differ = rows["answer"].to_numpy(dtype=object) != rows["label"].to_numpy(dtype=object)
    return np.asarray(differ & answered(rows), dtype=bool)


def _shown(rows: pd.DataFrame, row: int) -> str:
    return WITHHELD if rows.at[row, "stopped"] else str(rows.at[row, "answer"])


def _group(
    name: str,
    metrics: Sequence[Metric],
    candidate: pd.DataFrame,
    references: Mapping[str, pd.DataFrame],
    policy: Policy,
    seed: int,
    same: Mapping[str, str],
    few: int,
) -> Group:
    clusters, codes = np.unique(candidate["cluster"].to_numpy(dtype=str), return_inverse=True)
    # A slice draws from its own clusters: its size then does not vary from one resample to the next.
    own_seed = int(digest([seed, name])[:15], 16)
    draws = Resamples(codes, len(clusters), policy.evaluation.resamples, own_seed)
    labels = Counter(candidate["label"])
    return Group(
        name=name,
        rows=len(candidate),
        clusters=len(clusters),
        labels=dict(sorted(labels.items(), key=lambda item: (-item[1], item[0]))[:20]),
        results={m.name: _result(m, candidate, references, draws, policy, same, few) for m in metrics},
    )


def _result(
    metric: Metric,
    candidate: pd.DataFrame,
    references: Mapping[str, pd.DataFrame],
    draws: Resamples,
    policy: Policy,
    same: Mapping[str, str],
    few: int,
) -> Result:
    """`same` names, for each reference, the one of `references` that gave its answers."""
    confidence = policy.evaluation.confidence
    drawn = draws.values(metric, candidate)
    value = metric(candidate)
    against = {}
    for name, reference in references.items():
        other = draws.values(metric, reference)
        difference = _estimate(value - metric(reference), drawn - other, confidence)
        test, p_worse = BOOTSTRAP, _bootstrap_p(drawn - other, metric)
        counts: tuple[int, ...] = ()
        if metric.correct is not None and metric.kind == "proportion":
            inside = _inside(metric, candidate)
            both = metric.correct(candidate)[inside], metric.correct(reference)[inside]
            difference = _widened_difference(difference, *both, draws.codes[inside], confidence, few)
            # What is counted where lower is better is errors: the model with fewer of them is the better one.
            found = sign_test(*(both if metric.higher_is_better else both[::-1]), draws.codes[inside])
            test, p_worse = EXACT, found.p_worse
            counts = found.better, found.worse, len(np.unique(draws.codes[inside]))
        shown = _single(metric, reference, metric(reference), other, draws, confidence, few)
        against[name] = Comparison(shown, difference, p_worse, test, *counts)
    return Result(
        metric=metric.name,
        support=metric.support(candidate),
        higher_is_better=metric.higher_is_better,
        candidate=_single(metric, candidate, value, drawn, draws, confidence, few),
        against={name: against[first] for name, first in same.items()},
    )


def _single(
    metric: Metric,
    rows: pd.DataFrame,
    value: float,
    drawn: Floats,
    draws: Resamples,
    confidence: float,
    few: int,
) -> Estimate:
    """A model's own value. A proportion's interval is never narrower than Wilson's.

    A bootstrap of 30 right answers gives 1.000 to 1.000, which no one should read as certainty.
    """
    estimate = _estimate(value, drawn, confidence)
    if metric.correct is None or metric.kind != "proportion" or math.isnan(value):
        return estimate
    inside = _inside(metric, rows)
    right, codes = metric.correct(rows)[inside], draws.codes[inside]
    return _wider(estimate, clustered_wilson(right, codes, estimate.error or 0.0, confidence, few))


def _widened_difference(
    estimate: Estimate,
    first: np.ndarray,
    second: np.ndarray,
    codes: np.ndarray,
    confidence: float,
    few: int = FEW,
) -> Estimate:
    """A paired difference, its interval never narrower than Tango's (see `tango_interval`)."""
    if estimate.value is None:
        return estimate
    return _wider(estimate, clustered_tango(first, second, codes, estimate.error or 0.0, confidence, few))


def _estimate(value: float, drawn: Floats, confidence: float) -> Estimate:
    low, high = percentile_interval(drawn, confidence)
    error = math.nan if math.isnan(low) else float(np.nanstd(drawn, ddof=1))
    return Estimate(*(None if math.isnan(number) else float(number) for number in (value, low, high, error)))


def _wider(estimate: Estimate, other: tuple[float, float]) -> Estimate:
    lows = [x for x in (estimate.low, other[0]) if x is not None and not math.isnan(x)]
    highs = [x for x in (estimate.high, other[1]) if x is not None and not math.isnan(x)]
    return Estimate(estimate.value, min(lows, default=None), max(highs, default=None), estimate.error)


def _bootstrap_p(differences: Floats, metric: Metric) -> float | None:
    defined = differences[~np.isnan(differences)]
    if not len(defined):
        return None
    not_worse = (defined >= 0) if metric.higher_is_better else (defined <= 0)
    return float((not_worse.sum() + 1) / (len(defined) + 1))


def _inside(metric: Metric, rows: pd.DataFrame) -> np.ndarray:
    return np.ones(len(rows), bool) if metric.applies is None else metric.applies(rows)


def _aligned(candidate: pd.DataFrame, other: pd.DataFrame, name: str) -> pd.DataFrame:
    """`other` in the candidate's order. Raises GateError where examples, labels or clusters differ."""
    mine, theirs = set(candidate["example_id"]), set(other["example_id"])
    _refuse(
        f"the candidate and {name!r} were not asked the same",
        {"only the candidate": mine - theirs, f"only {name}": theirs - mine},
    )
    ordered = other.sort_values("example_id", ignore_index=True)
    differ = np.zeros(len(candidate), bool)
    for column in ("label", "cluster"):
        differ |= candidate[column].to_numpy(dtype=object) != ordered[column].to_numpy(dtype=object)
    _refuse(
        f"the candidate and {name!r} were held against different labels or clusters",
        {"examples": set(candidate["example_id"][differ])},
    )
    return ordered


def _repeated(names: Iterable[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}


def _refuse(what: str, faults: Mapping[str, Iterable[str]]) -> None:
    found = {kind: sorted(names) for kind, names in faults.items() if names}
    if found:
        lines = [
            f"  {kind}: {len(names)} ({', '.join(names[:5])}{', ...' if len(names) > 5 else ''})"
            for kind, names in found.items()
        ]
        raise GateError(
            f"{what}. Predict again on the held-out examples of one dataset.\n" + "\n".join(lines)
        )
