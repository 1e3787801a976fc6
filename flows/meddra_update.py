"""The semiannual run: a MedDRA release -> compared, migrated cases -> a retraining a problem.

The first release of a workspace takes the same way; there is only nothing to compare it with.
"""

from __future__ import annotations

from prefect import flow
from prefect.states import Failed, State

from flows.retrain import retrain_all
from tasks import data, inbox


@flow(
    name="meddra-update",
    persist_result=True,
    description="Carry the labels into a new MedDRA release, then retrain.",
)
def meddra_update(version: str = "") -> list[str] | State:
    """Update to MedDRA `version` ("29.1"; empty: the newest release that was ingested)."""
    inbox.bound_retries()
    release = data.newest_release(version)
    if release is None:
        data.alert_overdue()
        return Failed(
            name="Overdue", message="No newer MedDRA release was ingested. Put it into inbox/meddra/."
        )
    old = data.adopted_version()
    if old and old != release:
        data.compare(old, release)
    mappings = data.migrate(release)
    data.adopt(release, mappings)
    dataset = data.build_dataset(release, mappings)
    if dataset is None:
        return [f"MedDRA {release} adopted; no labelled cases yet"]
    return retrain_all(dataset)
