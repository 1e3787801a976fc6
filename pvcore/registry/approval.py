"""Who may answer for a version, and every condition of an answer and of a switch.

The conditions are functions of the ledger's state, because they are checked twice: when a signature
is accepted, and when the champion is switched, each time against the state that the new entry follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pvcore.errors import GateError, RegistryError, RequestClosed, SignatureRefused, StaleChampion
from pvcore.registry import signing
from pvcore.registry.approvers import ApprovalPolicy, require_role
from pvcore.registry.ledger import OVERRIDDEN, PROMOTED, REGISTERED, ROLLED_BACK, Entry, State
from pvcore.registry.loading import not_loaded, require_loaded
from pvcore.registry.manifest import Manifest
from pvcore.registry.signing import Keys
from pvcore.registry.store import Store
from pvcore.registry.version import Version, read_version

Decision = Literal["approve", "reject"]
REQUESTED, APPROVED, REJECTED, EVALUATED = "ApprovalRequested", "Approved", "Rejected", "Evaluated"
SWITCH: Mapping[str, str] = {"promote": PROMOTED, "rollback": ROLLED_BACK, "override": OVERRIDDEN}
_MAKERS = (REGISTERED, "Trained")
"""Events whose writers made a version."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gate said of a version in one report, compared with which champion, by which policy."""

    outcome: str
    champion: str | None
    policy: str
    reasons: tuple[str, ...]


def evidence(state: State, digest: str, manifest: Manifest, report: str) -> Evidence:
    """What `report` says of the version: its own report, or that of a later Evaluated entry.

    Such an entry has in its body: specification, report, outcome, champion, policy. A candidate is
    evaluated again when the champion or the policy has changed. Raises GateError where there is none.
    """
    if report == manifest.report:
        reasons = tuple(manifest.decision.get("reasons", ()))
        return Evidence(manifest.outcome, manifest.champion, manifest.policy, reasons)
    for entry in reversed(state.entries):
        if entry.kind == EVALUATED and entry.body.get("specification") == manifest.specification:
            body = entry.body
            if body.get("report") == report:
                reasons = tuple(body.get("reasons", ()))
                return Evidence(str(body["outcome"]), body["champion"], str(body["policy"]), reasons)
    raise GateError(f"the report {report} is not one of version {digest[:12]}. Evaluate it first.")


def last_switch(state: State, problem: str) -> int:
    """Number of the entry that last switched the champion; 0 before the first promotion."""
    history = state.history(problem)
    return history[-1].sequence if history else 0


def require_eligible(
    state: State, digest: str, manifest: Manifest, action: str, report: str, policy: str
) -> None:
    """What must be true of a version before a person is asked, and still when the champion is switched."""
    problem, champion = manifest.problem, state.champion(manifest.problem)
    registered = state.version(digest)
    if registered is None or registered.body["problem"] != problem:
        raise RegistryError(f"version {digest} is not registered in this ledger.")
    if champion == digest:
        raise RegistryError(f"{problem}@{registered.body['number']} is the champion already.")
    were_champion = {entry.body["version"] for entry in state.history(problem)}
    if action == "override":
        if not waived(state, digest, manifest, report, policy):
            other = "roll back to it" if digest in were_champion else "promote it"
            raise RegistryError(
                f"{problem}@{registered.body['number']} has nothing to override, as its gate passed: {other}."
            )
        return
    found = evidence(state, digest, manifest, report)
    if found.outcome != "pass":
        raise GateError(
            f"the gate said {found.outcome}, not pass: nobody may approve {digest[:12]} on this report."
        )
    if action == "rollback":
        if digest not in were_champion:
            raise RegistryError(
                f"{problem}@{registered.body['number']} never was champion: promote it instead."
            )
        return
    if digest in were_champion:
        raise RegistryError(
            f"{problem}@{registered.body['number']} was champion before: roll back to it instead."
        )
    if found.champion != champion:
        raise StaleChampion(
            f"the report compares with {(found.champion or 'no champion')[:12]}, but the champion of "
            f"{problem} is {(champion or 'none')[:12]} now. Evaluate the candidate again."
        )
    if found.policy != policy:
        raise GateError(
            f"the gate decided by the policy {found.policy[:12]}, but {policy[:12]} is in force now. "
            "Evaluate the candidate again."
        )
    require_loaded(state, digest, report)


def waived(state: State, digest: str, manifest: Manifest, report: str, policy: str) -> list[str]:
    """What an override of the gate would set aside, in words; empty where another action is open."""
    found, champion = evidence(state, digest, manifest, report), state.champion(manifest.problem)
    told = []
    if found.outcome != "pass":
        told.append(": ".join(filter(None, (f"the gate said {found.outcome}", "; ".join(found.reasons)))))
    if digest in {entry.body["version"] for entry in state.history(manifest.problem)}:
        return told
    if found.champion != champion:
        told.append(
            f"the report compares with {found.champion or 'no champion'}, not with {champion or 'none'}"
        )
    if found.policy != policy:
        told.append(f"the gate decided by the policy {found.policy}, not by {policy}")
    return told + [fact for fact, _ in not_loaded(state, digest, report)]


