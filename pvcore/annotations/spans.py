"""Marked words: what Prodigy, doccano and brat say of a text, as annotations, and back.

A span with a code is a coding: its words are the target. A span without one belongs to the problem
`extraction`: all of an annotator's in one annotation,

    {"spans": [{"start": 3, "end": 9, "label": "Drug"}]}

with offsets in characters of the case's narrative. A discontinuous span has its pieces as `parts`
([[3, 9], [15, 20]]) besides; its words are joined by one space, as brat does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pvcore.annotations.reading import Findings
from pvcore.records import Annotation

EXTRACTION = "extraction"
REACTION = "Reaction"
"""The label that coded spans are written with."""
Parts = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Span:
    """Marked words of a text. `parts` are (start, end) in characters, in order and apart."""

    parts: Parts
    label: str
    llt_code: str | None = None


def parts_of(pairs: Any, text: str, where: str, found: Findings) -> Parts | None:
    """(start, end) pairs as parts; None, and a fault, where they do not lie in the text in order."""
    last = 0
    made: list[tuple[int, int]] = []
    for pair in pairs:
        start, end = pair if isinstance(pair, list | tuple) and len(pair) == 2 else (None, None)
        whole = type(start) is int and type(end) is int  # True is an int, too
        if not whole or not last <= start < end <= len(text):  # type: ignore[operator]
            advice = "offsets count characters of the text"
            found.fault(where, f"span {start!r:.20}-{end!r:.20} lies outside the text", advice)
            return None
        made.append((int(start), int(end)))  # type: ignore[arg-type]
        last = made[-1][1]
    return tuple(made) or None


def words_of(text: str, parts: Parts) -> str:
    """The words of a span; those of its parts joined by one space."""
    return " ".join(text[start:end] for start, end in parts).strip()


def annotations_of(
    spans: Iterable[Span], text: str, *, case_id: str, annotator: str, time: str | None = None,
    guideline: str | None = None, meddra_version: str | None = None,
) -> list[Annotation]:  # fmt: skip
    """The annotations that one annotator's spans in one text are. Offsets become those of the stripped text."""
    before = len(text) - len(text.lstrip())
    most = len(text.strip())
    codings: dict[tuple[str, str], Annotation] = {}
    plain: list[dict[str, Any]] = []
    for span in spans:
        if span.llt_code:
            target = words_of(text, span.parts)
            codings[target, span.llt_code] = Annotation(
                case_id,
                "coding",
                {"llt_code": span.llt_code},
                annotator,
                target,
                time,
                guideline,
                meddra_version,
            )
            continue
        shifted = [[max(s - before, 0), min(e - before, most)] for s, e in span.parts]
        value = {"start": shifted[0][0], "end": shifted[-1][1], "label": span.label}
        plain.append(value | ({"parts": shifted} if len(shifted) > 1 else {}))
    made = list(codings.values())
    if plain:
        plain.sort(key=lambda item: (item["start"], item["end"], item["label"], item.get("parts", [])))
        value = {"spans": plain}
        made.append(Annotation(case_id, EXTRACTION, value, annotator, time=time, guideline=guideline))
    return made


def spans_of(said: Iterable[Annotation], narrative: str, dropped: dict[str, int]) -> list[Span]:
    """The spans that the annotations of one annotator and case are; counts what is none in `dropped`."""
    made: list[Span] = []

    def drop(reason: str) -> None:
        dropped[reason] = dropped.get(reason, 0) + 1

    for a in said:
        if a.problem == EXTRACTION:
            made += [_span(item) for item in a.value["spans"]]
        elif a.problem == "coding" and "llt_code" not in a.value:
            drop("code without an LLT")
        elif a.problem == "coding":
            parts = find(a.target, narrative)
            if parts is None:
                drop("coding whose words are not in the narrative")
            else:
                made.append(Span(parts, REACTION, a.value["llt_code"]))
        elif a.problem != "seriousness":
            drop(f"annotation of problem {a.problem}")
    return made


def shifted(value: Mapping[str, Any], text: str, to: str) -> Mapping[str, Any]:
    """The value with its places in `to`, which differs from `text` in white space only.

    What is no list of spans stays as it is: who reads it says what is wrong with it.
    """
    at = [place for place, sign in enumerate(to) if not sign.isspace()]

    def part(start: int, end: int) -> list[int]:
        before, until = (len("".join(text[:place].split())) for place in (start, end))
        first = at[before] if before < len(at) else len(to)
        # The ends are the other way round where only white space is marked: it is then that between two words.
        return sorted((first, at[until - 1] + 1 if until else 0))

    def span(item: Mapping[str, Any]) -> dict[str, Any]:
        parts = [part(start, end) for start, end in item.get("parts", [[item["start"], item["end"]]])]
        places = {"start": parts[0][0], "end": parts[-1][1]}
        return {**item, **places, **({"parts": parts} if "parts" in item else {})}

    try:
        return {**value, "spans": [span(item) for item in value["spans"]]}
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return value


def _span(item: Mapping[str, Any]) -> Span:
    pairs: Sequence[Sequence[int]] = item.get("parts", [[item["start"], item["end"]]])
    return Span(tuple((start, end) for start, end in pairs), item["label"])


def find(target: str, text: str, *, whole_words: bool = True) -> Parts | None:
    """Where the words of a target stand: in one piece, or in several in this order; None if they do not.

    In one piece as whole words where they stand so ("pain", not "painful"), else inside of others (a language
    without blanks); without `whole_words` the first place, whichever.
    """
    start = text.find(target) if target else -1
    if start >= 0:
        whole = re.search(rf"(?<!\w){re.escape(target)}(?!\w)", text) if whole_words else None
        start = whole.start() if whole else start
        return ((start, start + len(target)),)
    parts: list[tuple[int, int]] = []
    last = 0
    for word in target.split(" "):
        match = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)").search(text, last) if word else None
        if match is None:
            return None
        joins = parts and text[parts[-1][1] : match.start()] == " "
        parts = [*parts[:-1], (parts[-1][0], match.end())] if joins else [*parts, match.span()]
        last = match.end()
    return tuple(parts) or None
