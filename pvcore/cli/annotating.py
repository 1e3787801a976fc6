"""`pv failures`, `next`, `phases`: where a version fails, what to annotate next, and what annotating brought."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pvcore.cli.advice import Plot, ProblemName, with_folder
from pvcore.cli.output import console, emit, emit_json, write_whole
from pvcore.cli.platform import Json, Where

Version = Annotated[str, typer.Argument(help="seriousness@champion, seriousness@7, or a digest")]


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    app.command()(failures)
    app.command("next")(next_)
    app.command()(phases)


def failures(version: Version, workspace: Where = None, as_json: Json = False) -> None:
    """Where a version fails: slices that go wrong more often than the rest, and wrong answers that read alike."""
    from pvcore.config import open_workspace
    from pvcore.cycle import targeting

    found = targeting.failures(open_workspace(workspace), version)
    if as_json:
        emit_json(targeting.as_json(found))
        return
    console.print(f"{found.version}: {found.errors} of {len(found.rows)} tune rows wrong", markup=False)
    emit(targeting.mode_rows(found), as_json=False, title="failure modes")
    for mode in found.modes:
        for example in mode.examples[:2]:
            console.print(
                f"  {mode.name}: {example['label']} answered as {example['answer']}: {example['text'][:160]}",
                markup=False,
            )


def next_(
    version: Version,
    pool: Annotated[
        Path, typer.Argument(help="cases without labels, in any format that can be ingested", exists=True)
    ],
    out: Annotated[
        Path, typer.Argument(help="Label Studio tasks to write (.json; triage, ddi: .csv)", dir_okay=False)
    ],
    size: Annotated[int, typer.Option(min=1, help="cases to annotate")] = 100,
    how: Annotated[str, typer.Option(help="mixed, uncertainty, diversity, failures or random")] = "mixed",
    meddra_version: Annotated[str | None, typer.Option(help="what codes in the file are in")] = None,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Choose which cases to annotate next; write them as tasks (triage, ddi: a table) with the version's answers."""
    from pvcore.annotations import batch as batches
    from pvcore.config import open_workspace
    from pvcore.cycle import asking, targeting
    from pvcore.cycle.phases import way
    from pvcore.registry.names import resolve

    opened, chosen_by = open_workspace(workspace), way(how)
    problem = resolve(opened.store, opened.ledger, version).problem
    asking.require_suffix(problem, out)
    read = batches.read(pool, meddra_version=meddra_version)
    chosen = targeting.next_cases(opened, version, read, size, how=chosen_by)
    config = asking.write(chosen, problem, out)
    row = {"file": str(out), "cases": len(chosen.cases), "known": chosen.known}
    row |= {"config": str(config)} if config else {}
    emit([row], as_json=as_json, title=f"to annotate next, by {how}")


def phases(
    problem: ProblemName,
    run: Annotated[bool, typer.Option("--run", help="do the newest version's phase first, here")] = False,
    target: Annotated[float | None, typer.Option(help="score to stop at (--run)")] = None,
    size: Annotated[int, typer.Option(min=1, help="cases to annotate in a phase (--run)")] = 100,
    how: Annotated[
        str, typer.Option(help="mixed, uncertainty, diversity, failures or random (--run)")
    ] = "mixed",
    tasks: Annotated[
        Path | None,
        typer.Option(
            help="write the last work list here (.json or .csv)", dir_okay=False, callback=with_folder
        ),
    ] = None,
    out: Plot = None,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Phases of annotation: each version's score and failures, what the new batch closed, what to annotate next.

    On a running platform, and going on after each retraining: pv run phases problem=NAME target=0.8
    """
    from pvcore.config import open_workspace
    from pvcore.cycle import phase_pages as pages
    from pvcore.cycle import phases as steps

    opened = open_workspace(workspace)
    if run:
        line = pages.line(steps.phase(opened, problem, target=target, size=size, how=steps.way(how)))
        if not as_json:
            console.print(line, markup=False)
    found = pages.as_json(opened, problem)
    if tasks:
        pages.write_work_list(opened, problem, tasks)
    if out:
        write_whole(out, pages.finding(found).plot.decode())
    emit(found if as_json else pages.table(found), as_json=as_json, title=f"phases of {problem}")
