"""One JSON object from a stream of bytes, its large arrays handed on an item at a time and never held."""

from __future__ import annotations

import codecs
import hashlib
import json
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

PIECE = 2**20
"""Bytes that are read at a time; what is held is this, or one item if it is larger."""
SHORT = 64
"""Characters of a text that is held once, however often it stands in the stream: names, codes, days."""
_SPACE = re.compile(r"[ \t\r\n]*")


def _shared(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        sys.intern(name): sys.intern(value) if isinstance(value, str) and len(value) <= SHORT else value
        for name, value in pairs
    }


_DECODE = json.JSONDecoder(object_pairs_hook=_shared).raw_decode


def read_object(file: BinaryIO, takers: Mapping[str, Callable[[Any], None]]) -> tuple[dict[str, Any], str]:
    """The members of the object that is the whole stream, and the SHA-256 of its bytes.

    Each item of an array that `takers` name is given to its taker instead; its member is then the
    number of items. Raises ValueError for anything else than one JSON object.
    """
    text = _Text(file)
    found: dict[str, Any] = {}
    text.take("{")
    more = text.peek() != "}"
    while more:
        name = text.value()
        if not isinstance(name, str):
            raise ValueError(f"a member is called {name!r:.50}")
        text.take(":")
        found[name] = _items(text, takers[name]) if name in takers else text.value()
        more = text.take(",}") == ","
    if not found:
        text.take("}")
    if text.peek():
        raise ValueError("more follows after the object")
    return found, text.hashed.hexdigest()


def _items(text: _Text, taker: Callable[[Any], None]) -> int:
    text.take("[")
    if text.peek() == "]":
        text.take("]")
        return 0
    number = 0
    more = True
    while more:
        taker(text.value())
        number += 1
        more = text.take(",]") == ","
    return number


class _Text:
    """The text of a stream from the place that was reached on, read further as it is needed."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.hashed = hashlib.sha256()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text, self._at = "", 0

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._further():
                return ""

    def take(self, expected: str) -> str:
        """The next character that is no space, which must be one of those expected."""
        found = self.peek()
        if not found or found not in expected:
            raise ValueError(f"{' or '.join(expected)} was expected, found {found or 'the end'!r}")
        self._at += 1
        return found

    def value(self) -> Any:
        """The next JSON value."""
        self.peek()
        while True:
            try:
                value, end = _DECODE(self._text, self._at)
            except json.JSONDecodeError:
                if not self._further():
                    raise
                continue
            if end == len(self._text) and self._further():
                continue  # a number may go on
            self._at = end
            return value

    def _further(self) -> bool:
        data = self.file.read(PIECE)
        self.hashed.update(data)
        self._text = self._text[self._at :] + self._decoder.decode(data, final=not data)
        self._at = 0
        return bool(data)
