"""`pv registry`, `history`, `predict`, `external`: what is in the registry, and a version at work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pvcore.cli import retention
from pvcore.cli.output import VERSIONS, console, emit, emit_fields, emit_json
from pvcore.cli.platform import Json, Where

if TYPE_CHECKING:
    from pvcore.config import Workspace

Version = Annotated[
    str, typer.Argument(help="seriousness@7, seriousness@champion, seriousness@previous, or a digest")
]

registry = typer.Typer(
    no_args_is_help=True,
    help="Registered versions: list, show, fetch, dossier; legal holds and collection; probe the object store.",
)
retention.add_to(registry)


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    app.add_typer(registry, name="registry")
    app.command()(history)
    app.command()(predict)
    app.command()(external)


@registry.command("list")
def list_versions(workspace: Where = None, as_json: Json = False) -> None:
    """All versions: the gate's decision, champion or not, parent, when registered."""
    from pvcore.config import open_workspace
    from pvcore.cycle.overview import versions

    emit(versions(open_workspace(workspace)), as_json=as_json, title="versions", columns=VERSIONS)


@registry.command()
def show(version: Version, workspace: Where = None, as_json: Json = False) -> None:
    """A version's manifest, with every signature: who, when, what it meant."""
    from pvcore.config import open_workspace
    from pvcore.cycle.overview import version_page

    page = version_page(open_workspace(workspace), version)
    (emit_json if as_json else emit_fields)(page)


@registry.command()
def fetch(
    version: Version,
    target: Annotated[Path, typer.Argument(help="a folder that does not exist")],
    workspace: Where = None,
) -> None:
    """Fetch a version's LoRA adapter, verified: a PEFT folder, with model card and bill of materials (CycloneDX)."""
    from pvcore.config import open_workspace
    from pvcore.cycle.scoring import trusted
    from pvcore.registry.version import fetch_adapter

    opened = open_workspace(workspace)
    found = trusted(opened, version)
    console.print(str(fetch_adapter(opened.store, found, target, beside=True)), markup=False)


@registry.command()
def dossier(
    version: Version,
    target: Annotated[Path, typer.Argument(help="the file to write: .html or .pdf", dir_okay=False)],
    as_registered: Annotated[
        bool, typer.Option("--as-registered", help="the registered page, without later signatures")
    ] = False,
    workspace: Where = None,
) -> None:
    """Write a version's dossier, with all signatures as of now: data, results, decision, how to reproduce."""
    from pvcore.config import open_workspace
    from pvcore.cycle.documents import printed

    target.write_bytes(
        printed(open_workspace(workspace), version, target.suffix, as_registered=as_registered)
    )
    console.print(f"wrote {target}", markup=False)


@registry.command()
def probe(workspace: Where = None) -> None:
    """Check that the object store never overwrites (put-if-absent), also with many writers at once."""
    from pvcore.config import open_workspace
    from pvcore.registry.probe import probe as check

    opened = open_workspace(workspace)
    check(opened.store)
    console.print(f"{opened.store.url}: keeps put-if-absent, alone and with 16 writers at once", markup=False)


def history(
    problem: Annotated[str, typer.Argument(help="only this problem, such as coding; default: all")] = "",
    at: Annotated[
        str, typer.Option(help="who was champion on a day (2026-03-01) or at a time (2026-03-01T12:00:00Z)")
    ] = "",
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """The ledger in order: what arrived, was trained, judged, signed, promoted, rolled back."""
    from pvcore.config import open_workspace
    from pvcore.cycle.overview import history as told

    if at:
        _champions_at(open_workspace(workspace), problem, at, as_json)
        return
    emit(told(open_workspace(workspace), problem), as_json=as_json, title="ledger")


def _champions_at(workspace: Workspace, problem: str, at: str, as_json: bool) -> None:
    from pvcore.cycle.past import champions_at

    rows = champions_at(workspace, problem, at)
    if as_json:
        emit_json(rows)
        return
    columns = ("version", "since", "until", "by", "signed", "digest")
    emit(rows, as_json=False, title=f"champion of {problem or 'every problem'} at {at}", columns=columns)
    signatures = [{"version": row["version"], **signature} for row in rows for signature in row["signatures"]]
    emit(signatures, as_json=False, title="signatures")


def predict(
    version: Version,
    batch: Annotated[
        Path,
        typer.Argument(
            help="cases to score, in any format that can be ingested", exists=True, dir_okay=False
        ),
    ],
    meddra_version: Annotated[
        str | None, typer.Option(help="what codes in the file are in, if it does not say")
    ] = None,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Score cases with a registered version, whose signatures and digests are verified first."""
    from pvcore.config import open_workspace
    from pvcore.cycle import dictionaries, scoring

    opened = open_workspace(workspace)
    cases = scoring.read_cases(batch, meddra_version)
    rows = scoring.score_cases(opened, version, cases)
    terms = None if as_json or not rows else dictionaries.of_version(opened, rows[0]["dictionary"])
    words = {} if as_json else scoring.wordings(cases, (row["example_id"] for row in rows))
    shown = (
        rows if as_json else [_in_words(row, scoring.in_words(row["answer"], terms), words) for row in rows]
    )
    emit(
        shown,
        as_json=as_json,
        title=f"predictions of {rows[0]['version'] if rows else version}"
        + (f", MedDRA {terms.version}" if terms else ""),
        columns=(
            "example_id",
            *(("verbatim",) if words else ()),
            *("answer", "confidence", "score"),
            *(("met",) if any(row["criteria"] for row in rows) else ()),
            *("guardrails", "notes"),
        ),
    )


def external(
    version: Version,
    folder: Annotated[
        Path, typer.Argument(help="one file a set of drug pairs", exists=True, file_okay=False)
    ],
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Report a ddi version on reference sets of drug pairs: each set, both averages, and the popularity baseline."""
    from pvcore.config import open_workspace
    from pvcore.cycle.external import external as report

    emit(
        report(open_workspace(workspace), version, folder),
        as_json=as_json,
        title=f"{version} on {folder.name}",
    )


def _in_words(row: Mapping[str, Any], answer: str, words: Mapping[str, str]) -> dict[str, Any]:
    """A prediction as a row of a table: what was asked, an answer that was withheld says so, guardrails in words."""
    from pvcore.cycle.predictions import of_record

    raised = [check for check in row["guardrails"] if check["outcome"] != "pass"]
    return {
        **row,
        "verbatim": words.get(row["example_id"]),
        "answer": "withheld" if of_record(row).stopped else answer,
        "guardrails": [f"{check['name']}: {check['words']}" for check in raised],
    }
