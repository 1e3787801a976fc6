"""Where a region of a Label Studio export stands in its task's text, whichever version of the tool wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from pvcore.annotations.reading import Findings


def place_of(
    value: Mapping[str, Any], data: Mapping[str, Any], where: str, found: Findings
) -> tuple[int, int] | None:
    """Where a region starts and ends, in characters of the task's text; None, and a fault, where it does not fit.

    Older versions counted UTF-16 units, of which an emoji has two: the copy of the words that they bring tells.
    """
    text, start, end, copy = data.get("text"), value.get("start"), value.get("end"), value.get("text")
    if isinstance(text, str) and isinstance(start, int) and isinstance(end, int):
        if _fits(copy, text, start, end):
            return start, end
        if copy is not None and max(text, default="") > "\uffff":
            units = _of_units(text, start, end)
            if _fits(copy, text, *units):
                return units
        if 0 <= start < end <= len(text):
            found.fault(where, f"region {start}-{end} is {text[start:end]!r} in the text, {copy!r} in the export",
                        "the task's text was changed after the annotation")  # fmt: skip
            return None
    found.fault(where, f"region {start}-{end} lies outside the text")
    return None


def _fits(copy: Any, text: str, start: int, end: int) -> bool:
    """Whether the words stand there, as far as the export has a copy of them."""
    return 0 <= start < end <= len(text) and (copy is None or _ink(str(copy)) == _ink(text[start:end]))


def _ink(words: str) -> str:
    """Words without white space: a copy has a line's end as the two signs \\n, and lacks what a browser folds."""
    return "".join(words.replace("\\n", "").split())


def _of_units(text: str, start: int, end: int) -> tuple[int, int]:
    """Places in UTF-16 units as places in characters; -1 for one inside of a character or beyond the text."""
    units = accumulate((1 + (sign > "\uffff") for sign in text), initial=0)
    at = {unit: place for place, unit in enumerate(units)}
    return at.get(start, -1), at.get(end, -1)
