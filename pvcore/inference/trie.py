"""The names of a dictionary as token sequences in order: what may come next is read off a range of them.

>>> import numpy as np
>>> trie = Trie(np.array([[5, 1, -1], [5, 7, 1], [6, 1, -1]]), ("90000001", "90000002", "90000003"))
>>> [part.tolist() for part in trie.children(0, 3, 0)]      # after nothing: 5 or 6
[[5, 6], [0, 2], [2, 3]]
>>> [part.tolist() for part in trie.children(0, 2, 1)]      # after 5: the end (1) or 7
[[1, 7], [0, 1], [1, 2]]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvcore.errors import TrainingError

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Trie:
    """A trie without nodes: a node is a range of rows that begin alike, and its depth.

    `tokens` are the answers, shape (names, longest), sorted, each with the end of the text after it and
    -1 behind that. `codes` stand beside them; names of one spelling are in the order of their codes.
    """

    tokens: Ints
    codes: tuple[str, ...]

    def children(self, first: int, last: int, depth: int) -> tuple[Ints, Ints, Ints]:
        """The tokens that may follow in rows `first` to `last` after `depth` tokens, and their ranges."""
        column = self.tokens[first:last, depth]
        starts = np.flatnonzero(np.r_[True, column[1:] != column[:-1]])
        return column[starts], first + starts, np.r_[first + starts[1:], last]


def build(tokenizer: Any, terms: Sequence[tuple[str, str]]) -> Trie:
    """The trie of (code, name) pairs. Raises TrainingError for a tokenizer that cannot end an answer."""
    if tokenizer.eos_token_id is None:
        raise TrainingError(
            "the base's tokenizer has no end of text: a term that begins another could not be told"
        )
    names = tokenizer([" " + name for _, name in terms], add_special_tokens=False)["input_ids"]
    rows = sorted(((*ids, tokenizer.eos_token_id), code) for ids, (code, _) in zip(names, terms, strict=True))
    tokens = np.full((len(rows), max(len(ids) for ids, _ in rows)), -1, np.int64)
    for row, (ids, _) in zip(tokens, rows, strict=True):
        row[: len(ids)] = ids
    return Trie(tokens, tuple(code for _, code in rows))
