"""What a collection takes and what it never takes; holds; and what a reader is told of a blob that is gone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dying
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pvcore.errors import NotFound, RegistryError, SignatureRefused
from pvcore.records import canonical, digest
from pvcore.registry import collection, holds, retention
from pvcore.registry.approvers import ApprovalPolicy
from pvcore.registry.blobs import BLOBS, get_blob, put_blob
from pvcore.registry.content import PIECE
from pvcore.registry.ledger import Ledger
from pvcore.registry.names import resolve
from pvcore.registry.reach import needed
from pvcore.registry.retention import Person, RetentionPolicy, Rules
from pvcore.registry.signing import Keys
from pvcore.registry.store import ObjectInfo, Store, open_store
from pvcore.registry.version import fetch_adapter, register

MAX, EVE = "max@example.org", "eve@example.org"
YEAR = timedelta(days=365)
Registry = Any


class Memory:
    """A store in memory; everything in it is as old as `age` seconds since 1970."""

    url = "memory:"

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.age: dict[str, float] = {}

    def put_if_absent(self, key: str, data: Any) -> bool:
        return self.data.setdefault(key, data) is data

    def get(self, key: str) -> bytes:
        if key not in self.data:
            raise NotFound(key)
        return self.data[key]

    def fetch(self, key: str, target: Path) -> Path:
        target.parent.mkdir(mode=0o700, exist_ok=True)
        target.write_bytes(self.get(key))
        return target

    def exists(self, key: str) -> bool:
        return key in self.data

    def list(self, prefix: str) -> list[ObjectInfo]:
        found = [(k, v) for k, v in sorted(self.data.items()) if k.startswith(prefix)]
        return [ObjectInfo(k, len(v), "", self.age.get(k, 0.0)) for k, v in found]

    def delete(self, key: str) -> None:
        del self.data[key]


def rules(registry: Registry, **policy: Any) -> Rules:
    given = {"roles": ("qppv",), "grace_days": 0.0, **policy}
    return Rules(registry.policy, RetentionPolicy(**given), registry.signers)


def nobody(**policy: Any) -> Rules:
    """Rules under which no signature counts."""
    return Rules(ApprovalPolicy(roles=("none",)), RetentionPolicy(**policy), Keys(Path("none")))


def person(registry: Registry, who: str = MAX, reason: str = "the disk is full") -> Person:
    return Person(who, registry.policy.signer(who).name, reason, registry.keys[who])


# --- what is needed ---------------------------------------------------------------------------------------

LINKS = st.lists(
    st.tuples(st.sets(st.integers(0, 30), max_size=3), st.integers(0, 3)), min_size=1, max_size=14
)


def blob_of(number: int, names: list[str], form: int) -> bytes:
    """A blob that names others: as JSON, in text, between bytes that are none, with digits beside it."""
    return (
        canonical({"n": number, "deep": [{"sha256": name} for name in names]}),
        f"<p>{number} {'/'.join(names)}</p>".encode(),
        bytes([255, number]) + b"\0".join(name.encode() for name in names),
        f"{number}: {''.join(f'0{name}' for name in names)}".encode(),
    )[form]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(links=LINKS, roots=st.sets(st.integers(0, 13), max_size=3), young=st.sets(st.integers(0, 13)))
def test_nothing_that_an_entry_leads_to_ever_goes(links: Any, roots: set[int], young: set[int]) -> None:
    store, names, below = Memory(), [], []
    ledger = Ledger(store)
    for number, (targets, form) in enumerate(links):
        mine = sorted({target % number for target in targets}) if number else []
        names.append(put_blob(store, blob_of(number, [names[t] for t in mine], form)))
        below.append({number}.union(*(below[t] for t in mine)))
        if number in roots:
            ledger.append("Test", {"blob": names[number]}, actor="a")
        if number in young:
            store.age[BLOBS + names[number]] = datetime.now(UTC).timestamp()
    reached = set().union(*(below[root] for root in roots if root < len(links)), set())
    planned = collection.plan(ledger.state(), store, nobody(grace_days=1))
    gone = {names.index(blob["digest"]) for blob in planned.blobs}
    assert gone == set(range(len(links))) - reached - young


def test_a_digest_across_two_pieces_is_seen() -> None:
    store = Memory()
    one, two = put_blob(store, b"one"), put_blob(store, b"two")
    for cut in (1, 32, 63):
        holder = put_blob(store, b" " * (PIECE - cut) + one.encode() + b" " * PIECE + two.encode())
        ledger = Ledger(store)
        entry = ledger.append("Test", {"blob": holder}, actor="a")
        assert needed(ledger.state(), store, {one, two, holder}, {}) == {one, two, holder}
        assert needed(ledger.state(), store, {one, two, holder}, {holder: frozenset({two})}) == {one, holder}
        store.data.pop(f"ledger/{entry.sequence:012d}")


@pytest.mark.parametrize("how", ["zeros", "gone"])
def test_a_damaged_store_lets_go_of_nothing(registry: Registry, how: str) -> None:
    """What a lost or altered record named looked as if nothing named it: a restored record would name what is gone."""
    table = put_blob(registry.store, b"PAR1")
    dataset = put_blob(registry.store, canonical({"cases": table}))
    body = {"dataset": dataset, "parent": None, "version": None, "batches": [], "mappings": [], "counts": {}}
    registry.ledger.append("DatasetBuilt", body, actor="a")
    state, mine, file = registry.ledger.state(), rules(registry), registry.store.root / BLOBS / dataset
    whole = {blob["digest"] for blob in collection.plan(state, registry.store, mine).blobs}
    assert not whole & {table, dataset}
    file.unlink()
    if how == "zeros":
        file.write_bytes(bytes(99))
    with pytest.raises(RegistryError, match=rf"{dataset} (was altered|of ledger entry 1 is gone).* a backup"):
        collection.plan(state, registry.store, mine)


PEOPLE = st.lists(
    st.tuples(
        st.integers(0, 9), st.sampled_from(["pass", "fail"]), st.booleans(), st.booleans(), st.booleans()
    ),
    min_size=1,
    max_size=7,
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(versions=PEOPLE)
def test_only_weights_of_what_was_turned_down_and_serves_nobody_go(versions: Any) -> None:
    store = Memory()
    ledger, shared = Ledger(store), put_blob(store, b'{"peft_type": "LORA"}')
    made, weights = [], []
    for number, (parent, outcome, continued, champion, held) in enumerate(versions):
        weights.append(put_blob(store, f"weights {number}".encode()))
        files = {
            "w": {"sha256": weights[-1], "size": 1},
            "adapter_config.json": {"sha256": shared, "size": 1},
        }
        spec = put_blob(store, canonical({"specification": number}))
        part = put_blob(store, b"part")
        trained = {"specification": spec, "problem": "seriousness", "adapter": "a", "files": files}
        ledger.append("Trained", {**trained, "rows": 1, "seconds": 1}, actor="train", key=spec)
        fields = {
            **dict.fromkeys(("dataset", "report", "policy", "dossier"), part),
            **{"problem": "seriousness", "specification": spec, "champion": None, "dictionary": None},
            **{"base": {}, "recipe": {}, "environment": {}, "created": "2030-01-02"},
            "adapter": {"digest": part, "files": files},
            "parent": made[parent % number].digest if continued and number else None,
            "decision": {"outcome": outcome},
        }
        made.append(register(store, ledger, fields, "train"))
        reference = {"sequence": 1, "digest": "0"}
        if champion:
            body = {"problem": "seriousness", "name": "n", "version": made[-1].digest, "expected": None}
            more = {"asked": "", "request": reference, "signatures": 1, "approvals": []}
            ledger.append("Promoted", {**body, **more}, actor="x", key=spec)
        if held:
            body = {
                "problem": "seriousness",
                "version": made[-1].digest,
                "of": "n",
                "principal": "p",
                "name": "n",
            }
            more = {"reason": "r", "signature": "s", "key": "k", "roles": [], "at": reference}
            ledger.append("HoldPlaced", {**body, **more}, actor="x")
    parents = {v.manifest.parent for v in made}
    free = {
        weights[n]
        for n, (_, outcome, _, champion, held) in enumerate(versions)
        if outcome == "fail" and not champion and not held and made[n].digest not in parents
    }
    if len(free) == len(versions):
        free.add(shared)
    now = datetime.now(UTC) + YEAR
    policy = nobody(rejected_days=100)
    assert {blob["digest"] for blob in collection.plan(ledger.state(), store, policy, now).blobs} == free
    assert collection.plan(ledger.state(), store, nobody(), now).blobs == ()
    assert collection.plan(ledger.state(), store, policy).blobs == ()


# --- a collection ------------------------------------------------------------------------------------------


def test_a_collection_leaves_a_tombstone_and_words(registry: Registry, tmp_path: Path) -> None:
    champion = registry.champion("one")
    orphan = put_blob(registry.store, b"left by a run that was cut off")
    before = collection.plan(registry.ledger.state(), registry.store, rules(registry, grace_days=1.0))
    assert before.blobs == (), "younger than the grace period"
    mine = rules(registry)
    planned = collection.plan(registry.ledger.state(), registry.store, mine)
    assert [(b["digest"], b["size"], b["why"]) for b in planned.blobs] == [(orphan, 30, "named by nothing")]
    entry = collection.collect(registry.ledger, registry.store, planned, person(registry), mine)
    assert (entry.kind, entry.body["blobs"]) == ("Collected", list(planned.blobs))
    assert [e.kind for e in registry.ledger.entries()][-2:] == ["Collected", "CollectionEnded"]
    with pytest.raises(
        NotFound, match=r"was collected on .* by Dr Max Moe: the disk is full \(ledger entry 5\)"
    ):
        get_blob(registry.store, orphan)
    assert fetch_adapter(registry.store, champion, tmp_path / "adapter").is_dir()
    retention.require_proven(registry.ledger.state(), entry, mine)
    forged = replace(entry, body={**entry.body, "reason": "routine"})
    with pytest.raises(SignatureRefused, match="differs from what was signed"):
        retention.require_proven(registry.ledger.state(), forged, mine)
    with pytest.raises(NotFound, match="nothing to collect"):
        again = collection.plan(registry.ledger.state(), registry.store, mine)
        collection.collect(registry.ledger, registry.store, again, person(registry), mine)


def test_killed_at_every_write_a_collection_is_ended_by_the_next(registry: Registry) -> None:
    registry.version("one")
    orphans = [put_blob(registry.store, f"orphan {n}".encode()) for n in range(2)]
    mine, deaths = rules(registry), 0
    for at in range(1, 20):
        for when in ("before", "after"):
            store = dying.Dying(registry.store, at, dying.dies(when))
            ledger = Ledger(store)
            try:
                collection.finish(ledger, store, mine)
                planned = collection.plan(ledger.state(), store, mine)
                if planned.blobs:
                    collection.collect(ledger, store, planned, person(registry), mine)
            except dying.Killed:
                deaths += 1
                fresh = Ledger(registry.store)
                assert fresh.verify() == []
                listed = {
                    b["digest"] for e in fresh.entries() if e.kind == "Collected" for b in e.body["blobs"]
                }
                gone = {o for o in orphans if not registry.store.exists(BLOBS + o)}
                assert gone <= listed, "the tombstone comes first"
    kinds = [e.kind for e in Ledger(registry.store).entries()]
    assert kinds == ["Registered", "Collected", "CollectionEnded"] and deaths >= 6
    assert not any(registry.store.exists(BLOBS + orphan) for orphan in orphans)
    resolve(registry.store, registry.ledger, "seriousness@1")


def test_what_lies_beside_the_blobs_is_passed_over(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file manager's own file was listed, could not be deleted, and no collection ever ended again."""
    registry.version("one")
    orphan = put_blob(registry.store, b"orphan")
    (registry.store.root / BLOBS / ".DS_Store").write_bytes(b"x")
    mine = rules(registry)
    with monkeypatch.context() as before:
        before.setattr(collection, "is_digest", lambda name: True)
        listed = collection.plan(registry.ledger.state(), registry.store, mine)
        assert {blob["digest"] for blob in listed.blobs} == {".DS_Store", orphan}
        with pytest.raises(RegistryError, match="nothing else is ever deleted"):
            collection.collect(registry.ledger, registry.store, listed, person(registry), mine)
    assert len(collection.finish(registry.ledger, registry.store, mine)) == 1
    assert not registry.store.exists(BLOBS + orphan)
    assert collection.plan(registry.ledger.state(), registry.store, mine).blobs == ()


