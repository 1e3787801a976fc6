"""How far two annotators mark the same places of a text: F1 of spans, exact and by overlap.

A span is a mapping with `start`, `end` (characters, the end not included) and `label`, a discontinuous one with its
`parts`, too. A value is one span or holds a list of them under `spans`; an empty list says that there is nothing to
mark, and of lists by one annotator on one case the latest counts. F1 takes one
annotator for the truth, and is the same whichever (Hripcsak and Rothschild 2005: it is kappa where the
places that nobody marks cannot be counted).
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pvcore.annotations.reading import ADJUDICATION
from pvcore.records import Annotation


class Span(NamedTuple):
    """Characters `start` to `end` of a text, and what they are; `parts` of a discontinuous one, else ()."""

    start: int
    end: int
    label: str
    parts: tuple[tuple[int, int], ...] = ()

    @property
    def pieces(self) -> tuple[tuple[int, int], ...]:
        """(start, end) of all that is marked."""
        return self.parts or ((self.start, self.end),)


@dataclass(frozen=True, slots=True)
class SpanAgreement:
    """Two annotators on the cases that both marked. `label` is "all" or one label; `spans` are both counts."""

    problem: str
    annotators: tuple[str, str]
    label: str
    cases: int
    spans: tuple[int, int]
    exact: float | None
    overlap: float | None


def spans_of(value: Mapping[str, Any]) -> frozenset[Span] | None:
    """The spans of a value, or None for a value that is no such thing."""
    listed = value.get("spans", [value])
    if not isinstance(listed, list | tuple) or not all(_is_span(item) for item in listed):
        return None
    return frozenset(Span(s["start"], s["end"], s["label"], _parts(s.get("parts"))) for s in listed)


def _parts(listed: Any) -> tuple[tuple[int, int], ...]:
    try:
        found = tuple((int(start), int(end)) for start, end in listed)
    except (TypeError, ValueError):
        return ()
    return found if len(found) > 1 else ()


def _is_span(item: Any) -> bool:
    return (
        isinstance(item, Mapping)
        and all(isinstance(item.get(place), int) for place in ("start", "end"))
        and isinstance(item.get("label"), str)
    )


def span_agreement(annotations: Iterable[Annotation]) -> list[SpanAgreement]:
    """One row a problem, pair of annotators and label, over the cases that both annotated."""
    said = [a for a in annotations if a.guideline != ADJUDICATION and spans_of(a.value) is not None]
    last: dict[tuple[str, str, str, str], str] = defaultdict(str)
    for a in said:
        last[_thing(a)] = max(last[_thing(a)], a.time or "")
    marked: dict[str, dict[str, dict[str, set[Span]]]] = defaultdict(lambda: defaultdict(dict))
    for a in said:
        if "spans" not in a.value or (a.time or "") == last[_thing(a)]:
            marked[a.problem][a.annotator].setdefault(a.case_id, set()).update(spans_of(a.value) or ())
    rows = []
    for problem in sorted(marked):
        for one, other in itertools.combinations(sorted(marked[problem]), 2):
            first, second = marked[problem][one], marked[problem][other]
            both = [(first[case], second[case]) for case in sorted(set(first) & set(second))]
            labels = sorted({span.label for pair in both for spans in pair for span in spans})
            rows += [_row(problem, (one, other), label, both) for label in ("all", *labels) if both]
    return rows


def _thing(a: Annotation) -> tuple[str, str, str, str]:
    return a.case_id, a.problem, a.target, a.annotator


def _row(
    problem: str, pair: tuple[str, str], label: str, both: list[tuple[set[Span], set[Span]]]
) -> SpanAgreement:
    chosen = [
        tuple({s for s in spans if label in ("all", s.label)} for spans in (first, second))
        for first, second in both
    ]
    sizes = sum(len(a) for a, _ in chosen), sum(len(b) for _, b in chosen)
    exact = sum(len(a & b) for a, b in chosen)
    # a span may overlap several: each side counts those of its own that meet one of the other's
    met = sum(_meet(a, b) + _meet(b, a) for a, b in chosen)
    return SpanAgreement(
        problem,
        pair,
        label,
        len(both),
        sizes,
        2 * exact / sum(sizes) if any(sizes) else None,
        met / sum(sizes) if any(sizes) else None,
    )


def _meet(these: set[Span], those: set[Span]) -> int:
    return sum(any(a.label == b.label and _overlap(a, b) for b in those) for a in these)


def _overlap(a: Span, b: Span) -> bool:
    return any(one < last and first < other for one, other in a.pieces for first, last in b.pieces)
