"""Approval -> champion. Promotion, rollback and override take one door: a request, signed answers, the switch.

The run suspends: its process ends, the request survives a restart of server and worker, and the
answer comes from the Prefect UI's form or from `pv approve`. On resume the flow runs again from its
top; the request is found in the ledger, not asked anew.
"""

from __future__ import annotations

from typing import Literal

from prefect import flow
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.states import Cancelled, State
from pydantic import Field

from pvcore.registry.names import name_of
from tasks import approval, candidate, inbox

ATTEMPTS = 5
"""Answers that a run refuses before it ends."""
RESUMES = 50
"""How often such a run may start: each answer, each of several signatures and each crash is a start."""


class Answer(RunInput):
    """The form in the Prefect UI."""

    decision: Literal["approve", "reject"] = Field(title="Decision")
    name: str = Field(
        title="Name", description="your principal in allowed_signers, or your name in the policy"
    )
    reason: str = Field(title="Reason", min_length=3)
    signature: str = Field(title="Signature", description="what `pv sign` prints")


@flow(
    name="promote",
    persist_result=True,
    description="Ask for a signed approval of a version, then make it champion.",
)
def promote(version: str, occasion: str = "") -> str | State:
    """Promote `version` ("seriousness@2") once a person with the right role has signed.

    A candidate is judged again first if the champion or the policy has changed since it was.
    `occasion` (any text) asks anew for a version that was rejected before.
    """
    inbox.bound_retries(RESUMES)
    candidate.judge_again(version)
    candidate.load_for_real(version)
    return _through_the_door(approval.request(version, "promote", occasion))


@flow(name="rollback", persist_result=True, description="Make an earlier champion champion again, signed.")
def rollback(problem: str, to: str = "previous", occasion: str = "") -> str | State:
    """Roll `problem` back to version `to`, which must have been champion.

    `to` is previous, a number, a name ("seriousness@1") or a digest.
    """
    inbox.bound_retries(RESUMES)
    return _through_the_door(approval.request(name_of(problem, to), "rollback", occasion))


@flow(
    name="override",
    persist_result=True,
    description="Emergency: make a version champion that the gate did not pass, signed by those who may.",
)
def override(version: str, occasion: str = "") -> str | State:
    """Make `version` champion on its newest decision, whatever that is, if the policy has `approval.override`.

    What the gate said becomes part of what is signed. Nothing is judged again: there is no time.
    """
    inbox.bound_retries(RESUMES)
    return _through_the_door(approval.request(version, "override", occasion))


def _through_the_door(request: approval.Request) -> str | State:
    if request.closed:
        return Cancelled(name="Rejected", message=f"{request.closed} To ask anew, give an occasion.")
    shown, refused, said = 0, 0, ""
    while refused < ATTEMPTS:
        form = Answer.with_initial_data(description=approval.form(request, said))
        answer = suspend_flow_run(
            wait_for_input=form, key=f"{request.digest[:16]}-{shown}", timeout=approval.patience(request)
        )
        outcome = approval.decide(request, answer.decision, answer.name, answer.reason, answer.signature)
        if outcome.final:
            return outcome.line if outcome.switched else Cancelled(name="Rejected", message=outcome.line)
        shown, refused, said = shown + 1, refused + (not outcome.accepted), outcome.line
    return Cancelled(name="Refused", message=f"{ATTEMPTS} answers were refused; the last: {said}")
