"""The GPU worker's flow: a training specification -> an adapter. Resumes at its last checkpoint."""

from __future__ import annotations

from prefect import flow

from tasks import candidate, inbox


@flow(name="train", persist_result=True, description="Train the adapter that a specification asks for.")
def train(specification: str, rebuild: bool = False) -> str:
    """Train `specification` (digest) and return the adapter's digest.

    With `rebuild` the training starts from nothing in a folder of its own, and is recorded as Rebuilt.
    """
    inbox.bound_retries()
    return candidate.train(specification, rebuild)
