"""The door to the champion: who gets through, who does not, and that nothing happens twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pvcore.errors import GateError, NotFound, RegistryError, SignatureRefused, StaleChampion
from pvcore.records import canonical, digest
from pvcore.registry import promotion, signing
from pvcore.registry.blobs import put_blob
from pvcore.registry.names import resolve
from pvcore.registry.promotion import ApprovalPolicy
from pvcore.registry.proof import verify_champion
from pvcore.registry.signing import Keys

JANE, MAX, EVE = "jane@example.org", "max@example.org", "eve@example.org"
Registry = Any


def test_first_champion_needs_the_door_too(registry: Registry) -> None:
    version = registry.version("one")
    request = registry.request(version)
    assert request.body["expected"] is None
    with pytest.raises(SignatureRefused, match="0 of 1 signatures"):
        registry.promote(request)
    registry.answer(request)
    switch = registry.promote(request)
    assert (switch.kind, switch.body["expected"]) == ("Promoted", None)
    assert resolve(registry.store, registry.ledger, "seriousness@champion") == version


def test_each_step_again_does_nothing_more(registry: Registry, again: Callable[[Registry], Registry]) -> None:
    version = registry.version("one")
    request, repeated = registry.request(version), again(registry).request(version)
    assert repeated == request
    assert again(registry).answer(request) == registry.answer(request)
    assert again(registry).promote(request) == registry.promote(request)
    # A run that was cut off after the switch starts from its top.
    assert registry.request(version) == request
    assert registry.answer(request).kind == "Approved"
    assert [entry.kind for entry in registry.ledger.entries()] == [
        "Registered",
        "ApprovalRequested",
        "Approved",
        "Promoted",
    ]


def test_update_rollback_and_forward(registry: Registry) -> None:
    one, two = registry.champion("one"), registry.champion("two")
    for target in ("one", "two"):
        version = resolve(registry.store, registry.ledger, "seriousness@previous")
        assert version == {"one": one, "two": two}[target]
        request = registry.request(version, "rollback")
        with pytest.raises(SignatureRefused):
            registry.promote(request)
        registry.answer(request)
        assert registry.promote(request).kind == "RolledBack"
        assert resolve(registry.store, registry.ledger, "seriousness@champion") == version
    history = registry.ledger.state().history("seriousness")
    assert [(e.kind, e.body["name"]) for e in history] == [
        ("Promoted", "seriousness@1"),
        ("Promoted", "seriousness@2"),
        ("RolledBack", "seriousness@1"),
        ("RolledBack", "seriousness@2"),
    ]


@pytest.mark.parametrize("outcome", ["fail", "inconclusive"])
def test_what_did_not_pass_cannot_even_be_asked_for(registry: Registry, outcome: str) -> None:
    version = registry.version("one", decision={"outcome": outcome})
    with pytest.raises(GateError, match=outcome):
        registry.request(version)


def test_report_of_another_candidate_is_no_evidence(registry: Registry) -> None:
    with pytest.raises(GateError, match="not one of version"):
        registry.request(registry.version("one"), report=registry.version("two").manifest.report)


def test_report_against_another_champion_is_stale(registry: Registry) -> None:
    late = registry.version("late")
    registry.champion("one")
    with pytest.raises(StaleChampion, match="Evaluate the candidate again"):
        registry.request(late)
    # Evaluated again, against today's champion: a later report counts.
    body = {
        "specification": late.manifest.specification,
        "problem": "seriousness",
        "report": put_blob(registry.store, b"new report"),
        "outcome": "pass",
        "champion": registry.ledger.state().champion("seriousness"),
        "policy": registry.policy_digest,
    }
    registry.ledger.append("Evaluated", body, actor="evaluate", key="again")
    request = registry.request(late, report=body["report"])
    registry.answer(request)
    assert registry.promote(request).body["report"] == body["report"]


def test_policy_that_changed_since_is_refused(registry: Registry) -> None:
    version = registry.version("one")
    other = digest(canonical({"another": "policy"}))
    with pytest.raises(GateError, match="policy"):
        registry.request(version, policy_digest=other)
    request = registry.request(version)
    with pytest.raises(SignatureRefused, match="policy"):
        registry.answer(request, policy_digest=other)
    registry.answer(request)
    with pytest.raises(SignatureRefused, match="policy"):
        registry.promote(request, policy_digest=other)


def test_champion_switched_between_approval_and_switch(registry: Registry) -> None:
    slow, fast = registry.version("slow"), registry.version("fast")
    asked_slow, asked_fast = registry.request(slow), registry.request(fast)
    registry.answer(asked_slow)
    registry.answer(asked_fast)
    registry.promote(asked_fast)
    before = registry.ledger.entries()
    with pytest.raises(StaleChampion):
        registry.promote(asked_slow)
    with pytest.raises(StaleChampion):
        registry.answer(asked_slow, MAX)
    assert registry.ledger.entries() == before
    assert promotion.open_requests(registry.ledger.state(), registry.store) == ()


def test_rollback_from_another_champion_than_was_asked_is_stale(registry: Registry) -> None:
    one, _ = registry.champion("one"), registry.champion("two")
    request = registry.request(one, "rollback")
    registry.answer(request)
    registry.champion("three")
    with pytest.raises(StaleChampion, match="switched after approval"):
        registry.promote(request)
    assert registry.request(one, "rollback").sequence > request.sequence


def test_one_of_many_racing_promotions_wins(
    registry: Registry, again: Callable[[Registry], Registry]
) -> None:
    requests = [registry.request(registry.version(f"v{n}")) for n in range(6)]
    for request in requests:
        registry.answer(request)
    results: list[str] = []
    barrier = threading.Barrier(len(requests))

    def race(number: int) -> None:
        mine = again(registry)
        barrier.wait()
        try:
            results.append(mine.promote(requests[number]).kind)
        except StaleChampion:
            results.append("stale")

    threads = [threading.Thread(target=race, args=(n,)) for n in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["Promoted"] + ["stale"] * 5
    assert len(registry.ledger.state().history("seriousness")) == 1


def test_rejection_ends_a_request(registry: Registry) -> None:
    version = registry.version("one")
    request = registry.request(version)
    registry.answer(request)
    rejected = registry.answer(request, MAX, "reject")
    assert rejected.kind == "Rejected"
    with pytest.raises(RegistryError, match="closed: Rejected"):
        registry.promote(request)
    assert registry.request(version) == request
    assert promotion.open_requests(registry.ledger.state(), registry.store) == ()
    anew = registry.request(version, occasion="after the review of 3 May")
    assert anew.sequence > rejected.sequence
    assert promotion.open_requests(registry.ledger.state(), registry.store) == (anew,)
    with pytest.raises(SignatureRefused):
        registry.answer(anew, signature=registry.sign(request))


class TestRefused:
    """Answers that must not be accepted; each leaves the ledger as it was."""

    @pytest.fixture
    def request_(self, registry: Registry) -> Any:
        return registry.request(registry.version("one"))

    @pytest.fixture(autouse=True)
    def _nothing_written(self, registry: Registry, request_: Any) -> Any:
        before = registry.ledger.entries()
        yield
        assert registry.ledger.entries() == before

    def test_wrong_role(self, registry: Registry, request_: Any) -> None:
        with pytest.raises(SignatureRefused, match="needed: safety-physician"):
            registry.answer(request_, EVE)

    def test_other_person_key(self, registry: Registry, request_: Any) -> None:
        with pytest.raises(SignatureRefused, match="differs from what was signed"):
            registry.answer(request_, JANE, signature=registry.sign(request_, MAX))
        text = signing.statement(request_, "approve", "Dr Jane Roe", "fine", JANE)
        with pytest.raises(SignatureRefused, match=r"belongs to max@example\.org"):
            registry.answer(request_, JANE, signature=signing.sign(text, registry.keys[MAX]))

    def test_other_printed_name(self, registry: Registry, request_: Any) -> None:
        text = signing.statement(request_, "approve", "Somebody", "fine", JANE)
        with pytest.raises(SignatureRefused, match="signs as 'Dr Jane Roe'"):
            registry.answer(request_, name="Somebody", signature=signing.sign(text, registry.keys[JANE]))

    def test_unknown_person(self, registry: Registry, request_: Any) -> None:
        with pytest.raises(SignatureRefused, match="no signer of the policy"):
            registry.answer(
                request_, name="x", principal="mallory@example.org", signature=registry.sign(request_)
            )

    def test_altered_reason_or_decision(self, registry: Registry, request_: Any) -> None:
        signature = registry.sign(request_)
        for change in ({"reason": "other"}, {"decision": "reject"}):
            with pytest.raises(SignatureRefused, match="differs"):
                registry.answer(request_, signature=signature, **change)

    def test_no_reason(self, registry: Registry, request_: Any) -> None:
        with pytest.raises(SignatureRefused, match="reason"):
            registry.answer(request_, reason=" ", signature=registry.sign(request_, reason=" "))

    def test_made_up_request(self, registry: Registry, request_: Any) -> None:
        forged = replace(request_, digest="0" * 64, body={**request_.body, "report": "f" * 64})
        with pytest.raises(RegistryError, match="has no ApprovalRequested"):
            registry.answer(forged)
        with pytest.raises(RegistryError, match="has no ApprovalRequested"):
            registry.promote(forged)

    def test_request_with_another_body(self, registry: Registry, request_: Any) -> None:
        forged = replace(request_, body={**request_.body, "name": "seriousness@9"})
        with pytest.raises(SignatureRefused, match="differs"):
            registry.answer(forged)

    def test_revoked(self, registry: Registry, request_: Any, tmp_path: Path) -> None:
        revoked = tmp_path / "revoked"
        revoked.write_bytes(registry.keys[JANE].with_suffix(".pub").read_bytes())
        with pytest.raises(SignatureRefused, match="revoked"):
            registry.answer(request_, keys=Keys(registry.allowed_signers, revoked))


def test_signature_for_one_candidate_does_not_fit_another(registry: Registry) -> None:
    one, two = registry.request(registry.version("one")), registry.request(registry.version("two"))
    with pytest.raises(SignatureRefused, match="differs"):
        registry.answer(two, signature=registry.sign(one))


def test_who_registered_cannot_approve(registry: Registry) -> None:
    request = registry.request(registry.version("one", actor=JANE))
    with pytest.raises(SignatureRefused, match="registered seriousness@1"):
        registry.answer(request)
    registry.answer(request, MAX)
    registry.promote(request)


def test_two_signatures_are_of_two_people_with_two_keys(registry: Registry, tmp_path: Path) -> None:
    registry.policy = registry.policy.model_copy(update={"signatures": 2})
    request = registry.request(registry.version("one"))
    registry.answer(request)
    with pytest.raises(SignatureRefused, match="1 of 2"):
        registry.promote(request)
    shared = tmp_path / "allowed"
    jane = registry.keys[JANE].with_suffix(".pub").read_text()
    shared.write_text(f"{JANE} {jane}{MAX} {jane}")
    text = signing.statement(request, "approve", "Dr Max Moe", "fine", MAX)
    with pytest.raises(SignatureRefused, match=r"signed already, as jane@example\.org"):
        registry.answer(request, MAX, signature=signing.sign(text, registry.keys[JANE]), keys=Keys(shared))
    registry.answer(request, MAX)
    assert len(registry.promote(request).body["approvals"]) == 2


def test_everything_is_verified_again_at_the_switch(registry: Registry, tmp_path: Path) -> None:
    version = registry.version("one")
    request = registry.request(version)
    registry.answer(request)
    revoked = tmp_path / "revoked"
    revoked.write_bytes(registry.keys[JANE].with_suffix(".pub").read_bytes())
    with pytest.raises(SignatureRefused, match="revoked"):
        registry.promote(request, keys=Keys(registry.allowed_signers, revoked))
    without = registry.policy.model_copy(update={"signers": registry.policy.signers[1:]})
    with pytest.raises(SignatureRefused, match="no signer"):
        registry.promote(request, policy=without)
    blob = version.manifest.adapter["files"]["adapter_model.safetensors"]["sha256"]
    file = registry.store.root / "blobs" / "sha256" / blob
    weights = file.read_bytes()
    file.write_bytes(b"other weights")
    with pytest.raises(RegistryError, match="altered"):
        registry.promote(request)
    file.write_bytes(weights)
    registry.promote(request)


def test_rollback_only_to_who_was_champion(registry: Registry) -> None:
    one = registry.champion("one")
    two = registry.version("two")
    with pytest.raises(RegistryError, match="never was champion"):
        registry.request(two, "rollback")
    with pytest.raises(RegistryError, match="is the champion already"):
        registry.request(one, "rollback")
    request = registry.request(two)
    registry.answer(request)
    registry.promote(request)
    with pytest.raises(RegistryError, match="roll back to it"):
        registry.request(one)


def test_fresh_process_proves_the_champion(
    registry: Registry, again: Callable[[Registry], Registry], tmp_path: Path
) -> None:
    def proof(**changes: Any) -> Any:
        mine = again(registry)
        given = {"keys": registry.signers, "policy": registry.policy, **changes}
        return verify_champion(mine.ledger, mine.store, "seriousness", **given)

    with pytest.raises(NotFound, match="no champion"):
        proof()
    version = registry.champion("one")
    found, switch = proof()
    assert (found, switch.kind) == (version, "Promoted")
    foreign = tmp_path / "allowed"
    foreign.write_bytes(b"jane@example.org " + registry.keys[MAX].with_suffix(".pub").read_bytes())
    with pytest.raises(SignatureRefused):
        proof(keys=Keys(foreign))
    # A key that ended after it signed stays good for what it signed; one that ended before does not.
    public = registry.keys[JANE].with_suffix(".pub").read_text()
    foreign.write_text(f'{JANE} valid-before="20991231" {public}')
    assert proof(keys=Keys(foreign))[0] == version
    foreign.write_text(f'{JANE} valid-before="20200101" {public}')
    with pytest.raises(SignatureRefused, match="not valid at this time"):
        proof(keys=Keys(foreign))


def test_policy_is_checked_when_it_is_read() -> None:
    same = {"principal": "a@b.org", "name": "A", "roles": ["r"]}
    with pytest.raises(ValueError, match="same principal"):
        ApprovalPolicy.model_validate({"roles": ["r"], "signers": [same, {**same, "name": "B"}]})
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        ApprovalPolicy.model_validate({"roles": ["r"], "signatures": 0})
    policy = ApprovalPolicy.model_validate({"roles": ["r"], "signers": [same]})
    assert policy.signer("A") == policy.signer("a@b.org")
