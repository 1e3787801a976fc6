"""The run that waits for an answer: which one it is, and what it made of what was signed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from pvcore.config import Workspace
from pvcore.cycle.approval import Request, counted, entry_of, policy_for, sign
from pvcore.errors import PlatformError, RegistryError, SignatureRefused
from pvcore.registry import promotion

if TYPE_CHECKING:
    from pvcore.platform.prefect_api import Platform


def waiting_run(platform: Platform, asked: Request, *, timeout: float = 0.0) -> str:
    """The id of the suspended run that waits for the answer to a request. Raises PlatformError after `timeout` s.

    The run is found by its pause key, which begins with the request's digest: nothing else can be answered.
    """
    deadline = time.monotonic() + timeout
    while True:
        for deployment in promotion.SWITCH:
            for run in platform.flow_runs(deployment, states=("PAUSED",)):
                if run.suspended and pause_key(platform, run.id).startswith(asked.digest[:16]):
                    return run.id
        if time.monotonic() > deadline:
            raise PlatformError(
                f"no run waits with the form for {asked.version}. See {platform.ui_url}/runs; "
                f"start one with: pv run promote version={asked.version}"
            )
        time.sleep(0.5)


def pause_key(platform: Platform, run: str) -> str:
    """The name of the form that a run waits with: the request's digest and the number of the attempt; or ""."""
    state = platform.call("GET", f"/flow_runs/{run}")["state"] or {}
    return str((state.get("state_details") or {}).get("pause_key") or "")


def answer(
    workspace: Workspace,
    platform: Platform,
    asked: Request,
    *,
    decision: str,
    name: str,
    reason: str,
    key: Path,
) -> str:
    """Sign, resume the run that waits as its form would, and wait for what it makes of the answer."""
    signature = sign(workspace, asked, decision=decision, name=name, reason=reason, key=key)
    run = waiting_run(platform, asked, timeout=60)
    form = pause_key(platform, run)
    platform.resume(run, {"decision": decision, "name": name, "reason": reason, "signature": signature})
    # A run that refuses the answer suspends again, with its next form.
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        found = platform.flow_run(run)
        if found.terminal:
            if found.state == "COMPLETED":
                return f"{asked.version} is champion"
            if found.state_name == "Rejected":
                return found.message
            raise RegistryError(f"the run ended {found.state_name}: {found.message}")
        if found.suspended and pause_key(platform, run) != form:
            return _taken(workspace, asked, name, found.url)
        time.sleep(0.5)
    raise PlatformError(f"the run did not take the answer in 300 s; see {platform.ui_url}")


def _taken(workspace: Workspace, asked: Request, name: str, url: str) -> str:
    """What an answer led to after which the form came back. Raises SignatureRefused where it was none."""
    policy = policy_for(workspace, entry_of(workspace, asked)).approval
    given, _ = counted(workspace, entry_of(workspace, asked))
    if policy.signer(name).principal not in {entry.body["principal"] for entry in given}:
        raise SignatureRefused(f"the answer to {asked.version} was refused; the form says why: {url}")
    needed = policy.rule(asked.action).signatures
    return f"{asked.version} has {len(given)} of {needed} signatures; another person signs next"