def answers_to(state: State, request: Entry, kind: str) -> list[Entry]:
    """The Approved or Rejected entries of a request, oldest first."""
    return [e for e in state.entries if e.kind == kind and e.body["request"]["digest"] == request.digest]


def closing(state: State, request: Entry) -> Entry | None:
    """The entry that ended a request: a rejection or the switch."""
    return next(iter(answers_to(state, request, REJECTED)), None) or state.find(
        SWITCH[request.body["action"]], request.digest
    )


def entry_at(state: State, reference: Mapping[str, Any], kind: str) -> Entry:
    """The entry of this kind that another one names by `sequence` and `digest`; one that was made up is refused."""
    sequence, digest = reference["sequence"], reference["digest"]
    entry = state.entries[sequence - 1] if 1 <= sequence <= len(state.entries) else None
    if entry is None or entry.digest != digest or entry.kind != kind:
        raise RegistryError(f"this ledger has no {kind} entry {sequence} with the digest {digest}.")
    return entry


def require_open(state: State, asked: Entry) -> None:
    """The request was neither rejected nor carried out."""
    end = closing(state, asked)
    if end:
        raise RequestClosed(f"the request for {asked.body['name']} is closed: {end.kind} on {end.time}.")


def expired(asked: Entry, policy: ApprovalPolicy, at: datetime | None = None) -> bool:
    """Whether a request can no longer be answered or carried out at a moment (now if None)."""
    return policy.until(asked.moment) < (at or datetime.now(UTC))


def require_still_asked(
    state: State,
    store: Store,
    asked: Entry,
    policy: ApprovalPolicy,
    policy_digest: str,
    at: datetime | None = None,
) -> Version:
    """What was asked is what would happen at that moment: the same champion, policy, report and decision.

    Returns the version that was asked for.
    """
    body = asked.body
    if last_switch(state, body["problem"]) != body["after_switch"]:
        raise StaleChampion(
            f"the champion of {body['problem']} was switched after approval of {body['name']} was requested "
            f"(expected {(body['expected'] or 'none')[:12]}). Evaluate the candidate again and ask anew."
        )
    if policy_digest != body["policy"]:
        raise SignatureRefused(
            f"approval of {body['name']} was requested under the policy {body['policy'][:12]}, "
            f"but {policy_digest[:12]} is in force now. Ask anew."
        )
    if expired(asked, policy, at):
        raise RequestClosed(
            f"the request for {body['name']} expired on {policy.until(asked.moment):%Y-%m-%d %H:%M} UTC, "
            f"{policy.valid_days:g} days after it was made. Ask anew."
        )
    policy.rule(body["action"])
    version = version_of(state, store, asked)
    if (version.name, version.problem) != (body["name"], body["problem"]):
        raise RegistryError(
            f"the request names {body['name']} of {body['problem']}, but its version {body['version'][:12]} is "
            f"{version.name}. Who wrote ledger entry {asked.sequence}? Ask anew."
        )
    manifest = version.manifest
    require_eligible(state, body["version"], manifest, body["action"], body["report"], policy_digest)
    now = waived(state, body["version"], manifest, body["report"], policy_digest)
    if body["action"] == "override" and body.get("waived") != now:
        raise RegistryError(
            f"the request to override the gate for {body['name']} says {body.get('waived')} of the gate, "
            f"but what it sets aside is {now}."
        )
    return version


def version_of(state: State, store: Store, request: Entry) -> Version:
    registered = state.version(request.body["version"])
    if registered is None:
        raise RegistryError(f"the requested version {request.body['version']} is not registered.")
    return read_version(store, registered)


def require_signed(
    state: State,
    asked: Entry,
    body: Mapping[str, Any],
    policy: ApprovalPolicy,
    keys: Keys,
    at: datetime | None = None,
) -> tuple[str, list[str]]:
    """Who signed may, under the printed name, and signed exactly this; the key's fingerprint and the roles."""
    principal, name = body["principal"], body["name"]
    roles = require_role(policy, policy.rule(asked.body["action"]).roles, principal, name)
    barred = _makers(state, asked) | set(policy.trainers)
    if principal in barred or name in barred:
        raise SignatureRefused(
            f"{principal} trained or registered {asked.body['name']} and cannot answer for it."
        )
    signed = signing.statement(asked, body["decision"], name, body["reason"], principal)
    fingerprint = signing.verify(signed, body["signature"], principal, keys, at=at)
    owners = signing.owners(fingerprint, keys.allowed_signers)
    theirs = {fingerprint} & barred or {who for who in barred if signing.is_one_of(who, owners)}
    if theirs:
        raise SignatureRefused(
            f"the key of {principal} is that of {min(theirs)}, who trained or registered {asked.body['name']}: "
            "it cannot answer for it."
        )
    return fingerprint, roles


def _makers(state: State, asked: Entry) -> set[str]:
    """Who made the requested version: the writers of its training and its registration."""
    registered = state.version(asked.body["version"])
    made = registered.body["specification"] if registered else None
    return {e.actor for e in state.entries if e.kind in _MAKERS and e.body["specification"] == made}
