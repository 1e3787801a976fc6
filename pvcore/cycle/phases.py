"""Annotate, train, evaluate, find failures, ask for annotations: one step of it for each version of a problem.

A phase looks at the newest version on the tune split, never the test split: what chooses cases cannot judge by them.
It either stops, with the reason, or writes the work list of the next cases, which comes back as a batch through
the inbox and starts the retraining as always. The phase of a version is done once; all it found stands in the ledger.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pvcore.advice import stopping
from pvcore.advice.choosing import WAYS, Way
from pvcore.advice.failures import Mode, closed
from pvcore.annotations import batch as batches
from pvcore.annotations import dataset as datasets
from pvcore.annotations.batch import Batch
from pvcore.annotations.merge import case_of
from pvcore.config import Workspace
from pvcore.cycle import asking, candidate, data, dictionaries, samples, targeting
from pvcore.cycle.learned import first_metric, require_target
from pvcore.cycle.mending import PHASE, modes_of, phases
from pvcore.errors import ConfigError
from pvcore.evaluation.compare import frame
from pvcore.evaluation.curve import Interval, Point
from pvcore.evaluation.paired import Resamples, percentile_interval
from pvcore.problems import PROBLEMS
from pvcore.problems import problem as known_problem
from pvcore.records import canonical
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.ledger import Entry
from pvcore.registry.names import resolve
from pvcore.registry.version import Version
from pvcore.training.specification import Specification

RESAMPLES, CONFIDENCE = 1000, 0.95


def phase(
    workspace: Workspace, problem: str, *, target: float | None = None, size: int = 100, how: Way = "mixed"
) -> Entry:
    """The phase of the newest version of `problem`: found again in the ledger if it was done before.

    One that stopped is done anew for another target or a newer dataset. At most `size` cases are asked for. Raises
    NotFound without a version, ConfigError where it cannot be judged or the
    target is no score.
    """
    known_problem(problem)
    require_target(target)
    version = resolve(workspace.store, workspace.ledger, f"{problem}@latest")
    newest = samples.latest(workspace)
    past = phases(workspace.ledger.state(), problem)
    if past and past[-1].body["version"] == version.digest and not _anew(past[-1], target, newest):
        entry = past[-1]
    else:
        body = _body(workspace, version, past, target, size, how)
        key = f"{problem} {len(past) + 1} {version.digest}"
        entry = workspace.ledger.append(PHASE, body, actor="phases", key=key)
    if entry.body["worklist"]:  # a run that was cut off before this is caught up with
        workspace.store.put_if_absent(entry.body["file"], get_blob(workspace.store, entry.body["worklist"]))
    return entry


def _anew(last: Entry, target: float | None, newest: str) -> bool:
    body = last.body
    return bool(body["stopped"]) and (body["target"], body["pool"]) != (target, newest)


def _body(
    workspace: Workspace, version: Version, past: Sequence[Entry], target: float | None, size: int, how: Way
) -> dict[str, Any]:
    problem = version.problem
    asked = candidate.load_specification(workspace, version.manifest.specification)
    found = targeting.failures(workspace, version.name)
    metric = first_metric(workspace, problem)
    score = _score(workspace, asked, metric, found)
    rows = found.told.size
    # A policy that changed may have another metric first.
    alike = [e.body for e in past if e.body["metric"] == metric]
    points = [Point(body["rows"], body["number"], body["score"]["value"]) for body in alike]
    points.append(Point(rows, len(past) + 1, score.value))
    curve = stopping.fitted(points)
    pool, waiting = _pool(workspace, problem, past)
    stopped = stopping.stop(score, target=target, curve=curve, step=size, left=len(pool.cases))
    body: dict[str, Any] = {
        "problem": problem,
        "number": len(past) + 1,
        "version": version.digest,
        "name": version.name,
        "dataset": asked.dataset,
        "rows": rows,
        "metric": metric,
        "score": dataclasses.asdict(score),
        "tune": len(found.rows),
        "errors": found.errors,
        "modes": put_blob(workspace.store, canonical([_without_texts(mode) for mode in found.modes])),
        "closed": put_blob(workspace.store, canonical(_closed(workspace, past, found))),
        "gain": dataclasses.asdict(curve.gain(curve.largest, size)) if curve else None,
        "target": target,
        "size": size,
        "how": how,
        "pool": samples.latest(workspace),
        "left": len(pool.cases),
        "waiting": len(waiting),
        "stopped": stopped,
        "asked": 0,
        "cases": None,
        "worklist": None,
        "file": None,
    }
    return body if stopped else body | _ask(workspace, version, pool, found, body)


def _ask(
    workspace: Workspace, version: Version, pool: Batch, found: targeting.Failures, body: Mapping[str, Any]
) -> dict[str, Any]:
    """The work list of a phase, and where it is kept."""
    chosen = targeting.next_cases(
        workspace, version.name, pool, body["size"], how=body["how"], found=found, seed=body["number"]
    )
    suffix = asking.suffix_of(version.problem)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"tasks{suffix}")
        asking.write(chosen, version.problem, path)
        blob = put_blob(workspace.store, path.read_bytes())
    return {
        "asked": len(chosen.cases),
        "cases": put_blob(workspace.store, canonical([case.case_id for case in chosen.cases])),
        "worklist": blob,
        "file": f"worklists/{version.problem}/{body['number']:03}{suffix}",
    }


def _score(workspace: Workspace, asked: Specification, metric: str, found: targeting.Failures) -> Interval:
    """The metric on the tune rows with its interval, whole clusters resampled; ConfigError where it is undefined."""
    problem = PROBLEMS[asked.problem]
    known = problem.metrics_for(dictionaries.by_digest(workspace, asked.dictionary))
    if metric not in known:
        raise ConfigError(f"{asked.problem} has no metric {metric}. It has: {', '.join(known)}.")
    rows = [row.example for row in found.rows]
    table = frame(rows, list(found.told.predictions), problem.judged)
    codes, names = pd.factorize(table["cluster"])
    drawn = Resamples(codes, len(names), RESAMPLES, seed=asked.seed).values(known[metric], table)
    score = Interval(float(known[metric](table)), *percentile_interval(drawn, CONFIDENCE))
    if not all(map(math.isfinite, dataclasses.astuple(score))):
        raise ConfigError(
            f"{metric} cannot be said of the {len(rows)} tune rows of {asked.problem}: too few."
        )
    return score


def _closed(
    workspace: Workspace, past: Sequence[Entry], found: targeting.Failures
) -> list[dict[str, object]]:
    """What became of the modes of the phase before."""
    return closed(modes_of(workspace, past[-1]), found.rows, found.told.learned) if past else []


def _pool(workspace: Workspace, problem: str, past: Sequence[Entry]) -> tuple[Batch, set[str]]:
    """(Training cases of the newest dataset of which nobody said anything for the problem; those asked for before
    and not come back.)

    One of each cluster, as near-identical cases teach the same; a cluster that was ever held out is no part of it.
    """
    name = samples.latest(workspace)
    loaded = datasets.load(workspace.store, name)
    known = data.known_cases(workspace, problem, name)
    lists = [entry.body["cases"] for entry in past if entry.body["cases"]]
    waiting = {case for blob in lists for case in json.loads(get_blob(workspace.store, blob))} - known
    cases = loaded.cases[loaded.cases["split"] == "train"].sort_values("case_id")
    taken = set(cases.loc[cases["case_id"].isin(waiting), "cluster"])
    free = cases[~cases["case_id"].isin(known | waiting) & ~cases["cluster"].isin(taken)]
    found = [case_of(row) for row in free.drop_duplicates("cluster").to_dict("records")]
    questions = {q.example_id.rpartition("#")[0] for q in PROBLEMS[problem].questions(found)}
    pool = [case for case in found if case.case_id in questions]
    return batches.make_batch("pool", "dataset", pool, []), waiting


def _without_texts(mode: Mode) -> dict[str, Any]:
    """A mode as JSON. Its examples stay out: the texts are in the dataset, which a collection can reach."""
    return {**dataclasses.asdict(mode), "examples": []}


def next_of(workspace: Workspace, problem: str, version: str) -> dict[str, Any] | None:
    """Parameters for the phase of a new version where the last phase asked for annotations; None otherwise."""
    past = phases(workspace.ledger.state(), problem)
    if not past or past[-1].body["stopped"] or past[-1].body["name"] == version:
        return None
    body = past[-1].body
    return {"problem": problem, "target": body["target"] or 0.0, "size": body["size"], "how": body["how"]}


def way(name: str) -> Way:
    """A way to choose by its name. Raises ConfigError."""
    if name not in WAYS:
        raise ConfigError(f"{name!r} is no way to choose: {', '.join(WAYS)}.")
    return name
