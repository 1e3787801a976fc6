"""Who may answer for a version, and every condition of an answer and of a switch.

The conditions are functions of the ledger's state, because they are checked twice: when a signature
is accepted, and when the champion is switched, each time against the state that the new entry follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pvcore.errors import GateError, RegistryError, SignatureRefused, StaleChampion
from pvcore.registry import signing
from pvcore.registry.ledger import PROMOTED, REGISTERED, ROLLED_BACK, Entry, State
from pvcore.registry.loading import require_loaded
from pvcore.registry.manifest import Manifest, Version, read_version
from pvcore.registry.store import Store

Action = Literal["promote", "rollback"]
Decision = Literal["approve", "reject"]
REQUESTED, APPROVED, REJECTED, EVALUATED = "ApprovalRequested", "Approved", "Rejected", "Evaluated"
SWITCH: Mapping[str, str] = {"promote": PROMOTED, "rollback": ROLLED_BACK}


class Signer(BaseModel):
    """A person who may answer. `principal` is the name of their key in allowed_signers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    principal: str = Field(min_length=1)
    name: str = Field(min_length=1, description="the printed name of the signature")
    roles: tuple[str, ...] = Field(min_length=1)


class ApprovalPolicy(BaseModel):
    """How many signatures a switch needs, from whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    signatures: int = Field(default=1, ge=1)
    roles: tuple[str, ...] = Field(min_length=1, description="each of them may approve, reject and roll back")
    signers: tuple[Signer, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> ApprovalPolicy:
        for field in ("principal", "name"):
            values = [getattr(signer, field) for signer in self.signers]
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"two signers have the same {field}: {', '.join(twice)}")
        return self

    def signer(self, name: str) -> Signer:
        """The signer of this principal or printed name. Raises SignatureRefused."""
        for signer in self.signers:
            if name.strip() in (signer.principal, signer.name):
                return signer
        known = ", ".join(signer.principal for signer in self.signers) or "nobody"
        raise SignatureRefused(f"{name!r} is no signer of the policy. It names: {known}.")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gate said of a version in one report, compared with which champion, by which policy."""

    outcome: str
    champion: str | None
    policy: str


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the keys stand: who holds which, and those that were revoked (a list of keys or a KRL)."""

    allowed_signers: Path
    revoked: Path | None = None


def evidence(state: State, digest: str, manifest: Manifest, report: str) -> Evidence:
    """What `report` says of the version: its own report, or that of a later Evaluated entry.

    Such an entry has in its body: specification, report, outcome, champion, policy. A candidate is
    evaluated again when the champion or the policy has changed. Raises GateError where there is none.
    """
    if report == manifest.report:
        return Evidence(manifest.outcome, manifest.champion, manifest.policy)
    for entry in reversed(state.entries):
        if entry.kind == EVALUATED and entry.body.get("specification") == manifest.specification:
            body = entry.body
            if body.get("report") == report:
                return Evidence(str(body["outcome"]), body["champion"], str(body["policy"]))
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
    found = evidence(state, digest, manifest, report)
    if found.outcome != "pass":
        raise GateError(
            f"the gate said {found.outcome}, not pass: nobody may approve {digest[:12]} on this report."
        )
    were_champion = {entry.body["version"] for entry in state.history(problem)}
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


def answers_to(state: State, request: Entry, kind: str) -> list[Entry]:
    """The Approved or Rejected entries of a request, oldest first."""
    return [e for e in state.entries if e.kind == kind and e.body["request"]["digest"] == request.digest]


def closing(state: State, request: Entry) -> Entry | None:
    """The entry that ended a request: a rejection or the switch."""
    return next(iter(answers_to(state, request, REJECTED)), None) or state.find(
        SWITCH[request.body["action"]], request.digest
    )


def entry_at(state: State, sequence: int, digest: str, kind: str) -> Entry:
    """The entry of this number, digest and kind, as this ledger has it; one that was made up is refused."""
    entry = state.entries[sequence - 1] if 1 <= sequence <= len(state.entries) else None
    if entry is None or entry.digest != digest or entry.kind != kind:
        raise RegistryError(f"this ledger has no {kind} entry {sequence} with the digest {digest}.")
    return entry


def require_open(state: State, asked: Entry) -> None:
    """The request was neither rejected nor carried out."""
    end = closing(state, asked)
    if end:
        raise RegistryError(f"the request for {asked.body['name']} is closed: {end.kind} on {end.time}.")


def require_still_asked(state: State, store: Store, asked: Entry, policy_digest: str) -> None:
    """What was asked is what would happen now: the same champion, policy, report and decision."""
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
    manifest = version_of(state, store, asked).manifest
    require_eligible(state, body["version"], manifest, body["action"], body["report"], policy_digest)


def version_of(state: State, store: Store, request: Entry) -> Version:
    registered = state.version(request.body["version"])
    if registered is None:
        raise RegistryError(f"the requested version {request.body['version']} is not registered.")
    return read_version(store, registered)


def require_signed(
    state: State,
    asked: Entry,
    body: Mapping[str, Any],
    policy: ApprovalPolicy | None,
    keys: Keys,
    at: datetime | None = None,
) -> tuple[str, list[str]]:
    """Who signed may, under the printed name, and signed exactly this; the key's fingerprint and the roles.

    Without `policy` the roles are those that were recorded when the answer was accepted.
    """
    principal, name = body["principal"], body["name"]
    roles = _require_role(policy, principal, name) if policy else list(body["roles"])
    makers = {
        e.actor for e in state.entries if e.kind == REGISTERED and e.body["version"] == asked.body["version"]
    }
    if principal in makers or name in makers:
        raise SignatureRefused(f"{principal} registered {asked.body['name']} and cannot answer for it.")
    signed = signing.statement(asked, body["decision"], name, body["reason"], principal)
    fingerprint = signing.verify(
        signed, body["signature"], principal, keys.allowed_signers, signing.NAMESPACE, keys.revoked, at
    )
    return fingerprint, roles


def _require_role(policy: ApprovalPolicy, principal: str, name: str) -> list[str]:
    signer = policy.signer(principal)
    if principal != signer.principal:
        raise SignatureRefused(f"{principal!r} is a printed name: sign as {signer.principal}.")
    roles = sorted(set(signer.roles) & set(policy.roles))
    if not roles:
        raise SignatureRefused(
            f"{principal} has the roles {', '.join(signer.roles)}; needed: {', '.join(policy.roles)}."
        )
    if name != signer.name:
        raise SignatureRefused(f"{principal} signs as {signer.name!r} in the policy, not as {name!r}.")
    return roles
