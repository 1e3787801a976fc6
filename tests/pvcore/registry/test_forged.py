"""Entries and snapshots that are well formed and say something else than what was asked, signed or registered."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from clock import later

from pvcore.config import Workspace, init_workspace, open_workspace
from pvcore.cycle.approval import _request, decide, open_requests, patience
from pvcore.cycle.forms import _so_far
from pvcore.cycle.overview import history
from pvcore.cycle.past import champions_at
from pvcore.cycle.signed import in_a_line, signatures
from pvcore.errors import LedgerBroken, RegistryError, SignatureRefused
from pvcore.records import canonical, digest
from pvcore.registry import approval, snapshots
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.ledger import Ledger, entry_key
from pvcore.registry.names import resolve
from pvcore.registry.proof import verify_champion
from pvcore.registry.signing import Keys
from pvcore.registry.store import open_store

JANE, MAX = "jane@example.org", "max@example.org"
Registry = Any


@pytest.fixture
def workspace(registry: Registry, tmp_path: Path) -> Workspace:
    """A workspace around the registry, with its policy and keys."""
    root = tmp_path / "team"
    init_workspace(root)
    (root / "pv.yaml").write_text(f"store: {tmp_path / 'store'}\n", "utf-8")
    shutil.copy(registry.allowed_signers, root / "allowed_signers")
    path = root / "recipes" / open_workspace(root).recipe("seriousness").policy
    theirs = json.loads(get_blob(registry.store, registry.policy_digest))
    document = {**yaml.safe_load(path.read_text("utf-8")), **theirs}
    path.write_text(yaml.safe_dump(document), "utf-8")
    opened = open_workspace(root)
    registry.policy_digest = put_blob(registry.store, canonical(dict(opened.policy(path.name).raw)))
    return opened


def reference(entry: Any) -> dict[str, Any]:
    return {"sequence": entry.sequence, "digest": entry.digest}


def until_a_snapshot(registry: Registry) -> None:
    while registry.ledger.state().head.sequence % snapshots.EVERY:
        registry.ledger.append("Test", {}, actor="a")


def proof(registry: Registry, **changes: Any) -> Any:
    given = {"keys": registry.signers, "policy": registry.policy, **changes}
    return verify_champion(registry.ledger, registry.store, "seriousness", **given)


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


def test_a_reference_that_says_more_than_it_should_breaks_nothing(
    registry: Registry, workspace: Workspace
) -> None:
    """Whatever else a forger writes beside number and digest: the entry is none, and is shown as none."""
    registry.champion("one")
    request = registry.request(registry.version("two"))
    rejected = registry.answer(request, MAX, "reject").body
    switch = registry.ledger.state().history("seriousness")[-1]
    more = {"request": {**reference(request), "kind": "x", "also": 1}, "version": request.body["version"]}
    registry.ledger.append("Rejected", {**rejected, **more, "reason": "forged"}, actor="x")
    registry.ledger.append("Promoted", {**switch.body, **more}, actor="x", key="z")
    assert any("NOT VERIFIED" in row["what"] for row in history(workspace))
    with pytest.raises(RegistryError):
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


# --- signatures -------------------------------------------------------------------------------------------


def forged_answer(registry: Registry, request: Any, who: str, kind: str = "Approved") -> Any:
    """What whoever can write to the store can write in somebody's name."""
    body = {
        **{field: request.body[field] for field in ("problem", "version")},
        "request": reference(request),
        "principal": who,
        "name": registry.policy.signer(who).name,
        "reason": "looks right to me",
        "decision": "approve" if kind == "Approved" else "reject",
        "signature": "garbage",
        "key": "SHA256:x",
        "roles": ["safety-physician"],
    }
    return registry.ledger.append(kind, body, actor=who, key=f"{request.digest} {who}")


