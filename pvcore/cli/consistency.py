"""`pv consistency` and `pv release`: how far annotators agree, and a batch that was held for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pvcore.cli.output import console, emit, emit_json
from pvcore.cli.platform import Json, Where
from pvcore.errors import ConfigError


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    app.command()(consistency)
    app.command()(release)


def consistency(
    name: Annotated[
        str, typer.Argument(help="a batch by name, or a dataset: latest, a digest, or seriousness@champion")
    ] = "",
    period: Annotated[str, typer.Option(help="show agreement by month or quarter")] = "month",
    work_list: Annotated[
        Path | None, typer.Option(help="write the disagreements to this .csv or (Label Studio) .json file")
    ] = None,
    doubtful: Annotated[
        str,
        typer.Option(
            help="seriousness or coding: list the labels that are most likely wrong, with what fits better"
        ),
    ] = "",
    first: Annotated[int, typer.Option(help="with --doubtful: how many", min=1)] = 50,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """How far annotators agree, by problem, label, pair and time; contradictory and doubtful labels."""
    import json

    from pvcore.annotations.consistency_tables import summary, tables
    from pvcore.config import open_workspace
    from pvcore.cycle import consistency as measured

    opened = open_workspace(workspace)
    if period not in ("month", "quarter"):
        raise ConfigError(f"--period takes month or quarter, not {period!r}")
    if doubtful:
        rows = measured.doubtful(opened, doubtful, name)[:first]
        emit(rows, as_json=as_json, title=f"most doubtful labels of {doubtful}")
        return
    found = measured.material(opened, name)
    if work_list:
        number = measured.work_list(found, work_list)
        if as_json:
            emit_json({"file": str(work_list), "disagreements": number})
        else:
            console.print(f"wrote {number} disagreement(s) to {work_list}", markup=False)
        return
    report = measured.report(found, "quarter" if period == "quarter" else "month")
    if as_json:
        emit_json(json.loads(report.to_json()))
        return
    console.print(f"{found.name}: {summary(report)}", markup=False)
    for table in tables(report):
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        emit(rows, as_json=False, title=table.title)


def release(
    batch: Annotated[str, typer.Argument(help="a held batch as `pv status` names it, or its digest")],
    reason: Annotated[str, typer.Option(help="why its labels may be trained on all the same; it is kept")],
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Let a batch that was held for low agreement into the next dataset. Who and why go into the ledger."""
    import getpass

    from pvcore.config import open_workspace
    from pvcore.cycle import arrivals, holding

    opened = open_workspace(workspace)
    if not reason.strip():
        raise ConfigError("--reason is empty: say why the batch may be trained on all the same.")
    entry = holding.release(opened, arrivals.pending_batches(opened), batch, reason, getpass.getuser())
    if as_json:
        emit_json({"entry": entry.sequence, **entry.body})
        return
    console.print(f"{entry.body['name']} is released and goes into the next dataset.", markup=False)
    console.print("It is built when the next batch arrives, or now: pv run retrain", markup=False)
