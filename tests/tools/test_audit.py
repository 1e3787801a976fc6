"""The audit of dependencies: what it finds fails, what it cannot know it says, and it never hangs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2030, 1, 31)
FOUND: Any = [
    {"name": "pyyaml", "version": "5.3.1", "vulns": [
        {"id": "PYSEC-2021-142", "aliases": ["CVE-2020-14343"], "fix_versions": ["5.4"]}]},
    {"name": "numpy", "version": "2.4.6", "vulns": []},
]  # fmt: skip


@pytest.fixture(scope="module")
def audit() -> Any:
    import audit as found

    return found


def entry(**changes: Any) -> dict[str, Any]:
    given = {"package": "pyyaml", "id": "CVE-2020-14343", "reason": "SafeLoader only", "until": TODAY}
    return {**given, **changes}


def test_a_finding_fails_and_says_what_mends_it(audit: Any) -> None:
    lines, failed = audit.judge(FOUND, [], TODAY)
    assert (
        failed
        and "pyyaml 5.3.1: PYSEC-2021-142, mended in 5.4" in lines
        and lines[0] == "audited: 2 dependencies"
    )


def test_an_allowed_finding_passes_until_its_day(audit: Any) -> None:
    lines, failed = audit.judge(FOUND, [entry()], TODAY)
    assert not failed and "allowed until 2030-01-31: SafeLoader only" in lines[1]
    lines, failed = audit.judge(FOUND, [entry(until=date(2030, 1, 30))], TODAY)
    assert failed and "it was allowed until 2030-01-30" in lines[1]
    lines, failed = audit.judge(FOUND[1:], [entry()], TODAY)
    assert not failed and "no longer found" in lines[1]


def test_what_the_index_does_not_know_is_said(audit: Any) -> None:
    lines, failed = audit.judge([{"name": "torch", "skip_reason": "not found"}], [], TODAY)
    assert not failed and lines == [
        "audited: 0 dependencies",
        "not audited: the index knows nothing of 1: torch",
    ]


@pytest.mark.parametrize("changes", [{"reason": " "}, {"until": "soon"}, {"id": None, "more": 1}])
def test_nothing_is_allowed_without_a_reason_and_an_end(audit: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        audit.allowed_in(json.dumps([entry(until="soon") | changes]))


def test_the_list_of_the_repository_can_be_read(audit: Any) -> None:
    audit.allowed_in(audit.ALLOWED.read_text())
    example = audit.ALLOWED.read_text().splitlines()[1].removeprefix("# ")
    assert audit.allowed_in(example)[0]["until"] == TODAY


@contextmanager
def index(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def said(body: bytes, status: int = 200) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.end_headers()
        request.wfile.write(body)

    return answer


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (said(b'{"vulnerabilities": [{"id": "PYSEC-2021-142"}]}'), ""),
        (said(b'{"vulnerabilities": []}'), "no vulnerability data"),
        (said(b"{}", 404), "404"),
        (said(b"<html>log in first</html>"), "Expecting value"),
    ],
)
def test_data_that_cannot_be_had_are_noticed(
    audit: Any, answer: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with index(answer) as url:
        found = audit.unreachable(url, 60)
    assert (why in found) if why else found == ""


def test_an_index_that_never_answers_is_not_waited_for(audit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    asked_enough = threading.Event()

    def silent(_: BaseHTTPRequestHandler) -> None:
        asked_enough.wait()

    with index(silent) as url:
        try:
            assert audit.unreachable(url, 0.1) == "no answer"
        finally:
            asked_enough.set()


def test_offline_it_says_so_and_goes_on(audit: Any, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(audit, "unreachable", lambda: "no route to host")
    assert audit.main() == 0
    said = f"not audited: the vulnerability data of {audit.INDEX} are not reachable (no route to host)\n"
    assert audit.INDEX and capsys.readouterr().out == said
