"""Which metric a learning curve is read by; what it says of a town is in test_advice.py."""

from __future__ import annotations

import json
from importlib import resources
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from pvcore.cycle import learned
from pvcore.errors import ConfigError
from pvcore.evaluation.policy import Policy
from pvcore.problems import PROBLEMS
from pvcore.records import canonical

WRITTEN = yaml.safe_load((resources.files("pvcore.recipes") / "policy.yaml").read_text())


def policy(document: dict[str, Any]) -> Any:
    return SimpleNamespace(gate=Policy.model_validate({"problems": document["problems"]}))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_policy_and_its_stored_form_ask_for_the_same_metric_of_which_more_is_better(problem: str) -> None:
    stored = json.loads(canonical(WRITTEN))
    metric = learned.first_metric(None, problem, policy(WRITTEN))  # type: ignore[arg-type]
    assert metric == learned.first_metric(None, problem, policy(stored))  # type: ignore[arg-type]
    assert PROBLEMS[problem].metrics[metric].higher_is_better
    assert metric in WRITTEN["problems"][problem]["floors"]


@pytest.mark.parametrize(
    ("floors", "metric"),
    [({}, "weighted_kappa"), ({"cost": 0.3}, "weighted_kappa"), ({"cost": 0.3, "accuracy": 0.5}, "accuracy")],
)
def test_a_metric_of_which_less_is_better_heads_no_curve(floors: dict[str, float], metric: str) -> None:
    asked = policy({"problems": {"triage": {"floors": floors}}})
    assert learned.first_metric(None, "triage", asked) == metric  # type: ignore[arg-type]


def test_a_metric_that_only_a_dictionary_has_is_found_by_its_floor() -> None:
    asked = policy({"problems": {"coding": {"floors": {"pt_accuracy": 0.4}}}})
    assert learned.first_metric(None, "coding", asked) == "pt_accuracy"  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", ["under_triage", "over_triage", "cost"])
def test_a_curve_by_a_metric_of_which_less_is_better_is_refused(metric: str) -> None:
    with pytest.raises(ConfigError, match=f"less {metric} is better.*weighted_kappa, macro_f1, accuracy"):
        learned.learned(None, "triage", metric)  # type: ignore[arg-type]


def test_an_evaluation_of_before_is_read_by_the_metric_that_it_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the policy has a floor for it, that is: the choice among them was another one once."""
    read = lambda workspace, problem, metric, entries: SimpleNamespace(to_json=lambda: {"metric": metric})  # noqa: E731
    monkeypatch.setattr(learned, "_read", read)
    assert learned.then(None, "triage", policy({"problems": {}}), (), "cost") == {"metric": "cost"}  # type: ignore[arg-type]
    for kept, metric in {
        "under_triage": "under_triage",
        "cost": "weighted_kappa",
        "": "weighted_kappa",
    }.items():
        found = learned.then(None, "triage", policy(WRITTEN), (), kept)  # type: ignore[arg-type]
        assert found == {"metric": metric}
