"""Predictions as the store keeps them: written, and read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pvcore.records import Guardrail, Prediction, canonical


def lines(predictions: Iterable[Prediction]) -> bytes:
    """The predictions as they are kept: a line of canonical JSON each."""
    return b"".join(canonical(prediction) + b"\n" for prediction in predictions)


def read_answers(data: bytes) -> list[Prediction]:
    """The predictions of a stored blob, as they were given."""
    return [of_record(json.loads(line)) for line in data.splitlines()]


def of_record(record: Mapping[str, Any]) -> Prediction:
    """A prediction of its JSON value."""
    fields = {name: _frozen(value) for name, value in record.items()}
    checks = tuple(Guardrail(**check) for check in fields.pop("guardrails"))
    return Prediction(**fields, guardrails=checks)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
