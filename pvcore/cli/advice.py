"""`pv advise`, `curve`: whether to fine-tune, whether the data is enough, what more of it would bring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pvcore.cli.output import console, emit, emit_json, write_whole
from pvcore.cli.platform import Json, Where
from pvcore.errors import ConfigError

ProblemName = Annotated[str, typer.Argument(help="seriousness, triage, extraction, coding, pts or ddi")]


def with_folder(path: Path | None) -> Path | None:
    """A file that can be written when the work is done: its folder is there. Raises ConfigError."""
    if path and not path.resolve().parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.resolve().parent} to write it to.")
    return path


Out = Annotated[
    Path | None,
    typer.Option("--out", help="write the page here, as HTML", dir_okay=False, callback=with_folder),
]
Plot = Annotated[
    Path | None,
    typer.Option("--out", help="write the plot here, as SVG", dir_okay=False, callback=with_folder),
]
ASKED = {
    "cases_per_month": "Cases a month",
    "minutes_per_case": "Minutes a person needs for one",
    "guideline": "Does a written rule say how to choose? (y/n)",
    "target": "Score that is asked for (0 to 1)",
    "data_may_leave": "May texts be sent to an API? (y/n)",
    "same_answer": "Must an answer be the same bytes years later? (y/n)",
    "audited": "Has what was trained on what to be shown? (y/n)",
}
PRICES = {
    "api_in": "Price of an API for a million tokens read (empty: no prices)",
    "api_out": "The same for a million tokens written",
    "machine_per_hour": "Price of an hour of your own machine",
    "cases_per_hour": "Cases that it answers in an hour (empty: measured with the champion)",
    "person_per_hour": "Price of an hour of a person",
}


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    app.command()(advise)
    app.command()(curve)


def advise(
    problem: ProblemName,
    facts: Annotated[
        Path | None,
        typer.Option(
            help="YAML of what only you know (docs/reference/advice.md)", exists=True, dir_okay=False
        ),
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="ask for what the YAML leaves out")] = False,
    out: Out = None,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Fine-tune, prompt a large model, annotate first, or leave it to people: with reasons from your own data."""
    from pvcore.advice.decision import MEANING
    from pvcore.config import open_workspace
    from pvcore.cycle import advice_pages, advising, situation

    said = situation.situation(facts)
    if ask:
        said = situation.completed(said, _answers(said))
    found = advising.advise(open_workspace(workspace), problem, said)
    if out:
        write_whole(out, advice_pages.page(found))
    if as_json:
        emit_json(found.to_json())
        return
    console.print(f"{problem}: {MEANING[found.advice.outcome]}", markup=False, style="bold")
    rows = [
        {
            "question": s.question,
            "evidence": s.evidence,
            "answer": "goes on" if s.goes_on else MEANING[s.ends_in],
        }
        for s in found.advice.path
    ]
    emit(rows, as_json=False, title="how it was decided")
    for change in found.advice.changes:
        console.print(f"  if {change.words}: {MEANING[change.outcome]}", markup=False)
    for title, table, below in advice_pages.tables(found):
        emit(table, as_json=False, title=title)
        console.print(f"  {below}" if below else "", markup=False)
    for line in (*found.data.advice, *(found.learned.words if found.learned else ())):
        console.print(f"  {line}", markup=False)
    if out:
        console.print(f"wrote {out}", markup=False)


def _answers(said: Any) -> dict[str, Any]:
    """Ask for what is unknown; an empty answer leaves it so, and no further price is asked for after one."""
    given: dict[str, Any] = {}
    for name, words in ASKED.items():
        if name not in said.model_fields_set and (text := _typed(words)):
            given[name] = text
    if "prices" not in said.model_fields_set and (first := _typed(PRICES["api_in"])):
        others = {name: _typed(words) for name, words in PRICES.items() if name != "api_in"}
        given["prices"] = {"api_in": first, **{name: text for name, text in others.items() if text}}
    return given


def _typed(words: str) -> str:
    return str(typer.prompt(words, default="", show_default=False)).strip().lower()


def curve(
    problem: ProblemName,
    sizes: Annotated[
        str, typer.Option(help="numbers of rows, with commas; default: all, half, a quarter ...")
    ] = "",
    seeds: Annotated[int, typer.Option(min=1, help="runs of each size")] = 3,
    metric: Annotated[str, typer.Option(help="default: the first that the policy asks for")] = "",
    target: Annotated[float | None, typer.Option(help="score that is asked for")] = None,
    measured: Annotated[bool, typer.Option("--measured", help="only show the newest one")] = False,
    out: Plot = None,
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Learning curve: train on nested samples and say what the next annotations would bring.

    Trains here, one run after another; on the workers of a running platform: pv run curve problem=NAME
    """
    from pvcore.config import open_workspace
    from pvcore.cycle import candidate, curves, samples
    from pvcore.cycle import learned as reading

    opened = open_workspace(workspace)
    if not measured:
        for run in curves.plan(opened, problem, sizes=samples.read_sizes(sizes), seeds=seeds):
            candidate.train(opened, run.specification)
            scores = curves.measure(opened, run.specification)
            if not as_json:
                shown = ", ".join(f"{name} {value:.3f}" for name, value in scores.items())
                console.print(f"  {run.size:,} rows, seed {run.seed}: {shown}", markup=False)
    found = reading.learned(opened, problem, metric, target)
    if out:
        write_whole(out, reading.finding(found, target).plot.decode())
    if as_json:
        emit_json(found.to_json())
        return
    emit(
        reading.table(found),
        as_json=False,
        title=f"{problem}: {found.metric}, fitted to {len(found.curve.points)} runs",
    )
    for line in found.words:
        console.print(f"  {line}", markup=False)
