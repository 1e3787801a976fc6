"""`pv audit` and `pv reproduce`: what a version did not read, where a prediction comes from, the same answer again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pvcore.cli.output import console, emit, emit_json, write_whole
from pvcore.cli.platform import Json, Where
from pvcore.errors import CaseWasRead, LedgerBroken, RegistryError
from pvcore.records import canonical
from pvcore.registry import absence

Version = Annotated[str, typer.Argument(help="seriousness@7, seriousness@champion, or a digest")]
Prediction = Annotated[
    str,
    typer.Argument(
        help="digest of its record (8 digits or more), BATCH:CASE, or a file of `pv predict --json`"
    ),
]
Example = Annotated[str | None, typer.Option(help="which prediction of a file, by example or case id")]

audit = typer.Typer(no_args_is_help=True, help="Answers for an auditor: absent, check, trace.")


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    app.add_typer(audit, name="audit")
    app.command()(reproduce)


@audit.command()
def absent(
    case: Annotated[str, typer.Argument(help="the case's id")],
    version: Version,
    out: Annotated[Path | None, typer.Option(help="file for the proof", dir_okay=False)] = None,
    text: Annotated[
        Path | None, typer.Option(help="file with the case's narrative, if it never came here", exists=True)
    ] = None,
    likeness: Annotated[float, typer.Option(min=0, max=1, help="from which near-duplicates are named")] = 0.5,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Prove that a case was not read by the training of a version nor of its ancestors. Exit code 9 if it was."""
    from pvcore.config import open_workspace
    from pvcore.cycle import absence as found

    opened = open_workspace(workspace)
    document = found.prove(opened, case, version)
    narrative = text.read_text("utf-8") if text else None
    near, compared = found.near(opened, case, version, narrative, likeness)
    if out:
        write_whole(out, canonical(document).decode() + "\n")
    checked = absence.check(document)
    if as_json:
        emit_json({**document, "near": near, "compared": compared})
    else:
        _told(checked, document["limits"])
        console.print(f"{len(near)} near-duplicates, {compared}", markup=False)
        if near:
            emit(near, as_json=False, title=f"near-duplicates of {case}")
    _require_absent(checked)


@audit.command()
def check(
    proof: Annotated[Path, typer.Argument(help="the file that `pv audit absent --out` wrote", exists=True)],
    as_json: Json = False,
) -> None:
    """Check a proof alone: no workspace, registry or network. Exit code 0 absent, 9 present, 4 no proof."""
    try:
        document = json.loads(proof.read_bytes())
        checked = absence.check(document)
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"{proof} proves nothing: {error}") from None
    if as_json:
        entry = {"sequence": checked.entry[0], "digest": checked.entry[1]}
        emit_json({**{n: getattr(checked, n) for n in checked.__slots__}, "entry": entry})
    else:
        _told(checked, absence.LIMITS)
    _require_absent(checked)


@audit.command()
def trace(
    prediction: Prediction,
    example: Example = None,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """From a prediction to version, data, annotators, dictionary and approvals. Exit code 4 if a link is broken."""
    from pvcore.config import open_workspace
    from pvcore.cycle.trace import trace as follow

    rows = follow(open_workspace(workspace), prediction, example)
    shown = (
        rows if as_json else [{**row, "digest": row["digest"][:16], "when": row["when"][:19]} for row in rows]
    )
    emit(shown, as_json=as_json, title=f"trace of {prediction}")
    broken = [f"  {row['link']}, {row['what']}: {row['broken']}" for row in rows if row["broken"]]
    if broken:
        raise LedgerBroken(f"{len(broken)} link(s) do not hold\n" + "\n".join(broken))


def reproduce(
    prediction: Prediction,
    input_: Annotated[
        Path | None,
        typer.Option(
            "--input", help="the file of cases, for a prediction of `pv predict`", exists=True, dir_okay=False
        ),
    ] = None,
    example: Example = None,
    meddra_version: Annotated[str | None, typer.Option(help="as it was given to `pv predict`")] = None,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Make a prediction again with the same version and input; exit code 4 if it has other bytes, with what differs."""
    from pvcore.config import open_workspace
    from pvcore.cycle.reproduce import reproduce as again

    found = again(
        open_workspace(workspace), prediction, source=input_, example=example, meddra_version=meddra_version
    )
    if as_json:
        emit_json({n: getattr(found, n) for n in (*found.__slots__, "same")})
    else:
        console.print(
            f"{found.example} by {found.version}: {'the same bytes' if found.same else 'other bytes'}",
            markup=False,
        )
        console.print(f"then {found.then}\nnow  {found.now}", markup=False)
        for title, rows in (
            ("what differs", found.differs),
            ("in force now, and not used here: the prediction's own were", found.conditions),
            ("not as it was then", found.surroundings),
        ):
            if rows:
                emit(rows, as_json=False, title=title)
    if not found.same:
        names = ", ".join(row["field"] for row in found.differs)
        raise RegistryError(f"{found.example}: made again and different in {names}")


def _told(checked: absence.Checked, limits: Any) -> None:
    word = "ABSENT" if checked.claim == absence.ABSENT else "PRESENT"
    read = "was not read" if word == "ABSENT" else "WAS READ"
    console.print(
        f"{word}: {checked.case} {read} by the training of {checked.version} or its ancestors "
        f"({checked.records} cases)\nbound by ledger entry {checked.entry[0]}, {checked.entry[1]}\n"
        f"version {checked.manifest}",
        markup=False,
    )
    for line in limits:
        console.print(f"- {line}", markup=False)


def _require_absent(checked: absence.Checked) -> None:
    if checked.claim != absence.ABSENT:
        raise CaseWasRead(f"{checked.case} was read by the training of {checked.version} or its ancestors.")
