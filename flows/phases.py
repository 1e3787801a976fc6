"""One phase: how the newest version does, where it fails, and which cases people should annotate next.

The rest of the circle is what happens anyway: the filled-in work list arrives in the inbox, retraining starts by its
event, and `retrain` starts the next phase of a problem whose last one asked for annotations.
"""

from __future__ import annotations

from prefect import flow

from pvcore.advice.choosing import Way
from tasks import advice, inbox


@flow(
    name="phases",
    persist_result=True,
    description="Find the newest version's failures and ask for the next annotations, or say why not.",
)
def phases(problem: str, target: float = 0.0, size: int = 100, how: Way = "mixed") -> str:
    """Ask for `size` cases of `problem`, chosen by failures, doubt and diversity, until `target` or a flat curve."""
    inbox.bound_retries()
    return advice.phase(problem, target or None, size, how)
