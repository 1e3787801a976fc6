"""Marked words as a language model says them: quoted from the text, in its order.

    >>> text = "Pain in the left arm after aspirin; no other pain."
    >>> marked = Marked.of([Span(((0, 4), (17, 20)), "Reaction"), Span(((27, 34),), "Drug")])
    >>> said = quoted(text, marked)
    >>> said
    '[["Reaction","Pain","arm"],["Drug","aspirin"]]'
    >>> located(text, said) == (marked, 0)
    True

The parts of a discontinuous span stand one after another. A quotation names words and not a place: it
is the first one, reading on from where the quotation before it began, that is not taken yet.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence

from pvcore.evaluation.spans import WORD, Marked, Parts, Span, meet, ordered, words

ITEMS = 64
"""Quotations in one answer, at most."""


def quoted(text: str, marked: Marked) -> str:
    """The spans as quotations: a JSON list of [label, words, words of the next part ...].

    A part that begins or ends inside a word becomes whole words.
    """
    places = words(text)
    items = [[s.label, *(_words(text, part, places) for part in s.parts)] for s in ordered(marked.spans)]
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"))


def located(text: str, said: str) -> tuple[Marked, int]:
    """The spans that quotations name, and the number of those that have no place.

    That is: whose parts do not stand in this order, or that are said more often than they stand there.
    ValueError for anything but such JSON.
    """
    items = json.loads(said)
    if not isinstance(items, list) or not all(map(_is_quotation, items)):
        raise ValueError(f"expected a list of [label, words, ...], found {said!r:.60}")
    found: list[Span] = []
    start = 0
    for label, *pieces in items:
        span = _next(text, pieces, label, start, found) or _next(text, pieces, label, 0, found)
        if span is not None:
            found.append(span)
            start = span.parts[0][0]
    return Marked.of(found), len(items) - len(found)


def complete(said: str) -> str:
    """The whole quotations at the beginning of an answer that was cut off.

    >>> complete('[["Drug","aspirin"],["Reaction","pa')
    '[["Drug","aspirin"]]'
    """
    items: list[object] = []
    at = 1
    with contextlib.suppress(ValueError, IndexError):
        while not items or said[at] == ",":
            item, at = json.JSONDecoder().raw_decode(said, at + bool(items))
            items.append(item)
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"))


def grammar(text: str, labels: Sequence[str]) -> str:
    """A grammar (llguidance's Lark) of an answer: a space, and quotations of this text.

    Words are quoted whole and as they stand side by side, with one space where there is white space.
    """
    chunks = [
        " " if chunk.isspace() else json.dumps(chunk, ensure_ascii=False)[1:-1]
        for chunk in re.findall(rf"{WORD.pattern}|\s+", text.strip())
    ]
    if not chunks:
        return 'start: " []"'
    names = " | ".join(json.dumps(json.dumps(label)) for label in labels)
    return (
        f'start: " [" (item ("," item){{0,{ITEMS - 1}}})? "]"\n'
        'item: "[" label (",\\"" WORDS "\\"")+ "]"\n'
        f"label: {names}\n"
        r"WORDS: PIECE & /[^ ](.*[^ ])?/" + "\n"
        f'PIECE: %regex {{"substring_chunks": {json.dumps(chunks, ensure_ascii=False)}}}\n'
    )


def _is_quotation(item: object) -> bool:
    return isinstance(item, list) and len(item) > 1 and all(isinstance(part, str) for part in item)


def _words(text: str, part: tuple[int, int], places: Sequence[tuple[int, int]]) -> str:
    inside = [(start, end) for start, end in places if start < part[1] and part[0] < end]
    return " ".join(text[inside[0][0] : inside[-1][1]].split()) if inside else ""


def _next(text: str, pieces: list[str], label: str, start: int, taken: list[Span]) -> Span | None:
    while (parts := _places(text, pieces, start)) is not None:
        span = Span(parts, label)
        if not any(other.label == label and meet(span, other) for other in taken):
            return span
        start = parts[0][0] + 1
    return None


def _places(text: str, pieces: list[str], start: int) -> Parts | None:
    parts: list[tuple[int, int]] = []
    for piece in pieces:
        pattern = r"\s+".join(map(re.escape, piece.split()))
        match = re.compile(rf"(?<!\w)(?:{pattern})(?!\w)").search(text, start) if pattern else None
        if match is None:
            return None
        parts.append(match.span())
        start = match.end()
    return tuple(parts) or None
