"""What was coded before: the wordings of training rows as further names of their terms, beside the adapter.

A coder codes the same words the same way again, and a reporter's words for a term are often nearer to another
reporter's than to the term's own. So the nearest of a term's names decides, its own or a wording that was coded to
it. Unless it is the very same words, a wording counts a little less than a name, so that what was never coded before
is not drawn to a term that merely has many; the words of a term's own name are that term.
Only vectors and codes are kept, no text. One whose term is no longer current counts for nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvcore.inference.base import file_digest
from pvcore.inference.card import beside
from pvcore.problems.coding import normal
from pvcore.records import Example

FILE = "wordings.safetensors"
"""Vectors and codes, beside the adapter; no other program reads it."""
LESS = 0.5
"""A wording lies this share further away than a term's own name would (docs/benchmarks/coding.md)."""
NOTE = "nearest to a wording that was coded so before"


class Wordings(NamedTuple):
    """LLT codes, and the unit vectors of what was coded to them, shape (wordings, hidden size)."""

    codes: tuple[str, ...]
    vectors: NDArray[np.float32]


def distinct(rows: Sequence[Example]) -> list[tuple[str, str]]:
    """(wording, code) in order, each wording once whatever its case and spaces: in its most frequent spelling, with its
    most frequent code (of equally frequent ones the first in order).
    """
    codes: dict[str, Counter[str]] = defaultdict(Counter)
    texts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        words = normal(row.text)
        texts[words][row.text] += 1
        codes[words][row.label] += 1
    return [(_most(texts[words]), _most(codes[words])) for words in sorted(codes)]


def _most(said: Counter[str]) -> str:
    return min(said, key=lambda one: (-said[one], one))


def save(found: Wordings, folder: Path) -> str:
    """Write them into an adapter's folder; returns the SHA-256 of the file."""
    from safetensors.numpy import save_file

    codes = np.array([int(code) for code in found.codes], np.int32)
    save_file({"codes": codes, "vectors": found.vectors}, folder / FILE)
    return file_digest(folder / FILE)


def load(folder: Path, expected: str | None) -> Wordings | None:
    """An adapter's wordings; None where its card names none. Raises TrainingError as `beside` does."""
    from safetensors.numpy import load_file

    if expected is None:
        return None
    tensors = load_file(beside(folder, FILE, expected))
    return Wordings(tuple(f"{code:08d}" for code in tensors["codes"].tolist()), tensors["vectors"])
