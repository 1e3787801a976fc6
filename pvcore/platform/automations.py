"""Rules of the Prefect server that mend crashed runs, and what a fresh start mends by itself.

A flow whose process is killed with its worker stays RUNNING for ever: nobody is left to say that it
died. Its heartbeats stop, though. One rule turns silence into CRASHED, one turns a start that never
came into CRASHED, and one schedules what crashed again. Finished tasks come from their results,
training from its checkpoint; flows bound how often they run, these rules do not.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from pvcore.errors import NotFound, PlatformError
from pvcore.platform.prefect_api import Platform

HEARTBEAT = 30
"""Seconds between a run's heartbeats; Prefect allows no less."""
SILENCE = 75
"""Seconds without a heartbeat after which a run is dead: two beats, and time for a busy machine."""
START = 300
"""Seconds from Pending to Running after which a start is given up: imports, on a busy machine."""

LATER = ("Scheduled", "AwaitingRetry", "AwaitingConcurrencySlot", "Late")
OVER = [f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "Cancelled", "Cancelling", "Crashed")]
STILL_WAITING = "pv.flow-run.waiting"
"""The keeper's event for each suspended run, see `reassure`."""
# A run that waits for an approval sends no heartbeat either, and must not be taken for dead.
WAITING = [f"prefect.flow-run.{name}" for name in ("Suspended", "Paused", *LATER)]
WAITING.append(STILL_WAITING)
DEPLOYED = {"prefect.resource.role": "deployment"}


def rules(silence: int = SILENCE, start: int = START) -> list[dict[str, Any]]:
    """The three automations as the API takes them. `silence` and `start` in seconds."""

    def dead(name: str, after: list[str], expect: list[str], within: int, message: str) -> dict[str, Any]:
        trigger = {"posture": "Proactive", "after": after, "expect": expect, "threshold": 1, "within": within}
        action = {"type": "change-flow-run-state", "state": "CRASHED", "message": message}
        return _rule(name, trigger, action)

    beat = "prefect.flow-run.heartbeat"
    return [
        dead(
            "pv: a run without a heartbeat has crashed",
            [beat],
            [beat, *OVER, *WAITING],
            silence,
            f"No heartbeat for {silence} s: its process is gone.",
        ),
        dead(
            "pv: a run that never starts has crashed",
            ["prefect.flow-run.Pending"],
            [beat, "prefect.flow-run.Running", "prefect.flow-run.Retrying", *OVER, *WAITING],
            start,
            f"Did not start within {start} s: its worker is gone.",
        ),
        _rule(
            "pv: a crashed run runs again",
            {"posture": "Reactive", "expect": ["prefect.flow-run.Crashed"], "threshold": 1, "within": 0},
            {
                "type": "change-flow-run-state",
                "state": "SCHEDULED",
                "name": "AwaitingRetry",
                "message": "Scheduled again after a crash.",
            },
        ),
    ]


def _rule(name: str, trigger: dict[str, Any], action: dict[str, Any]) -> dict[str, Any]:
    # Runs without a deployment (a flow called by a flow) have no worker that could start them again.
    match = {
        "type": "event",
        "match": {"prefect.resource.id": "prefect.flow-run.*"},
        "match_related": DEPLOYED,
        "for_each": ["prefect.resource.id"],
    }
    return {
        "name": name,
        "description": "Made by pv up; the next pv up restores it.",
        "enabled": True,
        "trigger": match | trigger,
        "actions": [action],
    }


def apply(platform: Platform, *, silence: int = SILENCE, start: int = START) -> None:
    """Make the server's rules those of `rules`: create what is missing, replace what differs."""
    for rule in rules(silence, start):
        there = platform.call(
            "POST", "/automations/filter", {"automations": {"name": {"any_": [rule["name"]]}}}
        )
        if len(there) == 1 and _says(there[0], rule):
            continue  # Writing it again would forget which silences it is timing.
        for old in there:
            platform.call("DELETE", f"/automations/{old['id']}")
        platform.call("POST", "/automations/", rule)


def _says(there: Any, wanted: Any) -> bool:
    """True when the server's answer holds all of `wanted`; it adds ids, and turns sets into lists."""
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(_says(there.get(key), wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        if all(isinstance(item, str) for item in wanted):
            return sorted(there or ()) == sorted(wanted)
        return isinstance(there, list) and len(there) == len(wanted) and all(map(_says, there, wanted))
    return bool(there == wanted)


def reassure(platform: Platform) -> int:
    """Tell the rules that suspended runs are well; returns how many there are.

    Prefect hears of a suspension at once but of the heartbeats in batches, so that the heartbeat
    from just before a suspension can arrive after it: from then on the rule waits for a beat that
    cannot come, and would crash the run that waits for its approval (measured: 3 of 3 runs that
    suspend within 0.1 s of their start). Called more often than every `SILENCE` seconds.
    """
    waiting = platform.flow_runs(states=("PAUSED",))
    events = [
        {
            "id": str(uuid.uuid4()),
            "occurred": datetime.now(UTC).isoformat(),
            "event": STILL_WAITING,
            "resource": {"prefect.resource.id": f"prefect.flow-run.{run.id}"},
            "related": [{"prefect.resource.id": f"prefect.deployment.{run.deployment_id}"} | DEPLOYED],
            "payload": {},
        }
        for run in waiting
    ]
    if events:
        platform.call("POST", "/events", events)
    return len(events)


def mend(platform: Platform) -> list[str]:
    """After a start with no process of ours alive: schedule again what the server believes to run.

    A pulled plug leaves RUNNING runs, taken concurrency slots and half-made forms behind. Returns
    the names of the runs scheduled again. Call it before a worker runs, and only then.
    """
    for limit in platform.call("POST", "/v2/concurrency_limits/filter", {"limit": 200}):
        if limit["active_slots"]:
            platform.call("PATCH", f"/v2/concurrency_limits/{limit['id']}", {"active_slots": 0})
    again = []
    for run in platform.flow_runs(states=("PENDING", "RUNNING", "CANCELLING", "PAUSED")):
        if run.suspended:
            continue
        if run.state == "CANCELLING":
            wanted, name = "CANCELLED", ""
        elif run.deployment_id is None:
            wanted, name = "CRASHED", ""
        else:
            wanted, name = "SCHEDULED", "AwaitingRetry"
            again.append(run.name)
        message = "The platform was stopped while this run was going."
        try:
            platform.set_state(run.id, wanted, name=name, message=message, force=True)
        except (PlatformError, NotFound) as error:
            raise PlatformError(f"run {run.name} could not be mended: {error}") from error
    return again
