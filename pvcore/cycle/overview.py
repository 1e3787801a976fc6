"""What the ledger amounts to, as rows that a person or a program reads."""

from __future__ import annotations

from typing import Any

from pvcore.config import Workspace
from pvcore.cycle import arrivals, holding
from pvcore.cycle.approval import open_requests
from pvcore.cycle.signed import ANSWERS, in_a_line, signature, signatures, under
from pvcore.cycle.spending import told as spent
from pvcore.errors import NotFound, PvError
from pvcore.registry import promotion
from pvcore.registry.ledger import Entry, State
from pvcore.registry.names import resolve
from pvcore.registry.version import read_version

Row = dict[str, Any]


def overview(workspace: Workspace) -> dict[str, list[Row]]:
    """Champions, requests that wait, batches that wait or are held, what lies in quarantine."""
    pending = arrivals.pending_batches(workspace)
    held = holding.held(workspace, pending)
    names = {e.body["batch"] for e in held}
    return {
        "champions": [row for row in versions(workspace) if row["champion"] == "yes"],
        "waits_for_approval": [
            {
                "version": r.version,
                "action": r.action,
                "replaces": r.expected or None,
                "asked": r.time,
                "until": r.until,
            }
            for r in open_requests(workspace)
        ],
        "waits_for_its_update": [
            {
                "batch": e.body["name"],
                "cases": e.body["cases"],
                "meddra": e.body["meddra_versions"],
                "admitted": e.time,
            }
            for e in pending
            if e.body["digest"] not in names
        ],
        "held": [
            {"batch": e.body["name"], "digest": e.body["batch"][:12], "reason": e.body["reason"]}
            for e in held
        ],
        "quarantine": [
            {"object": e.body["object"]["key"], "faults": e.body["faults"], "report": e.body["report"]}
            for e in workspace.ledger.entries()
            if e.kind == "Quarantined"
        ],
    }


def versions(workspace: Workspace) -> list[Row]:
    """All versions, oldest first. One whose manifest cannot be read has that as its decision."""
    state = workspace.ledger.state()
    return [
        _row(workspace, entry, champion=entry.body["version"] == state.champion(problem))
        for problem in state.problems()
        for entry in state.versions(problem)
    ]


def _row(workspace: Workspace, entry: Entry, *, champion: bool) -> Row:
    problem, parent = entry.body["problem"], None
    try:
        manifest = read_version(workspace.store, entry).manifest
        decision = manifest.outcome
        parent = workspace.ledger.state().version(manifest.parent) if manifest.parent else None
    except PvError as error:
        decision = f"damaged: {error}"
    return {
        "version": f"{problem}@{entry.body['number']}",
        "champion": "yes" if champion else "",
        "decision": decision,
        "parent": f"{problem}@{parent.body['number']}" if parent else None,
        "digest": entry.body["version"],
        "adapter": entry.body["adapter"],
        "specification": entry.body["specification"],
        "registered": entry.time,
    }


def champions(workspace: Workspace) -> list[str]:
    """A line per champion: who approved it, when."""
    lines, state = [], workspace.ledger.state()
    for row in versions(workspace):
        if row["champion"]:
            rows = [
                signature(workspace, state, e)
                for e in state.entries
                if e.kind == promotion.APPROVED and e.body["version"] == row["digest"]
            ]
            signed = [given["name"] for given in rows if given["verified"] == "yes"]
            by = signed[-1] if signed else "nobody"
            lines.append(f"{row['version']} is champion (approved by {by}, adapter {row['adapter'][:12]})")
    return lines


def version_page(workspace: Workspace, name: str) -> Row:
    """A version with its manifest's digests and all its signatures."""
    found = resolve(workspace.store, workspace.ledger, name)
    manifest = found.manifest
    return {
        "version": found.name,
        "digest": found.digest,
        "decision": manifest.outcome,
        "held_out": spent(_last_evaluated(workspace, found.problem)) or "not counted",
        "created": manifest.created,
        "base": manifest.base["source"],
        "specification": manifest.specification,
        "dataset": manifest.dataset,
        "dictionary": manifest.dictionary,
        "parent": manifest.parent,
        "report": manifest.report,
        "policy": manifest.policy,
        "dossier": manifest.dossier,
        "adapter": manifest.adapter["digest"],
        "files": [{"file": f, **entry} for f, entry in manifest.adapter["files"].items()],
        "signatures": signatures(workspace, found.digest),
    }


