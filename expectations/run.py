"""Run a suite with Great Expectations, and prove that every rule of its file was evaluated.

Great Expectations drops a rule whose class it does not know, and counts a rule that raised as
evaluated; a suite can then pass with nothing looked at. So the loaded suite is compared with the file,
and every rule must come back with an answer.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd

from expectations.suites import Rule, Suite, Table
from expectations.validation import RuleResult, Validation
from pvcore.errors import ConfigError, Fault

CLIP = 80
"""Characters of a value that a fault shows."""
_ONE_AT_A_TIME = threading.Lock()  # Great Expectations keeps the current context in a global


def evaluate(
    suite: Suite,
    subject: str,
    frames: Mapping[str, pd.DataFrame],
    *,
    parameters: Mapping[str, Any] | None = None,
) -> Validation:
    """Judge `frames` (table name -> rows) by `suite`.

    A table of the suite that is not in `frames` is skipped if it says what it needs. Raises
    ConfigError if a rule was not evaluated: that is a fault of the platform, never of the data.
    """
    applies = [table for table in suite.tables if table.name in frames]
    absent = [table for table in suite.tables if table.name not in frames]
    if missing := [table.name for table in absent if not table.needs]:
        raise ConfigError(f"suite {suite.name}: no rows were given for its tables {', '.join(missing)}.")
    frames = {name: frame.reset_index(drop=True) for name, frame in frames.items()}
    results: list[RuleResult] = []
    faults: dict[str, list[Fault]] = {"critical": [], "warning": [], "info": []}
    with _ONE_AT_A_TIME, _great_expectations() as gx:
        engine = f"great_expectations {gx.__version__}"
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        source = context.data_sources.add_pandas(suite.name)
        for table in applies:
            answers = _answers(gx, source, suite.name, table, frames[table.name], dict(parameters or {}))
            for rule in table.rules:
                result, found = _judge(table, rule, frames[table.name], answers[rule.name])
                results.append(result)
                faults[rule.severity] += found
    return Validation(
        suite=suite.name,
        subject=subject,
        rules=tuple(results),
        expected=sum(len(table.rules) for table in applies),
        failures=tuple(faults["critical"]),
        warnings=(*faults["warning"], *faults["info"]),
        skipped=tuple(f"{table.name}: needs {table.needs}" for table in absent),
        statistics={table.name: len(frames[table.name]) for table in applies},
        suite_digest=suite.digest,
        engine=engine,
    )


@contextmanager
def _great_expectations() -> Iterator[Any]:
    """The module, imported late (it costs seconds), without analytics, warnings or logs of its own."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports modules that Python has deprecated
        import great_expectations as gx
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # it logs what the guard raises
    try:
        yield gx
    finally:
        logger.setLevel(level)


def _answers(
    gx: Any, source: Any, name: str, table: Table, frame: pd.DataFrame, parameters: dict[str, Any]
) -> dict[str, Any]:
    """Rule name -> Great Expectations' result. Raises ConfigError for any that is missing or raised."""
    configurations = [rule.configuration() for rule in table.rules]
    loaded = gx.ExpectationSuite(name=f"{name}.{table.name}", expectations=configurations)
    _compare(f"{name}.{table.name}", table.rules, loaded)
    batch = (
        source.add_dataframe_asset(table.name)
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": frame})
    )
    outcome = batch.validate(
        loaded, result_format={"result_format": "COMPLETE"}, expectation_parameters=parameters
    )
    answers = {result.expectation_config.meta["rule"]: result for result in outcome.results}
    silent = sorted({rule.name for rule in table.rules} ^ set(answers))
    raised = {n: text for n, result in answers.items() if (text := _raised(result.exception_info))}
    if silent or raised or len(outcome.results) != len(table.rules) or not outcome.results:
        reasons = [f"{n}: {raised.get(n, 'no result')}" for n in sorted({*silent, *raised})]
        raise ConfigError(
            f"suite {name}.{table.name}: {len(reasons)} of {len(table.rules)} rules were not evaluated, so nothing "
            f"can be said of the data. {'; '.join(reasons)}. Correct expectations/suites/{name}.json."
        )
    return answers


def _compare(name: str, rules: tuple[Rule, ...], loaded: Any) -> None:
    """Refuse a loaded suite that is not, rule by rule, the one in the file."""
    held = {}
    for expectation in loaded.expectations:
        configuration = expectation.configuration
        held[configuration.meta["rule"]] = (configuration.type, configuration.kwargs)
    lost = [rule.name for rule in rules if rule.name not in held]
    changed = [
        rule.name
        for rule in rules
        if rule.name in held
        and (held[rule.name][0] != rule.type or not _holds(held[rule.name][1], rule.kwargs))
    ]
    if lost or changed or len(loaded.expectations) != len(rules):
        raise ConfigError(
            f"suite {name}: Great Expectations did not load the file as it is written. "
            f"Lost: {', '.join(lost) or 'none'}; changed: {', '.join(changed) or 'none'}. "
            "Is the expectation's name right, and its class imported?"
        )


def _holds(kwargs: Mapping[str, Any], written: Mapping[str, Any]) -> bool:
    """Whether what was loaded has every argument as written (defaults are added, days parsed, 0 is 0.0)."""
    return all(
        key in kwargs and (kwargs[key] == value or json.dumps(kwargs[key], default=str) == json.dumps(value))
        for key, value in written.items()
    )


def _raised(info: Mapping[str, Any]) -> str:
    """The message of an exception, or "". One exception or a mapping of them, by metric."""
    found = [info] if "raised_exception" in info else list(info.values())
    messages = {str(item["exception_message"]) for item in found if item.get("raised_exception")}
    return " / ".join(sorted(messages))[:300]


def _judge(table: Table, rule: Rule, frame: pd.DataFrame, answer: Any) -> tuple[RuleResult, list[Fault]]:
    details = answer.result
    if "element_count" not in details:  # a rule over the table
        observed = str(details.get("observed_value"))
        result = RuleResult(table.name, rule.name, rule.severity, 1, int(not answer.success), observed)
        what = rule.what.format(value=observed)
        return result, [] if answer.success else [Fault(table.name, what, rule.advice)]
    failed = sorted(int(index) for index in details["unexpected_index_list"] or ())
    if bool(failed) == bool(answer.success) or len(failed) != int(details["unexpected_count"]):
        raise ConfigError(
            f"rule {rule.name}: success {answer.success} with {details['unexpected_count']} failed rows, of which "
            f"{len(failed)} are named. Report this with the version of Great Expectations."
        )
    missing = 0 if rule.type == "expect_column_values_to_be_null" else int(details.get("missing_count") or 0)
    rows = int(details["element_count"]) - missing
    result = RuleResult(table.name, rule.name, rule.severity, rows, len(failed))
    return result, [_fault(rule, row, index) for index, row in _rows(frame, failed)]


def _rows(frame: pd.DataFrame, failed: list[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    yield from zip(failed, frame.iloc[failed].to_dict(orient="records"), strict=True)


def _fault(rule: Rule, row: dict[str, Any], index: int) -> Fault:
    shown = {name: _clip(value) for name, value in row.items()} | {"row": index + 1}
    shown["value"] = ", ".join(str(shown[column]) for column in rule.columns)
    named = {name: "(none)" if value is None or value == "" else value for name, value in shown.items()}
    return Fault(rule.where.format(**named), rule.what.format(**shown), rule.advice)


def _clip(value: Any) -> Any:
    if value is None or value != value:  # NaN is how a frame says that nothing is there
        return None
    return value[: CLIP - 3] + "..." if isinstance(value, str) and len(value) > CLIP else value
