"""Processes are found again, stopped, and never mistaken for another."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import sys
import time
from pathlib import Path

from pvcore.platform import processes, state
from pvcore.platform.state import KEEPER, SERVER, WORKERS, State

SLEEP = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
)


def _start(folder: Path, command: tuple[str, ...] = SLEEP) -> processes.Running:
    env = dict(os.environ) | {processes.MARK: str(folder)}
    log = folder / "child.log"
    started = processes.start("child", command, env=env, cwd=folder, log=log)
    while "up" not in processes.tail(log):
        assert processes.alive(started)
    return started


def test_stop_ends_what_was_started(tmp_path: Path) -> None:
    child = _start(tmp_path)
    assert processes.alive(child)
    assert processes.stop(processes.recorded([child]), patience=5) == []
    assert not processes.alive(child)


def test_stop_forces_what_does_not_listen(tmp_path: Path) -> None:
    child = _start(tmp_path, STUBBORN)
    assert processes.stop(processes.recorded([child]), patience=0.3) == [child.pid]
    assert not processes.alive(child)


def test_recycled_pid_is_a_stranger(tmp_path: Path) -> None:
    child = _start(tmp_path)
    stranger = dataclasses.replace(child, started=child.started - 3600)
    assert not processes.alive(stranger)
    assert processes.recorded([stranger]) == []
    processes.kill(processes.recorded([child]))


def test_mark_finds_children_whose_parent_is_gone(tmp_path: Path) -> None:
    # A worker that is killed leaves its flow runs; only the mark still leads to them.
    nested = (
        "import subprocess, sys, time;"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print('up', flush=True); time.sleep(60)"
    )
    parent = _start(tmp_path, (sys.executable, "-c", nested))
    family = processes.marked(str(tmp_path))
    assert len(family) == 2
    processes.kill(processes.recorded([parent]))
    orphans = processes.marked(str(tmp_path))
    assert [p.pid for p in orphans] == [p.pid for p in family if p.pid != parent.pid]
    processes.kill(orphans)
    assert processes.marked(str(tmp_path)) == []


def test_other_workspaces_are_left_alone(tmp_path: Path) -> None:
    child = _start(tmp_path)
    assert processes.marked(str(tmp_path / "elsewhere")) == []
    processes.kill(processes.recorded([child]))


def test_taken_port_is_avoided() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert processes.free_port(port) != port
    assert processes.free_port(port) == port


def test_long_log_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "child.log").write_bytes(b"x" * (processes.LOG_LIMIT + 1))
    child = _start(tmp_path)
    assert (tmp_path / "child.log").stat().st_size < 100
    assert (tmp_path / "child.old.log").stat().st_size > processes.LOG_LIMIT
    processes.kill(processes.recorded([child]))


def test_what_runs_of_a_deleted_workspace_is_ended(tmp_path: Path) -> None:
    workspace = tmp_path / "team"
    workspace.mkdir()
    started = {name: _start(workspace) for name in (SERVER, *WORKERS)}
    state.save(State(str(workspace), str(workspace), 4207, processes=started))
    _start(workspace)  # a flow's run: no record names it
    command = (sys.executable, "-m", "pvcore.platform.keeper", str(workspace))
    keeper = processes.start(KEEPER, command, env=os.environ, cwd=Path.cwd(), log=tmp_path / "keeper.log")
    time.sleep(3)
    assert processes.alive(keeper) and len(processes.marked(str(workspace))) == 4
    shutil.rmtree(workspace)
    deadline = time.monotonic() + 30
    while processes.alive(keeper):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert processes.marked(str(workspace)) == [] and not workspace.exists()