def _last_evaluated(workspace: Workspace, problem: str) -> Row:
    """The body of a problem's newest evaluation: what is spent of the held-out cases by now."""
    entries = reversed(workspace.ledger.entries())
    return next((e.body for e in entries if e.kind == "Evaluated" and e.body["problem"] == problem), {})


def history(workspace: Workspace, problem: str = "") -> list[Row]:
    """The ledger's entries in order, a line each; only those of `problem` if it is given."""
    state = workspace.ledger.state()
    known = state.problems()
    if problem and problem not in known:
        raise NotFound(f"the ledger knows no problem {problem!r}. It knows: {', '.join(known) or 'none'}.")
    return [
        {
            "number": e.sequence,
            "time": e.time,
            "event": e.kind,
            "by": e.actor,
            "what": _told(workspace, e, state),
            "digest": e.digest[:12],
        }
        for e in state.entries
        if not problem or e.body.get("problem") == problem
    ]


def _told(workspace: Workspace, entry: Entry, state: State) -> str:
    body = entry.body
    if entry.kind in (*ANSWERS, "HoldPlaced", "HoldLifted", "Collected"):
        return in_a_line(workspace, state, entry)
    told = {
        "ReleaseAdmitted": lambda: f"MedDRA {body['version']} {body['language']} ({body['name']})",
        "BatchAdmitted": lambda: f"{body['name']}: {arrivals.in_words(body)}",
        "AlreadyAdmitted": lambda: f"{body['object']['key']} has the content of entry {body['as']}",
        "Quarantined": lambda: f"{body['object']['key']}: {body['faults']} fault(s): {body['first']}",
        "Announced": lambda: f"entry {body['sequence']}",
        "Held": lambda: f"{body['name']}: {body['reason']}",
        "Released": lambda: f"{body['name']}, by {body['by']}: {body['reason']}",
        "DictionaryAdopted": lambda: f"MedDRA {body['version']} after {body['from'] or 'none'}",
        "Migrated": lambda: f"{body['rows']} rows from {body['from']} to {body['to']}",
        "DatasetBuilt": lambda: (
            f"{body['dataset'][:12]}, {len(body['batches'])} batches, MedDRA {body['version']}"
        ),
        "Pretrained": lambda: f"base {body['base'][:12]}, from {body['origin'][:12]}",
        "Trained": lambda: (
            f"{body['problem']}: {body['rows']} rows, {body['seconds']} s, adapter {body['adapter'][:12]}"
        ),
        "Rebuilt": lambda: f"{body['problem']}: adapter {body['adapter'][:12]}",
        "RebuildCompared": lambda: body["line"],
        "Evaluated": lambda: ", ".join(filter(None, (f"{body['problem']}: {body['outcome']}", spent(body)))),
        "Registered": lambda: f"{body['problem']}@{body['number']}",
        "Loaded": lambda: "; ".join([f"{body['name']}: {body['outcome']}", *body["reasons"]]),
        "ApprovalRequested": lambda: f"{body['action']} {body['name']}",
        "Promoted": lambda: f"{body['name']}; {under(workspace, state, entry)}",
        "RolledBack": lambda: f"to {body['name']}; {under(workspace, state, entry)}",
        "Overridden": lambda: (
            f"{body['name']}, although {'; '.join(body.get('waived', ()))}; {under(workspace, state, entry)}"
        ),
        "CollectionEnded": lambda: f"all of entry {body['collection']['sequence']} is deleted",
        "PolicyUsed": lambda: f"{body['policy'][:12]}, by answers of which no other entry tells",
        "Scored": lambda: f"{body['rows']} predictions",
    }.get(entry.kind)
    return told() if told else ""
