"""A text longer than a model takes: its head and tail, or windows over all of it whose answers are pooled.

>>> spread(length=10, room=10), spread(length=25, room=10)
([(0, 10)], [(0, 10), (5, 15), (10, 20), (15, 25)])

Nothing is cut silently: the notes of the result say what was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pvcore.inference.text import Encoded, encode
from pvcore.records import digest

if TYPE_CHECKING:
    from pvcore.inference.card import Card

OVERLAP = 4
"""Neighbouring windows share at least a quarter, so that what one cuts stands whole in the other."""


def spread(length: int, room: int) -> list[tuple[int, int]]:
    """(start, end) of the fewest windows of `room` tokens over `length`, evenly apart, none shorter."""
    if length <= room:
        return [(0, length)]
    step = max(1, room - -(-room // OVERLAP))
    count = 1 + -(-(length - room) // step)
    starts = [number * (length - room) // (count - 1) for number in range(count)]
    return [(start, start + room) for start in starts]


def windows(tokenizer: Any, text: str, max_tokens: int) -> list[Encoded]:
    """The windows of a text, special tokens included in `max_tokens`; one for a text that fits.

    `input_digest` is that of the whole text, because all of it is put.
    """
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    room = max_tokens - tokenizer.num_special_tokens_to_add(pair=False)
    cuts = spread(len(ids), room)
    if len(cuts) == 1:
        return [encode(tokenizer, text, max_tokens)]
    before, after = around(tokenizer)
    notes = (f"{len(cuts)} windows of {max_tokens} tokens over {len(ids)}",)
    name = digest(text.encode())
    return [Encoded((*before, *ids[start:end], *after), name, notes) for start, end in cuts]


def put(tokenizer: Any, text: str, card: Card) -> list[Encoded]:
    """A text as the card's model takes it: one sequence, or its windows."""
    if card.long == "windows":
        return windows(tokenizer, text, card.max_tokens)
    return [encode(tokenizer, text, card.max_tokens)]


def pooled(values: NDArray[Any], asked: Sequence[Sequence[Encoded]], by: int | None = None) -> NDArray[Any]:
    """One row a text, shape (texts, columns), of rows for all their windows, in their order.

    The mean, or with `by` the window whose column `by` is the largest (the first of equals). Each text is
    pooled by itself: the number and the order of the others do not matter.
    """
    if len(values) == len(asked):
        return values
    rows, start = [], 0
    for parts in asked:
        own = values[start : start + len(parts)]
        rows.append(own.mean(axis=0) if by is None else own[int(own[:, by].argmax())])
        start += len(parts)
    return np.stack(rows)


def around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The special tokens before and after a text."""
    found = tokenizer("a", return_special_tokens_mask=True)
    at = found["special_tokens_mask"].index(0)
    return found["input_ids"][:at], found["input_ids"][at + 1 :]
