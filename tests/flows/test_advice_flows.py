"""curve, bases, score, drift and phases as deployments of the real platform; a tiny model, 700 cases."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pvcore.cli import app
from pvcore.platform import embedded

pytestmark = [pytest.mark.slow, pytest.mark.long]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def city(tiny_base: Path, town_module: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A town with a champion, a batch of new cases and one of cases without labels; its platform runs."""
    from pvcore.annotations import label_studio
    from pvcore.annotations.generate import generate_cases
    from pvcore.cycle import building

    town = town_module.found_town(tmp_path_factory.mktemp("city"), tiny_base, ["seriousness"])
    release = town.stock(700)
    _admit(town)
    _promote(town)
    silent, _ = generate_cases(release.dictionary, n=40, seed=5, prefix="silent", year=2025)
    label_studio.write(silent, [], town.arrivals / "silent.json")
    town.drop("annotations", town.arrivals / "silent.json")
    _admit(town)
    assert building.build_dataset(town.workspace, "90.0", [])
    new, _ = town_module.write_batch(town.arrivals, release.dictionary, name="new", n=60, seed=9)
    town.drop("annotations", new)
    _admit(town)
    root = town.workspace.root
    town.platform = embedded.up(root, ROOT, env={"PV_WORKSPACE": str(root)}, tied=True)
    yield town
    embedded.down(root)


def _admit(town: Any) -> None:
    from pvcore.cycle import admission, inbox

    for found in inbox.look(town.workspace, "meddra"):
        admission.admit_release(town.workspace, found, inbox.read_release(town.workspace, found), b"{}")
    for found in inbox.look(town.workspace, "annotations"):
        admission.admit_batch(town.workspace, found, inbox.read_batch(town.workspace, found), b"{}")
    for entry in admission.unannounced(town.workspace):  # or the watchers' next look would start an update
        admission.mark_announced(town.workspace, entry)


def _promote(town: Any) -> None:
    """The first champion, as meddra-update and promote make it."""
    from pvcore.cycle import approval, building, candidate, judging, registration, releases

    ws = town.workspace
    releases.adopt(ws, releases.newest_release(ws), [])
    specification = candidate.specify(ws, "seriousness", building.build_dataset(ws, "90.0", []).digest)
    candidate.train(ws, specification)
    name = registration.register(ws, specification, judging.evaluate(ws, specification))
    request = approval.request(ws, name, "promote")
    said = {"decision": "approve", "name": "demo.physician@example.org", "reason": "as tested"}
    signature = approval.sign(ws, request, **said, key=town.key)
    assert approval.decide(ws, request, signature=signature, **said).switched


def ran(city: Any, deployment: str, *parameters: str, seconds: float = 300) -> dict[str, Any]:
    """What `pv run` left behind once it completed: key -> artifact."""
    root = str(city.workspace.root)
    done = CliRunner().invoke(app, ["run", deployment, *parameters, "--json", "-w", root])
    assert done.exit_code == 0, done.output
    run = json.loads(done.stdout)["run"]
    assert city.platform.wait(run, seconds).state == "COMPLETED", city.failures()
    return {artifact["key"]: artifact for artifact in city.platform.artifacts(run)}


def published(artifacts: dict[str, Any], key: str) -> Any:
    """The JSON beside a page that holds a plot and a table."""
    page, beside = artifacts[key], artifacts[f"{key}-json"]
    assert page["type"] == "markdown" and beside["type"] == "json"
    assert '<img width="640" src="data:image/svg+xml;base64,' in page["data"] and "\n| --- |" in page["data"]
    return json.loads(beside["data"])


def test_curve_trains_on_the_workers_and_says_what_more_brings(city: Any) -> None:
    shown = ran(city, "curve", "problem=seriousness", "sizes=90,180,360", "seeds=1", "target=0.99")
    found = published(shown, "learning-curve-seriousness")
    assert [point[:2] for point in found["points"]] == [[90, 17], [180, 17], [360, 17]]
    assert found["gain"]["low"] <= found["gain"]["value"] <= found["gain"]["high"]
    assert "The target of 0.99" in shown["learning-curve-seriousness"]["data"]
    assert len(city.platform.flow_runs("train")) == 3


def test_bases_takes_up_what_was_trained_and_compares(city: Any, tiny_base: Path) -> None:
    from safetensors.torch import load_file, save_file

    other = city.workspace.root / "models" / "other"
    shutil.copytree(tiny_base, other)
    weights = load_file(other / "model.safetensors")
    save_file({n: w * 1.01 for n, w in weights.items()}, other / "model.safetensors", {"format": "pt"})
    before = len(city.platform.flow_runs("train"))
    shown = ran(city, "bases", "problem=seriousness", f"names={tiny_base}, {other}, absent", "sizes=180")
    first, second, absent = published(shown, "bases-seriousness")
    assert first["less_first"] is None and set(second["less_first"]) == {"value", "low", "high"}
    assert first["rows"] == second["rows"] == 180 and first["peak_bytes"] > 1e7
    assert absent["unusable"] and "absent cannot be used here" in shown["bases-seriousness"]["data"]
    assert len(city.platform.flow_runs("train")) == before + 1  # the first base's run was the curve's


def test_drift_is_of_what_was_scored(city: Any) -> None:
    assert not ran(city, "drift")
    ran(city, "score", "problem=seriousness", "batch=new.xml")
    found = published(ran(city, "drift"), "drift-seriousness")
    assert found["version"] == "seriousness@1" and found["cases"] == 60
    for signal in found["signals"]:
        assert signal["now"]["low"] <= signal["now"]["high"] and set(signal["before"]) == set(signal["now"])
    assert found["proposal"]["waiting_batches"] == 1 and found["proposal"]["last_training"]["rows"] > 300


def test_phases_asks_for_cases_and_keeps_the_work_list(city: Any) -> None:
    shown = ran(city, "phases", "problem=seriousness", "target=0.999", "size=10", "how=mixed")
    (found,) = published(shown, "phases-seriousness")
    assert found["number"] == 1 and found["asked"] == 10 and found["target"] == 0.999
    assert found["score"]["low"] <= found["score"]["value"] <= found["score"]["high"]
    tasks = json.loads(city.workspace.store.get(found["file"]))
    assert len(tasks) == 10 and all(task["data"]["case_id"].startswith("silent") for task in tasks)


def test_a_run_that_cannot_be_fails_with_the_reason(city: Any) -> None:
    root = str(city.workspace.root)
    for deployment, parameters, reason in (
        ("curve", ["problem=ddi"], "recipe"),
        ("bases", ["problem=seriousness", "names=one"], "two different bases are needed"),
        ("phases", ["problem=seriousness", "how=luck"], "how"),
    ):
        done = CliRunner().invoke(app, ["run", deployment, *parameters, "--json", "-w", root])
        if done.exit_code:  # by the form, before anything runs
            assert reason in str(done.exception), deployment
            continue
        run = city.platform.wait(json.loads(done.stdout)["run"], 120)
        assert run.state == "FAILED"
        # Logs are sent in batches, after the state.
        city.wait(
            lambda run=run, reason=reason: reason in str(city.platform.logs(run.id, level=30)), 30, reason
        )
