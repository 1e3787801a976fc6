"""CSV and Parquet tables of cases and annotations, with a mapping where columns have names of their own.

A table whose columns are named as the fields (see table_mapping.FIELDS; `write` makes such ones) is read
as it is. Any other one arrives in a zip, beside `mapping.yaml`: one object in the inbox stays one batch,
a spreadsheet program cannot lose the mapping, and it is the same for Parquet.

A row is about one case. Rows of one case may repeat its fields or leave them empty. In a row

* `serious` (with `criteria`) says something of the case for problem seriousness;
* `llt_code` or `pt_name` codes the words in `verbatim`, which are a reaction without them, too;
* `problem` and `value` (JSON) say anything else, of `verbatim`.

An empty cell is not known. `drugs` and `reactions` are names with separators, or a list of objects as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pvcore.annotations.fields import case_of, llt_of, require_versions, seriousness_of, version_of
from pvcore.annotations.reading import Content, Findings, Source, json_of, members, refuse, text_of
from pvcore.annotations.table_mapping import (
    CASE,
    FIELDS,
    IGNORED,
    MEMBER,
    TableMapping,
    mapping_of,
)
from pvcore.annotations.table_rows import PARQUET, Rows, delimiter_of, rows_of
from pvcore.annotations.table_write import write, write_tasks
from pvcore.errors import BatchError
from pvcore.records import Annotation, Case, Reaction

__all__ = ["DESCRIPTION", "NAME", "detect", "read", "write", "write_tasks"]

NAME = "table"
DESCRIPTION = f"CSV or Parquet with a column case_id, or any in a zip with {MEMBER}"
SERIOUS = {
    **dict.fromkeys(("serious", "true", "yes", "y", "1"), "serious"),
    **dict.fromkeys(("not serious", "false", "no", "n", "0"), "not serious"),
}
"""What `serious` may be without a mapping of its values; E2B's 2 for "no" must be mapped."""

_LIST = re.compile(r'\[\s*[]{"]')
"""How a list of texts or objects begins in JSON; the name [18F]FDG begins otherwise."""


def detect(source: Source) -> bool:
    """Whether the file is Parquet, a zip with a mapping, or CSV with a column `case_id`."""
    if source.members:
        return MEMBER in source.members
    return source.head[:4] == PARQUET or delimiter_of(source.head, "case_id") is not None


def read(source: Source, meddra_version: str | None = None) -> Content:
    """All rows. `meddra_version` is that of the codes without one of their own.

    Raises BatchError with all faults.
    """
    found = Findings(source.name)
    mapping, name, data = _unpacked(source, found)
    rows = rows_of(data, name, mapping, found)
    if rows is not None:
        rows = _mapped(rows, mapping, name, found)
    if rows is None or found.faults:
        raise BatchError(source.name, found.faults, "Nothing of this batch was used.")
    cases, annotations = _records(rows, mapping, meddra_version, found)
    require_versions(annotations, found)
    return found.finish(cases, annotations)


def _unpacked(source: Source, found: Findings) -> tuple[TableMapping, str, bytes]:
    """The mapping, and the name and bytes of the table."""
    if not source.members:
        return TableMapping(delimiter=delimiter_of(source.head, "case_id") or ","), source.name, source.read()
    files = members(source)
    mapping = mapping_of(text_of(files.pop(MEMBER), source.name, MEMBER), found)
    if mapping.table is not None and mapping.table in files:
        found.drop("file that the mapping does not name", len(files) - 1)
        return mapping, mapping.table, files[mapping.table]
    if mapping.table is not None or len(files) != 1:
        asked = f"no {mapping.table!r}" if mapping.table else f"{len(files)} files beside {MEMBER}"
        raise refuse(
            source.name, "zip", asked, f"name the table in {MEMBER}: it holds {', '.join(files) or 'none'}"
        )
    return mapping, *next(iter(files.items()))


def _mapped(rows: Rows, mapping: TableMapping, name: str, found: Findings) -> Rows | None:
    """The rows with fields for columns; columns that are no field are counted with the cells that they fill."""
    names = dict(mapping.columns) or {column: column for column in rows.columns if column in FIELDS}
    for column in sorted(set(names) - set(rows.columns)):
        found.fault(name, f"no column {column!r}", f"it has {', '.join(rows.columns)}"[:500])
    fields = {field: rows.columns[column] for column, field in names.items() if column in rows.columns}
    for field, value in mapping.constants.items():
        fields[field] = [value] * rows.number
    for field, table in mapping.values.items():
        meant = {cell.strip(): value for cell, value in table.items()}
        fields[field] = [meant.get(cell.strip(), cell) for cell in fields.get(field, ())]
    fields |= {column: rows.columns[column] for column in IGNORED if column in rows.columns}
    for field in ("case_id", "narrative"):
        if field not in fields:
            found.fault(name, f"no column for {field!r}", f"name it so, or map one in {MEMBER}")
    for column in sorted(set(rows.columns) - set(names) - set(IGNORED)):
        found.drop(f"cell of column {column!r:.60}", sum(bool(cell) for cell in rows.columns[column]))
    return Rows(fields, rows.number, rows.places)


