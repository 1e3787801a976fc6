"""A stored batch is read an item at a time, wherever the pieces of its stream end."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest

from pvcore.annotations import json_stream
from pvcore.annotations.json_stream import read_object
from pvcore.records import digest

VALUE = {
    "annotations": [],
    "batch": 12,
    "cases": [{"text": 'é "quoted" \\ {[,]} 漢字', "n": 1.5e3}, {"nested": [[1, 2], {"a": None}]}, 7],
    "dropped": {"reason": 2},
    "end": 345,
}


def read(data: bytes) -> tuple[dict[str, Any], list[Any], str]:
    items: list[Any] = []
    found, hashed = read_object(io.BytesIO(data), {"cases": items.append, "annotations": items.append})
    return found, items, hashed


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("spaced", [False, True])
def test_pieces_may_end_anywhere(piece: int, spaced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "PIECE", piece)
    data = json.dumps(VALUE, ensure_ascii=False, indent=2 if spaced else None).encode()
    found, items, hashed = read(data)
    assert found == {**VALUE, "annotations": 0, "cases": 3}
    assert items == VALUE["cases"] and hashed == digest(data)


def test_an_empty_object_is_one() -> None:
    assert read(b" {} ")[:2] == ({}, [])


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{", b'{"a"}', b'{"a":1', b'{"a":1,}', b'{"a":1}x', b'{1:2}', b'{"cases":{}}',
     b'{"cases":[1', b'{"cases":[1,]}', b'{"cases":[1 2]}', b'{"a":"\xff"}', b'{"a":"\xc3'],
)  # fmt: skip
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        read(data)


def test_items_are_not_held() -> None:
    item = json.dumps("x" * 2**16).encode()
    file = io.BytesIO(b'{"cases":[' + b",".join([item] * 1000) + b"]}")
    tracemalloc.start()
    found, _ = read_object(file, {"cases": lambda _: None})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == {"cases": 1000}
    assert peak < 2**23, "64 MB were read in pieces of 1 MB"


def test_short_texts_are_held_once() -> None:
    item = {"role": "suspect of the reaction", "story": "long " * 40}
    _, (one, other), _ = read(json.dumps({"cases": [item, item]}).encode())
    assert one == other == item
    assert one["role"] is other["role"] and next(iter(one)) is next(iter(other))
