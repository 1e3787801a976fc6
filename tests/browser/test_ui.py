"""Prefect's own interface: a run from a form, and an answer that it refuses (those it takes: test_promotion)."""

from __future__ import annotations

from typing import Any

import pytest

from pvcore.platform.prefect_api import Platform

pytestmark = [pytest.mark.slow, pytest.mark.long]

SIGNATURE = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ\n-----END SSH SIGNATURE-----"
ANSWER = {"Name": "Ada", "Reason": "looks right", "Signature": SIGNATURE}


def test_run_starts_from_the_form(ui: Any, platform: Platform) -> None:
    run = ui.start("greet", {"name": "Ada"})
    ended = platform.wait(run, 60)
    assert (ended.state, dict(ended.parameters)) == ("COMPLETED", {"name": "Ada", "times": 1})
    assert [a["data"] for a in platform.artifacts(run)] == ["hello Ada"]


def _suspended(platform: Platform, version: str) -> str:
    run = platform.run("approval", {"version": version})
    assert platform.wait(run, 60, until="suspended").suspended
    return run


def test_refused_answer_leaves_the_form_open(ui: Any, platform: Platform) -> None:
    run = _suspended(platform, "toy@3")
    ui.answer(run, {"Decision": "approve", **ANSWER, "Reason": "no"})
    ui.page.get_by_text("too short").first.wait_for()
    assert platform.flow_run(run).suspended
