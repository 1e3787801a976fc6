"""`pv verify`: everything that a version rests on, down to the first champion; one row a check, none left out.

Rows come in the order of trust: the ledger, each version with its records and data, every switch of the
champion, then what the version's own report and dossier claim. A check that cannot be made is a row too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pvcore.config import Workspace
from pvcore.cycle import beside, checkpoints, claims, judging, provenance, receipts, recounted, retention
from pvcore.cycle.absence import check_commitment
from pvcore.cycle.checks import BROKEN, OPEN, Checks, Row, require_same
from pvcore.errors import PvError
from pvcore.registry import approval
from pvcore.registry.blobs import check_blob
from pvcore.registry.ledger import Entry, State
from pvcore.registry.names import find
from pvcore.registry.proof import verify_switch
from pvcore.registry.version import Version, read_version


def verify_version(
    workspace: Workspace, name: str, kept: Sequence[Path] = (), *, quick: bool = False
) -> list[Row]:
    """Check a version: rows of check, holds ("yes", "no", "not checked") and why.

    `quick` leaves report and dossier as they are: making them again takes as long as the evaluation did.

    Where the manifest does not hold nobody knows what the version rests on: that row is the last. With
    checkpoints that were `kept` elsewhere, entries cut off at the end and a ledger written anew are found.
    """
    state, checks = workspace.ledger.state(), Checks()
    for row in checkpoints.verify(workspace, kept)[1]:
        checks.rows.append({"check": f"ledger: {row['what']}", "holds": row["holds"], "why": row["found"]})
    if not kept:
        why = "give a checkpoint that was kept elsewhere (--checkpoint): only it shows entries cut off at the end"
        checks.rows.append({"check": "ledger: its end", "holds": OPEN, "why": why})
    asked = find(state, name)
    blobs = _Blobs(workspace)
    lineage = _lineage(workspace, state, asked, checks)
    for version in lineage:
        _version(workspace, version, blobs, checks)
    if not lineage:
        return checks.rows
    for switch in state.history(lineage[0].problem):
        what = f"{switch.body['name']}: signatures of its switch, entry {switch.sequence}"
        checks.make(what, partial(_door, workspace, state, switch))
    _claims(workspace, lineage[0], quick, checks)
    checks.make(f"{lineage[0].name}: trained again", partial(receipts.rebuilt, workspace, lineage[0]))
    for version in lineage if quick else lineage[1:]:
        why = f"not made again here: pv verify {version.name}"
        checks.rows.append({"check": f"{version.name}: report, dossier", "holds": OPEN, "why": why})
    return checks.rows


class _Blobs:
    """Reads a blob once, however often it is named."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.found: dict[str, PvError | None] = {}

    def __call__(self, digest: str) -> None:
        if digest not in self.found:
            try:
                check_blob(self.workspace.store, digest)
                self.found[digest] = None
            except PvError as error:
                self.found[digest] = error
        if known := self.found[digest]:
            raise known


def _lineage(workspace: Workspace, state: State, asked: Entry, checks: Checks) -> list[Version]:
    """The version, and all that it was continued from or compared with, newest first; the first champion is last."""
    wanted, found = {asked.body["version"]}, dict[str, Version]()
    while wanted:
        # Both come before it in the ledger, so the newest that is left can be named by nothing that follows.
        entry = max((e for d in wanted if (e := state.version(d))), key=lambda e: e.sequence, default=None)
        if entry is None:
            for digest in sorted(wanted):
                why = f"{digest} is not registered in this ledger"
                checks.rows.append({"check": f"{digest[:12]}: manifest", "holds": BROKEN, "why": why})
            break
        wanted.remove(entry.body["version"])

        def read(entry: Entry = entry) -> None:
            version = read_version(workspace.store, entry)
            found[version.digest] = version

        checks.make(f"{entry.body['problem']}@{entry.body['number']}: manifest", read)
        if version := found.get(entry.body["version"]):
            named = {version.manifest.parent, version.manifest.champion} - {None, *found}
            wanted |= {str(name) for name in named}
        elif entry is asked:
            return []
    return list(found.values())


