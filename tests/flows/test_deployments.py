"""prefect.yaml, loaded for real: a flow with a broken import would otherwise be deployed as an empty placeholder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENTS = {d["name"]: d for d in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}
WANTED = {
    "meddra", "annotations", "meddra-update", "retrain", "train", "promote", "rollback", "override", "phases",
    "rebuild", "score", "curve", "bases", "drift",
}  # fmt: skip


def _flow(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    from prefect.flows import load_flow_from_entrypoint

    monkeypatch.chdir(ROOT)
    return load_flow_from_entrypoint(DEPLOYMENTS[name]["entrypoint"], use_placeholder_flow=False)


def test_all_deployments_are_there() -> None:
    assert set(DEPLOYMENTS) == WANTED


@pytest.mark.parametrize("name", sorted(WANTED))
def test_entrypoint_loads_and_takes_its_parameters(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = _flow(name, monkeypatch)
    given = DEPLOYMENTS[name].get("parameters", {})
    for trigger in DEPLOYMENTS[name].get("triggers", []):
        given = {**given, **trigger.get("parameters", {})}
    assert set(given) <= set(flow.parameters.properties)
    assert flow.description, "the form in the UI needs words"


@pytest.mark.parametrize("name", sorted(WANTED))
def test_every_parameter_is_a_field_of_the_form(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for field, schema in _flow(name, monkeypatch).parameters.properties.items():
        assert schema.get("type") in {"string", "boolean", "integer", "number"} or "enum" in schema, field


def test_the_schedule_of_the_update_and_the_watchers() -> None:
    crons = [schedule["cron"] for schedule in DEPLOYMENTS["meddra-update"]["schedules"]]
    assert crons == ["0 6 1 3 *", "0 6 1 9 *"]
    assert all(DEPLOYMENTS[name]["schedules"][0]["interval"] <= 600 for name in ("meddra", "annotations"))


def test_training_is_one_at_a_time_on_the_gpu_pool_and_waits_its_turn() -> None:
    train = DEPLOYMENTS["train"]
    assert train["work_pool"]["name"] == "gpu"
    assert train["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}


def test_what_suspends_is_never_cancelled_on_its_return() -> None:
    for name in ("promote", "rollback", "override"):
        limit = DEPLOYMENTS[name].get("concurrency_limit", {})
        assert limit.get("collision_strategy", "ENQUEUE") == "ENQUEUE"


def test_the_events_of_the_watchers_start_the_updates() -> None:
    source = (ROOT / "tasks" / "inbox.py").read_text()
    for name in ("meddra-update", "retrain"):
        (trigger,) = DEPLOYMENTS[name]["triggers"]
        (event,) = trigger["expect"]
        assert f'"{event}"' in source, f"nobody emits {event}"


@pytest.mark.parametrize("name", sorted(WANTED))
def test_the_reference_has_every_parameter_and_says_which_are_needed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")
    rows = [
        line for line in text.partition("## What `pv run` takes")[2].splitlines() if line.startswith("| `")
    ]
    called = f"watch/{name}" if name in ("meddra", "annotations") else name
    (said,) = [row.split(" | ")[1] for row in rows if f"`{called}`" in row.split(" | ")[0]]
    wanted = _flow(name, monkeypatch).parameters
    assert set(re.findall(r"`(\w+)", said)) == set(wanted.properties)
    assert set(re.findall(r"\*\*`(\w+)`", said)) == set(wanted.required)
