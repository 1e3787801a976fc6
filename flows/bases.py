"""Which base: candidates trained on the same rows with the same steps, on the workers, and compared."""

from __future__ import annotations

from prefect import flow

from tasks import bases as trials
from tasks import inbox, runs


@flow(
    name="bases",
    persist_result=True,
    description="Train several bases on the same rows of your data and compare quality, time, memory and licence.",
)
def bases(
    problem: str, names: str, sizes: str = "", seeds: int = 1, metric: str = ""
) -> list[dict[str, object]]:
    """Compare the bases `names` (with commas; shipped recipes, folders, package:NAME, hub:..., store:...).

    `sizes` with commas, by default all rows and half of them. The first base is what the others are held against.
    """
    inbox.bound_retries()
    planned = trials.plan_trials(problem, names, sizes, seeds)
    asked = [run.specification for trial in planned for run in trial.runs]
    started = [runs.start_once("train/train", {"specification": name}, key=name) for name in asked]
    for name, waiting in zip(asked, started, strict=True):
        runs.wait_for(waiting)
        trials.measure_trial(name)
    return trials.compare_bases(problem, planned, metric)
