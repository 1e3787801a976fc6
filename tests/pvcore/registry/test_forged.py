"""Entries and snapshots that are well formed and say something else than what was asked, signed or registered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pvcore.errors import LedgerBroken, RegistryError
from pvcore.records import canonical, digest
from pvcore.registry import promotion, snapshots
from pvcore.registry.ledger import Ledger
from pvcore.registry.manifest import resolve
from pvcore.registry.store import open_store

JANE, MAX = "jane@example.org", "max@example.org"
Registry = Any


def reference(entry: Any) -> dict[str, Any]:
    return {"sequence": entry.sequence, "digest": entry.digest}


def until_a_snapshot(registry: Registry) -> None:
    while registry.ledger.state().head.sequence % snapshots.EVERY:
        registry.ledger.append("Test", {}, actor="a")


def proof(registry: Registry, **changes: Any) -> Any:
    given = {"allowed_signers": registry.allowed_signers, "policy": registry.policy, **changes}
    return promotion.verify_champion(registry.ledger, registry.store, "seriousness", **given)


def test_a_request_that_names_another_version_than_it_means_is_refused(registry: Registry) -> None:
    registry.champion("one")
    bad, good = registry.version("bad"), registry.version("good")
    honest = registry.request(bad).body
    for said in ({"name": good.name}, {"problem": "coding", "after_switch": 0}):
        forged = registry.ledger.append("ApprovalRequested", {**honest, **said}, actor="x")
        for act in (registry.answer, registry.promote):
            with pytest.raises(RegistryError, match=r"but its version .* is seriousness@2. Who wrote"):
                act(forged)


FIELDS: dict[str, Any] = {
    "name": "seriousness@1",
    "report": digest("another"),
    "policy": digest("another"),
    "asked": "another",
    "signatures": 9,
    "expected": None,
    "waived": ["nothing"],
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_switch_that_says_another_thing_than_was_asked_is_found(registry: Registry, field: str) -> None:
    registry.champion("one")
    request = registry.request(registry.version("two"))
    answer = registry.answer(request)
    said = ("problem", "name", "version", "expected", "report", "policy")
    body = {
        **{name: request.body[name] for name in said},
        "asked": request.key,
        "request": reference(request),
        "signatures": 1,
        "approvals": [reference(answer)],
    }
    registry.ledger.append("Promoted", {**body, field: FIELDS[field]}, actor="x")
    with pytest.raises(RegistryError, match=f"says another {field} than was asked for and signed"):
        proof(registry)


def test_a_name_is_what_a_switch_and_its_own_number_say(registry: Registry) -> None:
    one = registry.champion("one")
    poor, good = registry.version("poor", decision={"outcome": "fail"}), registry.version("good")
    for seed in ("four", "five"):
        registry.version(seed)
    until_a_snapshot(registry)
    registry.version("six")
    store = open_store(registry.store.url)
    assert resolve(store, Ledger(store), "seriousness@3") == good
    body = {"problem": "seriousness", "name": poor.name, "version": good.digest, "expected": one.digest}
    more = {"asked": "", "request": {"sequence": 1, "digest": ""}, "signatures": 1, "approvals": []}
    registry.ledger.append("Promoted", {**body, **more}, actor="x")
    with pytest.raises(LedgerBroken, match="not what a switch or its own number says"):
        resolve(store, Ledger(store), "seriousness@champion")
    file = store.root / snapshots.snapshot_key(snapshots.EVERY)
    said = json.loads(file.read_bytes())
    for count in (2, 9):
        said["problems"]["seriousness"]["versions"] = count
        file.chmod(0o644)
        file.write_bytes(canonical(said))
        with pytest.raises(LedgerBroken, match="not what a switch or its own number says"):
            resolve(store, Ledger(store), f"seriousness@{3 if count == 2 else 10}")
