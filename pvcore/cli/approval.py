"""`pv requests`, `sign`, `approve`, `reject`: what waits for a person, and a person's answer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pvcore.cli.output import console, emit, emit_json
from pvcore.cli.platform import Json, Where

Version = Annotated[str, typer.Argument(help="the version that waits, such as seriousness@2")]
Name = Annotated[str, typer.Option(help="who you are: principal or name, as under signers in the policy")]
Reason = Annotated[str, typer.Option(help="why; it becomes part of what is signed and kept")]
Key = Annotated[Path, typer.Option(help="file of your private SSH key", exists=True, dir_okay=False)]


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    app.command()(requests)
    app.command()(sign)
    app.command()(approve)
    app.command()(reject)


def requests(workspace: Where = None, as_json: Json = False) -> None:
    """Promotions, rollbacks and overrides that wait for an approval, and until when they can be answered."""
    from pvcore.config import open_workspace
    from pvcore.cycle import approval

    rows = [
        {
            "version": r.version,
            "action": r.action,
            "replaces": r.expected or "nothing",
            "asked": r.time,
            "until": r.until,
        }
        for r in approval.open_requests(open_workspace(workspace))
    ]
    emit(rows, as_json=as_json, title="waits for approval")


def sign(
    version: Version,
    name: Name,
    reason: Reason,
    key: Key,
    reject: Annotated[bool, typer.Option("--reject", help="sign a rejection, not an approval")] = False,
    workspace: Where = None,
) -> None:
    """Print the signature that the form in the Prefect UI asks for. It covers decision, name and reason too."""
    from pvcore.config import open_workspace
    from pvcore.cycle import approval

    opened = open_workspace(workspace)
    request = approval.open_request(opened, version)
    decision = "reject" if reject else "approve"
    typer.echo(approval.sign(opened, request, decision=decision, name=name, reason=reason, key=key))


def approve(
    version: Version, name: Name, reason: Reason, key: Key, workspace: Where = None, as_json: Json = False
) -> None:
    """Sign an approval and hand it to the run that waits; the same as filling in the form in the Prefect UI."""
    _answer("approve", version, name, reason, key, workspace, as_json)


def reject(
    version: Version, name: Name, reason: Reason, key: Key, workspace: Where = None, as_json: Json = False
) -> None:
    """Sign a rejection and hand it to the run that waits."""
    _answer("reject", version, name, reason, key, workspace, as_json)


def _answer(
    decision: str, version: str, name: str, reason: str, key: Path, workspace: Path | None, as_json: bool
) -> None:
    from pvcore.config import open_workspace
    from pvcore.cycle import approval, waiting
    from pvcore.platform import embedded

    opened = open_workspace(workspace)
    request = approval.open_request(opened, version)
    platform = embedded.attach(opened.root, opened.store.url)
    line = waiting.answer(opened, platform, request, decision=decision, name=name, reason=reason, key=key)
    if as_json:
        emit_json({"version": version, "decision": decision, "result": line})
    else:
        console.print(line, markup=False)