def test_an_entry_and_a_collection_that_want_the_same_blob(registry: Registry) -> None:
    """A blob that lies there unused is not written again: whoever comes first in the ledger has it."""
    mine, (first, second) = rules(registry), (registry.fields("one"), registry.fields("two"))
    planned = collection.plan(registry.ledger.state(), registry.store, mine)
    registered = register(registry.store, registry.ledger, first, "train")
    with pytest.raises(RegistryError, match="needed by now"):
        collection.collect(registry.ledger, registry.store, planned, person(registry), mine)
    assert get_blob(registry.store, registered.manifest.report)
    planned = collection.plan(registry.ledger.state(), registry.store, mine)
    store = dying.Dying(registry.store, 2, dying.dies("before"))
    with pytest.raises(dying.Killed):
        collection.collect(Ledger(store), store, planned, person(registry), mine)
    with pytest.raises(RegistryError, match=r"entry 2 collects .*, which it names"):
        register(registry.store, registry.ledger, second, "train")
    collection.finish(registry.ledger, registry.store, mine)
    with pytest.raises(RegistryError, match="names blobs that the store does not have"):
        register(registry.store, registry.ledger, second, "train")
    with pytest.raises(RegistryError, match="was collected on"):
        registry.ledger.append("Test", {"blob": second["report"]}, actor="a")
    register(registry.store, registry.ledger, registry.fields("two"), "train")


