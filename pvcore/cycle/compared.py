"""What the trials of candidate bases came to: a row a base and size, recorded once, and as a person reads it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pvcore.config import Workspace
from pvcore.cycle import candidate, data, dictionaries
from pvcore.cycle.learned import first_metric, told
from pvcore.cycle.predictions import read_answers
from pvcore.cycle.trials import TRIED, Trial
from pvcore.dossier.bases import bases_plot
from pvcore.dossier.finding import Finding
from pvcore.errors import GateError, TrainingError
from pvcore.evaluation.compare import frame
from pvcore.evaluation.paired import Resamples, percentile_interval
from pvcore.problems import PROBLEMS
from pvcore.records import canonical, digest
from pvcore.registry.blobs import get_blob, put_blob

if TYPE_CHECKING:
    import pandas as pd

COMPARED = "BasesCompared"
RESAMPLES = 1000
"""Draws of the intervals."""


def compare(
    workspace: Workspace, problem: str, trials: Sequence[Trial], metric: str = ""
) -> list[dict[str, Any]]:
    """A row a base and size, JSON values only: score on the tune split, and against the first usable base.

    Intervals are 95% by case cluster, the difference paired on the same cases, over the mean of the seeds.
    Recorded once for the same runs, names and metric. Raises GateError for a metric that the problem does not have.
    """
    metric = metric or first_metric(workspace, problem)
    rows: list[dict[str, Any]] = []
    first: dict[int, tuple[float, Any]] = {}
    for trial in trials:
        known = {
            "base": trial.name, "family": trial.family, "parameters": trial.parameters,
            "licence": trial.licence, "digest": trial.digest,
        }  # fmt: skip
        if trial.faults:
            rows.append({**known, "unusable": list(trial.faults)})
        for size in sorted({run.size for run in trial.runs}):
            entries = [_tried(workspace, run.specification) for run in trial.runs if run.size == size]
            value, drawn = _scored(workspace, problem, metric, entries)
            against, theirs = first.setdefault(size, (value, drawn))
            rows.append(
                {
                    **known,
                    "rows": size,
                    "metric": metric,
                    "score": _interval(value, drawn),
                    "less_first": None if theirs is drawn else _interval(value - against, drawn - theirs),
                    "seconds": float(np.mean([e["seconds"] for e in entries])),
                    "peak_bytes": max((e["peak_bytes"] for e in entries if e["peak_bytes"]), default=None),
                }
            )
    body = {"problem": problem, "metric": metric, "rows": put_blob(workspace.store, canonical(rows))}
    workspace.ledger.append(COMPARED, body, actor="bases", key=digest(body))
    return rows


def newest(workspace: Workspace, problem: str) -> list[dict[str, Any]]:
    """The rows of the newest comparison of a problem, [] without any."""
    found = [e for e in workspace.ledger.entries() if e.kind == COMPARED and e.body["problem"] == problem]
    return list(json.loads(get_blob(workspace.store, found[-1].body["rows"]))) if found else []


def _tried(workspace: Workspace, specification: str) -> dict[str, Any]:
    entry = workspace.ledger.find(TRIED, specification)
    if entry is None:
        raise TrainingError(f"specification {specification[:12]} was not measured yet")
    return dict(entry.body)


def _scored(
    workspace: Workspace, problem: str, name: str, entries: Sequence[dict[str, Any]]
) -> tuple[float, Any]:
    """(The metric's mean over the runs, the same under each resample of the clusters)."""
    asked = candidate.load_specification(workspace, entries[0]["specification"])
    known = PROBLEMS[problem].metrics_for(dictionaries.by_digest(workspace, asked.dictionary))
    if name not in known:
        raise GateError(f"{problem} has no metric {name}. It has: {', '.join(known)}.")
    metric = known[name]
    frames = [_frame(workspace, entry) for entry in entries]
    _, codes = np.unique(frames[0]["cluster"].to_numpy(str), return_inverse=True)
    draws = Resamples(codes, int(codes.max()) + 1, RESAMPLES, seed=1)
    return (
        float(np.mean([metric(table) for table in frames])),
        np.mean([draws.values(metric, table) for table in frames], axis=0),
    )


def _frame(workspace: Workspace, entry: dict[str, Any]) -> pd.DataFrame:
    asked = candidate.load_specification(workspace, entry["specification"])
    tune = data.examples(workspace, asked.problem, asked.dataset, asked.settings)["tune"]
    said = read_answers(get_blob(workspace.store, entry["predictions"]))
    return frame(tune, said, PROBLEMS[asked.problem].judged)


def _interval(value: float, drawn: Any) -> dict[str, float | None]:
    low, high = (None if math.isnan(end) else end for end in percentile_interval(drawn, 0.95))
    return {"value": None if math.isnan(value) else value, "low": low, "high": high}


def table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of `compare` that were measured, as a person reads them."""
    return [
        {
            "base": row["base"],
            "rows": row["rows"],
            row["metric"]: told(row["score"], ".3f"),
            "less the first": told(row["less_first"], "+.3f") if row["less_first"] else None,
            "seconds": f"{row['seconds']:.0f}",
            "GB": f"{row['peak_bytes'] / 1e9:.1f}" if row["peak_bytes"] else None,
            "parameters": f"{row['parameters'] / 1e6:,.1f}e6",
            "licence": row["licence"] or "not stated",
            "digest": row["digest"][:12],
        }
        for row in rows
        if "unusable" not in row
    ]


def refused(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The bases that cannot be used here, a sentence each."""
    return [
        f"{row['base']} cannot be used here: {'; '.join(row['unusable'])}"
        for row in rows
        if "unusable" in row
    ]


def finding(problem: str, rows: Sequence[Mapping[str, Any]]) -> Finding:
    """The comparison as every page shows it: scores with their intervals beside time and memory."""
    alt = "The score of each base and size with its interval, beside the seconds and the memory of its training."
    return Finding(f"{problem}: bases on the tune split", alt, bases_plot(rows), table(rows), refused(rows))
