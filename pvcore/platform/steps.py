"""The single steps of `up` and `down`; each leaves the state written down, so that a cut-off `up` can be undone."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

import pvcore
from pvcore.config import read_yaml
from pvcore.errors import PlatformError
from pvcore.platform import processes, state
from pvcore.platform.launch import command, environment, log_of, prefect_home
from pvcore.platform.prefect_api import Platform
from pvcore.platform.state import KEEPER, SERVER, WORKERS, State

SERVER_PATIENCE = 120.0
"""Seconds that a server has for its first answer: measured 5-19 on two idle cores."""
POOLS = {"cpu": None, "gpu": 1}
"""Work pools and how many of their runs go at the same time; one training at a time fits a GPU."""


def start_server(first: State, env: Mapping[str, str] | None, notes: list[str], *, tied: bool) -> State:
    """A server that listens on a port of its own; what a dead one left is cleared first.

    The keeper comes before it, so that from the first process on nothing outlives its owner.
    """
    workspace = Path(first.workspace)
    end_all(workspace)
    # Leases of runs that no longer exist would give slots back that others hold by now.
    shutil.rmtree(prefect_home(workspace) / "concurrency_leases", ignore_errors=True)
    wanted, port, log = first.port, first.port, Path(log_of(workspace, SERVER))
    now = start_keeper(replace(first, port=processes.free_port(port)), env, tied=tied)
    for _ in range(3):
        port = processes.free_port(port)
        now = replace(now, port=port)
        server = _spawn(now, SERVER, env)
        now = state.save(now.having(server))
        deadline = time.monotonic() + SERVER_PATIENCE
        while processes.alive(server) and time.monotonic() < deadline:
            if Platform(now.api_url).healthy() and _is_ours(workspace, port):
                if port != wanted:
                    notes.append(f"port {wanted} is taken, the platform is at {port}")
                return now
            time.sleep(0.2)
        if processes.alive(server):
            break
        port += 1  # Somebody took the port between the look and the start; any other cause repeats.
    raise _silent("the Prefect server does not answer", log)


def _is_ours(workspace: Path, port: int) -> bool:
    """True when the process that listens on `port` is of this platform, not another Prefect server."""
    for process in processes.marked(str(workspace)):
        try:
            listening = (c.laddr for c in process.net_connections() if c.status == psutil.CONN_LISTEN)
            if any(address.port == port for address in listening):
                return True
        except psutil.Error:
            continue
    return False


def wait_healthy(platform: Platform, now: State) -> None:
    deadline = time.monotonic() + SERVER_PATIENCE
    while not platform.healthy():
        if time.monotonic() > deadline:
            raise _silent("the Prefect server does not answer", Path(now.processes[SERVER].log))
        time.sleep(0.2)


def _silent(what: str, log: Path) -> PlatformError:
    return PlatformError(f"{what}; the end of {log}:\n{processes.tail(log, 30)}")


def make_pools(platform: Platform) -> None:
    there = {pool["name"] for pool in platform.call("POST", "/work_pools/filter", {"limit": 200})}
    for name, limit in POOLS.items():
        if name not in there:
            # The worker fills in the template of its type when it finds none.
            body: dict[str, Any] = {
                "name": name,
                "type": "process",
                "base_job_template": {},
                "concurrency_limit": limit,
            }
            platform.call("POST", "/work_pools/", body)


def start_workers(now: State, env: Mapping[str, str] | None) -> State:
    for name in WORKERS:
        if name not in now.processes or not processes.alive(now.processes[name]):
            now = state.save(now.having(_spawn(now, name, env)))
    return now


def _spawn(now: State, name: str, env: Mapping[str, str] | None) -> processes.Running:
    """Start process `name` of the platform (server, worker-cpu, worker-gpu)."""
    return processes.start(
        name,
        command(name, now.port),
        env=environment(now, env),
        cwd=Path(now.project_root),
        log=Path(log_of(Path(now.workspace), name)),
    )


def deploy(platform: Platform, now: State, env: Mapping[str, str] | None) -> State:
    """Deploy all of prefect.yaml, unless the same was deployed before; says which one is missing."""
    root = Path(now.project_root)
    wanted = _sources_digest(root)
    if now.deployed == wanted:
        return now
    log = Path(log_of(Path(now.workspace), "deploy"))
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        ended = subprocess.run(
            command("deploy", now.port),
            env=environment(now, env),
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
            start_new_session=True,
        )
    names = {d["name"] for d in read_yaml(root / "prefect.yaml").get("deployments") or ()}
    missing = names - {d["name"] for d in platform.call("POST", "/deployments/filter", {"limit": 200})}
    if ended.returncode or missing:
        which = f" ({', '.join(sorted(missing))})" if missing else ""
        raise _silent(f"deploying prefect.yaml failed{which}", log)
    return state.save(replace(now, deployed=wanted))


def _sources_digest(root: Path) -> str:
    """Digest of what shapes deployments and their forms: prefect.yaml and the flows' own files."""
    sources = [root / "prefect.yaml", *sorted((root / "flows").glob("**/*.py"))]
    total = hashlib.sha256()
    for source in sources:
        total.update(f"{source.relative_to(root)}\0".encode() + source.read_bytes() + b"\0")
    return total.hexdigest()


def wait_workers(platform: Platform, now: State) -> None:
    deadline = time.monotonic() + SERVER_PATIENCE
    for name in WORKERS:
        while not platform.workers_online(name.removeprefix("worker-")):
            log = Path(now.processes[name].log)
            if not processes.alive(now.processes[name]) or time.monotonic() > deadline:
                raise _silent(f"{name} does not come up", log)
            time.sleep(0.2)


def start_keeper(now: State, env: Mapping[str, str] | None, *, tied: bool) -> State:
    if KEEPER in now.processes and processes.alive(now.processes[KEEPER]):
        return now
    owner = (str(os.getpid()), str(psutil.Process().create_time())) if tied else ()
    log = Path(log_of(Path(now.workspace), KEEPER))
    call = (sys.executable, "-m", "pvcore.platform.keeper", now.workspace, *owner)
    home = Path(pvcore.__path__[0]).parent
    keeper = processes.start(KEEPER, call, env=environment(now, env), cwd=home, log=log)
    return state.save(now.having(keeper))


def end_all(workspace: Path) -> list[str]:
    """Workers before their runs, so that nothing is started again; the server last, to hear of it."""
    was = state.load(workspace)
    known = was.processes if was else {}
    stopped = [name for name, process in known.items() if processes.alive(process)]
    processes.kill(processes.recorded([known[KEEPER]] if KEEPER in known else []))
    workers = processes.recorded(known[name] for name in WORKERS if name in known)
    server = processes.recorded([known[SERVER]] if SERVER in known else [])
    serving = {p.pid for root in server for p in (root, *_children(root))}
    runs = [process for process in processes.marked(str(workspace)) if process.pid not in serving]
    processes.stop({process.pid: process for process in (*workers, *runs)}.values(), patience=4)
    processes.stop(server, patience=6)
    # Once more for what was being started meanwhile.
    processes.kill(processes.marked(str(workspace)))
    if was:
        state.save(replace(was, processes={}))
    return stopped


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []
