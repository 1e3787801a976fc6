"""A stored mapping: what became of every coded row between two releases, replayable and reversible."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from pvcore.errors import BatchError, Fault

CLASSES = ("unchanged", "renamed", "hierarchy_refreshed", "recoded", "needs_review", "unknown_code")
COLUMNS = ("row_id", "old_code", "new_code", "new_pt_code", "class", "rule", "suggestions")
LABELS: dict[str, tuple[str, str]] = {
    "llt_code": ("old_code", "new_code"),
    "pt_name": ("old_name", "new_name"),
}
"""What rows are coded by -> the columns of a mapping that hold it before and after."""


@dataclass(frozen=True, eq=False)
class Migration:
    """The mapping of every row. `rows` has COLUMNS; codes are None where there is none.

    Rows that are coded by the name of a PT (`label` is "pt_name") have old_name and new_name as well;
    their codes are those of PTs, and old_code is "" where the old release was not at hand (old_digest
    is "" then). A mapping is stored as JSON, replayed by `apply` and taken back by `revert`.
    """

    old_version: str
    new_version: str
    old_digest: str
    new_digest: str
    policy: int
    rows: pd.DataFrame = field(repr=False)
    label: str = "llt_code"

    @cached_property
    def counts(self) -> dict[str, int]:
        """Rows in every class, zero included."""
        found = self.rows["class"].value_counts()
        return {name: int(found.get(name, 0)) for name in CLASSES}

    @property
    def impacted(self) -> int:
        """Rows that are not unchanged: what the maintenance organisation's impact report counts."""
        return len(self.rows) - self.counts["unchanged"]

    def work_list(self) -> pd.DataFrame:
        """Rows that a person has to code again: needs_review and unknown_code."""
        return self.rows[self.rows["new_code"].isna()].reset_index(drop=True)

    def apply(self, rows: pd.DataFrame) -> pd.DataFrame:
        """`rows` with their new llt_code (or pt_name), without those of the work list.

        Raises BatchError if a row is not in the mapping, or is not on the code that it was mapped from.
        """
        before, after = LABELS[self.label]
        return self._replay(rows, before, after)

    def revert(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows as `apply` returned them, back on their old codes."""
        before, after = LABELS[self.label]
        return self._replay(rows, after, before)

    def _replay(self, rows: pd.DataFrame, source: str, target: str) -> pd.DataFrame:
        mapping = self.rows.set_index("row_id")
        ids = rows["row_id"].astype("str")
        expected = ids.map(mapping[source])
        work = ids.isin(mapping.index[mapping["new_code"].isna()]) & (source == LABELS[self.label][0])
        wrong = ~((expected == rows[self.label]).fillna(False).astype(bool))
        if wrong.any():
            raise BatchError(
                f"migration {self.old_version} to {self.new_version}",
                [
                    Fault(
                        f"row {row_id}",
                        f"{self.label} {code}, expected {known if isinstance(known, str) else 'no such row'}",
                    )
                    for row_id, code, known in zip(
                        ids[wrong], rows[self.label][wrong], expected[wrong], strict=True
                    )
                ],
                "The mapping belongs to other rows.",
            )
        kept = rows[~work].copy()
        kept[self.label] = ids[~work].map(mapping[target])
        return kept.reset_index(drop=True)

    def to_json(self) -> str:
        """The mapping with versions, digests, policy and counts."""
        value = {
            "old": {"version": self.old_version, "digest": self.old_digest},
            "new": {"version": self.new_version, "digest": self.new_digest},
            "policy": self.policy,
            "label": self.label,
            "counts": self.counts,
            "rows": [
                list(row) for row in zip(*(self.rows[c].tolist() for c in columns(self.label)), strict=True)
            ],
        }
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Migration:
        """The migration that `to_json` wrote. Raises BatchError if it is not one."""
        try:
            value = json.loads(text)
            old, new = value["old"], value["new"]
            label = value.get("label", "llt_code")
            rows = frame(value["rows"], label)
            return cls(
                old["version"], new["version"], old["digest"], new["digest"], value["policy"], rows, label
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BatchError("migration", [Fault("JSON", f"not a stored migration: {error}")]) from error


def columns(label: str) -> tuple[str, ...]:
    """The columns of a mapping of rows that are coded by `label`."""
    return COLUMNS if label == "llt_code" else (*COLUMNS, *LABELS[label])


def frame(rows: Iterable[Iterable[Any]], label: str = "llt_code") -> pd.DataFrame:
    """The table of a mapping, from rows in the order of `columns(label)`."""
    table = pd.DataFrame([tuple(row) for row in rows], columns=list(columns(label)), dtype="object")
    for name in {"row_id", "old_code", "old_name", "class", "rule"} & set(table.columns):
        table[name] = table[name].astype("str")
    return table
