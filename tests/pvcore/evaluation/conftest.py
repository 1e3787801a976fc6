"""Examples with chosen answers: 's' is serious, 'n' is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from pvcore.evaluation import metrics as m
from pvcore.evaluation.policy import Policy
from pvcore.records import Example, Prediction

NAMES = {"s": "serious", "n": "non-serious"}


@pytest.fixture
def examples() -> Callable[..., list[Example]]:
    def make(labels: str, slices: Mapping[str, Sequence[int]] | None = None) -> list[Example]:
        named = slices or {}
        return [
            Example(
                example_id=f"e{number:04d}",
                case_id=f"c{number}",
                text="",
                label=NAMES[label],
                cluster=f"k{number}",
                slices=tuple(name for name, rows in named.items() if number in rows),
            )
            for number, label in enumerate(labels)
        ]

    return make


@pytest.fixture
def answers() -> Callable[[str], list[Prediction]]:
    def make(given: str) -> list[Prediction]:
        return [
            Prediction(f"e{number:04d}", NAMES[answer], {"s": 0.9, "n": 0.1}[answer])
            for number, answer in enumerate(given)
        ]

    return make


@pytest.fixture
def metrics() -> dict[str, m.Metric]:
    chosen = (m.accuracy(), m.recall("serious"), m.average_precision("serious"))
    return {metric.name: metric for metric in chosen}


@pytest.fixture
def policy() -> Callable[..., Policy]:
    def make(evaluation: Mapping[str, object] | None = None, **problem: object) -> Policy:
        asked = {
            "floors": {"accuracy": 0.7},
            "non_inferiority": {"accuracy": {"margin": 0.05}},
            **problem,
        }
        return Policy.model_validate(
            {"problems": {"seriousness": asked}, "evaluation": {"resamples": 200, **(evaluation or {})}}
        )

    return make
