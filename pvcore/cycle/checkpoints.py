"""Checkpoints of the ledger as a team makes them and an outsider keeps them: make, verify, tell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pvcore.config import Workspace
from pvcore.errors import LedgerBroken, PvError, RegistryError
from pvcore.registry import chain, checkpoint
from pvcore.registry.audit import Audit, audit
from pvcore.registry.checkpoint import Checkpoint

Row = dict[str, Any]


def make(workspace: Workspace, key: Path, name: str) -> Checkpoint:
    """A signed checkpoint of the ledger as it is now, which is verified first. `name` is a principal.

    Raises LedgerBroken, RegistryError for an empty ledger, SignatureRefused for a key that
    allowed_signers does not give to `name` for checkpoints.
    """
    found = audit(workspace.store)
    chain.refuse(workspace.store.url, found.faults)
    if not found.size:
        raise RegistryError(
            f"{workspace.store.url}: the ledger has no entries yet, so there is nothing to sign."
        )
    made = checkpoint.sign(found.ledger, found.size, found.root, name, key)
    checkpoint.verify(made, workspace.keys)
    return made


def read(workspace: Workspace, file: Path) -> Checkpoint:
    """A checkpoint that somebody kept, its signature verified. Raises InputError, SignatureRefused."""
    kept = checkpoint.read(file)
    checkpoint.verify(kept, workspace.keys)
    return kept


def verify(workspace: Workspace, files: Sequence[Path], *, quick: bool = False) -> tuple[Audit, list[Row]]:
    """The whole ledger against checkpoints that were kept: what was found, and a row for each thing looked at."""
    kept: dict[str, Checkpoint] = {}
    refused: dict[str, str] = {}
    for file in files:
        try:
            kept[str(file)] = read(workspace, file)
        except PvError as error:
            refused[str(file)] = str(error)
    found = audit(workspace.store, kept, quick=quick)
    told = {fault.where: str(fault) for fault in found.faults}
    own = [str(fault) for fault in found.faults if fault.where not in kept]
    looked = "chain and tree of the bytes" if quick else "chain, form and snapshots"
    rows = [_row(f"{found.size} entries: {looked}", "; ".join(own[:20]))]
    rows += [_row(_told(name, kept[name], found.size), told.get(name, "")) for name in kept]
    rows += [_row(name, why) for name, why in refused.items()]
    return found, rows


def require(rows: Sequence[Row]) -> None:
    """Raise LedgerBroken where a row does not hold."""
    wrong = [row["what"] for row in rows if row["holds"] != "yes"]
    if wrong:
        raise LedgerBroken(f"{len(wrong)} of {len(rows)} do not hold: {'; '.join(wrong)}")


def _told(name: str, kept: Checkpoint, size: int) -> str:
    """How many entries it vouches for, of how many there are: of those after it, it says nothing."""
    return f"{name}: {kept.size} of {size} entries, signed by {kept.signer} on {kept.time}"


def _row(what: str, fault: str) -> Row:
    return {"what": what, "holds": "no" if fault else "yes", "found": fault}
