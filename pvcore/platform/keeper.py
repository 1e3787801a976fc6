"""The keeper: a small process that starts what died of the platform, and ends all with its owner.

    python -m pvcore.platform.keeper <workspace> [<owner's pid> <owner's start time>]

With an owner (the demo) it takes the platform down as soon as that process is gone, also after a
kill -9; without one, too, when the workspace is deleted. It notices a process that ended, not one that hangs.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from pathlib import Path

from pvcore.errors import PvError
from pvcore.platform import automations, processes, state, steps
from pvcore.platform.embedded import down
from pvcore.platform.launch import command, log_of
from pvcore.platform.prefect_api import Platform
from pvcore.platform.processes import Running
from pvcore.platform.state import SERVER, WORKERS

BEAT = 1.0
"""Seconds between two looks."""
REASSURE = automations.SILENCE / 4
"""Seconds between two events that say that suspended runs are well."""
LIMIT, WINDOW = 5, 300.0
"""So many starts of one process within so many seconds; more would only fill the log."""


def keep(workspace: Path, owner: Running | None) -> None:
    """Look after the platform of `workspace` until it is taken down or its `owner` ends."""
    calm = time.monotonic()
    starts: dict[str, deque[float]] = {name: deque(maxlen=LIMIT) for name in (SERVER, *WORKERS)}
    while True:
        time.sleep(BEAT)
        if owner is not None and not processes.alive(owner):
            _say("the owner is gone: taking the platform down")
            down(workspace)
            return
        if not state.is_recorded(workspace):
            _say("the workspace was deleted, and nobody else can find what runs of it: taking it down")
            steps.end_all(workspace)
            return
        if not _restart_dead(workspace, starts):
            return
        if time.monotonic() - calm > REASSURE:
            _reassure(workspace)
            calm = time.monotonic()


def _restart_dead(workspace: Path, starts: dict[str, deque[float]]) -> bool:
    """One look. False when the platform was taken down or changed hands, and the keeper must go."""
    if not _dead(workspace):
        return state.load(workspace) is not None
    with state.locked(workspace):  # Waits while an `up` or `down` is at work.
        now = state.load(workspace)
        if now is None or SERVER not in now.processes:
            return False
        for name in _dead(workspace):
            recent = starts[name]
            if len(recent) == LIMIT and time.monotonic() - recent[0] < WINDOW:
                continue
            recent.append(time.monotonic())
            _say(f"{name} (pid {now.processes[name].pid}) is gone: starting it again")
            # The keeper got the environment of all processes, with what `up` was given on top.
            process = processes.start(
                name,
                command(name, now.port),
                env=os.environ,
                cwd=Path(now.project_root),
                log=Path(log_of(workspace, name)),
            )
            now = state.save(now.having(process))
    return True


def _reassure(workspace: Path) -> None:
    if now := state.load(workspace):
        try:
            automations.reassure(Platform(now.api_url))
        except PvError as error:  # A server that is being started again; the next beat comes in time.
            _say(f"suspended runs could not be reassured: {error}")


def _dead(workspace: Path) -> list[str]:
    now = state.load(workspace)
    if now is None:
        return []
    known = now.processes
    return [n for n in (SERVER, *WORKERS) if n not in known or not processes.alive(known[n])]


def _say(line: str) -> None:
    print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), line, flush=True)


if __name__ == "__main__":
    place, *who = sys.argv[1:]
    keep(Path(place), Running("owner", int(who[0]), float(who[1]), "") if who else None)
