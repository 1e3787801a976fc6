"""How much data: nested samples of several sizes, trained on the workers, scored, fitted."""

from __future__ import annotations

from prefect import flow

from tasks import advice, inbox, runs


@flow(
    name="curve",
    persist_result=True,
    description="Train on samples of several sizes and say what the next annotations would bring.",
)
def curve(problem: str, sizes: str = "", seeds: int = 3, metric: str = "", target: float = 0.0) -> list[str]:
    """Measure the learning curve of `problem`. `sizes` with commas, by default all rows, half of them, a
    quarter ...; a `target` of 0 is none.

    The runs are training runs like any other and wait for the same worker, the smallest first.
    """
    inbox.bound_retries()
    planned = advice.plan_curve(problem, sizes, seeds)
    started = [
        runs.start_once("train/train", {"specification": run.specification}, key=run.specification)
        for run in planned
    ]
    for run, waiting in zip(planned, started, strict=True):
        runs.wait_for(waiting)
        advice.measure_point(run.specification)
    return advice.fit_curve(problem, metric, target or None)
