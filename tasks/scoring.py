"""The task of batch scoring."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from pvcore.config import open_workspace
from pvcore.cycle import scoring
from pvcore.registry.names import name_of
from tasks.inbox import show


@task(cache_policy=NO_CACHE)
def score(problem: str, version: str, batch: str) -> str:
    """Score a batch; returns the blob of its predictions (JSON lines)."""
    scored = scoring.score_batch(open_workspace(), name_of(problem, version), batch)
    show(f"scored-{scored.blob[:12]}", scored.markdown, f"Predictions of {scored.version}")
    return scored.blob
