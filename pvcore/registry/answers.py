"""Whether an answer that the ledger has was signed: by whom it says, for just this request, by who may."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from pvcore.errors import PvError, SignatureRefused
from pvcore.registry.approval import APPROVED, REQUESTED, answers_to, entry_at, require_signed
from pvcore.registry.approvers import ApprovalPolicy, policy_of
from pvcore.registry.ledger import Entry, State
from pvcore.registry.signing import Keys
from pvcore.registry.store import Store

_KINDS = {"approve": "Approved", "reject": "Rejected"}


def require_answer(
    state: State,
    request: Entry,
    answer: Entry,
    policy: ApprovalPolicy,
    keys: Keys,
    at: datetime | None = None,
) -> str:
    """The fingerprint of the key that signed an answer, valid at a moment (now if None). Raises SignatureRefused."""
    body = answer.body
    if body["request"]["digest"] != request.digest or _KINDS.get(body["decision"]) != answer.kind:
        raise SignatureRefused(f"ledger entry {answer.sequence} is no {answer.kind} of this request.")
    fingerprint, _ = require_signed(state, request, body, policy, keys, at)
    if fingerprint != body["key"]:
        raise SignatureRefused(f"ledger entry {answer.sequence} names another key than the one that signed.")
    return fingerprint


def require_answered(state: State, store: Store, answer: Entry, keys: Keys) -> None:
    """An answer was signed as it stands when it was written, under the policy of its request, read from the store.

    Raises SignatureRefused, NotFound, GateError, RegistryError.
    """
    before = State(state.entries[: answer.sequence - 1])
    request = entry_at(before, answer.body["request"], REQUESTED)
    policy = policy_of(store, request.body["policy"])
    require_answer(before, request, answer, policy, keys, answer.moment)


def believed(
    answers: Iterable[Entry], require: Callable[[Entry], object]
) -> tuple[list[Entry], dict[int, str]]:
    """The entries for which `require` raises nothing; and why not, by the number of each of the others."""
    good, ignored = [], {}
    for entry in answers:
        try:
            require(entry)
        except PvError as error:
            ignored[entry.sequence] = str(error)
        else:
            good.append(entry)
    return good, ignored


def approvals(
    state: State,
    request: Entry,
    policy: ApprovalPolicy,
    keys: Keys,
) -> tuple[list[Entry], dict[int, str]]:
    """The approvals of a request that count now, oldest first; and why not, by the entries of the others."""
    given = answers_to(state, request, APPROVED)
    return believed(given, lambda entry: require_answer(state, request, entry, policy, keys))


def told(ignored: dict[int, str]) -> str:
    """What was ignored and why, to be added to a line; empty where nothing was."""
    return "".join(f"; ignored: ledger entry {n}, as {why.rstrip('.')}" for n, why in ignored.items())
