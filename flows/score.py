"""Batch scoring with the champion."""

from __future__ import annotations

from prefect import flow

from tasks import inbox, scoring


@flow(
    name="score",
    persist_result=True,
    description="Score a batch of cases with a version, usually the champion.",
)
def score(problem: str, batch: str, version: str = "champion") -> str:
    """Score `batch` (digest of an ingested batch, or an object-store key) and return the predictions' digest.

    `version` is champion, previous, latest, a number, a name ("seriousness@2") or a digest.
    """
    inbox.bound_retries()
    return scoring.score(problem, version, batch)
