"""The look at bytes alone sees what the thorough one sees, and its root is the tree's, in parts or not."""

from __future__ import annotations

import json
import random

import pytest

from pvcore.records import canonical, digest
from pvcore.registry import chain, links, merkle
from pvcore.registry.entry import ORIGIN


def chained(count: int) -> list[bytes]:
    contents: list[bytes] = []
    for number in range(1, count + 1):
        fields = {
            "format": 1, "sequence": number, "previous": digest(contents[-1]) if contents else ORIGIN,
            "time": "2030-01-02T03:04:05.678Z", "kind": "Test", "actor": "a", "key": "", "nonce": "0" * 32,
            "body": {"text": "é" * (number % 7)},
        }  # fmt: skip
        contents.append(canonical(fields))
    return contents


CONTENTS = chained(1003)


@pytest.mark.parametrize("part", [4, 256, links.PART])
def test_every_root_of_every_size(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "PART", part)
    for count in (0, 1, 2, 255, 256, 257, 1003):
        seen = links.look(CONTENTS[:count])
        assert seen.holds
        for size in {0, min(1, count), count // 2, count}:
            assert seen.root(size) == merkle.root([bytes.fromhex(digest(data)) for data in CONTENTS[:size]])


def test_an_inner_node_is_no_entry() -> None:
    """What a node hashes has no link, whatever its children are: so it cannot be shown as an entry."""
    for first in (b"", b"{"):
        node = (first + b"\1" + CONTENTS[-1][-64:])[:65]
        assert not links.look([node]).holds and not links.look([CONTENTS[0], node]).holds
    assert len(min(CONTENTS, key=len)) > 65 and all(data.startswith(b"{") for data in CONTENTS)


def test_what_is_changed_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "PART", 16)
    chance = random.Random(1)
    for _ in range(40):
        data = list(CONTENTS[:100])
        at = chance.randrange(99)
        kind = chance.choice(["byte", "gone", "twice", "swapped", "short"])
        if kind == "byte":
            place = chance.randrange(len(data[at]))
            data[at] = data[at][:place] + bytes([data[at][place] ^ 1]) + data[at][place + 1 :]
        elif kind == "gone":
            del data[at]
        elif kind == "twice":
            data.insert(at, data[at])
        elif kind == "swapped":
            data[at], data[at + 1] = data[at + 1], data[at]
        else:
            data[at] = data[at][:40]
        assert not links.look(data).holds, kind
        assert chain.check(dict(enumerate(data, 1)))[1], kind


def test_another_spelling_of_the_time_is_a_doubt_and_no_fault() -> None:
    last = canonical({**json.loads(CONTENTS[1]), "time": "2030-01-02T03:04:05Z"})
    assert not links.look([CONTENTS[0], last]).holds
    assert chain.check({1: CONTENTS[0], 2: last})[1] == []
