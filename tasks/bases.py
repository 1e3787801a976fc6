"""Tasks of trials of bases. Each is one call of pvcore.cycle and what the UI shows of it."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from pvcore.config import open_workspace
from pvcore.cycle import compared, samples, trials
from pvcore.cycle.trials import Trial
from tasks.findings import publish


@task(cache_policy=NO_CACHE)
def plan_trials(problem: str, names: str, sizes: str, seeds: int) -> list[Trial]:
    """The runs of every base."""
    wanted = names.replace(",", " ").split()
    return trials.plan(open_workspace(), problem, wanted, sizes=samples.read_sizes(sizes), seeds=seeds)


@task(cache_policy=NO_CACHE, task_run_name="score {specification}")
def measure_trial(specification: str) -> None:
    """Score what a run trained."""
    trials.measure(open_workspace(), specification)


@task(cache_policy=NO_CACHE)
def compare_bases(problem: str, planned: list[Trial], metric: str) -> list[dict[str, object]]:
    """A row a base and size; with plot, table and JSON as artifacts."""
    rows = compared.compare(open_workspace(), problem, planned, metric)
    publish(f"bases-{problem}", compared.finding(problem, rows), rows, "Bases on the tune split")
    return rows