def test_who_may_collect_and_what_a_forged_collection_does(registry: Registry) -> None:
    registry.champion("one")
    orphan = put_blob(registry.store, b"orphan")
    mine = rules(registry)
    planned = collection.plan(registry.ledger.state(), registry.store, mine)
    for signer, allowed, words in (
        (EVE, mine, "needed: qppv"),
        (MAX, rules(registry, roles=()), "needed: no one"),
    ):
        with pytest.raises(SignatureRefused, match=words):
            collection.collect(registry.ledger, registry.store, planned, person(registry, signer), allowed)
    with pytest.raises(SignatureRefused, match="needs its reason"):
        collection.collect(registry.ledger, registry.store, planned, person(registry, reason=" "), mine)
    assert registry.store.exists(BLOBS + orphan)
    champion = resolve(registry.store, registry.ledger, "seriousness@champion")
    wanted = [{"digest": champion.digest, "size": 1, "why": "named by nothing"}]
    entry = collection.collect(registry.ledger, registry.store, planned, person(registry), mine)
    registry.ledger.append("Collected", {**entry.body, "blobs": wanted}, actor="mallory", key="2")
    with pytest.raises(SignatureRefused, match="differs from what was signed"):
        collection.finish(registry.ledger, registry.store, mine)
    assert get_blob(registry.store, champion.digest)


