"""The approval: a request, a signature, an answer, the switch. `forms` shows it, `waiting` is its run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pvcore.config import PolicyDocument, Workspace
from pvcore.cycle import judging, loaded
from pvcore.cycle.signed import signature
from pvcore.errors import NotFound, RegistryError, RequestClosed, SignatureRefused
from pvcore.records import canonical
from pvcore.registry import promotion, signing
from pvcore.registry.answers import approvals, told
from pvcore.registry.approvers import policy_of
from pvcore.registry.blobs import put_blob
from pvcore.registry.ledger import SWITCHES, Entry
from pvcore.registry.names import resolve
from pvcore.registry.version import Version


@dataclass(frozen=True, slots=True)
class Request:
    """A request for approval. `digest` is its ledger entry's; `expected` the champion it would replace.

    `closed` says how it was rejected, if it was when it was read; `until` when it expires; `waived` what
    an override sets aside.
    """

    version: str
    action: str
    digest: str
    sequence: int
    expected: str
    time: str
    closed: str = ""
    until: str = ""
    waived: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer did. `final` False: the form is shown again with `line`, because the answer was
    refused or, where it was `accepted`, because more signatures are needed."""

    final: bool
    switched: bool
    line: str
    accepted: bool = True


def request(workspace: Workspace, version: str, action: str, occasion: str = "") -> Request:
    """Ask for approval of `version`, once. `occasion` asks anew what was rejected before.

    Raises GateError where the gate did not pass, NotFound, StaleChampion, RegistryError.
    """
    found = resolve(workspace.store, workspace.ledger, version)
    policy = workspace.policy(workspace.recipe(found.problem).policy)
    entry = promotion.request_approval(
        workspace.ledger,
        found,
        action,  # type: ignore[arg-type]
        _report(workspace, found, action),
        # Kept before it is named: whoever verifies the switch reads who could approve it.
        put_blob(workspace.store, canonical(dict(policy.raw))),
        actor="promote",
        store=workspace.store,
        policy=policy.approval,
        keys=workspace.keys,
        occasion=occasion,
    )
    return _request(workspace, entry)


def _report(workspace: Workspace, found: Version, action: str) -> str:
    """What a request rests on. Who was champion is not judged anew: it comes back on what it was promoted on."""
    before = [e for e in workspace.ledger.state().history(found.problem) if e.body["version"] == found.digest]
    if action == "rollback":
        return str(before[-1].body["report"] if before else found.manifest.report)
    return str(judging.latest_evaluation(workspace, found).entry.body["report"])


def _request(workspace: Workspace, entry: Entry) -> Request:
    expected = workspace.ledger.state().version(entry.body["expected"]) if entry.body["expected"] else None
    name = f"{expected.body['problem']}@{expected.body['number']}" if expected else ""
    end = promotion.closing(workspace.ledger.state(), entry)
    return Request(
        entry.body["name"],
        entry.body["action"],
        entry.digest,
        entry.sequence,
        name,
        entry.time,
        closed=_rejection(workspace, end) if end and end.kind == promotion.REJECTED else "",
        until=_until(workspace, entry),
        waived=tuple(entry.body.get("waived", ())),
    )


def _until(workspace: Workspace, entry: Entry) -> str:
    """When a request expires, by the policy that it names; empty where the store has lost that."""
    try:
        moment = policy_of(workspace.store, entry.body["policy"]).until(entry.moment)
    except (NotFound, RegistryError):
        return ""
    return moment.isoformat(timespec="minutes").replace("+00:00", "Z")


def patience(workspace: Workspace, asked: Request) -> int:
    """Seconds that a run waits for the answer to a request: as the settings say, and not after it has expired."""
    longest = workspace.settings.approval_days * 86400
    if asked.until:
        longest = min(longest, (datetime.fromisoformat(asked.until) - datetime.now(UTC)).total_seconds())
    return max(int(longest), 1)


def _rejection(workspace: Workspace, entry: Entry) -> str:
    """A rejection in words. It ends a request also where it does not verify, since then nobody knows what was meant."""
    verified = signature(workspace, workspace.ledger.state(), entry)["verified"]
    odd = "" if verified == "yes" else f"NOT VERIFIED ({verified.removeprefix('no: ')}) "
    return f"{odd}It was rejected by {entry.body['name']} on {entry.time[:10]}: {entry.body['reason']}."


