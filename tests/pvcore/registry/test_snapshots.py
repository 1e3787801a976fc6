"""A name means the same from a snapshot as from the whole ledger, costs few reads, and a forged snapshot is found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pvcore.errors import LedgerBroken, NotFound
from pvcore.records import canonical, digest
from pvcore.registry import snapshots
from pvcore.registry.ledger import Ledger, entry_key
from pvcore.registry.names import find
from pvcore.registry.snapshots import EVERY, snapshot_key
from pvcore.registry.store import ObjectInfo


class Counting:
    """A store in memory that counts what it is asked."""

    url = "memory:"

    def __init__(self, data: dict[str, bytes] | None = None) -> None:
        self.data = dict(data or {})
        self.asked = {"get": 0, "exists": 0, "list": 0}

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self.data.setdefault(key, data) is data

    def get(self, key: str) -> bytes:
        self.asked["get"] += 1
        if key not in self.data:
            raise NotFound(key)
        return self.data[key]

    def exists(self, key: str) -> bool:
        self.asked["exists"] += 1
        return key in self.data

    def list(self, prefix: str) -> list[ObjectInfo]:
        self.asked["list"] += 1
        return [
            ObjectInfo(k, len(v), digest(v)) for k, v in sorted(self.data.items()) if k.startswith(prefix)
        ]


def registered(problem: str, number: int) -> dict[str, Any]:
    text = {
        "problem": problem,
        "version": digest(f"{problem} {number}"),
        "specification": "s",
        "adapter": "a",
    }
    return {**text, "number": number}


def switch(problem: str, number: int, expected: int | None) -> dict[str, Any]:
    return {
        "problem": problem, "name": f"{problem}@{number}", "version": digest(f"{problem} {number}"),
        "expected": digest(f"{problem} {expected}") if expected else None, "asked": "", "signatures": 0,
        "request": {"sequence": 1, "digest": ""}, "approvals": [],
    }  # fmt: skip


def grown(plan: list[tuple[str, Any]]) -> tuple[Counting, Ledger]:
    """A ledger of the events of `plan`: ("fill", n) for n entries that mean nothing here, (kind, body) for others."""
    store = Counting()
    ledger = Ledger(store)
    for kind, body in plan:
        if kind == "fill":
            for _ in range(body):
                ledger.append("Test", {}, actor="a")
        else:
            ledger.append(kind, body, actor="a")
    return store, ledger


PLAN: list[tuple[str, Any]] = [
    ("fill", 3), ("Registered", registered("s", 1)), ("Promoted", switch("s", 1, None)), ("fill", 70),
    ("Registered", registered("s", 2)), ("Registered", registered("c", 1)), ("Registered", registered("s", 3)),
    ("Promoted", switch("s", 3, 1)), ("fill", 60), ("Registered", registered("s", 4)), ("fill", 64),
]  # fmt: skip
LATER: dict[str, list[tuple[str, Any]]] = {
    "nothing": [],
    "to one long registered": [("Promoted", switch("s", 2, 3))],
    "there and back": [("Promoted", switch("s", 2, 3)), ("RolledBack", switch("s", 3, 2))],
    "to a new one": [("Registered", registered("s", 5)), ("Promoted", switch("s", 5, 3)), ("fill", 2)],
    "another problem": [("Promoted", switch("c", 1, None))],
    "just at a snapshot": [("fill", 64 * 4 - 204)],
}
NAMES = [
    *("s@champion", "s@previous", "s@latest", "c@champion", "c@previous", "c@latest", "x@champion"),
    *(f"s@{n}" for n in range(7)), "c@1", "s@", "s@newest", digest("s 2"), "s@٣", f"s@{'9' * 5000}",
]  # fmt: skip


@pytest.mark.parametrize("later", LATER)
def test_a_name_means_what_the_whole_ledger_says(later: str) -> None:
    store, _ = grown(PLAN + LATER[later])
    state = Ledger(Counting(store.data)).state()
    told = 0
    for name in NAMES:
        try:
            expected = find(state, name)
        except NotFound:
            expected = None
        found = snapshots.find(store, name)
        assert found in (expected, None), name
        told += found is not None
    assert told >= 8, "the snapshot tells the names that there are"
    assert Ledger(Counting(store.data)).verify() == []


def test_few_reads_however_long_the_ledger() -> None:
    store, _ = grown([*PLAN, ("fill", 800)])
    for name in ("s@champion", "s@previous", "s@latest", "s@2"):
        store.asked = dict.fromkeys(store.asked, 0)
        assert snapshots.find(store, name) == find(Ledger(Counting(store.data)).state(), name)
        assert store.asked["list"] == 0 and store.asked["exists"] < 60 and store.asked["get"] < 2 * EVERY + 32


def test_without_a_snapshot_the_whole_ledger_is_read() -> None:
    store, _ = grown(PLAN)
    bare = Counting({key: data for key, data in store.data.items() if key.startswith("ledger/")})
    assert snapshots.find(bare, "s@champion") is None
    assert snapshots.find(Counting(), "s@champion") is None
    Ledger(bare).append("Test", {}, actor="a")
    assert not [key for key in bare.data if key.startswith("snapshots/")], "only one in 64 writes any"
    ledger = Ledger(bare)
    while len(ledger.entries()) % EVERY:
        ledger.append("Test", {}, actor="a")
    assert [key for key in bare.data if key.startswith("snapshots/")] == [
        snapshot_key(n * EVERY) for n in (1, 2, 3, 4)
    ]
    assert {key: bare.data[key] for key in store.data} == store.data, (
        "the same entries give the same snapshots"
    )


def forged(store: Counting, **changes: Any) -> Counting:
    """The same store, with another newest snapshot."""
    key = max(key for key in store.data if key.startswith("snapshots/"))
    fields = {**json.loads(store.data[key]), **changes}
    return Counting({**store.data, key: canonical(fields)})


def test_a_forged_snapshot_points_to_entries_or_is_refused_and_verify_finds_it() -> None:
    store, ledger = grown(PLAN)
    one, other = ledger.entries()[3], ledger.entries()[76]
    assert (one.kind, other.body["problem"]) == ("Registered", "c")
    problems = json.loads(store.data[snapshot_key(3 * EVERY)])["problems"]
    old = {"switch": [5, ledger.entries()[4].digest]}
    for champion, more, refused in (
        ([one.sequence, one.digest], old, None),  # an older champion, as cutting off the end would show it
        ([one.sequence, one.digest], {}, "entry 4 for the champion of s, and no switch says so"),
        ([one.sequence, one.digest], {"switch": None}, "no switch says so"),
        ([one.sequence, one.digest], {"switch": [4, one.digest]}, "no switch says so"),
        ([one.sequence, other.digest], old, "names an entry 4 that the ledger does not have"),
        ([other.sequence, other.digest], old, "takes entry 77 for a version of s"),
        ([5, ledger.entries()[4].digest], old, "takes entry 5 for a version of s"),
    ):
        evil = forged(store, problems={**problems, "s": {**problems["s"], "champion": champion, **more}})
        if refused:
            with pytest.raises(LedgerBroken, match=refused):
                snapshots.find(evil, "s@champion")
        else:
            assert snapshots.find(evil, "s@champion") == one
        (fault,) = Ledger(evil).verify()
        assert fault.where == snapshot_key(3 * EVERY) and "remove it" in fault.advice
    for changes in ({"digest": one.digest}, {"sequence": 64}, {"format": 2}, {"problems": 7}):
        evil = forged(store, **changes)
        with pytest.raises(LedgerBroken, match="Run: pv ledger verify"):
            snapshots.find(evil, "s@champion")
        assert Ledger(evil).verify()
    for known in (
        [1],
        5,
        {"champion": 5},
        {"champion": [1]},
        {"champion": ["1", 2]},
        {"champion": {}, "versions": "x"},
    ):
        evil = forged(store, problems={"s": known})
        with pytest.raises(LedgerBroken, match="Run: pv ledger verify"):
            snapshots.find(evil, "s@1" if "versions" in str(known) else "s@champion")
    stray = Counting({**store.data, snapshot_key(999 * EVERY): b"{}", "snapshots/notes": b""})
    assert {fault.where for fault in Ledger(stray).verify()} == {snapshot_key(999 * EVERY), "snapshots/notes"}


def test_an_altered_entry_after_the_snapshot_is_refused() -> None:
    store, _ = grown(PLAN)
    fields = {**json.loads(store.data[entry_key(198)]), "previous": "0" * 64}
    with pytest.raises(LedgerBroken, match="its predecessor is"):
        snapshots.find(Counting({**store.data, entry_key(198): canonical(fields)}), "s@champion")


def test_a_store_that_writes_no_snapshot_still_gets_its_entries() -> None:
    class Refusing(Counting):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            if key.startswith("snapshots/"):
                from pvcore.errors import RegistryError

                raise RegistryError("full")
            return super().put_if_absent(key, data)

    ledger = Ledger(Refusing())
    for _ in range(EVERY + 1):
        ledger.append("Test", {}, actor="a")
    assert len(ledger.entries()) == EVERY + 1 and ledger.verify() == []
