"""`pv dataset`: what is in a dataset, what changed between two and why, and its files for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pvcore.cli.output import console, emit, emit_json
from pvcore.cli.platform import Json, Where

Name = Annotated[str, typer.Argument(help="latest, a digest, or seriousness@champion: what it learnt from")]

dataset = typer.Typer(
    no_args_is_help=True, help="Datasets: what is in them, what changed and why, export, work list."
)


def add_to(app: typer.Typer) -> None:
    """Register this room's commands."""
    app.add_typer(dataset, name="dataset")


@dataset.command()
def show(name: Name = "latest", workspace: Where = None, as_json: Json = False) -> None:
    """What is in a dataset: batches, splits, labels by class, work list, migrations, versions trained on it."""
    from pvcore.config import open_workspace
    from pvcore.cycle import datasets

    opened = open_workspace(workspace)
    page = datasets.page(opened, datasets.find(opened, name))
    if as_json:
        emit_json(page)
        return
    for key, value in page.items():
        if isinstance(value, list):
            emit(value, as_json=False, title=key.replace("_", " "))
        elif isinstance(value, dict):
            console.print(", ".join(f"{what} {number}" for what, number in value.items()), markup=False)
        else:
            console.print(f"{key.replace('_', ' '):15} {value if value is not None else '-'}", markup=False)


@dataset.command()
def diff(old: Name, new: Name, workspace: Where = None, as_json: Json = False) -> None:
    """What changed from one dataset to another, each case and label with its reason."""
    from pvcore.config import open_workspace
    from pvcore.cycle import datasets

    opened = open_workspace(workspace)
    first, second = datasets.find(opened, old), datasets.find(opened, new)
    found = datasets.difference(opened, first, second)
    related = datasets.is_built_on(opened, second, first)
    if as_json:
        emit_json({**found.to_json(), "new_is_built_on_old": related})
        return
    for what, counts in found.counts().items():
        told = ", ".join(f"{kind} {number}" for kind, number in counts.items())
        console.print(f"{what}: {told}", markup=False)
    if not related:
        console.print(f"{second[:12]} is not built on {first[:12]}: what it lacks was never in it")
    moved = found.old_version != found.new_version
    versions = f", MedDRA {found.old_version or 'none'} to {found.new_version or 'none'}" if moved else ""
    title = f"{first[:12]} to {second[:12]}{versions}"
    emit(found.table(), as_json=False, title=title)


@dataset.command()
def export(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="a folder that does not exist or is empty")],
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Write Parquet files by split and a dataset card; `datasets.load_dataset` reads the folder."""
    from pvcore.annotations.dataset_export import export as write
    from pvcore.config import open_workspace
    from pvcore.cycle import datasets

    opened = open_workspace(workspace)
    files = write(opened.store, datasets.find(opened, name), folder)
    rows = [{"file": str(file), "bytes": file.stat().st_size} for file in files]
    emit(rows, as_json=as_json, title=f"exported to {folder}")


@dataset.command()
def worklist(
    name: Name,
    file: Annotated[
        Path, typer.Argument(help="Label Studio tasks (.json) or a table to fill in (.csv)", dir_okay=False)
    ],
    workspace: Where = None,
    as_json: Json = False,
) -> None:
    """Write the labels that a person must settle, with suggested terms; filled in, the file comes back as a batch."""
    from pvcore.config import open_workspace
    from pvcore.cycle import datasets
    from pvcore.errors import ConfigError

    opened = open_workspace(workspace)
    try:
        found, config = datasets.write_work_list(opened, datasets.find(opened, name), file)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}. Choose another place.") from error
    row = {
        "file": str(file),
        "cases": len(found.cases),
        "config": config and str(config),
        "set_aside": found.aside,
    }
    emit([row], as_json=as_json, title="work list")