def test_an_approval_in_anothers_name_is_ignored_and_keeps_nobody_out(registry: Registry) -> None:
    registry.adopt(signatures=2)
    request = registry.request(registry.version("one"))
    forged = forged_answer(registry, request, JANE)
    registry.answer(request, MAX)
    with pytest.raises(
        SignatureRefused, match=r"1 of 2 signatures; ignored: ledger entry 3, as .*no SSH sig"
    ):
        registry.promote(request)
    given = registry.answer(request, JANE)
    assert given.sequence > forged.sequence and registry.answer(request, JANE) == given
    switch = registry.promote(request).body
    assert len(switch["approvals"]) == 2
    ((number, why),) = [(entry["sequence"], entry["why"]) for entry in switch["ignored"]]
    assert number == forged.sequence and "no SSH signature" in why
    assert proof(registry)[0].name == "seriousness@1"


def test_an_approval_that_is_none_is_shown_as_none(registry: Registry, workspace: Any) -> None:
    request = registry.request(registry.version("one"))
    forged_answer(registry, request, MAX)
    registry.answer(request)
    no, yes = signatures(workspace, request.body["version"])
    assert (no["name"], yes["name"], yes["verified"]) == ("Dr Max Moe", "Dr Jane Roe", "yes")
    assert no["verified"].startswith("no: this is no SSH signature")
    state = workspace.ledger.state()
    assert in_a_line(workspace, state, state.entries[2]).startswith("NOT VERIFIED (this is no SSH")
    assert in_a_line(workspace, state, state.entries[3]).startswith("Dr Jane Roe approves")
    (asked,) = open_requests(workspace)
    first, second = _so_far(workspace, asked)
    assert first.startswith("Dr Jane Roe approves") and second.startswith("NOT COUNTED, entry 3: this is no")


# --- what is replaced, and what is asked for ---------------------------------------------------------------


def test_a_champion_that_took_no_door_is_replaced_by_rolling_back_and_by_nothing_else(
    registry: Registry,
) -> None:
    one, weak = registry.champion("one"), registry.version("weak", decision={"outcome": "fail"})
    waiting = registry.request(registry.version("waiting"))
    registry.answer(waiting)
    body = {"problem": "seriousness", "name": weak.name, "version": weak.digest, "expected": one.digest}
    more = {"asked": "x", "request": {"sequence": 1, "digest": "x"}, "signatures": 1, "approvals": []}
    registry.ledger.append("Promoted", {**body, **more}, actor="x")
    late = registry.version("late")
    assert late.manifest.champion == weak.digest
    with pytest.raises(
        RegistryError, match=r"seriousness@2 cannot be proven .* Roll back to a champion that"
    ):
        registry.request(late)
    request = registry.request(one, "rollback")
    registry.answer(request)
    registry.promote(request)
    assert proof(registry)[0] == one


def test_a_champion_whose_key_is_struck_out_while_a_request_waits_is_not_replaced(registry: Registry) -> None:
    """The champion is proven again at the switch: all else of the request still holds then."""
    registry.champion("one")
    last = registry.ledger.state().history("seriousness")[-1]
    request = registry.request(registry.version("two"))
    registry.answer(request)
    foreign = registry.folder / "allowed"
    foreign.write_text(f"{MAX} {registry.keys[MAX].with_suffix('.pub').read_text()}")
    registry.answer(request, MAX)
    with pytest.raises(
        RegistryError, match=f"cannot be proven to be champion by ledger entry {last.sequence}"
    ):
        registry.promote(request, keys=Keys(foreign))


def test_nothing_is_asked_of_a_version_whose_weights_are_gone(registry: Registry) -> None:
    version = registry.version("one")
    (registry.store.root / "blobs" / "sha256" / _weights(version)).unlink()
    with pytest.raises(
        RegistryError, match=r"seriousness@1 has no adapter_model\.safetensors in .* any more"
    ):
        registry.request(version)


def _weights(version: Any) -> str:
    return str(version.manifest.adapter["files"]["adapter_model.safetensors"]["sha256"])


