"""The suites: read from the JSON files of suites/, where every rule is written by hand.

A file holds one suite of Great Expectations a table. `where` is how a row of the table is named to a
reader; `needs` marks a table that applies only where what it needs was given. Every expectation says
in `meta` its name (`rule`), what is wrong when a row fails (`what`), and what to do (`advice`). These
are templates over the row's columns, `row` (its number from 1) and `value` (what the rule looked at);
no template shows a narrative. `{"$PARAMETER": name}` is filled in when the suite runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from expectations.validation import Severity
from pvcore.errors import ConfigError
from pvcore.records import digest

FOLDER = Path(__file__).parent / "suites"


@dataclass(frozen=True)
class Rule:
    """One expectation as its file states it."""

    name: str
    type: str
    kwargs: Mapping[str, Any]
    severity: Severity
    where: str
    what: str
    advice: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads; () for a rule over the table."""
        k = self.kwargs
        named = [k[name] for name in ("column", "column_A", "column_B") if name in k]
        return (*named, *k.get("column_list", ()))

    def configuration(self) -> dict[str, Any]:
        """The expectation as Great Expectations takes it."""
        return {
            "type": self.type,
            "kwargs": json.loads(json.dumps(self.kwargs)),
            "severity": self.severity,
            "meta": {"rule": self.name},
        }


@dataclass(frozen=True)
class Table:
    """The rules of one table. `needs` is what must be given for them to apply; empty if they always do."""

    name: str
    needs: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Suite:
    """A suite as its file states it; `digest` names the file's contents."""

    name: str
    tables: tuple[Table, ...]
    digest: str


@cache
def load(name: str) -> Suite:
    """The suite of suites/<name>.json. Raises ConfigError for one that is not complete."""
    file = FOLDER / f"{name}.json"
    try:
        return parse(file.read_bytes())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file}: not a suite: {error!r}. Install the package again.") from error


def parse(data: bytes) -> Suite:
    """A suite from a file's bytes. Raises ValueError or KeyError for one that is not complete."""
    document = json.loads(data)
    tables = tuple(
        Table(
            name=name,
            needs=table.get("needs", ""),
            rules=tuple(_rule(item, table["where"]) for item in table["expectations"]),
        )
        for name, table in document["tables"].items()
    )
    names = [rule.name for table in tables for rule in table.rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    empty = [table.name for table in tables if not table.rules]
    if twice or empty or not tables:
        raise ValueError(f"rules named twice: {twice}; tables without rules: {empty}; {len(tables)} tables")
    return Suite(document["name"], tables, digest(data))


def _rule(item: Mapping[str, Any], where: str) -> Rule:
    meta, severity = item["meta"], item.get("severity", "critical")
    if severity not in ("critical", "warning", "info"):
        raise ValueError(f"rule {meta['rule']}: severity {severity!r}")
    return Rule(
        name=meta["rule"],
        type=item["type"],
        kwargs=item["kwargs"],
        severity=cast(Severity, severity),
        where=meta.get("where", where),
        what=meta["what"],
        advice=meta.get("advice", ""),
    )
