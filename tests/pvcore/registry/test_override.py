"""The emergency door: what the gate did not pass, signed by those who may set it aside, and shown as that for ever."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pvcore.errors import GateError, RegistryError, SignatureRefused
from pvcore.registry import signing
from pvcore.registry.approvers import ApprovalPolicy
from pvcore.registry.names import resolve
from pvcore.registry.proof import verify_champion, verify_switch

JANE, MAX, EVE = "jane@example.org", "max@example.org", "eve@example.org"
EMERGENCY = {"signatures": 2, "roles": ["qppv", "safety-physician"]}
FAILED = {"outcome": "fail", "reasons": ["recall fell by 0.07"]}
Registry = Any


def overridden(registry: Registry, seed: str) -> Any:
    version = registry.version(seed, decision=FAILED)
    request = registry.request(version, "override")
    registry.answer(request, JANE)
    registry.answer(request, MAX)
    registry.promote(request)
    return version


def test_a_policy_without_the_section_allows_nobody(registry: Registry) -> None:
    version = registry.version("one", decision=FAILED)
    with pytest.raises(GateError, match=r"allows nobody to override .* approval\.override"):
        registry.request(version, "override")
    assert [e.kind for e in registry.ledger.entries()] == ["Registered"]


def test_an_override_takes_its_own_signatures_and_says_so(registry: Registry) -> None:
    registry.champion("good")
    registry.adopt(override=EMERGENCY)
    version = registry.version("bad", decision=FAILED)
    with pytest.raises(GateError, match="said fail"):
        registry.request(version)
    request = registry.request(version, "override")
    said = json.loads(signing.statement(request, "approve", "Dr Jane Roe", "patients wait", JANE))[
        "predicate"
    ]
    assert said["waived"] == ["the gate said fail: recall fell by 0.07"]
    assert said["meaning"] == (
        "Dr Jane Roe approves the request to override the gate for seriousness@2 as the champion of "
        "seriousness, although the gate said fail: recall fell by 0.07"
    )
    assert (said["policy"], said["report"]) == (registry.policy_digest, version.manifest.report)
    registry.answer(request, JANE)
    with pytest.raises(SignatureRefused, match="1 of 2 signatures"):
        registry.promote(request)
    with pytest.raises(SignatureRefused, match="needed: qppv, safety-physician"):
        registry.answer(request, EVE)
    registry.answer(request, MAX)
    switch = registry.promote(request)
    assert (switch.kind, switch.body["waived"]) == ("Overridden", said["waived"])
    assert registry.promote(request) == switch and registry.request(version, "override") == request
    found, proof = verify_champion(registry.ledger, registry.store, "seriousness", keys=registry.signers)
    assert (found, proof) == (version, switch)


def test_history_and_rollback_go_on_after_an_override(registry: Registry) -> None:
    good = registry.champion("good")
    registry.adopt(override=EMERGENCY)
    bad = overridden(registry, "bad")
    assert resolve(registry.store, registry.ledger, "seriousness@champion") == bad
    assert resolve(registry.store, registry.ledger, "seriousness@previous") == good
    request = registry.request(good, "rollback")
    registry.answer(request)
    registry.promote(request)
    # What was champion against the gate comes back only against the gate.
    with pytest.raises(GateError, match="said fail"):
        registry.request(bad, "rollback")
    request = registry.request(bad, "override")
    registry.answer(request, JANE)
    registry.answer(request, MAX)
    registry.promote(request)
    state = registry.ledger.state()
    assert [e.kind for e in state.history("seriousness")] == [
        "Promoted", "Overridden", "RolledBack", "Overridden",
    ]  # fmt: skip
    for switch in state.history("seriousness"):
        verify_switch(state, registry.store, switch, keys=registry.signers)


def test_a_report_against_another_champion_is_set_aside_by_name(registry: Registry) -> None:
    registry.adopt(override=EMERGENCY)
    late = registry.version("late")
    with pytest.raises(RegistryError, match="nothing to override, as its gate passed: promote it"):
        registry.request(late, "override")
    first = registry.champion("first")
    with pytest.raises(RegistryError, match="is the champion already"):
        registry.request(first, "override")
    (told,) = registry.request(late, "override").body["waived"]
    assert told == f"the report compares with no champion, not with {first.digest}"
    second = registry.champion("second")
    with pytest.raises(RegistryError, match="roll back to it"):
        registry.request(first, "override")
    assert registry.ledger.state().champion("seriousness") == second.digest


def test_a_request_that_hides_what_the_gate_said_is_refused(registry: Registry) -> None:
    registry.adopt(override=EMERGENCY)
    honest = registry.request(registry.version("bad", decision=FAILED), "override")
    forged = registry.ledger.append(
        "ApprovalRequested", {**honest.body, "waived": ["formalities"]}, actor="x"
    )
    for act in (registry.answer, registry.promote):
        with pytest.raises(RegistryError, match="what it sets aside is"):
            act(forged)


def test_an_override_is_never_easier_than_a_promotion() -> None:
    with pytest.raises(ValueError, match="easier than a promotion"):
        ApprovalPolicy.model_validate(
            {"signatures": 2, "roles": ["r"], "override": {"signatures": 1, "roles": ["r"]}}
        )


@pytest.mark.parametrize("checked", ["never", "failed"])
def test_what_was_not_loaded_for_real_is_set_aside_by_name(registry: Registry, checked: str) -> None:
    """The gate passed and the check that the policy asks for did not: an emergency has a door all the same."""
    registry.adopt(override=EMERGENCY)
    version = registry.version("one")
    manifest = version.manifest
    said = {"specification": manifest.specification, "problem": "seriousness", "outcome": "pass"}
    more = {"report": manifest.report, "champion": None, "policy": manifest.policy, "loaded": True}
    registry.ledger.append("Evaluated", {**said, **more}, actor="evaluate")
    fact = "seriousness@1 was not loaded for real since it was evaluated, and the policy asks for it"
    if checked == "failed":
        loaded = {"problem": "seriousness", "version": version.digest, "name": version.name, "golden": "x"}
        outcome = {"report": manifest.report, "outcome": "fail", "reasons": ["3 answers differ"]}
        registry.ledger.append("Loaded", {**loaded, **outcome}, actor="loaded")
        fact = "seriousness@1 was loaded for real and did not pass: 3 answers differ"
    with pytest.raises(GateError, match=fact):
        registry.request(version)
    request = registry.request(version, "override")
    assert request.body["waived"] == [fact]
    assert signing.meaning(request, "approve", "Dr Jane Roe").endswith(f", although {fact}")
    registry.answer(request, JANE)
    registry.answer(request, MAX)
    assert registry.promote(request).body["waived"] == [fact]
    assert (
        verify_champion(registry.ledger, registry.store, "seriousness", keys=registry.signers)[0] == version
    )
