"""Child processes that outlive their parent and are found again, and never a stranger's.

Two things identify a process of ours. Its pid together with its start time, as recorded when it was
started: a recycled pid has another start time. And the mark, an environment variable with the
workspace's path: whatever a worker starts inherits it, so flow runs are found even after their
worker was killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "PV_PLATFORM"
"""Environment variable that every process of a platform carries; its value is the workspace."""

SAME_START = 2.0
"""Seconds. psutil derives start times from the boot time, which moves when the clock is set."""

LOG_LIMIT = 10_000_000
"""Bytes. A log that is longer when its process starts is moved aside (one old log is kept)."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process as it was started: `started` in seconds since the epoch, by psutil's clock."""

    name: str
    pid: int
    started: float
    log: str


def start(
    name: str,
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: Path,
) -> Running:
    """Start `command` in a session of its own, output appended to `log`.

    A session of its own, so that Ctrl-C in the terminal reaches only who was asked; stopping is
    this module's work. Raises OSError when the program cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_suffix(".old.log"))
    with log.open("ab") as out:
        child = subprocess.Popen(
            list(command),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _CHILDREN.append(child)
    return Running(name, child.pid, psutil.Process(child.pid).create_time(), str(log))


_CHILDREN: list[subprocess.Popen[bytes]] = []
# Kept so that a child that ended is reaped by poll() instead of by its object's destructor, which
# warns that the process is still running.


def alive(process: Running) -> bool:
    """True when exactly this process still runs: not a zombie, not another one with its pid."""
    return _find(process) is not None


def _find(process: Running) -> psutil.Process | None:
    _reap()
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.started) < SAME_START
        return found if same and found.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return None


def _reap() -> None:
    _CHILDREN[:] = [child for child in _CHILDREN if child.poll() is None]


def marked(mark: str) -> list[psutil.Process]:
    """All processes of this user that carry `mark`, without this one and its ancestors.

    The ancestors are left out for a `pv down` that a flow or a test calls.
    """
    _reap()
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid in own:
            continue
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def recorded(processes: Iterable[Running]) -> list[psutil.Process]:
    """Those of `processes` that still run, without the calling one."""
    return [found for found in map(_find, processes) if found is not None and found.pid != os.getpid()]


def stop(processes: Iterable[psutil.Process], *, patience: float) -> list[int]:
    """Ask `processes` to end, wait `patience` seconds, then end them. Returns the pids that needed force.

    psutil compares start times before it sends a signal, so a pid recycled meanwhile is safe.
    """
    targets = list(processes)
    for process in targets:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    rest = _wait(targets, patience)
    for process in rest:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _wait(rest, 5)
    return [process.pid for process in rest]


def kill(processes: Iterable[psutil.Process]) -> None:
    """End `processes` at once."""
    targets = list(processes)
    for process in targets:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGKILL)
    _wait(targets, 5)


def _wait(processes: Sequence[psutil.Process], patience: float) -> list[psutil.Process]:
    """Like psutil.wait_procs, but a zombie that its parent has not reaped counts as gone."""
    deadline = time.monotonic() + patience
    rest = [process for process in processes if _lives(process)]
    while rest and time.monotonic() < deadline:
        time.sleep(0.05)
        rest = [process for process in rest if _lives(process)]
    _reap()
    return rest


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def free_port(preferred: int) -> int:
    """`preferred` if nothing listens there on 127.0.0.1, else the next of 50, else any free one.

    Somebody may still take it before it is used: whoever starts a server tries again.
    """
    for port in (*range(preferred, min(preferred + 50, 65536)), 0):
        with socket.socket() as probe:
            # As servers do: a port whose old connections linger in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


def tail(log: Path, lines: int = 15) -> str:
    """The last `lines` of a log, for an error message; empty when there is none."""
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""
