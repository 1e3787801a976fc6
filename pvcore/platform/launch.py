"""With which commands and settings each process of the platform starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pvcore
from pvcore.platform.interface import static_directory
from pvcore.platform.prefect_api import AUTH
from pvcore.platform.processes import MARK
from pvcore.platform.state import State, folder

SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Without it a command that has lost its API address would start a second server in its process.
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
    # Without it any page that a browser on this machine shows can send a form's text to the API and start runs.
    "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
    # A result is a JSON text. Prefect's default is a pickle, which runs what its writer wants when it is read.
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "PREFECT_SERVER_UI_V2_ENABLED": "true",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # The default keeps leases in memory: a server killed while a run holds a deployment's slot
    # would never give that slot back.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "10",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # A run that waits for a deployment's slot looks again soon; the default is 30 seconds.
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "3",
    # Threads that wait for one another sleep: runs that share the cores would otherwise burn them spinning.
    "OMP_WAIT_POLICY": "PASSIVE",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_CLI_COLORS": "false",
    "PREFECT_LOGGING_COLORS": "false",
    "PYTHONUNBUFFERED": "1",
}
"""Pinned, so that neither a default nor the user's environment changes how the platform behaves."""


def prefect_home(workspace: Path) -> Path:
    """The platform's own PREFECT_HOME: database, results, the copied interface."""
    return folder(workspace) / "prefect"


def environment(state: State, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every process: the caller's without its PREFECT_ variables, and the pinned settings.

    One of them is kept: the name and password that the server asks for, if it is set.

    The caller's variables stay because secrets (S3 keys, a zip's password) come in no other way.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    home = prefect_home(Path(state.workspace))
    paths = [state.project_root, str(Path(pvcore.__path__[0]).parent), kept.get("PYTHONPATH", "")]
    local = ",".join(filter(None, ["127.0.0.1,localhost", kept.get("NO_PROXY") or kept.get("no_proxy", "")]))
    own = {
        MARK: state.workspace,
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        "PREFECT_API_URL": state.api_url,
        # Prefect's default is every page of the web: it could read whatever the API tells.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(
            f"http://{host}:{state.port}" for host in ("127.0.0.1", "localhost")
        ),
        "PREFECT_UI_STATIC_DIRECTORY": str(static_directory(home)),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(filter(None, paths))),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]),
        "NO_PROXY": local,
        "no_proxy": local,
    }
    auth = os.environ.get(AUTH)
    known = {AUTH: auth, "PREFECT_API_AUTH_STRING": auth} if auth else {}
    return kept | SETTINGS | dict(extra or {}) | own | known


def command(name: str, port: int) -> tuple[str, ...]:
    """The command line of process `name`: server, worker-<pool> or deploy."""
    prefect = (sys.executable, "-m", "prefect")
    if name == "server":
        return (*prefect, "server", "start", "--host", "127.0.0.1", "--port", str(port))
    if name == "deploy":
        return (*prefect, "--no-prompt", "deploy", "--all")
    pool = name.removeprefix("worker-")
    return (*prefect, "worker", "start", "--pool", pool, "--type", "process", "--name", f"{pool}-worker")


def log_of(workspace: Path, name: str) -> str:
    """Where process `name` writes what it prints."""
    return str(folder(workspace) / "logs" / f"{name}.log")
