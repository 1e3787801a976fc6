"""Marked words of a text as an answer: spans, and which of them belong together.

An answer is the canonical JSON of an annotation's value:

    >>> value = written(Marked.of([Span(((0, 4), (9, 12)), "Reaction"), Span(((20, 27),), "Drug")]))
    >>> value
    '{"spans":[{"end":12,"label":"Reaction","parts":[[0,4],[9,12]],"start":0},{"end":27,"label":"Drug","start":20}]}'
    >>> read(value) == read(value.replace(",", ", "))
    True

`relations`, where they are known, are pairs [drug, reaction] of places in `spans`.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, pairwise, product
from typing import Any, NamedTuple

from pvcore.records import canonical

DRUG, REACTION = "Drug", "Reaction"
WORD = re.compile(r"\w+|[^\w\s]")
"""The smallest thing that is marked: letters and digits, or one sign."""
SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=[A-Z0-9*(\[])|\n\s*\n")
Parts = tuple[tuple[int, int], ...]
KEYS = ({"spans"}, {"spans", "relations"})
PLACE = {"start", "end", "label"}


class Span(NamedTuple):
    """Marked words: (start, end) of each part in characters, in order and apart, and what they are."""

    parts: Parts
    label: str


Pairs = frozenset[tuple[Span, Span]]


class Marked(NamedTuple):
    """What is marked in a text; `pairs` (drug, reaction) that belong together, None where nobody says."""

    spans: frozenset[Span]
    pairs: Pairs | None = None

    @classmethod
    def of(cls, spans: Iterable[Span], pairs: Iterable[tuple[Span, Span]] | None = None) -> Marked:
        return cls(frozenset(spans), None if pairs is None else frozenset(pairs))


def ordered(spans: Iterable[Span]) -> list[Span]:
    """Spans as they stand in an answer: by start, end, label and parts."""
    return sorted(spans, key=lambda span: (span.parts[0][0], span.parts[-1][1], span.label, span.parts))


def written(marked: Marked) -> str:
    """The canonical JSON of an answer."""
    spans = ordered(marked.spans)
    value: dict[str, Any] = {"spans": [_item(span) for span in spans]}
    if marked.pairs is not None:
        places = {span: place for place, span in enumerate(spans)}
        value["relations"] = sorted([places[drug], places[event]] for drug, event in marked.pairs)
    return canonical(value).decode()


@lru_cache(maxsize=1 << 16)
def read(answer: str) -> Marked:
    """What an answer marks; a withheld one ("") marks nothing.

    ValueError for anything but such JSON, in any spacing and order of spans.
    """
    return marked_of(json.loads(answer)) if answer else Marked(frozenset())


def marked_of(value: Any) -> Marked:
    """What an annotation's value marks. ValueError that says what is wrong with it."""
    if not isinstance(value, dict) or set(value) not in KEYS or not isinstance(value["spans"], list):
        raise ValueError(f'expected {{"spans": [...]}}, found {value!r:.60}')
    try:
        spans = [_span(item) for item in value["spans"]]
        pairs = [_pair(item, spans) for item in value["relations"]] if "relations" in value else None
    except TypeError:
        raise ValueError(f"expected lists of spans, parts and relations, found {value!r:.80}") from None
    return Marked.of(spans, pairs)


def _item(span: Span) -> dict[str, Any]:
    place = {"start": span.parts[0][0], "end": span.parts[-1][1], "label": span.label}
    return place | ({"parts": [list(part) for part in span.parts]} if len(span.parts) > 1 else {})


def _span(item: Any) -> Span:
    if not isinstance(item, dict) or set(item) - {"parts"} != PLACE or not isinstance(item["label"], str):
        raise ValueError(f"a span has start, end, label and perhaps parts, found {item!r:.80}")
    whole = [[item["start"], item["end"]]]
    parts = item.get("parts", whole)
    numbers = [number for part in parts for number in part]
    pairs = all(len(part) == 2 for part in parts) and len(parts) > 0
    if not pairs or not all(type(number) is int and number >= 0 for number in (*whole[0], *numbers)):
        raise ValueError(f"the places of a span are pairs of whole numbers, found {item!r:.80}")
    apart = all(start < end for start, end in parts) and all(a[1] <= b[0] for a, b in pairwise(parts))
    if not apart or [parts[0][0], parts[-1][1]] != whole[0]:
        raise ValueError(f"the parts of a span come in order, apart, from start to end: {item!r:.80}")
    return Span(tuple((start, end) for start, end in parts), item["label"])


def _pair(item: Any, spans: list[Span]) -> tuple[Span, Span]:
    if len(item) != 2 or not all(type(place) is int and 0 <= place < len(spans) for place in item):
        raise ValueError(f"a relation is a pair of places in spans, found {item!r:.40}")
    return spans[item[0]], spans[item[1]]


def meet(one: Span, other: Span) -> bool:
    """Whether two spans share a character."""
    return any(a[0] < b[1] and b[0] < a[1] for a in one.parts for b in other.parts)


def words(text: str) -> list[tuple[int, int]]:
    """(start, end) of every word and sign of a text; all of it but white space."""
    return [match.span() for match in WORD.finditer(text)]


def sentences(text: str) -> list[tuple[int, int]]:
    """(start, end) of pieces of a text, by the signs that end a sentence. Together they are the text."""
    cuts = [0, *(match.end() for match in SENTENCE.finditer(text)), len(text)]
    return [(start, end) for start, end in pairwise(cuts) if start < end]


def related(text: str, marked: Marked) -> Marked:
    """With the pairs that stand in one sentence: each reaction with each drug of it.

    A rule, not a model: it is what a model for relations would have to beat.
    """
    starts = [start for start, _ in sentences(text)]
    inside: dict[tuple[int, str], list[Span]] = defaultdict(list)
    for span in marked.spans:
        if span.parts[0][0] < len(text):
            inside[bisect_right(starts, span.parts[0][0]), span.label].append(span)
    pairs = (product(inside[at, DRUG], inside[at, REACTION]) for at in range(1, len(starts) + 1))
    return marked._replace(pairs=frozenset(chain.from_iterable(pairs)))