def standing(workspace: Workspace, version: str) -> str:
    """Why no person is to be asked about a version: the gate's decision, or an answer that was given; or ""."""
    found = resolve(workspace.store, workspace.ledger, version)
    outcome = judging.latest_evaluation(workspace, found).decision.outcome
    if outcome != "pass":
        return f"{outcome}, registered for the record"
    for entry in reversed(workspace.ledger.entries()):
        if entry.kind in (promotion.REJECTED, *SWITCHES) and entry.body["version"] == found.digest:
            told = f"champion on {entry.time[:10]}"
            return _rejection(workspace, entry) if entry.kind == promotion.REJECTED else told
    return loaded.standing(workspace, version)


def open_requests(workspace: Workspace) -> list[Request]:
    """Requests that wait for an answer, oldest first."""
    return [
        _request(workspace, entry)
        for entry in promotion.open_requests(workspace.ledger.state(), workspace.store)
    ]


def open_request(workspace: Workspace, version: str) -> Request:
    """The open request for a version, the newest if there are several. Raises NotFound that names those there are."""
    waiting = open_requests(workspace)
    for found in reversed(waiting):
        if version in (found.version, found.digest):
            return found
    names = ", ".join(found.version for found in waiting) or "none"
    raise NotFound(f"{version} does not wait for an approval. Waiting: {names}.")


def entry_of(workspace: Workspace, asked: Request) -> Entry:
    """The ledger's entry of a request."""
    return workspace.ledger.entries()[asked.sequence - 1]


def policy_for(workspace: Workspace, entry: Entry) -> PolicyDocument:
    """The policy that is in force for a request."""
    return workspace.policy(workspace.recipe(entry.body["problem"]).policy)


def sign(workspace: Workspace, asked: Request, *, decision: str, name: str, reason: str, key: Path) -> str:
    """Sign an answer with a private SSH key; the armored signature. `name` is a principal or printed name."""
    entry = entry_of(workspace, asked)
    signer = policy_for(workspace, entry).approval.signer(name)
    return signing.sign(
        signing.statement(entry, decision, signer.name, reason.strip(), signer.principal), key
    )


def decide(
    workspace: Workspace, asked: Request, *, decision: str, name: str, reason: str, signature: str
) -> Outcome:
    """Verify an answer, record it and, once enough have approved, switch the champion.

    A signature that is refused is no answer: the outcome says why and is not final.
    """
    entry = entry_of(workspace, asked)
    policy = policy_for(workspace, entry)
    rules: dict[str, Any] = {
        "policy": policy.approval,
        "policy_digest": policy.digest,
        "keys": workspace.keys,
    }
    done = workspace.ledger.find(promotion.SWITCH[asked.action], asked.digest)
    if done:
        return Outcome(True, True, f"{asked.version} is champion since {done.time}")
    try:
        signer = policy.approval.signer(name)
        answered = promotion.answer(
            workspace.ledger,
            workspace.store,
            entry,
            decision=decision,  # type: ignore[arg-type]
            principal=signer.principal,
            name=signer.name,
            reason=reason.strip(),
            signature=signature,
            **rules,
        )
    except SignatureRefused as refused:
        return Outcome(False, False, f"Refused: {refused}", accepted=False)
    except RequestClosed as closed:
        return Outcome(True, False, f"{asked.version}: {closed}", accepted=False)
    if answered.kind == promotion.REJECTED:
        return Outcome(True, False, f"{asked.version}: rejected by {signer.name}: {reason}")
    given, ignored = counted(workspace, entry)
    needed = policy.approval.rule(asked.action).signatures
    if len(given) < needed:
        line = f"{len(given)} of {needed} signatures so far; another person signs next{told(ignored)}"
        return Outcome(False, False, line)
    switch = promotion.promote(workspace.ledger, workspace.store, entry, actor="promote", **rules)
    line = f"{asked.version} is champion since {switch.time}, approved by {signer.name}{told(ignored)}"
    return Outcome(True, True, line)


def counted(workspace: Workspace, entry: Entry) -> tuple[list[Entry], dict[int, str]]:
    """The approvals of a request that count, and why others do not."""
    policy = policy_for(workspace, entry).approval
    return approvals(workspace.ledger.state(), entry, policy, workspace.keys)
