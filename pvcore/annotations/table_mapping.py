"""Which column of a table is which field: what a mapping may say, checked.

table: reports.csv                # needed only if the zip holds several tables
columns: {REPORT_NO: case_id, DESCRIPTION: narrative, IS_SERIOUS: serious, TERM: verbatim, LLT: llt_code}
constants: {annotator: unit-7, meddra_version: "29.0"}
values: {serious: {"Y": serious, "N": not serious}}
separator: ";"                    # between several drugs or criteria in a cell
delimiter: ","                    # of a CSV file
encoding: utf-8
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from pvcore import yaml_text
from pvcore.annotations.reading import Findings

MEMBER = "mapping.yaml"
"""The mapping's name beside the table in a zip."""
CASE = (
    "case_id",
    "narrative",
    "received",
    "age_years",
    "sex",
    "country",
    "language",
    "source",
    "drugs",
    "reactions",
)
SAID = ("annotator", "time", "guideline", "serious", "criteria", "verbatim", "llt_code", "pt_name", "meddra_version",
        "problem", "value")  # fmt: skip
FIELDS = (*CASE, *SAID)
"""What a column can be. A row is about one case and says at most one thing of each problem of it."""
DELIMITERS = (",", ";", "\t")
"""Of a CSV without a mapping: a spreadsheet takes what the settings of its country say."""
IGNORED = ("reason", "suggested_llt_codes", "suggested_llt_names")
"""Columns of a work list that tell a person something and say nothing themselves."""


@dataclass(frozen=True, slots=True)
class TableMapping:
    """A mapping. `columns` is column -> field; without one, columns have the names of the fields."""

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    table: str | None = None
    separator: str = ";"
    delimiter: str = ","
    encoding: str = "utf-8-sig"


def mapping_of(text: str, found: Findings) -> TableMapping:
    """A mapping from its YAML; what it must not say becomes faults."""
    try:
        said = yaml_text.load(text, as_written=True)
    except yaml_text.RepeatedKeys as error:
        found.fault(MEMBER, str(error), "remove the one that is not meant")
        return TableMapping()
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        found.fault(
            MEMBER, f"is no YAML: {' '.join(str(error).split())[:200]}", "see docs/reference/formats.md"
        )
        return TableMapping()
    if not isinstance(said, dict):
        found.fault(MEMBER, "is no mapping", "see docs/reference/formats.md")
        return TableMapping()
    known = set(TableMapping.__dataclass_fields__)
    for key in sorted(str(key) for key in set(said) - known):
        found.fault(MEMBER, f"knows no {key!r}", f"there are {', '.join(sorted(known))}")
    columns, constants = _texts(said, "columns", found), _texts(said, "constants", found)
    values = {}
    for name, table in _entries(said, "values", found).items():
        values[str(name)] = _texts({f"values.{name}": table}, f"values.{name}", found)
    for where, names in (("columns", columns.values()), ("constants", constants), ("values", values)):
        for name in sorted(set(names) - set(FIELDS)):
            found.fault(f"{MEMBER}, {where}", f"knows no field {name!r}", f"there are {', '.join(FIELDS)}")
    taken = Counter([*columns.values(), *constants])
    for name in sorted(name for name, number in taken.items() if number > 1):
        found.fault(MEMBER, f"the field {name!r} is given twice", "one column or one constant a field")
    texts = {key: _text(said, key, default, found) for key, default in
             (("separator", ";"), ("delimiter", ","), ("encoding", "utf-8-sig"))}  # fmt: skip
    if len(texts["delimiter"]) != 1 or texts["delimiter"] in '\r\n"':
        found.fault(MEMBER, f"delimiter {texts['delimiter']!r}", "one character")
        texts["delimiter"] = ","
    return TableMapping(columns, constants, values, _text(said, "table", None, found), **texts)


def _entries(said: Mapping[Any, Any], key: str, found: Findings) -> dict[Any, Any]:
    value = said.get(key) or {}
    if isinstance(value, dict):
        return value
    found.fault(MEMBER, f"{key} is no mapping")
    return {}


def _texts(said: Mapping[Any, Any], key: str, found: Findings) -> dict[str, str]:
    """Texts to texts, as they are written."""
    made = {}
    for name, value in _entries(said, key, found).items():
        if isinstance(value, str):
            made[name or ""] = value
        else:
            found.fault(MEMBER, f"{key}: {name} is {value!r:.50}", "a text is expected")
    return made


def _text(said: Mapping[Any, Any], key: str, default: Any, found: Findings) -> Any:
    value = said.get(key, default)
    if (isinstance(value, str) and value) or value is None:
        return value or default
    found.fault(MEMBER, f"{key} is {value!r:.50}", "a text is expected")
    return default
