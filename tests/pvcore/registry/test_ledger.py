"""Whatever is done to the chain is found; what is written twice is written once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvcore.errors import LedgerBroken, NotFound, RegistryError
from pvcore.records import canonical, digest
from pvcore.registry.ledger import ORIGIN, Head, Ledger, State, entry_key
from pvcore.registry.store import ObjectInfo, open_store

LENGTH = 6


class Memory:
    """A store in memory that tests can tamper with."""

    url = "memory:"

    def __init__(self, data: dict[str, bytes] | None = None) -> None:
        self.data = dict(data or {})

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self.data.setdefault(key, data) is data

    def get(self, key: str) -> bytes:
        if key not in self.data:
            raise NotFound(key)
        return self.data[key]

    def exists(self, key: str) -> bool:
        return key in self.data

    def list(self, prefix: str) -> list[ObjectInfo]:
        return [
            ObjectInfo(k, len(v), digest(v)) for k, v in sorted(self.data.items()) if k.startswith(prefix)
        ]


def chain(length: int = LENGTH) -> dict[str, bytes]:
    store = Memory()
    ledger = Ledger(store)
    for number in range(length):
        ledger.append("Test", {"number": number, "text": "é"}, actor="a", key=str(number))
    return store.data


CHAIN = chain()
HEAD = Ledger(Memory(CHAIN)).state().head
NUMBERS = st.integers(1, LENGTH)


def found(data: dict[str, bytes], kept: Head | None = None) -> list[str]:
    """What `verify` says; and where the chain is broken, reading and writing must be refused too."""
    faults = Ledger(Memory(data)).verify(kept)
    if faults and kept is None:
        ledger = Ledger(Memory(data))
        with pytest.raises(LedgerBroken, match="does not hold"):
            ledger.entries()
        with pytest.raises(LedgerBroken):
            ledger.append("Test", {}, actor="a")
        assert ledger.store.list("") == Memory(data).list("")
    return [fault.where for fault in faults]


def test_untouched_chain_holds() -> None:
    assert found(CHAIN) == found(CHAIN, HEAD) == []
    entries = Ledger(Memory(CHAIN)).entries()
    assert [e.sequence for e in entries] == [1, 2, 3, 4, 5, 6]
    assert [e.previous for e in entries] == [ORIGIN, *(e.digest for e in entries[:-1])]
    assert Ledger(Memory()).verify() == []


@given(number=NUMBERS, position=st.integers(0, 10_000), byte=st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_any_changed_byte_is_found(number: int, position: int, byte: int) -> None:
    data = dict(CHAIN)
    old = data[entry_key(number)]
    at = position % len(old)
    new = old[:at] + bytes([byte]) + old[at + 1 :]
    data[entry_key(number)] = new
    if new == old:
        assert found(data) == []
    elif number < LENGTH:
        assert found(data)
    else:  # nothing follows the last entry, so that a sound change of it needs a checkpoint to be seen
        assert found(data) or found(data, HEAD)


@given(
    number=st.integers(1, LENGTH - 1),
    field=st.sampled_from(["actor", "time", "body", "kind", "key", "nonce"]),
)
@settings(max_examples=40, deadline=None)
def test_entry_rewritten_in_good_form_is_found(number: int, field: str) -> None:
    data = dict(CHAIN)
    entry = json.loads(data[entry_key(number)])
    entry[field] = {"body": {"number": 99}, "time": "2020-01-01T00:00:00.000Z"}.get(field, "x" * 32)
    data[entry_key(number)] = canonical(entry)
    assert entry_key(number + 1) in found(data)


@given(gone=st.sets(st.integers(1, LENGTH - 1), min_size=1))
@settings(max_examples=40, deadline=None)
def test_entries_taken_from_the_middle_are_found(gone: set[int]) -> None:
    data = {key: value for key, value in CHAIN.items() if key not in {entry_key(n) for n in gone}}
    assert {entry_key(n) for n in gone} <= set(found(data))


@given(order=st.permutations(range(1, LENGTH + 1)))
@settings(max_examples=60, deadline=None)
def test_entries_in_another_order_are_found(order: list[int]) -> None:
    data = {entry_key(n): CHAIN[entry_key(m)] for n, m in enumerate(order, 1)}
    assert bool(found(data)) == (order != sorted(order))


@given(kept=st.integers(0, LENGTH - 1))
@settings(max_examples=10, deadline=None)
def test_entries_cut_off_at_the_end_are_found_only_with_a_checkpoint(kept: int) -> None:
    """What no chain can show by itself, said honestly."""
    data = {entry_key(n): CHAIN[entry_key(n)] for n in range(1, kept + 1)}
    assert found(data) == []
    assert found(data, HEAD) == [entry_key(LENGTH)]


def test_chain_written_anew_is_found_only_with_a_checkpoint() -> None:
    other = chain()
    assert found(other) == []
    assert found(other, HEAD) == [entry_key(LENGTH)]
    reader = Ledger(Memory(CHAIN))
    reader.entries()
    reader.store = Memory(other)
    assert [fault.where for fault in reader.verify()] == [entry_key(LENGTH)]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format":1}', b"NaN"]
)
def test_what_is_no_entry_is_found(content: bytes) -> None:
    assert entry_key(LENGTH) in found({**CHAIN, entry_key(LENGTH): content})


def test_newer_format_is_not_guessed_at() -> None:
    entry = {**json.loads(CHAIN[entry_key(LENGTH)]), "format": 2}
    faults = Ledger(Memory({**CHAIN, entry_key(LENGTH): canonical(entry)})).verify()
    assert any("format 2" in fault.what for fault in faults)


def test_stray_objects_are_reported_and_do_not_stop_anything() -> None:
    store = Memory({**CHAIN, "ledger/notes.txt": b"", "ledger/000000000000": b""})
    assert {fault.where for fault in Ledger(store).verify()} == {"ledger/notes.txt", "ledger/000000000000"}
    assert len(Ledger(store).entries()) == LENGTH


def test_same_kind_and_key_once() -> None:
    ledger = Ledger(Memory())
    first = ledger.append("A", {"n": 1}, actor="x", key="k")
    assert ledger.append("A", {"n": 2}, actor="y", key="k") == first
    assert ledger.append("B", {"n": 2}, actor="x", key="k") != first
    assert ledger.append("A", {}, actor="x") != ledger.append("A", {}, actor="x")
    assert ledger.find("A", "k") == first and ledger.find("A", "none") is None
    # Two of them can only come from another program; the chain says so.
    fields = json.loads(ledger.store.get(entry_key(1)))
    head = ledger.state().head
    fields.update(sequence=head.sequence + 1, previous=head.digest)
    ledger.store.put_if_absent(entry_key(head.sequence + 1), canonical(fields))
    assert "repeats A 'k' of entry 1" in Ledger(ledger.store).verify()[0].what


def test_body_is_called_again_with_the_state_that_it_follows() -> None:
    store = Memory()
    mine, other = Ledger(store), Ledger(store)
    seen: list[int] = []

    def body(state: State) -> dict[str, Any]:
        seen.append(len(state.entries))
        if len(seen) < 3:
            other.append("Faster", {}, actor="other")
        return {"after": len(state.entries)}

    entry = mine.append("Slow", body, actor="me")
    assert (seen, entry.sequence, entry.body) == ([0, 1, 2], 3, {"after": 2})

    def refuses(state: State) -> dict[str, Any]:
        raise RegistryError("not now")

    with pytest.raises(RegistryError, match="not now"):
        mine.append("Slow", refuses, actor="me")
    assert len(Ledger(store).entries()) == 3


def test_threads_of_one_ledger(tmp_path: Path) -> None:
    ledger = Ledger(open_store(str(tmp_path)))

    def work(name: str) -> None:
        for _ in range(5):
            ledger.append("Each", {}, actor=name)
        ledger.append("Once", {}, actor=name, key="once")

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.verify() == []
    assert len(ledger.entries()) == 31


def test_reads_only_what_is_new() -> None:
    store = Memory(CHAIN)
    reader = Ledger(store)
    reader.entries()
    read: list[str] = []
    get = store.get

    def counted(key: str) -> bytes:
        read.append(key)
        return get(key)

    store.get = counted  # type: ignore[method-assign]
    assert reader.entries() == reader.entries()
    assert set(read) == {entry_key(LENGTH + 1)}


@pytest.mark.parametrize("known", [0, 2])
@pytest.mark.parametrize("cut_off", [LENGTH, LENGTH + 1])
def test_a_look_that_the_network_cut_off_is_forgotten_by_the_next(known: int, cut_off: int) -> None:
    """What was read before the fault counts: the next look showed the state of before, or an empty ledger."""
    store = Memory({entry_key(n): CHAIN[entry_key(n)] for n in range(1, known + 1)})
    reader, get, faults = Ledger(store), store.get, [entry_key(cut_off)]
    reader.state()
    store.data = dict(CHAIN)

    def fails_once(key: str) -> bytes:
        if key in faults:
            faults.remove(key)
            raise RegistryError("the network is away")
        return get(key)

    store.get = fails_once  # type: ignore[method-assign]
    with pytest.raises(RegistryError, match="away"):
        reader.state()
    assert reader.state().head == HEAD
    assert reader.append("Test", {}, actor="a", key="new").sequence == LENGTH + 1


def test_format_1_is_read_for_ever() -> None:
    """The bytes of an entry as the first version wrote them; never change this test, add one."""
    data = (
        b'{"actor":"watch","body":{"n":1},"format":1,"key":"k","kind":"Test","nonce":"00","previous":"'
        + b"0" * 64
        + b'","sequence":1,"time":"2030-01-02T03:04:05.678Z"}'
    )
    (entry,) = Ledger(Memory({"ledger/000000000001": data})).entries()
    assert entry.digest == "7e002b2ea207d88cd284e15acf8d3ff97d18644b83be5f4a6f63619c4ba08ecd"
    assert (entry.kind, entry.key, entry.actor, entry.body) == ("Test", "k", "watch", {"n": 1})


def test_state_follows_the_switches(registry: Any, again: Callable[[Any], Any]) -> None:
    assert registry.ledger.state().champion("seriousness") is None
    one, two = registry.champion("one"), registry.champion("two")
    for state in (registry.ledger.state(), again(registry).ledger.state()):
        assert state.problems() == ("seriousness",)
        assert [e.body["version"] for e in state.versions("seriousness")] == [one.digest, two.digest]
        assert (state.previous("seriousness"), state.champion("seriousness")) == (one.digest, two.digest)
        assert state.versions("coding") == state.history("coding") == ()
        assert state.version(one.digest).body["number"] == 1


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        ("Registered", {}, "Registered: the body has no 'problem'"),
        ("BatchAdmitted", {"object": {"key": "inbox/a"}}, "'object' has no 'etag'"),
        ("Quarantined", {"faults": "many"}, "'faults' is 'many'"),
        ("Promoted", {"approvals": [7]}, "'approvals', 1 is no object"),
        ("DatasetBuilt", {"batches": "one"}, "'batches' is no list"),
        ("ApprovalRequested", {"action": "crown"}, "'action' is 'crown'"),
    ],
)
def test_a_last_entry_with_an_odd_body_is_named(kind: str, body: dict[str, Any], why: str) -> None:
    """The chain holds, since whoever wrote it knew the last entry; but nothing can be derived from it."""
    data = dict(CHAIN)
    fields = {**json.loads(data[entry_key(LENGTH)]), "kind": kind, "body": body, "key": "odd"}
    fields.update(sequence=LENGTH + 1, previous=HEAD.digest)
    data[entry_key(LENGTH + 1)] = canonical(fields)
    with pytest.raises(LedgerBroken) as raised:
        Ledger(Memory(data)).state().champion("seriousness")
    for told in (entry_key(LENGTH + 1), why, "restore it from a backup"):
        assert told in str(raised.value)
    assert any(why in str(fault) for fault in Ledger(Memory(data)).verify())
    follower = Ledger(Memory(CHAIN))
    follower.state()
    follower.store = Memory(data)
    with pytest.raises(LedgerBroken, match="restore it from a backup"):
        follower.entries()


@pytest.mark.parametrize("number", [float(LENGTH + 1), True])
def test_a_number_that_is_no_integer_is_found(number: object) -> None:
    data = dict(CHAIN) if isinstance(number, float) else {}
    place, before = len(data) + 1, HEAD.digest if data else ORIGIN
    fields = {**json.loads(CHAIN[entry_key(1)]), "sequence": number, "previous": before, "key": "odd"}
    data[entry_key(place)] = canonical(fields)
    assert found(data) == [entry_key(place)]


def test_an_odd_body_is_not_written() -> None:
    store = Memory()
    with pytest.raises(RegistryError, match="Announced is not written: the body has no 'sequence'"):
        Ledger(store).append("Announced", {}, actor="a")
    assert store.data == {}
    Ledger(store).append("Announced", {"sequence": 1, "more": None}, actor="a")
    Ledger(store).append("Unheard of", {}, actor="a")
    assert Ledger(store).verify() == []
