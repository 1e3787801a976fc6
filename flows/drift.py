"""Between two updates: does what is scored still look like what was trained on?"""

from __future__ import annotations

from typing import Any

from prefect import flow

from tasks import drift as drifting
from tasks import inbox


@flow(
    name="drift",
    persist_result=True,
    description="Compare what the champions scored with what they were trained on; propose an update where it drifts.",
)
def drift(problem: str = "") -> list[dict[str, Any]]:
    """Check one problem, or all whose champion has scored something. Nothing new to look at: nothing is recorded."""
    inbox.bound_retries()
    return [drifting.check(name) for name in drifting.scored_problems(problem)]
