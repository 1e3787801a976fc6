"""What can be known of state, rules, settings and interface without a server."""

from __future__ import annotations

import dataclasses
import json
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import psutil
import pytest

from pvcore.errors import PlatformError
from pvcore.platform import automations, embedded, interface, launch, state
from pvcore.platform.prefect_api import AUTH, Platform
from pvcore.platform.processes import MARK, Running
from pvcore.platform.state import State


def _state(folder: Path) -> State:
    return State(str(folder), str(folder), 4207, processes={"server": Running("server", 1, 2.5, "log")})


def test_state_survives_and_a_cut_off_file_is_none(tmp_path: Path) -> None:
    saved = state.save(_state(tmp_path))
    assert state.load(tmp_path) == saved
    file = tmp_path / ".pv" / "platform.json"
    file.write_text(file.read_text()[:40])
    assert state.load(tmp_path) is None


def test_a_platform_of_another_store_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "prefect.yaml").touch()
    own = psutil.Process()
    server = Running("server", own.pid, own.create_time(), "log")  # it runs
    state.save(dataclasses.replace(_state(tmp_path), store="s3://ours/team", processes={"server": server}))
    for store in ("s3://ours/team", ""):
        assert embedded.attach(tmp_path, store).api_url.endswith(":4207/api")
    for asked in (embedded.attach, lambda place, store: embedded.up(place, place, store=store)):
        with pytest.raises(
            PlatformError, match=r"on the store s3://ours/team, this command on file:///elsewhere"
        ):
            asked(tmp_path, "file:///elsewhere")


def test_user_settings_of_prefect_do_not_reach_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://elsewhere/api")
    monkeypatch.setenv("PREFECT_API_KEY", "secret")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "kept")
    env = launch.environment(_state(tmp_path), {"PV_X": "1", MARK: "not to be changed"})
    assert env["PREFECT_API_URL"] == "http://127.0.0.1:4207/api"
    assert "PREFECT_API_KEY" not in env
    assert (env["AWS_ACCESS_KEY_ID"], env["PV_X"], env[MARK]) == ("kept", "1", str(tmp_path))
    assert env["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


def test_waiting_runs_are_expected_by_every_rule_that_crashes() -> None:
    crashing = [rule for rule in automations.rules() if rule["actions"][0]["state"] == "CRASHED"]
    assert len(crashing) == 2
    for rule in crashing:
        expected = set(rule["trigger"]["expect"])
        assert {
            "prefect.flow-run.Suspended",
            "prefect.flow-run.Paused",
            automations.STILL_WAITING,
        } <= expected
    assert automations.SILENCE > 2 * automations.HEARTBEAT


def test_rule_is_the_same_whatever_order_the_server_answers_in() -> None:
    wanted = automations.rules()[0]
    trigger = dict(wanted["trigger"], id="new", expect=wanted["trigger"]["expect"][::-1])
    there = dict(wanted, id="1", trigger=trigger)
    assert automations._says(there, wanted)
    assert not automations._says(dict(there, enabled=False), wanted)
    assert not automations._says(dict(there, trigger=dict(trigger, within=1)), wanted)
    assert not automations._says({}, wanted)


SCRIPT = b"a();function u(){return`0123456789abcdef0123456789abcdef`}x='https://c.amplitude.com';return``}"


def test_analytics_key_is_taken_out_once(tmp_path: Path) -> None:
    assets = interface.static_directory(tmp_path) / "v2" / "assets"
    assets.mkdir(parents=True)
    (assets / "index.js").write_bytes(SCRIPT)
    (assets / "other.js").write_bytes(b"function u(){return`0123456789abcdef0123456789abcdef`}")
    assert interface.silence(tmp_path) == []
    quiet = (assets / "index.js").read_bytes()
    assert b"0123456789abcdef" not in quiet and b"a();function u(){return``" in quiet
    assert b"0123456789abcdef" in (assets / "other.js").read_bytes()
    assert interface.silence(tmp_path) == []
    assert (assets / "index.js").read_bytes() == quiet


def test_interface_that_cannot_be_silenced_is_named(tmp_path: Path) -> None:
    assets = interface.static_directory(tmp_path) / "v2" / "assets"
    assets.mkdir(parents=True)
    (assets / "index.js").write_bytes(b"fetch('https://c.amplitude.com')")
    assert interface.silence(tmp_path) == ["index.js"]


def test_processes_are_replaced_by_name(tmp_path: Path) -> None:
    new = Running("server", 9, 9.0, "log")
    assert _state(tmp_path).having(new).processes == {"server": new}
    assert dataclasses.replace(_state(tmp_path), port=1).api_url == "http://127.0.0.1:1/api"


def test_the_server_is_for_its_own_pages_and_results_are_no_pickles(tmp_path: Path) -> None:
    env = launch.environment(_state(tmp_path))
    assert env["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:4207,http://localhost:4207"
    assert env["PREFECT_SERVER_CSRF_PROTECTION_ENABLED"] == "true"
    assert env["PREFECT_RESULTS_DEFAULT_SERIALIZER"] == "json"
    assert "127.0.0.1" in launch.command("server", 4207)


class _Guarded(BaseHTTPRequestHandler):
    """A server that wants a token, which is over after one request, and a name with its password."""

    tokens: ClassVar[list[str]] = []
    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.tokens.append(f"token-{len(self.tokens)}")
        self._say(200, {"token": self.tokens[-1], "client": "c"})

    def do_POST(self) -> None:
        given = self.headers.get("Prefect-Csrf-Token")
        self.seen.append(self.headers.get("Authorization", ""))
        self.rfile.read(int(self.headers["Content-Length"]))
        if given != self.tokens[-1] or given in self.seen:
            self._say(403, {"detail": "Invalid CSRF token or client identifier."})
        else:
            self.seen.append(given)
            self._say(200, [])

    def _say(self, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def test_requests_carry_the_token_that_a_strange_page_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(AUTH, "operator:a:password")
    server = HTTPServer(("127.0.0.1", 0), _Guarded)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        platform = Platform(f"http://127.0.0.1:{server.server_port}/api")
        assert platform.call("POST", "/x", {}) == [] and platform.call("POST", "/x", {}) == []
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert len(_Guarded.tokens) == 2
    assert f"Basic {b64encode(b'operator:a:password').decode()}" in _Guarded.seen


def test_a_password_of_the_server_reaches_server_and_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(AUTH, "operator:password")
    env = launch.environment(_state(tmp_path))
    assert env[AUTH] == env["PREFECT_API_AUTH_STRING"] == "operator:password"
