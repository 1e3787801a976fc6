"""From texts to tensors whose shapes depend on nothing but the text's own length.

A matrix product may round differently when its shape differs, so a prediction would depend on what
else was asked at the same time. Here a text is padded to a length that only its own tokens decide,
and always travels in a block of ROWS rows: the answer is the same in any order and any company.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pvcore.records import digest

ROWS = 16
STEPS = (8, 16, 24, 32, 48, 64, 96, 128, 160, 192, 256, 320, 384, 512, 576, 640, 768, 896, 1024)
GAP = " ... "


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as tokens: `input_digest` is the SHA-256 of the text as put to the model, `notes` what was done."""

    ids: tuple[int, ...]
    input_digest: str
    notes: tuple[str, ...] = ()


def bucket(length: int) -> int:
    """The padded length of a text of `length` tokens: the next of STEPS, then the next multiple of 256."""
    return next((step for step in STEPS if step >= length), -(-length // 256) * 256)


def shorten(tokenizer: Any, text: str, room: int) -> tuple[str, tuple[str, ...]]:
    """The text within `room` tokens, and a note where it was cut.

    A long text keeps its head and its tail, which for classification keeps more of what matters
    than the head alone (Sun et al. 2019, "How to Fine-Tune BERT", table 2).
    """
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    spans, length = found["offset_mapping"], len(found["input_ids"])
    if length <= room:
        return text, ()
    keep = room - len(tokenizer(GAP, add_special_tokens=False)["input_ids"])
    while keep > 1:
        head = keep // 2
        tail = keep - head
        cut = text[: spans[head - 1][1]] + GAP + text[spans[length - tail][0] :]
        over = len(tokenizer(cut, add_special_tokens=False, verbose=False)["input_ids"]) - room
        if over <= 0:
            return cut, (f"head and tail of {length} tokens",)
        keep -= over  # a cut inside a word can make more tokens of it than it had
    return "", (f"nothing of {length} tokens fits into {room}",)


def encode(tokenizer: Any, text: str, max_tokens: int) -> Encoded:
    """A text for an encoder, special tokens included in `max_tokens`."""
    special = tokenizer.num_special_tokens_to_add(pair=False)
    kept, notes = shorten(tokenizer, text, max_tokens - special)
    if not text.strip():
        notes = (*notes, "empty text")
    ids = tokenizer(kept, add_special_tokens=True)["input_ids"]
    return Encoded(tuple(ids), digest(kept.encode()), notes)


def blocks(lengths: Sequence[int], rows: int = ROWS) -> Iterator[tuple[int, list[int]]]:
    """(padded length, row numbers) of blocks of at most `rows` texts of one padded length."""
    groups: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        groups.setdefault(bucket(length), []).append(row)
    for width in sorted(groups):
        group = groups[width]
        for start in range(0, len(group), rows):
            yield width, group[start : start + rows]


def pad(
    sequences: Sequence[Sequence[int]], *, width: int, rows: int, pad_id: int, left: bool = False
) -> tuple[list[list[int]], list[list[int]]]:
    """(ids, mask) of exactly `rows` rows of `width`; missing rows repeat the first, so that none is empty."""
    filled = [*sequences, *([sequences[0]] * (rows - len(sequences)))]
    ids, mask = [], []
    for sequence in filled:
        space = width - len(sequence)
        before, after = (space, 0) if left else (0, space)
        ids.append([pad_id] * before + list(sequence) + [pad_id] * after)
        mask.append([0] * before + [1] * len(sequence) + [0] * after)
    return ids, mask
