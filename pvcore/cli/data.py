"""`pv meddra`: look at a release before it goes into the inbox, and at its terms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pvcore.cli.output import console, emit, emit_json
from pvcore.cli.platform import Json, Where

meddra = typer.Typer(no_args_is_help=True, help="MedDRA releases: check, compare, look up.")
Release = Annotated[Path, typer.Argument(help="a release: zip or folder", exists=True)]


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    app.add_typer(meddra, name="meddra")


@meddra.command()
def check(path: Release, as_json: Json = False) -> None:
    """Read and verify a release; all violations are listed. The zip's password is PV_MEDDRA_PASSWORD."""
    dictionary = _read(path)
    rows = [{"table": name, "rows": len(table)} for name, table in dictionary.tables.items()]
    if as_json:
        emit_json(
            {
                "version": dictionary.version,
                "language": dictionary.language,
                "digest": dictionary.digest,
                "encoding": dictionary.encoding,
                "tables": rows,
            }
        )
        return
    emit(rows, as_json=False, title=f"MedDRA {dictionary.version} {dictionary.language}: no fault")
    console.print(f"digest {dictionary.digest}  encoding {dictionary.encoding}")


@meddra.command()
def diff(old: Release, new: Release, as_json: Json = False) -> None:
    """What changed between two releases, by the kinds of the maintenance organisation's version analysis."""
    from pvcore.meddra.diff import KINDS
    from pvcore.meddra.diff import diff as compare

    found = compare(_read(old), _read(new))
    if as_json:
        typer.echo(found.to_json())
        return
    rows = [{"kind": KINDS[kind], "changes": count} for kind, count in found.counts.items()]
    emit(rows, as_json=False, title=f"MedDRA {found.old_version} to {found.new_version}")


@meddra.command()
def show(
    term: Annotated[str, typer.Argument(help="an LLT code or name")],
    version: Annotated[str, typer.Option(help="an admitted release; default: the adopted one")] = "",
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """A term's place: LLT, PT and the primary path, in an admitted release."""
    from pvcore.config import open_workspace
    from pvcore.cycle.data import adopted_version
    from pvcore.cycle.inbox import load_dictionary
    from pvcore.errors import NotFound

    opened = open_workspace(workspace)
    chosen = version or adopted_version(opened)
    if not chosen:
        raise NotFound("no MedDRA release was adopted yet; put one into the inbox: pv ingest FILE")
    dictionary = load_dictionary(opened, chosen)
    llts = dictionary.tables["llt"]
    found = llts[(llts["llt_code"] == term) | (llts["llt_name"].str.casefold() == term.casefold())]
    if found.empty:
        raise NotFound(f"MedDRA {chosen} has no LLT {term!r}")
    rows = [
        {
            "llt_code": row.llt_code,
            "llt_name": row.llt_name,
            "current": row.llt_currency,
            **{k: v for k, v in dictionary.primary_path(row.pt_code).items() if k.endswith("name")},
        }
        for row in found.itertuples()
    ]
    emit(rows, as_json=as_json, title=f"MedDRA {chosen}")


def _read(path: Path):  # type: ignore[no-untyped-def]  # the type would import pandas for `pv --help`
    from pvcore.config import load_settings
    from pvcore.meddra.release import read

    secret = load_settings(Path.cwd()).meddra_password
    return read(path, password=secret.get_secret_value() if secret else None)