def test_only_blobs_can_be_deleted(store: Store) -> None:
    name = put_blob(store, b"data")
    store.put_if_absent("ledger/000000000001", b"{}")
    for key in ("ledger/000000000001", "inbox/x", "blobs/sha256/../../ledger/000000000001", "blobs/sha256/x"):
        with pytest.raises(RegistryError, match="nothing else is ever deleted"):
            store.delete(key)
    assert store.list("")[0].modified == pytest.approx(datetime.now(UTC).timestamp(), abs=60)
    store.delete(BLOBS + name)
    store.delete(BLOBS + name)
    assert [item.key for item in store.list("")] == ["ledger/000000000001"]
    assert put_blob(store, b"data") == name


# --- legal holds -------------------------------------------------------------------------------------------


def test_a_hold_keeps_what_would_go_until_each_hold_is_lifted(registry: Registry) -> None:
    failed = registry.version("bad", decision={"outcome": "fail"})
    mine = rules(registry, rejected_days=0.0)
    weights = failed.manifest.adapter["files"]["adapter_model.safetensors"]["sha256"]

    def goes() -> bool:
        planned = collection.plan(registry.ledger.state(), registry.store, mine)
        return weights in {blob["digest"] for blob in planned.blobs}

    assert goes()
    one = holds.hold(
        registry.ledger, registry.store, failed, person(registry, reason="inspection of 3 May"), mine
    )
    assert one == holds.hold(
        registry.ledger, registry.store, failed, person(registry, reason="inspection of 3 May"), mine
    )
    holds.hold(registry.ledger, registry.store, failed, person(registry, reason="claim 17"), mine)
    assert not goes()
    retention.require_proven(registry.ledger.state(), one, mine)
    assert (
        "places a legal hold on seriousness@1"
        in json.loads(retention.statement("HoldPlaced", one.body))["predicate"]["meaning"]
    )
    with pytest.raises(SignatureRefused, match="needed: qppv"):
        holds.lift(registry.ledger, failed, person(registry, EVE), mine)
    assert len(holds.lift(registry.ledger, failed, person(registry, reason="closed"), mine)) == 2
    assert goes()
    with pytest.raises(NotFound, match="is not held"):
        holds.lift(registry.ledger, failed, person(registry), mine)
    held_again = holds.hold(
        registry.ledger, registry.store, failed, person(registry, reason="inspection of 3 May"), mine
    )
    assert held_again.sequence > one.sequence and not goes()


