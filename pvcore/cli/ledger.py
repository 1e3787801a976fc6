"""`pv ledger`: checkpoints that an outsider keeps, the whole ledger verified against them, and proofs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pvcore.cli.output import console, emit, emit_json, write_whole
from pvcore.cli.platform import Json, Where

Kept = Annotated[Path, typer.Argument(help="a checkpoint that was kept", exists=True, dir_okay=False)]

ledger = typer.Typer(no_args_is_help=True, help="The ledger: signed checkpoints, verification, proofs.")


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    app.add_typer(ledger, name="ledger")


@ledger.command()
def checkpoint(
    out: Annotated[Path, typer.Argument(help="file to write, for somebody outside to keep")],
    key: Annotated[Path, typer.Option(help="file of your private SSH key", exists=True, dir_okay=False)],
    name: Annotated[str, typer.Option(help="your principal in allowed_signers")],
    workspace: Where = None,
) -> None:
    """Verify the ledger, then sign how many entries it has and the root of their tree."""
    from pvcore.config import open_workspace
    from pvcore.cycle import checkpoints

    made = checkpoints.make(open_workspace(workspace), key, name)
    write_whole(out, str(made))
    console.print(f"{out}: {made.size} entries, signed by {made.signer} on {made.time}", markup=False)


@ledger.command()
def verify(
    kept: Annotated[
        list[Path] | None, typer.Argument(help="checkpoints that were kept", exists=True, dir_okay=False)
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="chain and tree by the bytes, not what the entries say")
    ] = False,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Verify the whole ledger, also against checkpoints that were kept. Exit code 4 if anything does not hold."""
    from pvcore.config import open_workspace
    from pvcore.cycle import checkpoints

    found, rows = checkpoints.verify(open_workspace(workspace), kept or [], quick=quick)
    if as_json:
        notes = [str(note) for note in found.notes]
        emit_json({"size": found.size, "root": found.root.hex(), "checks": rows, "notes": notes})
    else:
        emit(rows, as_json=False, title="ledger")
        for note in found.notes:
            console.print(f"note: {note}", markup=False)
    checkpoints.require(rows)


@ledger.command()
def prove(
    entry: Annotated[str, typer.Argument(help="number or digest of an entry")],
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            help="prove it in this checkpoint, not in the ledger of now", exists=True, dir_okay=False
        ),
    ] = None,
    workspace: Where = None,
) -> None:
    """Print, as JSON, the proof that an entry is in the ledger: whoever has a checkpoint needs nothing else."""
    from pvcore.config import open_workspace
    from pvcore.cycle import checkpoints
    from pvcore.registry import audit

    opened = open_workspace(workspace)
    kept = checkpoints.read(opened, checkpoint) if checkpoint else None
    emit_json(audit.inclusion(opened.store, entry, kept))


@ledger.command()
def consistency(old: Kept, new: Kept, workspace: Where = None) -> None:
    """Print, as JSON, the proof that nothing before OLD was changed up to NEW, two checkpoints."""
    from pvcore.config import open_workspace
    from pvcore.cycle import checkpoints
    from pvcore.registry import audit

    opened = open_workspace(workspace)
    emit_json(audit.consistency(opened.store, checkpoints.read(opened, old), checkpoints.read(opened, new)))
