"""What `up` wrote down about its platform: <workspace>/.pv/platform.json, changed under a lock."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pvcore.platform.processes import Running

SERVER, KEEPER, WORKERS = "server", "keeper", ("worker-cpu", "worker-gpu")


@dataclass(frozen=True)
class State:
    """One platform. `processes` by name; `launch` has what is needed to start one of them again."""

    workspace: str
    project_root: str
    port: int
    deployed: str = ""
    """Digest of what was deployed last: prefect.yaml and the flows beside it."""
    store: str = ""
    """URL of the store that the workers were started for; empty where nobody said."""
    processes: dict[str, Running] = field(default_factory=dict)

    @property
    def api_url(self) -> str:
        """Where Prefect's REST API answers."""
        return f"http://127.0.0.1:{self.port}/api"

    def having(self, *processes: Running) -> State:
        """This state with `processes` in the place of those with the same names."""
        return dataclasses.replace(self, processes=self.processes | {p.name: p for p in processes})


def folder(workspace: Path) -> Path:
    """The one ignored folder with everything of the platform."""
    return workspace / ".pv"


def is_recorded(workspace: Path) -> bool:
    """Whether an `up` has left its record: it does so before the server starts; a deleted workspace has none."""
    return (folder(workspace) / "platform.json").exists()


def load(workspace: Path) -> State | None:
    """The recorded state; None when there is none, or when a cut-off write left no JSON."""
    try:
        raw: dict[str, Any] = json.loads((folder(workspace) / "platform.json").read_text())
        processes = {name: Running(**fields) for name, fields in raw.pop("processes").items()}
        return State(processes=processes, **raw)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def save(state: State) -> State:
    """Write `state` whole or not at all."""
    target = folder(Path(state.workspace)) / "platform.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"platform.json.{os.getpid()}")
    temporary.write_text(json.dumps(dataclasses.asdict(state), indent=1))
    temporary.replace(target)
    return state


@contextlib.contextmanager
def locked(workspace: Path) -> Iterator[None]:
    """One `up`, `down` or keeper at a time. The lock ends with the process that holds it."""
    folder(workspace).mkdir(parents=True, exist_ok=True)
    with (folder(workspace) / "platform.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
