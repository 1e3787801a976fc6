"""Checkpoints: everything that the rest of a run depends on, in one file that is whole or not there.

The random state is not in them, because no step inherits it: step n starts from a seed made of the
run's seed and n (see pvcore.training.loop). The schedule is a function of the step. So weights,
optimiser and position are all there is.
"""

from __future__ import annotations

import os
import pickle
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvcore.errors import TrainingError

KEEP = 2
"""Newest checkpoints kept; the older of them stands in where a disk lost the newer."""


@dataclass
class State:
    """A run after `step` steps."""

    step: int
    curve: list[tuple[int, float]]
    looks: list[tuple[int, dict[str, float]]]
    weights: dict[str, Any]
    optimiser: dict[str, Any]


def save(folder: Path, state: State, content: str) -> None:
    """Write a checkpoint beside its place, flush it to the disk, rename it, and drop older ones."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    values = {"content": content, **vars(state)}
    handle, name = tempfile.mkstemp(prefix=".step-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as opened:
            torch.save(values, opened)
            opened.flush()
            os.fsync(opened.fileno())
        Path(name).replace(folder / f"step-{state.step:08d}.pt")
    finally:
        Path(name).unlink(missing_ok=True)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    for old in _files(folder)[KEEP:]:
        old.unlink()


def latest(folder: Path, content: str) -> State | None:
    """The newest readable checkpoint, None where there is none.

    Raises TrainingError for a checkpoint of other rows: a specification names its data, so its
    checkpoints folder must never see two different lists of rows.
    """
    import torch

    for file in _files(folder):
        try:
            values = torch.load(file, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
            continue
        if values.pop("content") != content:
            raise TrainingError(
                f"{file} was written by a run over other rows with the same specification. "
                "Remove that folder if the rows were really meant to change."
            )
        return State(**values)
    return None


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.pt"), reverse=True) if folder.is_dir() else []