def _version(workspace: Workspace, version: Version, blob: Callable[[str], None], checks: Checks) -> None:
    manifest, name = version.manifest, version.name
    for part in ("specification", "dataset", "report", "policy", "dossier"):
        checks.make(f"{name}: {part}", partial(blob, getattr(manifest, part)))
    for file, entry in manifest.adapter["files"].items():
        checks.make(f"{name}: adapter file {file}", partial(blob, entry["sha256"]))
    for file, entry in manifest.beside.items():
        checks.make(f"{name}: {file}", partial(blob, entry["sha256"]))
    read = f"{name}: cases that were read"
    if manifest.read:
        checks.make(read, partial(check_commitment, workspace, manifest))
    else:
        checks.rows.append({"check": read, "holds": OPEN, "why": "its training did not commit to them"})
    if retention.is_held(workspace, version):
        checks.make(f"{name}: legal holds", partial(retention.require_holds_proven, workspace, version))
    checks.make(
        f"{name}: specification fits the manifest",
        partial(claims.specification, workspace, version),
        f"{name}: specification",
    )
    checks.make(f"{name}: training, evaluation, registration", partial(claims.records, workspace, version))
    provenance.check(workspace, version, blob, checks)
    checks.make(f"{name}: loaded for real", partial(receipts.loaded, workspace, version))
    for entry in judging.evaluations(workspace, manifest.specification):
        own = entry.body["report"] == manifest.report
        parts = {"decision": entry.body["decision"], "answers": entry.body["predictions"]}
        kept = ("cases", "replies", "tests", "intended", "changed", "learning", "mended")
        parts |= {part: entry.body[part] for part in kept if part in entry.body}
        parts |= _answers(entry)
        parts |= {} if own else {"report": entry.body["report"], "policy": entry.body["policy"]}
        where = f"{name}: evaluation, entry {entry.sequence}"
        for part, digest in parts.items():
            checks.make(f"{where}: {part}", partial(blob, digest))
        places = [f"{name if own else where}: {part}" for part in ("report", "policy")]
        checks.make(
            f"{where}: report and policy give the decision",
            partial(claims.decision, workspace, entry),
            *places,
            f"{where}: decision",
        )


def _answers(entry: Entry) -> dict[str, str]:
    """Row -> digest of what others than the candidate answered."""
    found = {f"answers of {who}": at for who, at in entry.body.get("answers", {}).items()}
    old = entry.body.get("old_answers")
    return found | ({"answers of champion in its own release": old} if old else {})


def _door(workspace: Workspace, state: State, switch: Entry) -> str:
    """A switch took the one door, and replaced the champion of that moment."""
    verify_switch(state, workspace.store, switch, keys=workspace.keys)
    request = approval.entry_at(state, switch.body["request"], approval.REQUESTED)
    replaced = State(state.entries[: switch.sequence - 1]).champion(switch.body["problem"])
    require_same(
        "it does not follow the switch before",
        {
            "the champion replaced": (switch.body["expected"], replaced),
            "the champion to be replaced": (request.body["expected"], replaced),
        },
        f"ledger entry {switch.sequence} or its request",
        "the ledger until then",
    )
    approvals = [
        state.entries[reference["sequence"] - 1].body["name"] for reference in switch.body["approvals"]
    ]
    return f"{switch.kind}, signed by {', '.join(approvals)}"


def _claims(workspace: Workspace, version: Version, quick: bool, checks: Checks) -> None:
    """Every report that the version was ever judged by, since a request names the newest, and its dossier."""
    name, own = version.name, None
    try:
        own = claims.evaluated(workspace, version)
    except PvError as error:
        checks.rows.append({"check": f"{name}: report, dossier", "holds": OPEN, "why": str(error)})
    for entry in judging.evaluations(workspace, version.manifest.specification):
        first = own is not None and entry.sequence == own.sequence
        where = f"{name}: evaluation, entry {entry.sequence}"
        place = name if first else where
        _report(workspace, entry, name, where, place, quick, checks)
    if own is None or quick:
        return
    where = f"{name}: evaluation, entry {own.sequence}"
    checks.make(
        f"{name}: the dossier follows from all of this",
        partial(claims.dossier, workspace, version),
        *(f"{name}: {part}" for part in ("specification", "report", "policy", "dossier")),
        *(f"{name}: dataset, {part}" for part in ("cases", "labels")),
        *(f"{where}: {part}" for part in ("answers", "intended", "changed")),
        *(f"{where}: {part}" for part in ("learning", "mended") if part in own.body),
        f"{name}: training, evaluation, registration",
    )


def _report(
    workspace: Workspace, entry: Entry, name: str, where: str, place: str, quick: bool, checks: Checks
) -> None:
    made = {
        "the report follows from the answers": recounted.report,
        "the dictionary's effect follows from the answers": beside.effects,
        "who could not be asked, and why": beside.unavailable,
    }
    needs = [
        f"{name}: specification",
        *(f"{place}: {part}" for part in ("report", "policy")),
        *(f"{name}: dataset, {part}" for part in ("cases", "labels")),
        *(f"{where}: {part}" for part in ("answers", *_answers(entry))),
        *(f"{where}: {part}" for part in ("cases", "changed", "tests", "learning") if part in entry.body),
    ]
    for what, check in made.items():
        if quick:
            why = f"not made again here: pv verify {name}"
            checks.rows.append({"check": f"{place}: {what}", "holds": OPEN, "why": why})
        else:
            checks.make(f"{place}: {what}", partial(check, workspace, entry), *needs)
    if quick:
        return
    if "tests" not in entry.body:
        why = f"their replies were not kept when it was judged: pv behaviour {name} asks again"
        checks.rows.append({"check": f"{place}: behaviour tests", "holds": OPEN, "why": why})
    why = f"taken as given: pv rebuild {name} and pv loaded {name} show whose they are"
    checks.rows.append({"check": f"{place}: whose the answers are", "holds": OPEN, "why": why})
