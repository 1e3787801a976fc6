"""What the prices of an advice are completed by."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pvcore.cycle import candidate, data, pricing

A_CASE = 0.001
"""Seconds."""


def test_a_champion_is_as_fast_as_it_goes_on_not_as_it_starts(
    told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that has answered nothing yet loads libraries first, which took longer than a hundred answers."""
    started: list[int] = []

    def ask(rows: list[Any], **given: Any) -> list[Any]:
        time.sleep(len(rows) * A_CASE + (0 if started else 0.5))
        started.append(len(rows))
        return []

    @contextmanager
    def opened(*given: Any, **named: Any) -> Iterator[Any]:
        yield ask

    monkeypatch.setattr(candidate, "opened", opened)
    dataset = candidate.champion_of(told.workspace, "seriousness").manifest.dataset  # type: ignore[union-attr]
    rows = data.examples(told.workspace, "seriousness", dataset)["train"]
    assert len(rows) > pricing.TIMED
    speed = pricing.cases_per_hour(told.workspace, "seriousness", rows)
    assert speed and 0.02 < speed * A_CASE / 3600 < 2
