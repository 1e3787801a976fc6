"""`pv verify`, `export`, `rebuild`: what a version rests on, for us, for an outsider, and trained again."""

from __future__ import annotations

import shlex
from collections import Counter
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from pvcore.cli.output import console, emit, errors
from pvcore.cli.platform import Json, Where
from pvcore.cli.registry import Version
from pvcore.errors import LedgerBroken, PlatformError, RegistryError


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    app.command()(verify)
    app.command()(export)
    app.command()(rebuild)


def verify(
    version: Version,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="a checkpoint that was kept elsewhere; repeatable", exists=True, dir_okay=False),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="do not make report and dossier again")] = False,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Check a version down to the first champion: digests, records, signatures, and its dossier's claims made again.

    Exit code 4 if anything does not hold; what could not be checked is told as such.
    """
    from pvcore.config import open_workspace
    from pvcore.cycle.checks import BROKEN
    from pvcore.cycle.verification import verify_version

    checks = verify_version(open_workspace(workspace), version, checkpoint or (), quick=quick)
    emit(checks, as_json=as_json, title=f"verification of {version}")
    counts = Counter(check["holds"] for check in checks)
    if wrong := [check for check in checks if check["holds"] == BROKEN]:
        told = "".join(f"\n  {check['check']}: {check['why']}" for check in wrong)
        raise LedgerBroken(f"{version}: {len(wrong)} of {len(checks)} checks do not hold{told}")
    if not as_json:
        console.print(
            f"{version} holds: {', '.join(f'{n} {kind}' for kind, n in counts.items())}", markup=False
        )


def export(
    version: Version,
    target: Annotated[Path, typer.Argument(help="a folder that does not exist")],
    with_data: Annotated[
        bool, typer.Option("--with-data", help="cases, labels and answers too: personal data")
    ] = False,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(help="a signed checkpoint to put in; repeatable", exists=True, dir_okay=False),
    ] = None,
    workspace: Where = None,
) -> None:
    """Write a folder with which an outsider verifies a version: records, ledger, adapter, and the verifier itself."""
    from pvcore.config import open_workspace
    from pvcore.cycle.export import export as write

    write(open_workspace(workspace), version, target, with_data=with_data, checkpoints=checkpoint or ())
    told = f"python3 -I {shlex.quote(str(target / 'verify.py'))} {shlex.quote(str(target))}"
    console.print(f"wrote {target}; verify it: {told}", markup=False)


def rebuild(
    version: Version,
    parents: Annotated[
        bool, typer.Option("--parents", help="all that it was continued from too, from the first on")
    ] = False,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Train a version again from its manifest on the running platform, and wait for the receipt.

    Exit code 4 if the bytes are not the same; the receipt says what differs.
    """
    from pvcore.config import open_workspace
    from pvcore.cycle.rebuilding import receipts
    from pvcore.platform import embedded

    opened = open_workspace(workspace)
    platform = embedded.attach(opened.root, opened.store.url)
    before = len(opened.ledger.entries())
    started = platform.run("rebuild", {"version": version, "parents": parents})
    with errors.status(f"{version} is trained again: {platform.flow_run(started).url}"):
        done = platform.wait(started, timeout=inf)
    rows = receipts(opened, before)
    emit(rows, as_json=as_json, title=f"{version} trained again", columns=("version", "same", "receipt"))
    if done.state != "COMPLETED" and done.state_name != "Different":
        raise PlatformError(f"the run ended {done.state_name}: {done.message}. See {done.url}")
    if not all(row["same"] for row in rows):
        raise RegistryError(f"{version} is not what its manifest gives: {rows[-1]['receipt']}")
