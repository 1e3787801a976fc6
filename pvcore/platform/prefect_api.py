"""A Prefect server's REST API, as far as the platform needs it: start runs, wait, answer, look.

Source of the routes: Prefect 3.8 (`/docs` of any server lists them).
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from pvcore.errors import NotFound, PlatformError

TERMINAL = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
RESCUE = 15.0
"""Seconds that a CRASHED run has for being scheduled again by the automation before it counts as over."""
PATIENCE = 30.0
"""Seconds that a call waits for a busy database, and a read for a server that the keeper starts again."""
AUTH = "PREFECT_SERVER_API_AUTH_STRING"
"""Environment variable with "name:password", which the server asks for where it is set."""
CLIENT = str(uuid.uuid4())
"""This process, as the server knows it. A page of a stranger gets no token: browsers ask before such headers."""
_TOKENS: dict[str, str] = {}
"""API address -> token against forged requests; one lasts an hour."""
BUSY = (429, 503)
"""Answers of a server whose SQLite is locked by another writer; Prefect's own client repeats them too."""


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A run as the server tells it. `state` is the type (RUNNING), `state_name` the name (Retrying)."""

    id: str
    name: str
    state: str
    state_name: str
    message: str
    parameters: Mapping[str, Any]
    deployment_id: str | None
    run_count: int
    created: str
    tags: tuple[str, ...]
    url: str
    suspended: bool
    """True when the run waits for input, its form is complete, and its process needs no worker."""

    @property
    def terminal(self) -> bool:
        """Over, one way or the other."""
        return self.state in TERMINAL


@dataclass(frozen=True)
class Platform:
    """A running platform. `started` is True when this call of `up` started it (False: it was there)."""

    api_url: str
    started: bool = False
    notes: tuple[str, ...] = ()
    """What `up` had to do that a user may want to know: another port, runs scheduled again."""
    timings: Mapping[str, float] = field(default_factory=dict)
    """Seconds of each step of `up`."""

    @property
    def ui_url(self) -> str:
        """Where a browser finds Prefect's interface."""
        return self.api_url.removesuffix("/api")

    # --- calls -----------------------------------------------------------------------------------

    def call(self, method: str, path: str, body: Any = None, *, patience: float = 0.0) -> Any:
        """One request; the decoded JSON or None. Raises NotFound (404) or PlatformError with the reason.

        A busy SQLite answers 503 or 429 and has done nothing: the request is repeated. `patience` in
        seconds repeats it also while the server cannot be reached: only for what may be done twice.
        """
        begun = time.monotonic()
        while True:
            waited = time.monotonic() - begun
            try:
                # No proxies: a platform's server is on this machine or in its network. And no
                # certificates where there is no TLS: reading them takes longer than the call.
                tls, auth = self.api_url.startswith("https:"), os.environ.get(AUTH, "").partition(":")
                with httpx.Client(
                    base_url=self.api_url,
                    timeout=30,
                    trust_env=False,
                    verify=tls,
                    auth=(auth[0], auth[2]) if auth[1] else None,
                ) as client:
                    response = self._sent(client, method, path, body)
                if response.status_code not in BUSY or waited > PATIENCE:
                    return _decoded(response, f"{method} {path}")
            except httpx.TransportError as error:
                if waited > patience:
                    raise PlatformError(
                        f"no answer from the Prefect server at {self.api_url} ({error}). "
                        "Is it up? `pv up` starts it; its log is .pv/logs/server.log"
                    ) from error
            time.sleep(0.3)

    def _sent(self, client: httpx.Client, method: str, path: str, body: Any) -> httpx.Response:
        """The answer to one request; with a fresh token where the one that was known is over."""
        for fresh in (False, True):
            if method != "GET" and (fresh or self.api_url not in _TOKENS):
                asked = client.get("/csrf-token", params={"client": CLIENT})
                # A server that knows no tokens needs none.
                _TOKENS[self.api_url] = asked.json()["token"] if asked.status_code == 200 else ""
            token = _TOKENS.get(self.api_url, "") if method != "GET" else ""
            headers = {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": CLIENT} if token else {}
            response = client.request(method, path, json=body, headers=headers)
            if response.status_code != 403 or "CSRF" not in response.text:
                break
        return response

    def _read(self, path: str, body: Any) -> Any:
        return self.call("POST", path, body, patience=PATIENCE)

    def healthy(self) -> bool:
        """True when the server answers."""
        try:
            return self.call("GET", "/health") is True
        except (PlatformError, NotFound):
            return False

    # --- runs ------------------------------------------------------------------------------------

    def deployment(self, name: str) -> dict[str, Any]:
        """The deployment called `name`: "train" or "flow/deployment". NotFound lists those there are."""
        flow, _, short = name.rpartition("/")
        body: dict[str, Any] = {"deployments": {"name": {"any_": [short]}}}
        if flow:
            body["flows"] = {"name": {"any_": [flow]}}
        found: list[dict[str, Any]] = self._read("/deployments/filter", body)
        if len(found) == 1:
            return found[0]
        there = sorted(d["name"] for d in self._read("/deployments/filter", {"limit": 200}))
        if found:
            raise NotFound(f"{len(found)} deployments are called {name!r}: say flow/deployment")
        raise NotFound(f"no deployment {name!r}; there are: {', '.join(there) or 'none, run `pv up`'}")

    def deployment_name(self, deployment_id: str | None) -> str:
        """The name of a deployment, for a display; empty for a run that has none."""
        if deployment_id is None:
            return ""
        return str(self.call("GET", f"/deployments/{deployment_id}", patience=PATIENCE)["name"])

    def run(
        self,
        deployment: str,
        parameters: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Schedule a run of `deployment` now and return its id; a worker picks it up within seconds.

        The same `idempotency_key` again returns the run that it named first. Raises PlatformError
        when the parameters do not fit the deployment's schema.
        """
        # Always a key: with one, a request whose answer got lost can be repeated.
        body = {
            "parameters": dict(parameters or {}),
            "idempotency_key": idempotency_key or str(uuid.uuid4()),
            "state": {"type": "SCHEDULED"},
            "enforce_parameter_schema": True,
        }
        path = f"/deployments/{self.deployment(deployment)['id']}/create_flow_run"
        made = self.call("POST", path, body, patience=PATIENCE)
        return str(made["id"])

    def flow_run(self, flow_run_id: str) -> FlowRun:
        """The run as it is now."""
        return self._flow_run(self.call("GET", f"/flow_runs/{flow_run_id}", patience=PATIENCE))

    def flow_runs(
        self,
        deployment: str | None = None,
        *,
        states: tuple[str, ...] = (),
        parent: str | None = None,
        limit: int = 200,
    ) -> list[FlowRun]:
        """Runs, newest first: of one deployment, in given states (types), called by run `parent`."""
        runs: dict[str, Any] = {}
        if deployment:
            runs["deployment_id"] = {"any_": [self.deployment(deployment)["id"]]}
        if states:
            runs["state"] = {"type": {"any_": list(states)}}
        if parent:
            runs["parent_flow_run_id"] = {"any_": [parent]}
        rows = self._read("/flow_runs/filter", {"flow_runs": runs, "sort": "START_TIME_DESC", "limit": limit})
        return [self._flow_run(row) for row in rows]

    def wait(
        self,
        flow_run_id: str,
        timeout: float,
        until: Literal["terminal", "suspended"] = "terminal",
    ) -> FlowRun:
        """Wait until the run is over, or with "suspended" until it waits for input (or is over).

        `timeout` in seconds; PlatformError when it passes. A run that crashes and is scheduled
        again by the automation is not over. Survives a restart of the server.
        """
        deadline, crashed = time.monotonic() + timeout, None
        while True:
            run = self.flow_run(flow_run_id)
            crashed = (crashed or time.monotonic()) if run.state == "CRASHED" else None
            settled = crashed is None or time.monotonic() - crashed > RESCUE or run.deployment_id is None
            if (run.terminal and settled) or (until == "suspended" and run.suspended):
                return run
            if time.monotonic() > deadline:
                so_far = f"run {run.name} is {run.state_name} after {timeout:.0f} s"
                raise PlatformError(f"{so_far}, waited for {until}. See {run.url}")
            time.sleep(0.5)

    def resume(self, flow_run_id: str, run_input: Mapping[str, Any] | None = None) -> None:
        """Answer a suspended run. PlatformError with the reason when the answer does not fit the form,
        or when the run does not wait; the form then stays open."""
        body = {"run_input": dict(run_input)} if run_input is not None else {}
        answer = self.call("POST", f"/flow_runs/{flow_run_id}/resume", body)
        if answer["status"] != "ACCEPT":
            reason = answer["details"].get("reason", answer["status"])
            raise PlatformError(f"run {flow_run_id} was not resumed: {reason}")

    def cancel(self, flow_run_id: str) -> None:
        """Ask for the run to be cancelled; its worker ends the process."""
        self.set_state(flow_run_id, "CANCELLING")

    def set_state(
        self, flow_run_id: str, state: str, *, name: str = "", message: str = "", force: bool = False
    ) -> None:
        """Put a run into a state (type). PlatformError when the server's rules refuse it."""
        wanted = {"type": state, "message": message} | ({"name": name} if name else {})
        answer = self.call("POST", f"/flow_runs/{flow_run_id}/set_state", {"state": wanted, "force": force})
        if answer["status"] != "ACCEPT":
            raise PlatformError(f"run {flow_run_id} did not become {name or state}: {answer['details']}")

    # --- what runs left behind --------------------------------------------------------------------

    def artifacts(self, flow_run_id: str) -> list[dict[str, Any]]:
        """Artifacts with a key of a run and its tasks, oldest first: key, type, description, data.

        Those without a key are Prefect's own: where a result lies.
        """
        body = {
            "artifacts": {"flow_run_id": {"any_": [flow_run_id]}},
            "sort": "CREATED_DESC",
            "limit": 200,
        }
        found: list[dict[str, Any]] = self._read("/artifacts/filter", body)
        return [artifact for artifact in found[::-1] if artifact["key"]]

    def logs(self, flow_run_id: str, *, level: int = 0) -> list[str]:
        """Lines of a run's log in order, "LEVEL logger: message"; `level` 40 for errors only."""
        names = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
        lines: list[str] = []
        while True:
            body = {
                "logs": {"flow_run_id": {"any_": [flow_run_id]}, "level": {"ge_": level}},
                "sort": "TIMESTAMP_ASC",
                "limit": 200,
                "offset": len(lines),
            }
            rows = self._read("/logs/filter", body)
            lines += [f"{names.get(r['level'], r['level'])} {r['name']}: {r['message']}" for r in rows]
            if len(rows) < 200:
                return lines

    def events(self, *names: str, since: str, limit: int = 50) -> list[dict[str, Any]]:
        """Events called `names` since a moment (ISO, UTC), oldest first.

        "prefect.automation.action.failed" is the only trace of an event that started nothing
        because its payload did not fit. Events can be read some 5 s after they happened.
        """
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
        chosen: dict[str, Any] = {"occurred": {"since": since, "until": until}, "order": "ASC"}
        if names:
            chosen["event"] = {"name": list(names)}
        found = self._read("/events/filter", {"filter": chosen, "limit": limit})
        return list(found["events"])

    # --- work pools -------------------------------------------------------------------------------

    def set_concurrency(self, work_pool: str, limit: int | None) -> None:
        """How many runs of `work_pool` go at the same time; None for no bound."""
        self.call("PATCH", f"/work_pools/{work_pool}", {"concurrency_limit": limit})

    def workers_online(self, work_pool: str) -> int:
        """Workers of `work_pool` that were heard of lately."""
        rows = self._read(f"/work_pools/{work_pool}/workers/filter", {})
        return sum(row["status"] == "ONLINE" for row in rows)

    def _flow_run(self, row: Mapping[str, Any]) -> FlowRun:
        state = row.get("state") or {}
        return FlowRun(
            id=row["id"],
            name=row["name"],
            state=row["state_type"] or "",
            state_name=row["state_name"] or "",
            message=state.get("message") or "",
            parameters=row["parameters"],
            deployment_id=row["deployment_id"],
            run_count=row["run_count"],
            created=row["created"],
            tags=tuple(row["tags"]),
            # Version 2 of the interface: in version 1 a click on a form's select opens and closes it.
            url=f"{self.ui_url}/v2/runs/flow-run/{row['id']}",
            suspended=row["state_type"] == "PAUSED" and self._form_complete(row["id"], state),
        )

    def _form_complete(self, flow_run_id: str, state: Mapping[str, Any]) -> bool:
        # Prefect sets the state first and saves the form after it: an answer in between is refused.
        keyset = (state.get("state_details") or {}).get("run_input_keyset")
        return keyset is None or self.run_input(flow_run_id, keyset["schema"]) is not None

    def run_input(self, flow_run_id: str, key: str) -> Any:
        """One stored input of a run, decoded; None when there is none."""
        try:
            return self.call("GET", f"/flow_runs/{flow_run_id}/input/{key}", patience=PATIENCE)
        except NotFound:
            return None


def _decoded(response: httpx.Response, what: str) -> Any:
    if response.status_code == 404:
        raise NotFound(f"{what}: the Prefect server knows no such thing")
    if response.is_error:
        try:
            detail = response.json()
            detail = detail.get("detail") or detail.get("exception_detail") or detail
        except ValueError:
            detail = response.text
        raise PlatformError(f"{what}: refused with {response.status_code}: {detail}")
    return response.json() if response.content else None
