"""What is typed after `pv run`: a number where the form asks for one, and a text where a text looks like one."""

from __future__ import annotations

import pytest

from pvcore.errors import InputError
from pvcore.platform.forms import typed

SCHEMA = {"properties": {
    "version": {"type": "string"}, "size": {"type": "integer"}, "target": {"type": "number"},
    "parents": {"type": "boolean"}, "anything": {"anyOf": [{"type": "string"}, {"type": "null"}]},
}}  # fmt: skip


def test_values_are_what_the_form_asks_for() -> None:
    texts = {"version": "27.0", "size": "10", "target": "0.99", "parents": "true", "anything": "7"}
    assert typed(SCHEMA, texts) == {
        "version": "27.0", "size": 10, "target": 0.99, "parents": True, "anything": "7",
    }  # fmt: skip


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        typed(
            {**SCHEMA, "required": ["version"]},
            {"size": "ten", "target": "much", "parents": "yes", "seed": "1"},
        )
    told = str(refused.value)
    for words in (
        "expected a whole number, found 'ten'",
        "found 'much'",
        "true or false",
        "seed",
        "parents, size",
        "version: is missing",
    ):
        assert words in told


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity", "1e999"])
def test_what_json_cannot_say_is_no_number(text: str) -> None:
    with pytest.raises(InputError, match="target: expected a number"):
        typed(SCHEMA, {"target": text})
