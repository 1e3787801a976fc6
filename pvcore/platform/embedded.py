"""`up` and `down`: a Prefect server, its work pools, deployments, rules and workers on this machine.

Everything it keeps stands under <workspace>/.pv: Prefect's home with the SQLite database, logs, and
platform.json with what runs. Nothing of the user's own Prefect profile is read or written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from pvcore.errors import NotFound, PlatformError
from pvcore.platform import automations, interface, processes, state, steps
from pvcore.platform.launch import prefect_home
from pvcore.platform.prefect_api import Platform
from pvcore.platform.state import KEEPER, SERVER, State

PORT = 4200
"""Preferred port, Prefect's own; the next free one when it is taken."""
Step = Callable[[str], None]


def up(
    workspace: Path,
    project_root: Path,
    *,
    port: int | None = None,
    env: Mapping[str, str] | None = None,
    tied: bool = False,
    store: str = "",
    step: Step = lambda _: None,
) -> Platform:
    """Start the platform of `workspace` for the deployments of `project_root`/prefect.yaml, or attach to it.

    What of it already runs is kept, what died is started again, and what changed in prefect.yaml or
    flows/ is deployed again. `env` is added to the workers' environment and thereby to every flow's.
    With `tied`, a keeper takes everything down when the calling process ends, however it ends.
    `store` is the URL that the workers' settings lead to. `step` is told in words what happens. Raises PlatformError
    with the end of the log concerned, and where a platform that runs works on another store.
    """
    workspace, project_root = workspace.resolve(), project_root.resolve()
    if not (project_root / "prefect.yaml").is_file():
        raise PlatformError(f"{project_root} has no prefect.yaml: run from the project's checkout")
    clock = _Clock(step)
    with state.locked(workspace):
        was = state.load(workspace)
        attached = was is not None and SERVER in was.processes and processes.alive(was.processes[SERVER])
        notes: list[str] = []
        try:
            if attached and was is not None:
                _require_store(was, store)
                now = steps.start_keeper(replace(was, project_root=str(project_root)), env, tied=False)
            else:
                clock("starting the Prefect server")
                first = State(
                    str(workspace),
                    str(project_root),
                    port=port or (was.port if was else PORT),
                    deployed=was.deployed if was else "",
                    store=store,
                )
                now = steps.start_server(first, env, notes, tied=tied)
            platform = Platform(now.api_url, started=not attached)
            steps.wait_healthy(platform, now)
            if loud := interface.silence(prefect_home(workspace)):
                notes.append(f"the interface may call a web analytics service from {', '.join(loud)}")
            clock("making work pools and recovery rules")
            steps.make_pools(platform)
            automations.apply(platform)
            if not attached and (again := automations.mend(platform)):
                notes.append(f"scheduled again what a stopped platform left: {', '.join(again)}")
            clock("starting workers")
            now = steps.start_workers(now, env)
            clock("deploying")
            now = steps.deploy(platform, now, env)
            clock("waiting for workers")
            steps.wait_workers(platform, now)
        except BaseException:
            if not attached:
                steps.end_all(workspace)
            raise
    return replace(platform, notes=tuple(notes), timings=clock.done())


def down(workspace: Path) -> list[str]:
    """Stop the platform of `workspace` with everything it started; returns what was stopped.

    Safe when nothing or only half of it runs. Runs that were going are scheduled again by the next `up`.
    """
    workspace = workspace.resolve()
    if not state.folder(workspace).is_dir():
        return []
    # The keeper goes first, outside the lock, for it may hold the lock while it starts something.
    if (was := state.load(workspace)) and KEEPER in was.processes:
        processes.kill(processes.recorded([was.processes[KEEPER]]))
    with state.locked(workspace):
        return steps.end_all(workspace)


def attach(workspace: Path, store: str = "") -> Platform:
    """The platform of `workspace` that runs. Raises NotFound when none does, PlatformError for one of another store."""
    was = state.load(workspace.resolve())
    if was is None or SERVER not in was.processes or not processes.alive(was.processes[SERVER]):
        raise NotFound(f"no platform is up in {workspace}: run `pv up`")
    _require_store(was, store)
    return Platform(was.api_url)


def _require_store(was: State, store: str) -> None:
    """Workers keep the settings they were started with: a file that is put elsewhere is never looked at."""
    if was.store and store and was.store != store:
        raise PlatformError(
            f"the platform of {was.workspace} works on the store {was.store}, this command on {store}. Write `store:` "
            "into pv.yaml, or set PV_STORE for every command; `pv down` and `pv up` give the platform another one"
        )


def status(workspace: Path) -> dict[str, Any]:
    """What runs: api_url and ui_url (None when down), pid and log of each process, memory in bytes, and the processor
    seconds of the runs that the workers have started and that go on.
    """
    workspace = workspace.resolve()
    was = state.load(workspace)
    found = {name: p for name, p in was.processes.items() if processes.alive(p)} if was else {}
    family = processes.marked(str(workspace))
    standing = {own.pid for own in found.values()}
    platform = Platform(was.api_url) if was and SERVER in found else None
    return {
        "api_url": platform and platform.api_url,
        "ui_url": platform and platform.ui_url,
        "processes": {name: {"pid": p.pid, "log": p.log} for name, p in found.items()},
        "memory": sum(_memory(process) for process in family),
        "seconds": sum(_seconds(p) for p in family if p.pid not in standing),
    }


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _seconds(process: psutil.Process) -> float:
    try:
        return float(sum(process.cpu_times()[:2]))  # user and system
    except psutil.Error:
        return 0.0


class _Clock:
    """Tells each step as it begins and adds up what it took, in seconds."""

    def __init__(self, step: Step) -> None:
        self.step, self.seconds = step, dict[str, float]()
        self._name, self._since = "looking", time.monotonic()

    def __call__(self, name: str) -> None:
        self._close()
        self._name = name
        self.step(name)

    def _close(self) -> None:
        now = time.monotonic()
        self.seconds[self._name] = round(now - self._since, 2)
        self._since = now

    def done(self) -> dict[str, float]:
        self._close()
        return self.seconds
