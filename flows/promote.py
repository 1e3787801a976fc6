"""Approval -> champion. Promotion and rollback take the same door: a request, a signed answer, the switch.

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

from tasks import approval, inbox

ATTEMPTS = 5
"""Forms that a run shows before it ends: each refused signature costs one."""


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

    `occasion` (any text) asks anew for a version that was rejected before.
    """
    return _through_the_door(approval.request(version, "promote", occasion))


@flow(name="rollback", persist_result=True, description="Make an earlier champion champion again, signed.")
def rollback(problem: str, to: str = "previous", occasion: str = "") -> str | State:
    """Roll `problem` back to version `to` ("previous", or "seriousness@1"), which must have been champion."""
    target = to if "@" in to else f"{problem}@{to}"
    return _through_the_door(approval.request(target, "rollback", occasion))


def _through_the_door(request: approval.Request) -> str | State:
    inbox.bound_retries(ATTEMPTS + 5)
    refusal = ""
    for attempt in range(ATTEMPTS):
        form = Answer.with_initial_data(description=approval.form(request, refusal))
        answer = suspend_flow_run(
            wait_for_input=form, key=f"{request.digest[:16]}-{attempt}", timeout=approval.patience()
        )
        outcome = approval.decide(request, answer.decision, answer.name, answer.reason, answer.signature)
        if outcome.final:
            return outcome.line if outcome.switched else Cancelled(name="Rejected", message=outcome.line)
        refusal = outcome.line
    return Cancelled(name="Refused", message=f"{ATTEMPTS} answers were refused; the last: {refusal}")
