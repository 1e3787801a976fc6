"""`pv base`: the pretrained model of a recipe, looked at, pinned, kept in the object store, made of another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from pvcore.cli.output import console, emit, emit_json, write_whole
from pvcore.cli.platform import Json, Where
from pvcore.errors import InputError

RecipeName = Annotated[str, typer.Argument(help="a problem of the workspace, such as coding, or a YAML file")]

base = typer.Typer(
    no_args_is_help=True, help="The base of a recipe: list, check, pin, put, convert, pretrain."
)


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    app.add_typer(base, name="base")


@base.command("list")
def list_bases(as_json: Json = False) -> None:
    """The bases that `pv init --base NAME` writes a recipe for."""
    from pvcore.cycle.bases import known

    emit(known(), as_json=as_json, title="bases")


@base.command()
def check(recipe: RecipeName, workspace: Where = None, as_json: Json = False) -> None:
    """Whether a recipe's base can be trained, every fault at once; reads no weights beyond their digest."""
    from pvcore.config import open_workspace
    from pvcore.cycle import bases

    page, faults = bases.check(open_workspace(workspace), recipe)
    if as_json:
        emit_json({**page, "faults": [str(fault) for fault in faults]})
    else:
        emit([{"": name, "value": value} for name, value in page.items()], as_json=False, title="base")
    if faults:
        raise InputError(f"base {page['source']} is refused", faults)
    if not as_json:
        console.print("OK: it can be trained under this recipe")


@base.command()
def pin(
    recipe: RecipeName,
    change: Annotated[bool, typer.Option("--change", help="the base is meant to have other weights")] = False,
    workspace: Where = None,
) -> None:
    """Fetch a recipe's base, compute the digest of its weights and write it into the recipe."""
    from pvcore.config import open_workspace
    from pvcore.cycle import bases

    found = bases.pin(open_workspace(workspace), recipe, change=change)
    write_whole(found.file, found.text)
    said = "was pinned already" if found.before == found.digest else f"pinned in {found.file}"
    console.print(f"{found.source}: {found.digest} {said}", markup=False)


@base.command()
def put(
    folder: Annotated[Path, typer.Argument(help="the base's folder", exists=True, file_okay=False)],
    prefix: Annotated[str, typer.Argument(help="where in the object store, such as bases/phi-3.5-mini")],
    workspace: Where = None,
) -> None:
    """Keep a base in the object store, for a recipe's `source: store:PREFIX`; prints its digest."""
    from pvcore.config import open_workspace
    from pvcore.cycle import bases

    digest = bases.put(open_workspace(workspace), folder, prefix)
    console.print(f"source: store:{prefix.strip('/')}\ndigest: {digest}", markup=False)


@base.command()
def convert(
    file: Annotated[Path, typer.Argument(help="a causal model as GGUF", exists=True, dir_okay=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for the base")],
    dtype: Annotated[Literal["bfloat16", "float16", "float32"], typer.Option()] = "bfloat16",
) -> None:
    """Make a base of a GGUF file, for a model that is at hand in no other form; prints its digest."""
    from pvcore.inference.gguf import convert

    with console.status("reading the weights"):
        digest = convert(file, output, dtype=dtype)
    console.print(f"source: {output}\ndigest: {digest}", markup=False)


@base.command()
def pretrain(
    recipe: RecipeName,
    files: Annotated[
        list[Path], typer.Argument(help="files with cases, of any format that is read", exists=True)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="folder for the new base")],
    epochs: Annotated[int, typer.Option(min=1)] = 1,
    batch: Annotated[int, typer.Option(min=1, help="narratives a step")] = 32,
    learning_rate: Annotated[float, typer.Option(min=1e-9)] = 1e-4,
    max_tokens: Annotated[
        int, typer.Option(min=8, help="of a narrative; of a longer one head and tail are read")
    ] = 128,
    compute: Annotated[Literal["float32", "bfloat16"], typer.Option()] = "float32",
    seed: Annotated[int, typer.Option()] = 0,
    workspace: Where = None,
) -> None:
    """Train a recipe's encoder further on unlabelled narratives: it guesses masked words, and is a new base."""
    from pvcore.config import open_workspace
    from pvcore.cycle import bases
    from pvcore.training.pretraining import Pretraining

    settings = Pretraining(epochs, batch, learning_rate, max_tokens, compute=compute, seed=seed)
    with console.status("reading the narratives") as status:
        found = bases.pretrain(
            open_workspace(workspace),
            recipe,
            files,
            output,
            settings,
            progress=lambda step, steps, loss: status.update(f"step {step} of {steps}, loss {loss:.3f}"),
        )
    losses = [loss for _, loss in found.curve]
    part = max(1, len(losses) // 10)
    first, last = sum(losses[:part]) / part, sum(losses[-part:]) / part
    console.print(f"source: {found.folder}\ndigest: {found.digest}", markup=False)
    console.print(f"{len(losses)} steps, loss {first:.3f} -> {last:.3f} (first and last tenth)", markup=False)
