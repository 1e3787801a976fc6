"""What a switch of the champion rests on, proven anew from the ledger, the store and the keys."""

from __future__ import annotations

from pvcore.errors import NotFound, PvError, RegistryError, SignatureRefused
from pvcore.registry.answers import require_answer
from pvcore.registry.approval import (
    APPROVED,
    REQUESTED,
    SWITCH,
    entry_at,
    require_open,
    require_still_asked,
)
from pvcore.registry.approvers import ApprovalPolicy, policy_of
from pvcore.registry.blobs import check_blob
from pvcore.registry.ledger import Entry, Ledger, State
from pvcore.registry.signing import Keys
from pvcore.registry.store import Store
from pvcore.registry.version import Version


def verify_champion(
    ledger: Ledger,
    store: Store,
    problem: str,
    *,
    keys: Keys,
    policy: ApprovalPolicy | None = None,
) -> tuple[Version, Entry]:
    """The champion and the switch that made it so, proven anew from the store and the keys.

    Checks the chain, the manifest, every byte of the adapter, and the signatures that the switch
    rests on: each key as of the time that the ledger gives for its answer (so give a key that is no
    longer used an end date in `allowed_signers`, and keep its line); revoked keys whenever they
    signed. With `policy` also against today's names, roles and number of signatures.
    Raises NotFound, LedgerBroken, SignatureRefused, RegistryError.
    """
    state = ledger.state()
    history = state.history(problem)
    if not history:
        raise NotFound(f"{problem} has no champion yet.")
    version = verify_switch(state, store, history[-1], policy=policy, keys=keys)
    require_bytes(store, version)
    return version, history[-1]


def verify_switch(
    state: State,
    store: Store,
    switch: Entry,
    *,
    keys: Keys,
    policy: ApprovalPolicy | None = None,
) -> Version:
    """The version that a switch made champion, if it was asked for, open and signed when it was made.

    All of `promote` is checked again on the ledger as it was then, under the policy that was signed,
    read from the store. Raises NotFound, SignatureRefused, GateError, StaleChampion, RegistryError; see
    `verify_champion`.
    """
    request = entry_at(state, switch.body["request"], REQUESTED)
    if request.body["version"] != switch.body["version"] or SWITCH[request.body["action"]] != switch.kind:
        raise RegistryError(f"ledger entry {switch.sequence} switches to another version than was asked for.")
    before = State(state.entries[: switch.sequence - 1])
    then = policy_of(store, request.body["policy"])
    require_open(before, request)
    version = require_still_asked(before, store, request, then, request.body["policy"], switch.moment)
    signed = [entry_at(before, reference, APPROVED) for reference in switch.body["approvals"]]
    action = request.body["action"]
    for asked in (then, policy) if policy else (then,):
        given = {require_answer(before, request, a, asked, keys, a.moment) for a in signed}
        if len(given) < (needed := asked.rule(action).signatures):
            raise SignatureRefused(
                f"{request.body['name']} became champion on {len(given)} of {needed} signatures."
            )
    _require_same(switch, request, before, then)
    return version


def require_replaceable(state: State, store: Store, version: Version, action: str, keys: Keys) -> None:
    """What a switch goes on from is proven: the champion, or on the way back the switch that it goes back to.

    So a champion that took no door is replaced by rolling back to one that did, and by nothing else.
    """
    past = state.history(version.problem)
    if action == "rollback":
        past = tuple(switch for switch in past if switch.body["version"] == version.digest)
    for switch in past[-1:]:
        try:
            verify_switch(state, store, switch, keys=keys)
        except PvError as error:
            raise RegistryError(
                f"{switch.body['name']} cannot be proven to be champion by ledger entry {switch.sequence}: {error} "
                "Roll back to a champion that can, or restore the ledger from a backup."
            ) from error


def _require_same(switch: Entry, request: Entry, before: State, policy: ApprovalPolicy) -> None:
    """A switch says of itself what was asked and signed, as `promote` writes it, and nothing else."""
    asked = request.body
    said = {
        **{field: asked[field] for field in ("problem", "name", "version", "report", "policy")},
        "expected": before.champion(asked["problem"]),
        "asked": request.key,
        "signatures": policy.rule(asked["action"]).signatures,
        "waived": asked.get("waived"),
    }
    if odd := [field for field, value in said.items() if switch.body.get(field) != value]:
        raise RegistryError(
            f"ledger entry {switch.sequence} says another {', '.join(odd)} than was asked for and signed in "
            f"entry {request.sequence}."
        )


def require_bytes(store: Store, version: Version) -> None:
    """Every file of the adapter is there and has its digest."""
    for file in version.manifest.adapter["files"].values():
        check_blob(store, file["sha256"])