def test_an_expired_request_does_not_wait_and_its_answer_ends_the_run(
    registry: Registry, workspace: Workspace
) -> None:
    request = registry.request(registry.version("one"))
    (asked,) = open_requests(workspace)
    assert 13.9 * 86400 < patience(workspace, asked) <= 14 * 86400
    assert patience(workspace, replace(asked, until="2020-01-01T00:00Z")) == 1
    assert patience(workspace, replace(asked, until="2999-01-01T00:00Z")) == 14 * 86400
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approval, "datetime", later(14.1))
        assert open_requests(workspace) == []
        done = decide(
            workspace, asked, decision="approve", name=JANE, reason="fine", signature=registry.sign(request)
        )
    assert (done.final, done.switched) == (True, False) and "expired on" in done.line
    registry.answer(request, MAX, "reject")
    done = decide(
        workspace, asked, decision="approve", name=JANE, reason="fine", signature=registry.sign(request)
    )
    assert done.final and not done.switched and "is closed: Rejected" in done.line


def test_a_rejection_that_nobody_signed_is_shown_as_none(registry: Registry, workspace: Workspace) -> None:
    request = registry.request(registry.version("one"))
    (asked,) = open_requests(workspace)
    genuine = registry.answer(request, MAX, "reject")
    body = {**genuine.body, "principal": JANE, "name": "Dr Jane Roe", "reason": "forged"}
    assert _request(workspace, request).closed.startswith("It was rejected by Dr Max Moe")
    (registry.store.root / entry_key(genuine.sequence)).unlink()
    Ledger(registry.store).append("Rejected", body, actor="x")
    fresh = open_workspace(workspace.root)
    assert _request(fresh, request).closed.startswith("NOT VERIFIED (")
    assert asked.closed == "" and "rejected by Dr Jane Roe" in _request(fresh, request).closed


@pytest.mark.parametrize(
    ("time", "policy"),
    [
        ("2020-01-01T00:00:00", b""),
        ("9999-12-31T00:00:00Z", b""),
        ("2999-01-01T00:00:00Z", b"\xff\xfe no policy"),
    ],
)
def test_a_request_with_an_odd_time_or_policy_hides_no_other(
    registry: Registry, workspace: Workspace, time: str, policy: bytes
) -> None:
    asked = registry.request(registry.version("one"))
    body = {**asked.body, **({"policy": put_blob(registry.store, policy)} if policy else {})}
    fields = {"format": 1, "sequence": asked.sequence + 1, "previous": asked.digest, "time": time}
    fields |= {"kind": asked.kind, "actor": "x", "key": "forged", "body": body, "nonce": "00"}
    registry.store.put_if_absent(entry_key(asked.sequence + 1), canonical(fields))
    assert asked.digest in {found.digest for found in open_requests(workspace)}


def test_a_request_may_be_valid_beyond_the_calendar(registry: Registry, workspace: Workspace) -> None:
    registry.adopt(valid_days=5_000_000)
    request = registry.request(registry.version("one"))
    registry.answer(request)
    assert open_requests(workspace)[0].until.startswith("9999-12-31")
    registry.promote(request)
    assert proof(registry)[0].name == "seriousness@1"


def test_a_version_has_one_name(registry: Registry) -> None:
    registry.version("one")
    version = registry.version("two")
    said = registry.ledger.entries()[-1].body
    registry.ledger.append("Registered", {**said, "number": 7}, actor="x")
    assert registry.ledger.state().version(version.digest).body["number"] == 2
    fresh = Ledger(open_store(registry.store.url))
    (fault,) = fresh.verify()
    assert "registers the version of entry 2 a second time" in str(fault)
    with pytest.raises(LedgerBroken, match="a second time"):
        fresh.entries()


def test_the_history_tells_of_a_switch_that_names_nothing(registry: Registry, workspace: Workspace) -> None:
    version = registry.version("one")
    body = {"problem": "seriousness", "name": version.name, "version": version.digest, "expected": None}
    for number in (0, -1, 1, 99):
        named = {"sequence": number, "digest": "x"}
        more = {"asked": "x", "request": named, "signatures": 1, "approvals": [named]}
        switch = registry.ledger.append("Promoted", {**body, **more}, actor="x")
        row = champions_at(workspace, "seriousness", switch.time)[-1]
        assert row["signatures"] == [] and "has no ApprovalRequested entry" in row["signed"]
