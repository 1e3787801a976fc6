"""The guard: a suite whose rules were not all evaluated never passes."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import sys
from typing import Any

import pandas as pd
import pytest

from expectations import run
from expectations.run import evaluate
from expectations.suites import FOLDER, Suite, load, parse
from pvcore.errors import ConfigError

FRAMES = {"t": pd.DataFrame({"code": ["1", "2", None]})}


def suite(*expectations: tuple[str, dict[str, Any]], **table: str) -> Suite:
    items = [
        {"type": kind, "kwargs": kwargs, "meta": {"rule": f"rule-{i}", "what": "{value} is wrong"}}
        for i, (kind, kwargs) in enumerate(expectations)
    ]
    document = {"name": "s", "tables": {"t": {"where": "row {row}", "expectations": items, **table}}}
    return parse(json.dumps(document).encode())


NOT_NULL = ("expect_column_values_to_not_be_null", {"column": "code"})


def test_a_rule_of_an_unknown_class_is_not_dropped_without_a_word() -> None:
    with pytest.raises(ConfigError, match=r"Lost: rule-1"):
        evaluate(suite(NOT_NULL, ("expect_codes_to_be_nice", {"column": "code"})), "x", FRAMES)
    with pytest.raises(ConfigError, match=r"Lost: rule-0"):  # Great Expectations itself passes this one
        evaluate(suite(("expect_codes_to_be_nice", {"column": "code"})), "x", FRAMES)


def test_a_rule_that_raises_is_not_evaluated() -> None:
    with pytest.raises(ConfigError, match=r"1 of 2 rules were not evaluated.*rule-1.*absent"):
        evaluate(suite(NOT_NULL, ("expect_column_values_to_be_null", {"column": "absent"})), "x", FRAMES)


def test_a_result_that_is_lost_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from great_expectations.datasource.fluent.interfaces import Batch

    whole = Batch.validate

    def cut(self: Any, *args: Any, **kwargs: Any) -> Any:
        outcome = whole(self, *args, **kwargs)
        outcome.results.pop()
        return outcome

    monkeypatch.setattr(Batch, "validate", cut)
    with pytest.raises(ConfigError, match="no result"):
        evaluate(suite(NOT_NULL), "x", FRAMES)


def test_a_rule_that_was_changed_on_loading_is_noticed() -> None:
    wanted = suite(("expect_column_values_to_be_in_set", {"column": "code", "value_set": ["1"]}))
    rule = wanted.tables[0].rules[0]
    import great_expectations as gx

    loaded = gx.ExpectationSuite(name="s", expectations=[rule.configuration()])
    run._compare("s", (rule,), loaded)
    with pytest.raises(ConfigError, match="changed: rule-0"):
        run._compare("s", (dataclasses.replace(rule, kwargs={"column": "code", "value_set": ["2"]}),), loaded)


def test_a_table_is_skipped_only_where_it_may_be() -> None:
    with pytest.raises(ConfigError, match="no rows were given for its tables t"):
        evaluate(suite(NOT_NULL), "x", {})
    assert evaluate(suite(NOT_NULL, needs="luck"), "x", {}).skipped == ("t: needs luck",)


def test_rows_are_those_with_a_value_and_an_index_is_never_trusted() -> None:
    frame = FRAMES["t"].set_index(pd.Index([7, 7, 7]))
    rules = suite(("expect_column_values_to_match_regex", {"column": "code", "regex": "^1$"}), NOT_NULL)
    validation = evaluate(rules, "x", {"t": frame})
    assert [(r.rows, r.failed) for r in validation.rules] == [(2, 1), (3, 1)]
    assert [(f.where, f.what) for f in validation.failures] == [
        ("row 2", "2 is wrong"),
        ("row 3", "None is wrong"),
    ]


@pytest.mark.parametrize(
    "document",
    [
        b"{}",
        b'{"name": "s", "tables": {}}',
        b'{"name": "s", "tables": {"t": {"where": "", "expectations": []}}}',
        b'{"name": "s", "tables": {"t": {"where": "", "expectations": [{"type": "x", "kwargs": {}}]}}}',
    ],
)
def test_an_incomplete_suite_is_refused(document: bytes) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse(document)


def test_a_rule_named_twice_is_refused() -> None:
    item = {"type": "x", "kwargs": {}, "meta": {"rule": "r", "what": ""}}
    document = {"name": "s", "tables": {"t": {"where": "", "expectations": [item, item]}}}
    with pytest.raises(ValueError, match="named twice"):
        parse(json.dumps(document).encode())


def test_a_missing_suite_is_a_clear_error() -> None:
    with pytest.raises(ConfigError, match="Install the package again"):
        load("no-such-suite")


def test_the_suites_hold_as_many_rules_as_they_should() -> None:
    counts = {file.stem: sum(len(t.rules) for t in load(file.stem).tables) for file in FOLDER.glob("*.json")}
    assert counts == {"batch": 33, "release": 53, "training_set": 24}


def test_the_same_rows_give_the_same_bytes() -> None:
    rules = suite(NOT_NULL)
    assert evaluate(rules, "x", FRAMES).to_json() == evaluate(rules, "x", FRAMES).to_json()


def test_nothing_goes_out_to_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError(f"connects to {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    evaluate(suite(NOT_NULL), "x", FRAMES)


def test_importing_the_suites_is_cheap() -> None:
    code = "import expectations, sys; print([m for m in ('great_expectations', 'torch') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
