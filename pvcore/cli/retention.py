"""`pv registry hold`, `release-hold`, `gc`: what is kept whatever happens, and what goes, each signed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pvcore.cli.approval import Key, Name, Reason
from pvcore.cli.output import console, emit, emit_json
from pvcore.cli.platform import Json, Where
from pvcore.errors import ConfigError

Version = Annotated[str, typer.Argument(help="seriousness@7, seriousness@champion, or a digest")]


def add_to(registry: typer.Typer) -> None:
    """Register these commands under `pv registry`."""
    registry.command()(hold)
    registry.command("release-hold")(release_hold)
    registry.command()(gc)


def hold(version: Version, name: Name, reason: Reason, key: Key, workspace: Where = None) -> None:
    """Place a legal hold: the version and all that it leads to survive every collection. Signed."""
    from pvcore.config import open_workspace
    from pvcore.cycle import retention

    line = retention.hold(open_workspace(workspace), version, name=name, reason=reason, key=key)
    console.print(line, markup=False)


def release_hold(version: Version, name: Name, reason: Reason, key: Key, workspace: Where = None) -> None:
    """Lift the legal holds on a version. Signed."""
    from pvcore.config import open_workspace
    from pvcore.cycle import retention

    line = retention.release_hold(open_workspace(workspace), version, name=name, reason=reason, key=key)
    console.print(line, markup=False)


def gc(
    name: Annotated[str, typer.Option(help="who you are: principal or name, as in the policy")] = "",
    reason: Annotated[str, typer.Option(help="why; it becomes part of what is signed and kept")] = "",
    key: Annotated[
        Path | None, typer.Option(help="file of your private SSH key", exists=True, dir_okay=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only list what would go, and why")] = False,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Delete blobs that nothing registered needs, behind a signed entry that lists them. Reads every blob once."""
    from pvcore.config import open_workspace
    from pvcore.cycle import retention

    if not dry_run and not (name and reason and key):
        raise ConfigError(
            "a collection is signed: give --name, --reason and --key, or --dry-run to look first."
        )
    opened = open_workspace(workspace)
    planned = retention.collectable(opened)
    if dry_run or key is None:
        emit(retention.rows(planned), as_json=as_json, title=f"would be collected, {planned.size} bytes")
        return
    line, done = retention.collect(opened, planned, name=name, reason=reason, key=key)
    if as_json:
        emit_json({"result": line, "blobs": retention.rows(done)})
    else:
        console.print(line, markup=False)
