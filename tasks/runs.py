"""Runs of other deployments: start one once, wait for its end."""

from __future__ import annotations

import time
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.deployments import run_deployment
from prefect.runtime import flow_run

from pvcore.errors import PlatformError

RESCUE = 180.0
"""Seconds that a crashed run has for being started again by the automations (measured: 77 to 82)."""


def this_run() -> str:
    """The id of the flow run that is going on."""
    return str(flow_run.get_id())


def start_once(deployment: str, parameters: dict[str, Any], *, key: str, as_subflow: bool = True) -> str:
    """Start a run of a deployment, or find the one that was started under `key`; returns its id.

    Two updates at the same time, and one that is started again after a crash, so wait for the same run.
    One that ended badly is not found: this flow run then starts its own.
    """
    name = f"{deployment}-{key}"
    for attempt in (name, f"{name}-{this_run()}"):
        run: Any = run_deployment(
            deployment, parameters=parameters, timeout=0, as_subflow=as_subflow, idempotency_key=attempt
        )
        if run.state is None or not run.state.is_final() or run.state.is_completed():
            break
    return str(run.id)


@task(cache_policy=NO_CACHE, task_run_name="wait for {flow_run_id}")
def wait_for(flow_run_id: str) -> str:
    """Wait for another run's end and return how it ended. Raises PlatformError when it did not complete.

    A crashed run is waited for: an automation starts it again.
    """
    crashed_at = None
    with get_client(sync_client=True) as client:
        while True:
            run = client.read_flow_run(flow_run_id)  # type: ignore[arg-type]
            state = run.state
            crashed_at = (crashed_at or time.monotonic()) if state and state.is_crashed() else None
            if state and state.is_final() and (crashed_at is None or time.monotonic() - crashed_at > RESCUE):
                break
            time.sleep(1.0)
    if not state.is_completed():
        raise PlatformError(f"run {run.name} ended {state.name}: {state.message}")
    return str(state.message or state.name)
