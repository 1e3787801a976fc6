"""Drift between updates: what the champion scored since its promotion, held against its own tune rows.

A check is kept in the ledger under what it looked at, so that the same again is the same entry. It reads no row of
the test split: labels of scored cases that came back into that one are left alone.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from pvcore.advice.drift import Drift, Window, drift, names
from pvcore.advice.sufficiency import labels_of
from pvcore.config import Workspace
from pvcore.cycle import arrivals, candidate, curves, data, lineage, samples
from pvcore.cycle.consistency import material
from pvcore.cycle.learned import learned as newest_curve
from pvcore.cycle.predictions import read_answers
from pvcore.errors import GateError, NotFound
from pvcore.problems import PROBLEMS
from pvcore.problems import problem as known_problem
from pvcore.records import Case, Example, Prediction, canonical, digest
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.ledger import Entry
from pvcore.registry.version import Version

CHECKED = "DriftChecked"
COMMON = 20
"""Labels whose share is compared one by one, the most frequent; terms that are rarer are one group."""
OTHER = "of another label"


def scored(workspace: Workspace, version: Version) -> list[Entry]:
    """What the champion scored since it became champion for the first time, each batch once, oldest first.

    The same answers to the same batch are one entry of the ledger: after a rollback and the way back they are not
    entered anew.
    """
    state = workspace.ledger.state()
    since = next(e.sequence for e in state.history(version.problem) if e.body["version"] == version.digest)
    found = [
        entry
        for entry in state.entries
        if entry.kind == "Scored" and entry.sequence > since and entry.body["version"] == version.digest
    ]
    return list({entry.body["batch"]: entry for entry in found}.values())


def scored_problems(workspace: Workspace) -> list[str]:
    """Problems whose champion has scored something since it became champion, sorted."""
    champions = (candidate.champion_of(workspace, name) for name in workspace.ledger.state().problems())
    return [version.problem for version in champions if version and scored(workspace, version)]


def check(workspace: Workspace, problem: str) -> dict[str, Any]:
    """The drift of a problem as JSON values: signals with intervals, unseen names, and the update proposed.

    Recorded once for what was scored, labelled and measured until now. Raises NotFound where there is no
    champion, or it scored nothing yet.
    """
    known_problem(problem)
    version = candidate.champion_of(workspace, problem)
    if version is None:
        raise NotFound(f"{problem} has no champion yet: nothing is scored with it.")
    entries = scored(workspace, version)
    if not entries:
        raise NotFound(f"{version.name} has scored no batch yet. Score one: pv run score problem={problem}")
    blobs = [entry.body["predictions"] for entry in entries]
    latest = samples.latest(workspace)
    points = [
        e.key for e in workspace.ledger.entries() if e.kind == curves.POINT and e.body["problem"] == problem
    ]
    waiting = [entry.body["digest"] for entry in arrivals.pending_batches(workspace)]
    key = digest(["signals with both intervals", version.digest, blobs, latest, points, waiting])
    known = workspace.ledger.find(CHECKED, key)
    if known:
        return dict(json.loads(get_blob(workspace.store, known.body["report"])))
    report = _report(workspace, version, entries, latest, len(waiting))
    body = {
        "problem": problem,
        "version": version.digest,
        "scored": blobs,
        "cases": report["cases"],
        "drifted": report["drifted"],
        "report": put_blob(workspace.store, canonical(report)),
    }
    entry = workspace.ledger.append(CHECKED, body, actor="drift", key=key)
    return dict(json.loads(get_blob(workspace.store, entry.body["report"])))


def newest(workspace: Workspace, problem: str) -> dict[str, Any] | None:
    """The report of the newest check of a problem, None without any."""
    found = [e for e in workspace.ledger.entries() if e.kind == CHECKED and e.body["problem"] == problem]
    return dict(json.loads(get_blob(workspace.store, found[-1].body["report"]))) if found else None


def _report(
    workspace: Workspace, version: Version, entries: Sequence[Entry], latest: str, waiting: int
) -> dict[str, Any]:
    asked = candidate.load_specification(workspace, version.manifest.specification)
    examples = data.examples(workspace, version.problem, asked.dataset, asked.settings)
    cases = {case.case_id: case for case in material(workspace, asked.dataset).cases}
    learned = lineage.consumed(workspace, version.manifest.specification)
    trained = set(names(_named(cases[name]) for name in learned if name in cases))
    common = _common(examples.get("train", []), version.problem)
    tune = lineage.unseen(
        workspace, asked.dataset, examples.get("tune", []), [version.manifest.specification]
    )
    guardrails = workspace.policy(workspace.recipe(version.problem).policy).guardrails
    answered = candidate.predict(
        workspace, version.manifest.adapter["files"], asked.settings["base"], tune, data.terms(workspace, asked),
        guardrails,
    )  # fmt: skip
    held = _window(version.problem, answered, [cases[row.case_id] for row in tune], tune, common)

    batches = [arrivals.load_batch(workspace, entry.body["batch"]) for entry in entries]
    predictions = [
        p for entry in entries for p in read_answers(get_blob(workspace.store, entry.body["predictions"]))
    ]
    predictions = list({p.example_id: p for p in predictions}.values())
    arrived = list({case.case_id: case for batch in batches for case in batch.cases}.values())
    newest = data.examples(workspace, version.problem, latest)
    back = [row for split in ("train", "tune") for row in newest.get(split, []) if row.case_id not in cases]
    now = _window(version.problem, predictions, arrived, back, common)
    found = drift(held, now, trained)
    return {
        "problem": version.problem,
        "version": version.name,
        "cases": len(arrived),
        "answers": found.answered,
        "held_out": held.answered,
        "drifted": found.drifted,
        "signals": [dataclasses.asdict(signal) for signal in found.signals],
        "unseen": [list(item) for item in found.unseen],
        "proposal": _proposal(workspace, version, found, newest.get("train", []), waiting),
    }


def _named(case: Case) -> list[str]:
    """Drugs, and reactions as they were reported: held-out cases are coded and new ones are not."""
    return [*(drug.name for drug in case.drugs), *(r.verbatim or r.pt_name or "" for r in case.reactions)]


def _common(train: Iterable[Example], problem: str) -> set[str]:
    kind = PROBLEMS[problem].kind
    counts = Counter(name for row in train for name in labels_of(row.label, kind))
    return {name for name, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:COMMON]}


def _window(
    problem: str,
    predictions: Sequence[Prediction],
    cases: Sequence[Case],
    labelled: Sequence[Example],
    common: set[str],
) -> Window:
    """Answers as counts. `labelled` are those of which the right answer is known; a withheld one counts as said."""
    posed = PROBLEMS[problem]
    said = {p.example_id: p.said for p in predictions}
    known = [row for row in labelled if row.example_id in said]
    answers = Counter(
        name
        for p in predictions
        if p.said
        for name in {name if name in common else OTHER for name in labels_of(p.said, posed.kind)}
    )
    return Window(
        answered=len(predictions),
        answers=answers,
        raised=Counter(name for p in predictions for name in {check.name for check in p.raised}),
        named=names(_named(case) for case in {case.case_id: case for case in cases}.values()),
        sure=[p.confidence for p in predictions if p.confidence is not None],
        labelled=len(known),
        right=sum(posed.judged(row.label, said[row.example_id]) == row.label for row in known),
    )


def _proposal(
    workspace: Workspace, version: Version, found: Drift, train: list[Example], waiting: int
) -> dict[str, Any]:
    """What to do: `action` is nothing, annotate or retrain; with the gain that the curve expects, and the cost."""
    recipe = workspace.recipe(version.problem)
    continued = recipe.mixture.start == "champion"
    fresh = len(candidate.fresh_rows(workspace, version.problem, train, version, continued=continued))
    fresh = min(fresh, recipe.training.max_rows or fresh)  # those that the next update would learn
    trained = workspace.ledger.find("Trained", version.manifest.specification)
    cost = {"seconds": trained.body["seconds"], "rows": trained.body["rows"]} if trained else None
    action = "nothing" if not found.drifted else "retrain" if fresh or waiting else "annotate"
    return {
        "action": action,
        "new_rows": fresh,
        "waiting_batches": waiting,
        "gain": _gain(workspace, version.problem, len(train), fresh),
        "last_training": cost,
    }


def _gain(workspace: Workspace, problem: str, rows: int, fresh: int) -> dict[str, Any] | None:
    """What the new rows bring by the learning curve; None where none was measured, or nothing is new."""
    try:
        curve = newest_curve(workspace, problem)
    except (NotFound, GateError):
        return None
    if not fresh:
        return None
    gain = curve.curve.gain(max(1, rows - fresh), fresh)
    return {
        "metric": curve.metric, "value": gain.value, "low": gain.low, "high": gain.high,
        "doubts": list(curve.curve.doubts(rows)),
    }  # fmt: skip
