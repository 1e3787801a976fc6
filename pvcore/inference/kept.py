"""Vectors of terms kept on disk between runs: a dictionary of 80,000 terms is encoded once a model, not once a call."""

from __future__ import annotations

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from pvcore.inference.predict import Model

MOST = 3
"""Models whose vectors are kept: a real dictionary takes 130 MB each. The champion and a candidate are two."""


@contextlib.contextmanager
def on_disk(model: Model, folder: Path, name: str) -> Iterator[None]:
    """Give a model the vectors that it made before, and keep those that it makes inside.

    `name` must change with all that a vector depends on: weights, code, machine. A file that cannot be read
    counts as none.
    """
    file = folder / f"{name}.npz"
    model.kept.update(read(file))
    before = len(model.kept)
    yield
    if len(model.kept) > before:
        put(folder, name, model.kept)


def put(folder: Path, name: str, vectors: Mapping[str, np.ndarray]) -> None:
    """Keep vectors under a name, and no more than the newest MOST."""
    write(folder / f"{name}.npz", vectors)
    for old in sorted(folder.glob("*.npz"), key=lambda f: f.stat().st_mtime)[:-MOST]:
        old.unlink(missing_ok=True)


def read(file: Path) -> dict[str, np.ndarray]:
    """Vectors by name; none of a file that is not there or cannot be read."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as stored:
            return dict(zip(stored["names"].tolist(), stored["vectors"], strict=True))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return {}


def write(file: Path, kept: Mapping[str, np.ndarray]) -> None:
    """Write vectors whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    names = sorted(kept)
    handle, work = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as opened:
            np.savez(opened, names=np.array(names), vectors=np.stack([kept[name] for name in names]))
            opened.flush()
            os.fsync(opened.fileno())
        Path(work).replace(file)
    finally:
        Path(work).unlink(missing_ok=True)
