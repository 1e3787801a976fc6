"""`pv bases`, `drift`: which base to start from, and whether the champion still sees what it was trained on."""

from __future__ import annotations

from typing import Annotated

import typer

from pvcore.cli.advice import Plot, ProblemName
from pvcore.cli.output import console, emit, emit_json, write_whole
from pvcore.cli.platform import Json, Where

Bases = Annotated[
    list[str],
    typer.Argument(help="a shipped recipe (pv base list), a recipe's YAML, a folder, package:NAME, hub:..., store:..."),
]  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    app.command()(bases)
    app.command()(drift)


def bases(
    problem: ProblemName,
    names: Bases,
    sizes: Annotated[str, typer.Option(help="numbers of rows, with commas; default: all and half")] = "",
    seeds: Annotated[int, typer.Option(min=1, help="runs of each base and size")] = 1,
    metric: Annotated[str, typer.Option(help="default: the first that the policy asks for")] = "",
    out: Plot = None,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Candidate bases on your own data: the same rows, steps and seed; the first is what the others are held against.

    Trains here, each run in a process of its own; on the workers of a running platform: pv run bases
    """
    from pvcore.config import open_workspace
    from pvcore.cycle import compared, samples, trials

    opened = open_workspace(workspace)
    planned = trials.plan(opened, problem, names, sizes=samples.read_sizes(sizes), seeds=seeds)
    for trial in planned:
        for run in trial.runs:
            if not as_json:
                console.print(f"  {trial.name}: {run.size:,} rows, seed {run.seed}", markup=False)
            trials.run_alone(opened, run.specification)
            trials.measure(opened, run.specification)
    rows = compared.compare(opened, problem, planned, metric)
    if out:
        write_whole(out, compared.finding(problem, rows).plot.decode())
    if as_json:
        emit_json(rows)
        return
    emit(compared.table(rows), as_json=False, title=f"{problem}: bases on the tune split")
    for line in compared.refused(rows):
        console.print(f"  {line}", markup=False)


def drift(problem: ProblemName, out: Plot = None, workspace: Where = None, as_json: Json = False) -> None:
    """Does what the champion scores still look like what it was trained on, and what would an update bring?"""
    from pvcore.config import open_workspace
    from pvcore.cycle import drift_pages, drifting

    found = drifting.check(open_workspace(workspace), problem)
    if out:
        write_whole(out, drift_pages.finding(found).plot.decode())
    if as_json:
        emit_json(found)
        return
    emit(
        drift_pages.table(found), as_json=False, title=f"{found['version']}: {found['cases']:,} cases scored"
    )
    for line in drift_pages.sentences(found):
        console.print(f"  {line}", markup=False)
