"""Checkpoints: everything that the rest of a run depends on, in one file that is whole or not there.

The random state is not in them, because no step inherits it: step n starts from a seed made of the
run's seed and n (see pvcore.training.loop). The schedule is a function of the step. So weights,
optimiser and position are all there is: tensors, and a JSON text that says where each one belongs.
They are safetensors, because a pickle runs what its writer wants.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

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
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Any] = {}
    said = _laid_out({"content": content, **vars(state)}, tensors)
    handle, name = tempfile.mkstemp(prefix=".step-", dir=folder)
    os.close(handle)
    try:
        save_file(tensors, name, metadata={"state": json.dumps(said)})
        with open(name, "rb") as written:
            os.fsync(written.fileno())
        Path(name).replace(folder / f"step-{state.step:08d}.safetensors")
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
    from safetensors import safe_open

    for file in _files(folder):
        try:
            with safe_open(file, "pt") as opened:
                said = json.loads((opened.metadata() or {})["state"])
                values = _put_back(said, opened.get_tensor)
            written = values.pop("content")
            state = State(**values)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # cut off, or not ours
        if written != content:
            raise TrainingError(
                f"{file} was written by a run over other rows with the same specification. "
                "Remove that folder if the rows were really meant to change."
            )
        return state
    return None


def _laid_out(value: Any, tensors: dict[str, Any]) -> Any:
    """`value` as JSON, its tensors put into `tensors` under the names that stand in their place.

    A mapping becomes a list of pairs: an optimiser's state has numbers for keys.
    """
    if isinstance(value, dict):
        return {"map": [[key, _laid_out(inner, tensors)] for key, inner in value.items()]}
    if isinstance(value, list | tuple):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [_laid_out(inner, tensors) for inner in value]}
    if hasattr(value, "detach"):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous()
        return {"tensor": name}
    return value


def _put_back(said: Any, tensor: Any) -> Any:
    """What `_laid_out` was given."""
    if not isinstance(said, dict):
        return said
    ((kind, inner),) = said.items()
    if kind == "tensor":
        return tensor(inner)
    if kind == "map":
        return {key: _put_back(value, tensor) for key, value in inner}
    made = [_put_back(value, tensor) for value in inner]
    return tuple(made) if kind == "tuple" else made


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.safetensors"), reverse=True) if folder.is_dir() else []
