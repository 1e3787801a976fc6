"""The task of drift checks."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from pvcore.config import open_workspace
from pvcore.cycle import drift_pages, drifting
from tasks.findings import publish


@task(cache_policy=NO_CACHE)
def scored_problems(problem: str) -> list[str]:
    """The problem, or (empty) every one whose champion has scored something."""
    return [problem] if problem else drifting.scored_problems(open_workspace())


@task(cache_policy=NO_CACHE, task_run_name="check {problem}")
def check(problem: str) -> dict[str, Any]:
    """One check, with plot, table and JSON as artifacts."""
    report = drifting.check(open_workspace(), problem)
    publish(f"drift-{problem}", drift_pages.finding(report), report, "Drift between updates")
    return report
