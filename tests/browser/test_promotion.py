"""The real promote flow in Prefect's interface: a physician rejects, is asked again, approves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pvcore.cycle import admission, approval, building, candidate, inbox, judging, registration
from pvcore.platform import embedded
from pvcore.platform.prefect_api import Platform

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
NAME = "demo.physician@example.org"


@pytest.fixture(scope="module")
def town(tiny_base: Path, town_module: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A workspace with a registered candidate, made without the platform."""
    from pvcore.meddra.generate import Size, generate

    town = town_module.found_town(tmp_path_factory.mktemp("promotion"), tiny_base)
    ws = town.workspace
    (ws.root / "recipes" / "coding.yaml").unlink()
    town.arrivals.mkdir(parents=True)
    release = generate(town.arrivals, version="90.0", seed=1, size=Size.small())
    for file in town_module.write_batch(town.arrivals, release.dictionary, name="first", n=260, seed=1):
        town.drop("annotations", file, "90.0" if file.suffix == ".json" else None)
    for found in inbox.look(ws, "annotations"):
        admission.admit_batch(ws, found, inbox.read_batch(ws, found), b"{}")
    for entry in admission.unannounced(ws):  # or the watchers' next look would start an update
        admission.mark_announced(ws, entry)
    built = building.build_dataset(ws, None, [])
    assert built
    specification = candidate.specify(ws, "seriousness", built.digest)
    assert specification
    registration.register(ws, specification, judging.evaluate(ws, specification))
    return town


@pytest.fixture(scope="module")
def platform(chromium: Any, town: Any) -> Iterator[Platform]:
    """The project's own deployments. `chromium` first: without a browser nothing is started."""
    root = town.workspace.root
    yield embedded.up(root, ROOT, env={"PV_WORKSPACE": str(root)}, tied=True)
    embedded.down(root)


def _answer(ui: Any, town: Any, platform: Platform, run: str, decision: str) -> str:
    assert platform.wait(run, 90, until="suspended").suspended
    request = approval.open_request(town.workspace, "seriousness@1")
    signature = approval.sign(
        town.workspace, request, decision=decision, name=NAME, reason="as seen", key=town.key
    )
    fields = {"Decision": decision, "Name": NAME, "Reason": "as seen", "Signature": signature}
    return str(ui.answer(run, fields))


def test_reject_then_approve_from_the_form(ui: Any, town: Any, platform: Platform) -> None:
    run = ui.start("promote", {"version": "seriousness@1"})
    shown = _answer(ui, town, platform, run, "reject")
    assert "Promote seriousness@1?" in shown and "accuracy" in shown
    ended = platform.wait(run, 90)
    assert (ended.state, ended.state_name) == ("CANCELLED", "Rejected")
    assert [e.body["name"] for e in town.entries("Rejected")] == ["Dr Demo Physician"]
    assert not town.entries("Promoted")

    run = ui.start("promote", {"version": "seriousness@1", "occasion": "second look"})
    _answer(ui, town, platform, run, "approve")
    assert platform.wait(run, 90).state == "COMPLETED"
    assert [e.body["name"] for e in town.entries("Promoted")] == ["seriousness@1"]
