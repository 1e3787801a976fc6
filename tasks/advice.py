"""Tasks of learning curves and phases. Each is one call of pvcore.cycle and what the UI shows of it."""

from __future__ import annotations

from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from pvcore.advice.choosing import Way
from pvcore.config import open_workspace
from pvcore.cycle import curves, samples
from pvcore.cycle import learned as reading
from pvcore.cycle import phase_pages as pages
from pvcore.cycle import phases as steps
from pvcore.cycle.samples import Planned
from tasks.findings import publish


@task(cache_policy=NO_CACHE)
def plan_curve(problem: str, sizes: str, seeds: int) -> list[Planned]:
    """The runs of a learning curve."""
    return curves.plan(open_workspace(), problem, sizes=samples.read_sizes(sizes), seeds=seeds)


@task(cache_policy=NO_CACHE, task_run_name="score {specification}")
def measure_point(specification: str) -> dict[str, float]:
    """Score what a run of the curve trained."""
    return curves.measure(open_workspace(), specification)


@task(cache_policy=NO_CACHE)
def fit_curve(problem: str, metric: str, target: float | None) -> list[str]:
    """What the curve says, in sentences; with plot, table and JSON as artifacts."""
    found = reading.learned(open_workspace(), problem, metric, target)
    publish(f"learning-curve-{problem}", reading.finding(found, target), found.to_json(), "Learning curve")
    return list(found.words)


@task(cache_policy=NO_CACHE, task_run_name="phase of {problem}")
def phase(problem: str, target: float | None, size: int, how: Way) -> str:
    """The phase of the newest version; all phases so far as artifacts: plot, table and JSON."""
    workspace = open_workspace()
    line = pages.line(steps.phase(workspace, problem, target=target, size=size, how=how))
    found = pages.as_json(workspace, problem)
    publish(f"phases-{problem}", pages.finding(found), found, "Phases of annotation")
    return line


@task(cache_policy=NO_CACHE)
def next_phase(problem: str, version: str) -> dict[str, Any] | None:
    """Parameters of the phase that a new version continues; None where nobody waits for one."""
    return steps.next_of(open_workspace(), problem, version)
