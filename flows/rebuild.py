"""Train a version again from its specification and compare the bytes."""

from __future__ import annotations

from prefect import flow
from prefect.states import Failed, State

from tasks import candidate, inbox, runs


@flow(
    name="rebuild",
    persist_result=True,
    description="Train a version again and compare its adapter byte by byte.",
)
def rebuild(version: str) -> str | State:
    """Rebuild `version` ("seriousness@2"); what was trained stands in the ledger either way."""
    inbox.bound_retries()
    specification = candidate.specification_of(version)
    runs.wait_for(
        runs.start_once(
            "train/train", {"specification": specification, "rebuild": True}, key=f"rebuild-{runs.this_run()}"
        )
    )
    receipt = candidate.compare_rebuilt(version)
    return receipt.line if receipt.same else Failed(name="Different", message=receipt.line)
