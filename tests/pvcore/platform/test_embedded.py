"""A real server with real workers: started, used, broken, stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pvcore.errors import NotFound, PlatformError
from pvcore.platform import automations, embedded, forms, processes
from pvcore.platform.prefect_api import Platform

pytestmark = pytest.mark.slow
ANSWER = {"decision": "approve", "name": "Ada", "reason": "looks right", "signature": "signed"}


def _until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.2)


def _listens(stranger: socket.socket, port: int) -> bool:
    try:
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
    except OSError:
        return False
    return True


def test_run_artifacts_and_logs(platform: Platform) -> None:
    run = platform.run("greet", {"name": "Ada", "times": 2})
    assert platform.wait(run, 60).state == "COMPLETED"
    assert [a["data"] for a in platform.artifacts(run)] == ["hello Ada hello Ada"]
    _until(lambda: any("Finished in state Completed" in line for line in platform.logs(run)))


def test_same_key_is_the_same_run(platform: Platform) -> None:
    first = platform.run("greet/greet", {"name": "Ada"}, "once")
    assert platform.run("greet", {"name": "Ada"}, "once") == first
    assert platform.run("greet", {"name": "Ada"}, "twice") != first


def test_parameters_and_names_that_do_not_fit(platform: Platform) -> None:
    with pytest.raises(PlatformError, match="name"):
        platform.run("greet", {"times": 2})
    with pytest.raises(NotFound, match="approval, greet, slow"):
        platform.run("gret")
    with pytest.raises(NotFound):
        platform.flow_run("00000000-0000-0000-0000-000000000000")


def test_a_schedule_makes_runs(platform: Platform) -> None:
    """The server fails at this with a SQLAlchemy that it does not know, and says so in its log only."""
    _until(lambda: platform.flow_runs("slow", states=("SCHEDULED",)), 75)


def test_event_starts_a_deployment(platform: Platform) -> None:
    event = {
        "id": "0190a0a0-0000-7000-8000-000000000001",
        "occurred": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "event": "toy.guest.arrived",
        "resource": {"prefect.resource.id": "toy.guest"},
        "related": [],
        "payload": {"name": "Grace"},
    }
    platform.call("POST", "/events", [event])
    _until(lambda: [r for r in platform.flow_runs("greet") if r.parameters.get("name") == "Grace"])


def test_form_refuses_then_takes_an_answer(platform: Platform) -> None:
    run = platform.run("approval", {"version": "toy@1"})
    assert platform.wait(run, 60, until="suspended").suspended
    form = forms.waiting_form(platform, run)
    assert form.fields == form.required == ("decision", "name", "reason", "signature")
    assert form.choices("decision") == ("approve", "reject")
    assert "Promote toy@1?" in form.description
    with pytest.raises(forms.AnswerError) as refused:
        forms.answer(platform, form, {"decision": "perhaps", "nam": "Ada"})
    assert len(refused.value.faults) == 5
    with pytest.raises(PlatformError, match="reason"):
        platform.resume(run, ANSWER | {"reason": "x"})
    forms.answer(platform, form, ANSWER)
    assert platform.wait(run, 60).state == "COMPLETED"
    with pytest.raises(PlatformError, match="not paused"):
        platform.resume(run, ANSWER)


@pytest.mark.long
def test_suspended_runs_are_reassured(platform: Platform) -> None:
    run = platform.run("approval", {"version": "toy@2"})
    platform.wait(run, 60, until="suspended")
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 1))
    assert automations.reassure(platform) >= 1
    resource = f"prefect.flow-run.{run}"

    def heard() -> bool:
        events = platform.events(automations.STILL_WAITING, since=since)
        return resource in {event["resource"]["prefect.resource.id"] for event in events}

    _until(heard, 20)
    platform.resume(run, ANSWER | {"decision": "reject"})
    assert platform.wait(run, 60).state_name == "Rejected"


def test_up_again_attaches_and_restores_the_rules(platform: Platform, workspace: Path, project: Path) -> None:
    rules = {"automations": {"name": {"any_": [rule["name"] for rule in automations.rules()]}}}
    before = {r["name"]: r["id"] for r in platform.call("POST", "/automations/filter", rules)}
    assert len(before) == 3
    broken = before["pv: a crashed run runs again"]
    platform.call("PATCH", f"/automations/{broken}", {"enabled": False})
    again = embedded.up(workspace, project)
    assert (again.started, again.api_url) == (False, platform.api_url)
    after = {r["name"]: r for r in platform.call("POST", "/automations/filter", rules)}
    assert {name for name in after if after[name]["id"] == before[name]} == set(before) - {
        "pv: a crashed run runs again"
    }
    assert all(rule["enabled"] for rule in after.values())
    assert embedded.attach(workspace).api_url == platform.api_url


def test_pools_and_pinned_settings(platform: Platform) -> None:
    pools = {p["name"]: p for p in platform.call("POST", "/work_pools/filter", {})}
    assert (pools["cpu"]["concurrency_limit"], pools["gpu"]["concurrency_limit"]) == (None, 1)
    platform.set_concurrency("cpu", 3)
    assert platform.call("GET", "/work_pools/cpu")["concurrency_limit"] == 3
    platform.set_concurrency("cpu", None)
    settings = platform.call("GET", "/admin/settings")
    assert settings["server"]["analytics_enabled"] is False
    assert settings["server"]["ui"]["v2_enabled"] is True


def test_killed_worker_is_started_again(platform: Platform, workspace: Path, tmp_path: Path) -> None:
    worker = embedded.status(workspace)["processes"]["worker-cpu"]["pid"]
    os.kill(worker, signal.SIGKILL)

    def replaced() -> bool:
        now = embedded.status(workspace)["processes"].get("worker-cpu")
        return bool(now) and now["pid"] != worker

    _until(replaced, 15)
    assert platform.wait(platform.run("greet", {"name": "back"}), 150).state == "COMPLETED"


def test_what_runs_compute_is_counted(tmp_path: Path) -> None:
    """The demonstration takes a run that computes for no standstill."""
    mark = {**os.environ, processes.MARK: str(tmp_path.resolve())}
    with subprocess.Popen([sys.executable, "-c", "while True: pass"], env=mark) as busy:
        try:
            _until(lambda: embedded.status(tmp_path)["seconds"] > 0.5)
        finally:
            busy.kill()
    assert embedded.status(tmp_path)["seconds"] == 0


@pytest.mark.long
def test_killed_worker_and_run_recover_while_a_suspended_run_waits(
    platform: Platform, workspace: Path, tmp_path: Path
) -> None:
    # Shorter than the real rules, to save time; no shorter than a heartbeat, which takes 30 s.
    automations.apply(platform, silence=automations.HEARTBEAT + 5)
    waiting = platform.run("approval", {"version": "toy@4"})
    run = platform.run("slow", {"folder": str(tmp_path), "seconds": 300})
    _until(lambda: (tmp_path / "starts").exists() and platform.flow_run(run).state == "RUNNING")
    time.sleep(2)  # The first heartbeat travels in a batch; nothing watches a run before it.
    os.kill(embedded.status(workspace)["processes"]["worker-gpu"]["pid"], signal.SIGKILL)
    os.kill(int((tmp_path / "starts").read_text()), signal.SIGKILL)
    ended = platform.wait(run, 110)
    assert (ended.state, ended.run_count) == ("COMPLETED", 2)
    kept = platform.flow_run(waiting)
    assert (kept.suspended, kept.run_count) == (True, 1)
    automations.apply(platform)


@pytest.mark.long
def test_pulled_plug_loses_no_run(tmp_path: Path, project: Path) -> None:
    """kill -9 of everything in a run; another server takes the port; the next `up` goes on."""
    workspace = tmp_path / "workspace"
    first = embedded.up(workspace, project, tied=True)
    try:
        run = first.run("slow", {"folder": str(tmp_path), "seconds": 300})
        waiting = first.run("approval", {"version": "toy@3"})
        assert first.wait(waiting, 60, until="suspended").suspended
        _until((tmp_path / "starts").exists)
        processes.kill(processes.marked(str(workspace.resolve())))
        assert embedded.status(workspace)["api_url"] is None
        with pytest.raises(NotFound):
            embedded.attach(workspace)
        with socket.socket() as taken:
            port = int(first.api_url.rpartition(":")[2].removesuffix("/api"))
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _until(lambda: _listens(taken, port), 10)
            second = embedded.up(workspace, project, tied=True)
        assert second.api_url != first.api_url
        assert any("is taken" in note for note in second.notes)
        assert any("scheduled again" in note for note in second.notes)
        ended = second.wait(run, 60)
        assert (ended.state, ended.run_count) == ("COMPLETED", 2)
        assert second.flow_run(waiting).suspended
    finally:
        embedded.down(workspace)
    assert processes.marked(str(workspace.resolve())) == []
    assert embedded.down(workspace) == []


def test_platform_ends_with_its_owner(tmp_path: Path, project: Path) -> None:
    """kill -9 of the demo takes everything down, also while it is still coming up."""
    workspace = tmp_path / "workspace"
    code = (
        "import sys; from pathlib import Path; from pvcore.platform import embedded;"
        "embedded.up(Path(sys.argv[1]), Path(sys.argv[2]), tied=True)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(workspace), str(project)])
    try:
        _until(lambda: len(processes.marked(str(workspace))) >= 2, 30)
    finally:
        owner.kill()
        owner.wait()
    _until(lambda: not processes.marked(str(workspace)), 30)


def test_deploying_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"prefect\.yaml"):
        embedded.up(tmp_path / "workspace", tmp_path)
    assert embedded.down(tmp_path / "workspace") == []
