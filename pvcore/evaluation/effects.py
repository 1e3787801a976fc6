"""A new dictionary's effect and a new model's, told apart on the same held-out cases.

    champion, old release  -- dictionary -->  champion, new release  -- model -->  candidate, new release

In the old release the champion answers with that release's terms and is held against the labels as they were
in the dataset that it was trained on. In the new one the same champion answers with the new terms and is held
against the same cases' labels as the stored mapping carried them. What differs between the two is the
dictionary's doing, for the weights are the same; what differs between champion and candidate, both in the new
release, is the model's. The two add up. Only cases that both datasets hold are counted: a case that arrived since has
no old label, and one that waits for a person has no new one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pvcore.evaluation.metrics import Floats, Metric
from pvcore.evaluation.paired import Resamples, clustered_tango, few_of, percentile_interval
from pvcore.evaluation.report import EDITION, Effect, Effects, Estimate
from pvcore.records import digest

if TYPE_CHECKING:
    import pandas as pd


class Release(NamedTuple):
    """A MedDRA version with the metrics that are measured in it, by name."""

    version: str
    metrics: Mapping[str, Metric]


def told_apart(
    old: Release,
    new: Release,
    champion_old: pd.DataFrame,
    champion_new: pd.DataFrame,
    candidate_new: pd.DataFrame,
    *,
    headline: Iterable[str],
    confidence: float,
    resamples: int,
    seed: int,
    only_old: int = 0,
    edition: int = EDITION,
) -> Effects:
    """Both effects for the `headline` metrics, on the examples that the first frame holds (of `compare.frame`).

    The first frame holds the labels of the old release, the others, which hold these examples and perhaps more,
    those of the new. `only_old` counts examples that have no new label. The same resamples of case
    clusters serve all three, and a difference of two shares is never given more narrowly than Tango's.
    """
    shared = set(champion_old["example_id"])
    counts: dict[str, Any] = {
        "cases": len(shared),
        "only_old": only_old,
        "only_new": len(candidate_new) - len(shared),
    }
    if not shared:
        words = (
            f"No held-out case has a label in MedDRA {old.version} and in {new.version}: nothing to compare."
        )
        return Effects(old.version, new.version, words, **counts)
    first, second, third = (
        frame[frame["example_id"].isin(shared)].sort_values("example_id", ignore_index=True)
        for frame in (champion_old, champion_new, candidate_new)
    )
    clusters, codes = np.unique(third["cluster"].to_numpy(dtype=str), return_inverse=True)
    draws = Resamples(codes, len(clusters), resamples, int(digest([seed, "effects"])[:15], 16))
    results = tuple(
        _effect(
            (old.metrics[name], new.metrics[name]), (first, second, third), draws, confidence, few_of(edition)
        )
        for name in headline
        if name in old.metrics and name in new.metrics
    )
    relabelled = int((first["label"] != third["label"]).sum())
    words = _words(old.version, new.version, len(shared), relabelled, results)
    return Effects(old.version, new.version, words, relabelled=relabelled, results=results, **counts)


def _effect(
    metrics: tuple[Metric, Metric],
    frames: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
    draws: Resamples,
    confidence: float,
    few: int,
) -> Effect:
    of = (metrics[0], metrics[1], metrics[1])
    values = [metric(frame) for metric, frame in zip(of, frames, strict=True)]
    drawn = [draws.values(metric, frame) for metric, frame in zip(of, frames, strict=True)]

    def difference(later: int) -> Estimate:
        earlier = later - 1
        shown = _estimate(values[later] - values[earlier], drawn[later] - drawn[earlier], confidence)
        right = [metric.correct for metric in of]
        # Rows pair only where every row counts: which rows a metric applies to may follow from the label.
        if shown.value is None or None in right or any(metric.applies for metric in of):
            return shown
        hits = [np.asarray(right[n](frames[n]), bool) for n in (later, earlier)]  # type: ignore[misc]
        return _not_narrower(shown, hits[0], hits[1], draws, confidence, few)

    old, new, candidate = (_estimate(v, many, confidence) for v, many in zip(values, drawn, strict=True))
    name, better = metrics[1].name, metrics[1].higher_is_better
    return Effect(name, better, old, new, candidate, dictionary=difference(1), model=difference(2))


def _estimate(value: float, drawn: Floats, confidence: float) -> Estimate:
    low, high = percentile_interval(drawn, confidence)
    error = math.nan if math.isnan(low) else float(np.nanstd(drawn, ddof=1))
    return Estimate(*(None if math.isnan(number) else float(number) for number in (value, low, high, error)))


def _not_narrower(
    shown: Estimate, later: np.ndarray, earlier: np.ndarray, draws: Resamples, confidence: float, few: int
) -> Estimate:
    low, high = clustered_tango(later, earlier, draws.codes, shown.error or 0.0, confidence, few)
    lows, highs = (
        [x for x in (shown.low, low) if x is not None],
        [x for x in (shown.high, high) if x is not None],
    )
    return Estimate(shown.value, min(lows), max(highs), shown.error)


def _words(old: str, new: str, cases: int, relabelled: int, results: tuple[Effect, ...]) -> str:
    opening = f"MedDRA {old} to {new}, on the same {cases} held-out examples; {relabelled} of them have another label."
    told = [
        f"{found.metric.replace('_', ' ')}: the champion goes from {_shown(found.champion_old)} to "
        f"{_shown(found.champion_new)} by the dictionary alone ({_signed(found.dictionary)}), the candidate to "
        f"{_shown(found.candidate_new)} by the model alone ({_signed(found.model)})."
        for found in results
    ]
    return " ".join([opening, *(text[0].upper() + text[1:] for text in told)])


def _shown(found: Estimate) -> str:
    return "-" if found.value is None else f"{found.value:.3f}"


def _signed(found: Estimate) -> str:
    if found.value is None:
        return "not defined"
    if found.low is None or found.high is None:
        return f"{found.value:+.3f}"
    return f"{found.value:+.3f}, interval {found.low:+.3f} to {found.high:+.3f}"
