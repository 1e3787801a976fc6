"""`pv meddra check`, `diff`, `apply` and `impact`: look at a release, or a version change, before it is adopted."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pvcore.cli.output import console, emit, emit_json, write_whole
from pvcore.cli.platform import Json, Where

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.annotations.batch import Batch
    from pvcore.meddra.release import Dictionary

meddra = typer.Typer(
    no_args_is_help=True,
    help="MedDRA releases: verify, compare, count affected cases, look up terms, join languages.",
)
Release = Annotated[Path, typer.Argument(help="a release: zip or folder", exists=True)]
Cases = Annotated[
    list[Path] | None,
    typer.Option(help="coded cases, in any format that can be ingested; repeatable", exists=True),
]
More = Annotated[list[Path] | None, typer.Argument(help="further files of cases", exists=True, hidden=True)]
"""So that `--cases FILE FILE` is understood: an option takes one value."""


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    from pvcore.cli import lookup  # its commands are of `pv meddra` too

    lookup.add_to(meddra)
    app.add_typer(meddra, name="meddra")


@meddra.command()
def check(path: Release, as_json: Json = False) -> None:
    """Read and verify a release; every fault is listed. A protected zip needs PV_MEDDRA_PASSWORD."""
    _describe(read_release(path), as_json=as_json)


@meddra.command()
def diff(
    old: Release,
    new: Release,
    more: More = None,
    cases: Cases = None,
    html: Annotated[Path | None, typer.Option(help="also write the page that a coder reads")] = None,
    save: Annotated[
        Path | None, typer.Option(help="store the difference in this file, for `pv meddra apply`")
    ] = None,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """What changed between two releases, by the kinds of change of the MSSO's version analysis.

    The page shows the affected cases: those of --cases, else of the workspace's dataset if it is in OLD.
    """
    from pvcore.meddra.diff import diff as compare
    from pvcore.meddra.impact import impact as hit
    from pvcore.meddra.kinds import KINDS

    before, after = read_release(old), read_release(new)
    found = compare(before, after)
    if html:
        from pvcore.dossier.release import release_report

        files = [*(cases or ()), *(more or ())]
        codings = coded(files, before.version) if files else _adopted(workspace, before.version)
        page = release_report(
            found,
            before,
            after,
            impact=None if codings is None else hit(codings, before, found),
            codings=codings,
            created=datetime.date.today().isoformat(),
        )
        write_whole(html, page)
    if save:
        write_whole(save, found.to_json())
    if as_json:
        typer.echo(found.to_json())
        return
    rows = [{"kind": KINDS[kind], "changes": count} for kind, count in found.counts.items()]
    emit(rows, as_json=False, title=f"MedDRA {found.old_version} to {found.new_version}")
    for file in filter(None, (html, save)):
        console.print(f"wrote {file}", markup=False)


@meddra.command()
def apply(
    old: Release,
    difference: Annotated[
        Path, typer.Argument(help="what `pv meddra diff OLD NEW --save` stored", exists=True, dir_okay=False)
    ],
    out: Annotated[Path, typer.Option(help="the release to write: a new .zip, or a new folder")],
    reverse: Annotated[bool, typer.Option("--reverse", help="make OLD; the release given is NEW")] = False,
    as_json: Json = False,
) -> None:
    """Make NEW of OLD and a stored difference, or OLD of NEW: a release in MedDRA's own format, verified.

    Its contents have the digest of the release that the difference was made with; the order of rows, the
    sequential files and a password are no contents and are not restored.
    """
    from pvcore.meddra.diff import DictionaryDiff
    from pvcore.meddra.writer import write

    stored = DictionaryDiff.from_json(difference.read_bytes(), name=difference.name)
    given = read_release(old)
    made = stored.revert(given) if reverse else stored.apply(given)
    _describe(write(made, out), as_json=as_json, wrote=out)


@meddra.command()
def impact(
    old: Release,
    new: Release,
    more: More = None,
    cases: Cases = None,
    as_json: Json = False,
) -> None:
    """How many coded cases a new version affects, with the counts of the MSSO's impact report."""
    from pvcore.meddra.diff import diff as compare
    from pvcore.meddra.impact import ERRORS
    from pvcore.meddra.impact import impact as hit
    from pvcore.meddra.kinds import KINDS

    files = [*(cases or ()), *(more or ())]
    if not files:
        raise typer.BadParameter("name the files of coded cases", param_hint="--cases")
    before, after = read_release(old), read_release(new)
    found = hit(coded(files, before.version), before, compare(before, after))
    if as_json:
        emit_json(found.to_value())
        return
    rows: list[dict[str, object]] = [
        {"count": "rows loaded", "rows": found.loaded},
        {"count": "valid", "rows": found.valid},
        {"count": "impacted", "rows": found.impacted},
        {"count": "impacted, % of valid", "rows": f"{found.percentage:.2f}"},
        {"count": "on LLTs that were not current before", "rows": found.not_current},
    ]
    emit(rows, as_json=False, title=f"Impact of MedDRA {found.old_version} to {found.new_version}")
    kinds = [{"kind": KINDS[kind], "rows": number} for kind, number in found.by_kind.items() if number]
    emit(kinds, as_json=False, title="Impacted rows by kind (a row can be under several)")
    counts = found.errors["error"].value_counts()
    wrong = [{"input error": ERRORS[name], "rows": int(number)} for name, number in counts.items()]
    emit(wrong, as_json=False, title="Input errors")


def coded(files: list[Path], version: str) -> pd.DataFrame:
    """Coded rows of files; `version` is what codes are in where a file says none."""
    from pvcore.annotations.batch import read
    from pvcore.annotations.coded import coded_rows
    from pvcore.errors import BatchError

    def batch(file: Path) -> Batch:
        try:  # told a version, a reader refuses rows of another one: here they are counted as what they are
            return read(file)
        except BatchError:
            return read(file, meddra_version=version)

    return coded_rows(map(batch, files))


def _adopted(workspace: Path | None, version: str) -> pd.DataFrame | None:
    """Coded rows of the workspace's dataset, if there is one and it is in `version`."""
    from pvcore.config import open_workspace
    from pvcore.cycle.migration import coded_labels
    from pvcore.errors import NotFound

    try:
        opened = open_workspace(workspace)
    except NotFound:
        if workspace:
            raise
        return None
    return coded_labels(opened, version)


def _describe(dictionary: Dictionary, *, as_json: bool, wrote: Path | None = None) -> None:
    """A verified release: its tables, digest and, if it was written, where."""
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
            | ({"wrote": str(wrote)} if wrote else {})
        )
        return
    emit(rows, as_json=False, title=f"MedDRA {dictionary.version} {dictionary.language}: no fault")
    console.print(f"digest {dictionary.digest}  encoding {dictionary.encoding}")
    if wrote:
        console.print(f"wrote {wrote}", markup=False)


def read_release(path: Path) -> Dictionary:
    """A release from a file, with the password of the settings."""
    from pvcore.config import load_settings
    from pvcore.meddra.release import read

    secret = load_settings(Path.cwd()).meddra_password
    return read(path, password=secret.get_secret_value() if secret else None)
