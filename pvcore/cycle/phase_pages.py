"""The phases of a problem as a person reads them: table, plot, and the last work list as a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pvcore.config import Workspace
from pvcore.cycle import asking
from pvcore.cycle.learned import told
from pvcore.cycle.mending import phases
from pvcore.dossier.finding import Finding
from pvcore.dossier.phases import phase_plot
from pvcore.errors import NotFound
from pvcore.evaluation.curve import Interval
from pvcore.problems import problem as known_problem
from pvcore.registry.blobs import get_blob
from pvcore.registry.ledger import Entry


def as_json(workspace: Workspace, problem: str) -> list[dict[str, Any]]:
    """What was recorded of each phase, JSON values only, its failure modes and what it closed in it.

    Raises NotFound without any.
    """
    return [
        {**entry.body, **{part: _read(workspace, entry.body[part]) for part in ("modes", "closed")}}
        for entry in _found(workspace, problem)
    ]


def _read(workspace: Workspace, blob: str) -> Any:
    return json.loads(get_blob(workspace.store, blob))


def table(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row a phase of `as_json`."""
    return [_row(phase) for phase in found]


def _row(phase: Mapping[str, Any]) -> dict[str, Any]:
    done = [row["mode"] for row in phase["closed"] if row["closed"]]
    return {
        "phase": phase["number"],
        "version": phase["name"],
        "rows": phase["rows"],
        "metric": phase["metric"],
        "score": told(phase["score"]),
        "wrong": f"{phase['errors']} of {phase['tune']}",
        "fails at": "; ".join(mode["name"] for mode in phase["modes"]),
        "closed": f"{len(done)} of {len(phase['closed'])}" + (f": {'; '.join(done)}" if done else ""),
        "asked for": phase["asked"],
        "then": phase["stopped"] or phase["file"],
    }


def line(entry: Entry) -> str:
    """What a phase came to, in a sentence."""
    return _line(entry.body)


def _line(body: Mapping[str, Any]) -> str:
    then = (
        f"stops: {body['stopped']}"
        if body["stopped"]
        else f"{body['asked']} cases to annotate: {body['file']}"
    )
    return f"phase {body['number']} of {body['problem']}, {body['name']}: {then}"


def finding(found: Sequence[Mapping[str, Any]]) -> Finding:
    """All phases of `as_json` as every page shows them, and what the last one came to."""
    last = found[-1]
    alike = [phase for phase in found if phase["metric"] == last["metric"]]
    scores = [(phase["number"], phase["rows"], Interval(**phase["score"])) for phase in alike]
    plot = phase_plot(scores, last["metric"], target=last["target"])
    alt = "The score of each phase with its interval, by the rows that its version learned from."
    return Finding(f"{last['problem']}: phases", alt, plot, table(found), [_line(last)])


def write_work_list(workspace: Workspace, problem: str, path: Path) -> None:
    """The work list of the last phase as a file, beside it the configuration of a Label Studio project.

    Raises NotFound where it asked for nothing, ConfigError for a file of another kind.
    """
    last = _found(workspace, problem)[-1]
    if not last.body["worklist"]:
        raise NotFound(f"{line(last)}. There is no work list.")
    asking.require_suffix(problem, path)
    path.write_bytes(get_blob(workspace.store, last.body["worklist"]))
    asking.write_config(problem, path)


def _found(workspace: Workspace, problem: str) -> list[Entry]:
    known_problem(problem)
    found = phases(workspace.ledger.state(), problem)
    if not found:
        raise NotFound(f"no phase of {problem} was run. Run one: pv phases {problem} --run")
    return found