def _records(
    rows: Rows, mapping: TableMapping, meddra_version: str | None, found: Findings
) -> tuple[list[Case], list[Annotation]]:
    fields: dict[str, dict[str, Any]] = {}
    said: dict[str, list[Annotation]] = {}
    verbatims: dict[str, dict[str, None]] = {}
    for at, row in _each(rows):
        case_id = row.get("case_id", "")
        if not case_id:
            found.fault(at, "no case_id")
            continue
        at = f"{at}, case {case_id}"
        known = fields.setdefault(case_id, {})
        for name in CASE[1:]:
            if row.get(name):
                value = _value(name, row[name], mapping.separator, at, found)
                if known.setdefault(name, value) != value:
                    found.fault(at, f"{name} differs from an earlier row of the case", "one value a case")
        # words that another problem speaks of, such as a pair of drugs, are no reaction
        reported = {row.get("verbatim", ""): None} if row.get("problem", "") in ("", "coding") else {}
        verbatims.setdefault(case_id, {}).update(reported)
        said.setdefault(case_id, []).extend(_said(row, case_id, mapping, meddra_version, at, found))
    cases = [
        _case(case_id, known, said[case_id], verbatims[case_id], found) for case_id, known in fields.items()
    ]
    return [case for case in cases if case], [a for listed in said.values() for a in listed]


def _each(rows: Rows) -> Iterator[tuple[str, dict[str, str]]]:
    for number in range(rows.number):
        yield rows.places(number), {name: cells[number].strip() for name, cells in rows.columns.items()}


def _value(name: str, cell: str, separator: str, at: str, found: Findings) -> Any:
    """A cell as the JSON value of a field of a Case."""
    if name in ("drugs", "reactions"):
        return _json(cell, at, found) if _LIST.match(cell) else _several(cell, separator)
    if name == "age_years":
        try:
            return float(cell)
        except ValueError:
            return cell
    return cell


def _json(cell: str, at: str, found: Findings) -> Any:
    try:
        return json_of(cell, found.source, at)
    except BatchError as error:
        found.faults += error.faults
        return None


def _several(cell: str, separator: str) -> list[str]:
    return [part.strip() for part in cell.split(separator) if part.strip()]


def _case(
    case_id: str,
    fields: Mapping[str, Any],
    said: Sequence[Annotation],
    verbatims: Mapping[str, None],
    found: Findings,
) -> Case | None:
    case = case_of(fields, case_id, fields.get("narrative"), (), f"case {case_id}", found)
    if case is None:
        return None
    known = {reaction.verbatim for reaction in case.reactions}
    new = tuple(Reaction(verbatim) for verbatim in verbatims if verbatim and verbatim not in known)
    values = {name: getattr(case, name) for name in case.__dataclass_fields__}
    return Case(**{**values, "reactions": (*case.reactions, *new)}) if new else case


def _said(
    row: Mapping[str, str], case_id: str, mapping: TableMapping, asked: str | None, at: str, found: Findings
) -> list[Annotation]:
    values: list[tuple[str, str, Any]] = []
    serious, criteria = row.get("serious", ""), _several(row.get("criteria", ""), mapping.separator)
    chosen = [SERIOUS.get(serious.lower(), serious)] if serious else []
    value = seriousness_of(chosen, criteria, at, found)
    if value is not None:
        values.append(("seriousness", "", value))
    code = {name: row[name] for name in ("llt_code", "pt_name") if row.get(name)}
    if code:
        values += _coding(code, row.get("verbatim", ""), at, found)
    unsigned = not row.get("annotator") and IGNORED[0] in row
    if bool(row.get("problem")) != bool(row.get("value")):
        if unsigned:
            return []  # a question of a work list that nobody answered
        found.fault(at, "problem without a value, or value without a problem")
    elif row.get("problem"):
        other = _json(row["value"], at, found)
        if not isinstance(other, dict):
            found.fault(at, f"value {row['value']!r:.100} is no JSON object")
        else:
            values.append((row["problem"], row.get("verbatim", ""), other))
    if not values:
        return []
    if unsigned:
        found.drop("row of a work list that nobody signed")
        return []
    if not row.get("annotator"):
        found.fault(at, "does not say who said it (`annotator`)", f"a column, or a constant in {MEMBER}")
        return []
    version = version_of(row.get("meddra_version"), asked, at, found)
    return [
        Annotation(case_id, problem, value, row["annotator"], target, row.get("time") or None,
                   row.get("guideline") or None, version if problem == "coding" else None)
        for problem, target, value in values
    ]  # fmt: skip


def _coding(code: dict[str, str], verbatim: str, at: str, found: Findings) -> list[tuple[str, str, Any]]:
    if not verbatim:
        found.fault(at, "codes nothing: `verbatim` is empty", "give the words that are coded")
        return []
    if "llt_code" in code:
        llt = llt_of(code["llt_code"], verbatim, at, found)
        code = {**code, "llt_code": llt} if llt else {}
    return [("coding", verbatim, code)] if code else []