def test_a_hold_of_another_ledger_is_none_here(registry: Registry, tmp_path: Path) -> None:
    version, mine = registry.version("one"), rules(registry)
    entry = holds.hold(registry.ledger, registry.store, version, person(registry), mine)
    store = open_store(str(tmp_path / "other"))
    other = type(registry)(tmp_path, store, Ledger(store), registry.keys, registry.allowed_signers)
    assert other.version("one") == version
    copied = other.ledger.append("HoldPlaced", entry.body, actor=MAX)
    with pytest.raises(SignatureRefused, match="signed for another ledger"):
        retention.require_proven(other.ledger.state(), copied, mine)
    assert digest(retention.statement("HoldPlaced", entry.body)) == digest(
        retention.statement("HoldPlaced", copied.body)
    )


# --- what does not free anything, and what does ------------------------------------------------------------


def weights_that_go(registry: Registry, mine: Rules) -> list[str]:
    """Names of the versions whose weights a collection would take a day from now."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    planned = collection.plan(registry.ledger.state(), registry.store, mine, tomorrow)
    return [blob["why"].split()[2].rstrip(",") for blob in planned.blobs if "weights" in blob["why"]]


def test_an_end_of_a_hold_that_nobody_signed_ends_nothing(registry: Registry) -> None:
    failed = registry.version("bad", decision={"outcome": "fail"})
    mine = rules(registry, rejected_days=0.0)
    held = holds.hold(registry.ledger, registry.store, failed, person(registry), mine)
    said = {**held.body, "hold": {"sequence": held.sequence, "digest": held.digest}}
    registry.ledger.append("HoldLifted", said, actor=MAX, key=held.digest)
    assert weights_that_go(registry, mine) == []
    assert holds.on(registry.ledger.state(), failed.digest, mine) == [held]
    (lifted,) = holds.lift(registry.ledger, failed, person(registry), mine)
    assert (
        lifted.sequence == held.sequence + 2 and holds.on(registry.ledger.state(), failed.digest, mine) == []
    )
    assert set(weights_that_go(registry, mine)) == {failed.name}


def test_a_rejection_that_nobody_signed_turns_nothing_down(registry: Registry) -> None:
    registry.champion("one")
    version, mine = registry.version("two"), rules(registry, rejected_days=0.0)
    request = registry.request(version)
    body = {
        **{"problem": "seriousness", "version": version.digest, "principal": MAX, "name": "Dr Max Moe"},
        **{"reason": "fine", "decision": "reject", "signature": "garbage", "key": "k", "roles": ["qppv"]},
        "request": {"sequence": request.sequence, "digest": request.digest},
    }
    registry.ledger.append("Rejected", body, actor=MAX)
    assert weights_that_go(registry, mine) == []


def test_a_signed_rejection_frees_the_weights_however_often_their_digest_was_noted(
    registry: Registry,
) -> None:
    """Its bill of materials and the comparison of a rebuild name the files; that is no reason to keep them."""
    registry.champion("one")
    mine, fields = rules(registry, rejected_days=0.0), registry.fields("two")
    files = fields["adapter"]["files"]
    bom = json.dumps({"hashes": [file["sha256"] for file in files.values()]}).encode()
    beside = {"bom.cdx.json": {"sha256": put_blob(registry.store, bom), "size": len(bom)}}
    version = register(registry.store, registry.ledger, {**fields, "beside": beside}, "trainer")
    told = {"problem": "seriousness", "name": version.name, "version": version.digest, "line": "the same"}
    more = {"rebuilt": files, "same": True, "differs": {}, "conditions": {}}
    registry.ledger.append(
        "RebuildCompared",
        {**told, **more, "files": files, "specification": version.manifest.specification},
        actor="x",
    )
    assert weights_that_go(registry, mine) == []
    registry.answer(registry.request(version), decision="reject")
    assert weights_that_go(registry, mine) == [version.name]


def judged(registry: Registry, version: Any, outcome: str, **more: Any) -> None:
    body = {
        "specification": version.manifest.specification,
        "problem": "seriousness",
        "outcome": outcome,
        "report": put_blob(registry.store, canonical([version.name, outcome, len(more)])),
        "champion": registry.ledger.state().champion("seriousness"),
        "policy": registry.policy_digest,
    }
    registry.ledger.append("Evaluated", {**body, **more}, actor="evaluate")


def test_what_the_gate_said_last_counts_and_what_it_compared_with_stays(registry: Registry) -> None:
    registry.champion("one")
    mine = rules(registry, rejected_days=0.0)
    anchor, other = (registry.version(seed, decision={"outcome": "fail"}) for seed in ("anchor", "other"))
    assert set(weights_that_go(registry, mine)) == {anchor.name, other.name}
    judged(registry, other, "pass", references={"anchor": anchor.digest})
    assert weights_that_go(registry, mine) == []
    judged(registry, other, "inconclusive", references={"anchor": anchor.digest})
    assert set(weights_that_go(registry, mine)) == {anchor.name, other.name}


def test_what_is_being_collected_or_was_cannot_be_held(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = registry.version("bad", decision={"outcome": "fail"})
    mine = rules(registry, rejected_days=0.0)
    planned = collection.plan(registry.ledger.state(), registry.store, mine)
    with monkeypatch.context() as cut_off:
        cut_off.setattr(collection, "_delete", lambda *_: None)
        collection.collect(registry.ledger, registry.store, planned, person(registry), mine)
    for words in ("the collection of entry 2, which was cut off", "adapter.* any more"):
        with pytest.raises(RegistryError, match=words):
            holds.hold(registry.ledger, registry.store, failed, person(registry), mine)
        collection.finish(registry.ledger, registry.store, mine)
    assert [e.kind for e in registry.ledger.entries()][-1] == "CollectionEnded"
