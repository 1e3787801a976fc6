"""Train a version again from its manifest and compare the bytes; with its parents, the whole line from the first on."""

from __future__ import annotations

from prefect import flow
from prefect.states import Failed, State

from tasks import candidate, inbox, runs


@flow(
    name="rebuild",
    persist_result=True,
    description="Train a version again and compare its adapter byte by byte.",
)
def rebuild(version: str, parents: bool = False) -> str | State:
    """Rebuild `version` ("seriousness@2"); the receipts stand in the ledger either way.

    With `parents` everything that it was continued from is rebuilt before it. Each is continued from the
    rebuilt one, whose bytes are the registered ones: the line ends at the first version that differs.
    """
    inbox.bound_retries()
    lines = []
    for name in candidate.to_rebuild(version, parents):
        receipt = candidate.refused_rebuild(name)
        if receipt is None:
            specification = candidate.specification_of(name)
            runs.wait_for(
                runs.start_once(
                    "train/train",
                    {"specification": specification, "rebuild": True},
                    key=f"rebuild-{name}-{runs.this_run()}",
                )
            )
            receipt = candidate.compare_rebuilt(name)
        lines.append(receipt.line)
        if not receipt.same:
            return Failed(name="Different", message="\n".join(lines))
    return "\n".join(lines)
