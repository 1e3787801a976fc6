"""The one door to the champion: a request, signed answers, the switch. Rollback and override take it too.

    request_approval -> answer (once a signer) -> promote

Each step is written once, whoever repeats it. Everything is checked when an answer is accepted and
again at the moment of the switch, against the state that the ledger's entry directly follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvcore.errors import NotFound, RegistryError, SignatureRefused, StaleChampion
from pvcore.records import digest as digest_of
from pvcore.registry import signing
from pvcore.registry.answers import approvals, believed, require_answer, told
from pvcore.registry.approval import (
    APPROVED,
    REJECTED,
    REQUESTED,
    SWITCH,
    Decision,
    answers_to,
    closing,
    entry_at,
    expired,
    last_switch,
    require_eligible,
    require_open,
    require_signed,
    require_still_asked,
    version_of,
    waived,
)
from pvcore.registry.approvers import Action, ApprovalPolicy, Signer, policy_of
from pvcore.registry.ledger import OVERRIDDEN, Entry, Ledger, State
from pvcore.registry.proof import require_bytes, require_replaceable
from pvcore.registry.signing import Keys
from pvcore.registry.store import Store
from pvcore.registry.version import Version, require_files

__all__ = [
    "Action",
    "ApprovalPolicy",
    "Decision",
    "Signer",
    "answer",
    "closing",
    "open_requests",
    "promote",
    "request_approval",
]


def request_approval(
    ledger: Ledger,
    version: Version,
    action: Action,
    report: str,
    policy_digest: str,
    actor: str,
    *,
    store: Store,
    policy: ApprovalPolicy,
    keys: Keys,
    occasion: str = "",
) -> Entry:
    """Ask for signatures; the same question again returns the same entry, answered or not, until it expires.

    The entry records what was asked: version, report, policy, the champion to be replaced, and by
    its own number and predecessor the ledger's position. `occasion` (any text, a run's id) asks anew
    what was once rejected. An override also records what it sets aside. Raises GateError where the
    gate did not pass or the policy allows no override, StaleChampion where the report compares with
    another champion than today's, RegistryError where nothing would change, the adapter's files are gone or
    the champion to be replaced cannot be proven.
    """
    manifest, problem = version.manifest, version.problem
    policy.rule(action)

    def body(state: State) -> dict[str, Any]:
        require_eligible(state, version.digest, manifest, action, report, policy_digest)
        require_files(store, version)
        require_replaceable(state, store, version, action, keys)
        if last_switch(state, problem) != after:
            raise StaleChampion(
                f"the champion of {problem} changed while approval was being requested. Ask again."
            )
        said: dict[str, Any] = {
            "problem": problem,
            "name": version.name,
            "version": version.digest,
            "action": action,
            "report": report,
            "policy": policy_digest,
            "expected": state.champion(problem),
            "after_switch": after,
            "occasion": occasion,
        }
        if action == "override":
            said["waived"] = waived(state, version.digest, manifest, report, policy_digest)
        return said

    state = ledger.state()
    question = [version.digest, action, report, policy_digest, occasion]
    after = last_switch(state, problem)
    if state.champion(problem) == version.digest:
        # The switch that was asked for is done; a run that starts again from its top finds its request.
        done = state.find(REQUESTED, state.history(problem)[-1].body["asked"])
        asked = ("version", "action", "report", "policy", "occasion")
        if done and [done.body[field] for field in asked] == question:
            return done
    key = digest_of([*question, after])
    while (old := state.find(REQUESTED, key)) and expired(old, policy) and closing(state, old) is None:
        key = digest_of([key, old.digest])
    return ledger.append(REQUESTED, body, actor=actor, key=key)


def answer(
    ledger: Ledger,
    store: Store,
    request: Entry,
    *,
    decision: Decision,
    principal: str,
    name: str,
    reason: str,
    signature: str,
    policy: ApprovalPolicy,
    policy_digest: str,
    keys: Keys,
) -> Entry:
    """Accept a signed answer: an Approved or Rejected entry, once a signer. One rejection ends a request.

    Raises SignatureRefused (key, role, name, altered or reused statement, own version), StaleChampion,
    GateError; RegistryError where the request is closed. Nothing is written then.
    """
    if not reason.strip():
        raise SignatureRefused("an answer needs its reason.")
    asked = entry_at(ledger.state(), _named(request), REQUESTED)
    body = {
        "request": _named(asked),
        "problem": asked.body["problem"],
        "version": asked.body["version"],
        "principal": principal,
        "name": name,
        "reason": reason,
        "decision": decision,
        "signature": signing.normalise(signature),
    }

    def forged(state: State, other: Entry) -> bool:
        return bool(believed([other], lambda entry: require_answer(state, asked, entry, policy, keys))[1])

    def checked(state: State) -> dict[str, Any]:
        require_open(state, asked)
        require_still_asked(state, store, asked, policy, policy_digest)
        fingerprint, roles = require_signed(state, asked, body, policy, keys)
        for other in answers_to(state, asked, APPROVED):
            if forged(state, other):
                continue
            if other.body["principal"] == principal and decision == "approve":
                raise SignatureRefused(f"{principal} has approved this request already.")
            if other.body["key"] == fingerprint and other.body["principal"] != principal:
                raise SignatureRefused(
                    f"the key of {principal} has signed already, as {other.body['principal']}."
                )
        return {**body, "key": fingerprint, "roles": roles}

    kind = APPROVED if decision == "approve" else REJECTED
    key, state = f"{asked.digest} {principal}", ledger.state()
    # An entry that somebody else wrote in this name takes nobody's place.
    while (old := state.find(kind, key)) and not _same(old, body) and forged(state, old):
        key = digest_of([key, old.digest])
    entry = ledger.append(kind, checked, actor=principal, key=key)
    if not _same(entry, body):
        raise SignatureRefused(f"{principal} has answered this request already, with another signature.")
    return entry


def _named(entry: Entry) -> dict[str, Any]:
    """How one entry names another."""
    return {"sequence": entry.sequence, "digest": entry.digest}


def _same(entry: Entry, body: Mapping[str, Any]) -> bool:
    return all(entry.body[field] == value for field, value in body.items())


def promote(
    ledger: Ledger,
    store: Store,
    request: Entry,
    *,
    policy: ApprovalPolicy,
    policy_digest: str,
    keys: Keys,
    actor: str,
) -> Entry:
    """Make the requested version champion: a Promoted, RolledBack or Overridden entry, once a request.

    Everything is verified anew at this moment: the chain, the manifest and the adapter's bytes, the
    gate's decision, the expected champion, and each signature with today's keys, roles and
    revocations. An approval that does not verify is ignored, and the entry says so.
    Raises StaleChampion, SignatureRefused, GateError, RegistryError; nothing is written then.
    """
    now = ledger.state()
    asked = entry_at(now, _named(request), REQUESTED)
    kind = SWITCH[asked.body["action"]]
    if done := now.find(kind, asked.digest):
        return done
    version = version_of(now, store, asked)
    require_bytes(store, version)

    def body(state: State) -> dict[str, Any]:
        require_open(state, asked)
        require_still_asked(state, store, asked, policy, policy_digest)
        require_replaceable(state, store, version, asked.body["action"], keys)
        needed = policy.rule(asked.body["action"]).signatures
        signed, ignored = approvals(state, asked, policy, keys)
        given = {approval.body["key"] for approval in signed}
        if len(given) < needed:
            raise SignatureRefused(f"{version.name} has {len(given)} of {needed} signatures{told(ignored)}.")
        return {
            "problem": asked.body["problem"],
            "name": asked.body["name"],
            "version": asked.body["version"],
            "expected": state.champion(asked.body["problem"]),
            "report": asked.body["report"],
            "policy": asked.body["policy"],
            "asked": asked.key,
            "request": _named(asked),
            "signatures": needed,
            "approvals": [_named(approval) for approval in signed],
            **({"ignored": [{"sequence": n, "why": why} for n, why in ignored.items()]} if ignored else {}),
            **({"waived": asked.body["waived"]} if kind == OVERRIDDEN else {}),
        }

    return ledger.append(kind, body, actor=actor, key=asked.digest)


def open_requests(state: State, store: Store) -> tuple[Entry, ...]:
    """Requests that can be answered: not rejected, not carried out, not expired, their champion still in place."""
    return tuple(
        entry
        for entry in state.entries
        if entry.kind == REQUESTED
        and closing(state, entry) is None
        and last_switch(state, entry.body["problem"]) == entry.body["after_switch"]
        and not _ran_out(store, entry)
    )


def _ran_out(store: Store, asked: Entry) -> bool:
    """Whether a request expired by the policy that it names; one whose policy is lost is shown, not hidden."""
    try:
        return expired(asked, policy_of(store, asked.body["policy"]))
    except (NotFound, RegistryError):
        return False
