"""Legal holds and the collection of blobs, as a person of the workspace asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pvcore.config import PolicyDocument, Workspace
from pvcore.errors import ConfigError
from pvcore.registry import collection, holds, retention
from pvcore.registry.collection import Plan
from pvcore.registry.ledger import Entry, State
from pvcore.registry.names import resolve
from pvcore.registry.retention import Person, Rules
from pvcore.registry.version import Version

Row = dict[str, Any]


def hold(workspace: Workspace, version: str, *, name: str, reason: str, key: Path) -> str:
    """Place a signed legal hold on a version. Raises SignatureRefused, NotFound."""
    found, rules = _of(workspace, version)
    entry = holds.hold(workspace.ledger, workspace.store, found, _person(rules, name, reason, key), rules)
    return f"{found.name} is held since {entry.time}: {reason.strip()}"


def release_hold(workspace: Workspace, version: str, *, name: str, reason: str, key: Path) -> str:
    """Lift every legal hold on a version, signed. Raises SignatureRefused, NotFound."""
    found, rules = _of(workspace, version)
    lifted = holds.lift(workspace.ledger, found, _person(rules, name, reason, key), rules)
    return f"{found.name}: {len(lifted)} legal hold(s) lifted"


def collectable(workspace: Workspace) -> Plan:
    """What a collection would take away now."""
    return collection.plan(workspace.ledger.state(), workspace.store, _rules(workspace, _policy(workspace)))


def collect(workspace: Workspace, planned: Plan, *, name: str, reason: str, key: Path) -> tuple[str, Plan]:
    """End what was cut off, then collect what is planned, signed; returns that in a line, and what was collected.

    Raises SignatureRefused, RegistryError, NotFound.
    """
    rules = _rules(workspace, _policy(workspace))
    person = _person(rules, name, reason, key)
    if collection.finish(workspace.ledger, workspace.store, rules):
        planned = collectable(workspace)
        if not planned.blobs:
            return "a collection that was cut off is ended; nothing more is to be collected", planned
    entry = collection.collect(workspace.ledger, workspace.store, planned, person, rules)
    line = f"{len(planned.blobs)} blobs, {planned.size} bytes: collected (ledger entry {entry.sequence})"
    return line, planned


def rows(planned: Plan) -> list[Row]:
    """What a plan lists, as rows."""
    return [dict(blob) for blob in planned.blobs]


def is_held(workspace: Workspace, version: Version) -> bool:
    """Whether a legal hold is on a version."""
    _, rules = _of(workspace, version.digest)
    return bool(holds.on(workspace.ledger.state(), version.digest, rules))


def require_holds_proven(workspace: Workspace, version: Version) -> None:
    """Every hold that is on a version was signed as it stands, by someone who may. Raises SignatureRefused."""
    state = workspace.ledger.state()
    _, rules = _of(workspace, version.digest)
    for entry in holds.on(state, version.digest, rules):
        retention.require_proven(state, entry, rules)


def require_proven(workspace: Workspace, state: State, entry: Entry) -> None:
    """A hold, its end or a collection was signed as it stands, by who may. Raises SignatureRefused, PvError."""
    problem = entry.body.get("problem")
    policy = workspace.policy(workspace.recipe(problem).policy) if problem else _policy(workspace)
    before = State(state.entries[: entry.sequence - 1])
    retention.require_proven(before, entry, _rules(workspace, policy))


def _of(workspace: Workspace, version: str) -> tuple[Version, Rules]:
    found = resolve(workspace.store, workspace.ledger, version)
    return found, _rules(workspace, workspace.policy(workspace.recipe(found.problem).policy))


def _rules(workspace: Workspace, policy: PolicyDocument) -> Rules:
    return Rules(policy.approval, policy.retention, workspace.keys)


def _person(rules: Rules, name: str, reason: str, key: Path) -> Person:
    signer = rules.approval.signer(name)
    return Person(signer.principal, signer.name, reason, key)


def _policy(workspace: Workspace) -> PolicyDocument:
    """The policy of a collection, which is for all problems. Raises ConfigError where policies disagree."""
    policies = list(workspace.policies().values()) or [workspace.policy()]
    if any(
        (p.retention, p.approval.signers) != (policies[0].retention, policies[0].approval.signers)
        for p in policies
    ):
        raise ConfigError(
            "the policies of the recipes differ in retention or signers, but the blobs are kept for all of them. "
            "Write the same sections into each."
        )
    return policies[0]
