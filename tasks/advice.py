"""Tasks of learning curves. Each is one call of pvcore.cycle and what the UI shows of it."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from pvcore.config import open_workspace
from pvcore.cycle import advising, curves, pictures, samples
from pvcore.cycle.samples import Planned
from tasks.inbox import show


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
    """What the curve says, in sentences; with its plot as an artifact."""
    found = curves.learned(open_workspace(), problem, metric, target)
    lines = "\n".join(f"- {line}" for line in found.words)
    shown = pictures.image(advising.picture(found, target))
    show(
        f"learning-curve-{problem}", f"## {problem}: learning curve\n\n{shown}\n\n{lines}\n", "Learning curve"
    )
    return list(found.words)
