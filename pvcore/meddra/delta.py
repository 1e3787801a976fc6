"""The rows that make one release of another: the exact form of a difference, beside its named kinds.

A named change says what a coder has to know; it leaves out what no coder reads (an order of SOCs, the
version an SMQ was last touched in). The rows that left and came, table by table, leave out nothing, so
OLD with them is NEW, and NEW with them the other way round is OLD.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pvcore.errors import Fault, ReleaseError
from pvcore.meddra.columns import TEXT, joined
from pvcore.meddra.tables import TABLES, lines

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True, slots=True)
class TableDelta:
    """Rows, as fields joined by `$`, that left a table and that came into it, each sorted.

    `was` and `is_` say whether the table is in the old and in the new release at all (SMQ tables may
    be missing, and an empty table is not a missing one).
    """

    removed: tuple[str, ...]
    added: tuple[str, ...]
    was: bool = True
    is_: bool = True

    def reversed(self) -> TableDelta:
        return TableDelta(self.added, self.removed, self.is_, self.was)


Delta = Mapping[str, TableDelta]
"""Table name -> its rows; a table without a change is left out."""


def delta(old: Tables, new: Tables) -> dict[str, TableDelta]:
    """What turns the tables of `old` into those of `new`; a row that stands twice is two rows."""
    found = {}
    for name in TABLES:
        removed, added = _differing(_lines(old.get(name)), _lines(new.get(name)))
        if removed or added or (name in old) != (name in new):
            found[name] = TableDelta(removed, added, name in old, name in new)
    return found


def touched(changes: Delta, table: str, column: str, *fields: str) -> pd.Index:
    """Values of a column in the rows that left or came, each once, sorted.

    With `fields`, only of rows in which one of them (or the column) is not as it was.
    """
    change, columns = changes.get(table, TableDelta((), ())), TABLES[table].columns
    at = [columns.index(name) for name in (column, *(fields or columns))]
    left, came = (
        {tuple(values[place] for place in at) for values in (row.split("$") for row in rows)}
        for rows in (change.removed, change.added)
    )
    return pd.Index(sorted({value for value, *_ in left ^ came}), dtype="str")


def reverse(changes: Delta) -> dict[str, TableDelta]:
    """The same difference the other way round."""
    return {name: change.reversed() for name, change in changes.items()}


def apply(tables: Tables, changes: Delta) -> dict[str, pd.DataFrame]:
    """The tables with the changes: kept rows in their order, then the rows that came.

    Raises ReleaseError with every row that should leave and is not there, and every table that should
    be there and is not, or the other way round.
    """
    made: dict[str, pd.DataFrame] = {}
    faults: list[Fault] = []
    for name, table in TABLES.items():
        change = changes.get(name)
        if change is None:
            made |= {name: tables[name]} if name in tables else {}
            continue
        if change.was != (name in tables):
            faults.append(Fault(table.file, "is missing" if change.was else "is there, and should not be"))
            continue
        given = list(lines(tables[name])) if change.was else []
        leaving = Counter(change.removed)
        kept = [line for line in given if not _took(leaving, line)]
        faults += [Fault(table.file, f"has no row {line!r}") for line in leaving.elements()]
        if change.is_:
            made[name] = _frame(name, [*kept, *change.added])
    if faults:
        raise ReleaseError(
            "difference", faults, "It was made from another release: give the one that it names."
        )
    return made


def to_value(changes: Delta) -> dict[str, Any]:
    """The changes as a JSON value: table -> removed, added and, where a table came or went, `table`."""
    return {
        name: {"removed": list(change.removed), "added": list(change.added)}
        | ({} if change.was == change.is_ else {"table": "removed" if change.was else "added"})
        for name, change in changes.items()
    }


def from_value(value: Mapping[str, Any]) -> dict[str, TableDelta]:
    """The changes that `to_value` wrote. Raises KeyError, TypeError or ValueError for another value."""
    if unknown := set(value) - set(TABLES):
        raise ValueError(f"no such tables: {', '.join(sorted(unknown))}")
    return {
        name: TableDelta(
            _fitting(name, rows["removed"]),
            _fitting(name, rows["added"]),
            was=rows.get("table") != "added",
            is_=rows.get("table") != "removed",
        )
        for name, rows in value.items()
    }


def _fitting(name: str, rows: list[str]) -> tuple[str, ...]:
    """Rows as they are, if they have the table's fields."""
    width = len(TABLES[name].columns)
    for row in rows:
        if row.count("$") + 1 != width:
            raise ValueError(f"{TABLES[name].file}: row {row!r} has not its {width} fields")
    return tuple(rows)


def _lines(table: pd.DataFrame | None) -> pa.Array:
    return pa.array([], TEXT) if table is None else joined(table, "$")


def _differing(old: pa.Array, new: pa.Array) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The rows that one side has more often than the other: of OLD, and of NEW, each sorted."""
    rows = pa.concat_arrays([old, new]).dictionary_encode()  # each distinct row is hashed once, and numbered
    number, size = rows.indices.to_numpy(), len(rows.dictionary)
    more = np.bincount(number[: len(old)], minlength=size) - np.bincount(number[len(old) :], minlength=size)
    return _repeated(rows.dictionary, more), _repeated(rows.dictionary, -more)


def _repeated(rows: pa.Array, times: npt.NDArray[np.int64]) -> tuple[str, ...]:
    """Every row as often as it says, sorted; less than once is never."""
    return tuple(
        sorted(rows.take(pa.array(np.repeat(np.arange(len(times)), np.maximum(times, 0)))).to_pylist())
    )


def _took(leaving: Counter[str], line: str) -> bool:
    """Whether this row is one of those that leave; it is then crossed off."""
    if not leaving.get(line):
        return False
    leaving[line] -= 1
    return True


def _frame(name: str, rows: Iterable[str]) -> pd.DataFrame:
    columns = list(TABLES[name].columns)
    return pd.DataFrame([row.split("$") for row in rows], columns=columns, dtype="str")
