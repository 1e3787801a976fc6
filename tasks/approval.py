"""Tasks of the approval: what is asked, how it is shown, what an answer does."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.cache_policies import INPUTS, NO_CACHE, RUN_ID

from pvcore.config import open_workspace
from pvcore.cycle import approval as approvals
from pvcore.cycle import forms
from pvcore.cycle.approval import Outcome, Request
from tasks.inbox import show

__all__ = ["Outcome", "Request", "decide", "form", "patience", "request"]


# Kept for the run: after a rollback "previous" is another version, and a run that starts again from
# its top must find the request that it made.
@task(cache_policy=RUN_ID + INPUTS, persist_result=True)
def request(version: str, action: str, occasion: str) -> Request:
    """Record that approval is asked for, once; the request names what a signature will name."""
    return approvals.request(open_workspace(), version, action, occasion)


@task(cache_policy=NO_CACHE)
def form(request: Request, refusal: str) -> str:
    """The markdown above the form; the gate's table and the plots also as an artifact of their own."""
    text = forms.form_markdown(open_workspace(), request, refusal)
    show(
        f"approval-{request.digest[:12]}",
        forms.page_markdown(open_workspace(), request),
        "Approval requested",
    )
    return text


@task(cache_policy=NO_CACHE)
def decide(request: Request, decision: str, name: str, reason: str, signature: str) -> Outcome:
    """Verify the signature, record the answer and, if it approves, switch the champion."""
    outcome = approvals.decide(
        open_workspace(), request, decision=decision, name=name, reason=reason, signature=signature
    )
    get_run_logger().info(outcome.line)
    return outcome


def patience(request: Request) -> int:
    """Seconds that a run waits for the answer to a request."""
    return approvals.patience(open_workspace(), request)
