"""Batch scoring with the champion."""

from __future__ import annotations

from prefect import flow

from tasks import scoring


@flow(
    name="score",
    persist_result=True,
    description="Score a batch of cases with a version, usually the champion.",
)
def score(problem: str, batch: str, version: str = "champion") -> str:
    """Score `batch` (digest of an ingested batch, or an object-store key) and return the predictions' digest."""
    return scoring.score(f"{problem}@{version}" if "@" not in version else version, batch)
