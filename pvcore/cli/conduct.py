"""`pv behaviour`, `pv loaded`: how a version behaves, and whether a fresh process can answer with it."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from pvcore.cli.output import emit, emit_fields, emit_json
from pvcore.cli.platform import Json, Where
from pvcore.errors import GateError, NotFound

Version = Annotated[str, typer.Argument(help="seriousness@7, seriousness@latest, or a digest")]


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    app.command()(behaviour)
    app.command()(loaded)


def behaviour(
    version: Annotated[str, typer.Argument(help="seriousness@7 is put to the tests; seriousness lists them")],
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Put a version to the behaviour tests (negation, misspelling, ...), or list the tests of a problem."""
    from pvcore.config import open_workspace
    from pvcore.cycle import behaviours
    from pvcore.problems import PROBLEMS

    opened = open_workspace(workspace)
    if "@" not in version and version in PROBLEMS:
        emit(behaviours.listed(opened, version), as_json=as_json, title=f"behaviour tests of {version}")
        return
    found = behaviours.of_version(opened, version)
    if as_json:
        emit_json(dataclasses.asdict(found))
        return
    rows = [
        {"kind": name, "passed": kind.passed, "tests": kind.tests, "rate": round(kind.rate, 3)}
        for name, kind in found.kinds.items()
    ]
    emit(rows, as_json=False, title=f"behaviour of {version}")
    failures = [
        {"test": f.test, "texts": list(f.texts), "asked": f.asked, "found": list(f.found)}
        for kind in found.kinds.values()
        for f in kind.failures
    ]
    if failures:
        emit(failures, as_json=False, title="not passed")


def loaded(
    version: Version,
    again: Annotated[bool, typer.Option("--again", help="measure again what was checked before")] = False,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Let a fresh process load a version and answer the golden cases. Exit code 7 where it does not pass."""
    from pvcore.config import open_workspace
    from pvcore.cycle.loaded import check

    entry = check(open_workspace(workspace), version, again=again)
    if entry is None:
        raise NotFound(
            f"nothing is asked of {version}: the gate did not pass it, or the policy does not say "
            "`loaded: {required: true}`"
        )
    if as_json:
        emit_json([entry.body])
    else:
        emit_fields(entry.body)
    if entry.body["outcome"] != "pass":
        raise GateError(f"{version}: {'; '.join(entry.body['reasons'])}")
