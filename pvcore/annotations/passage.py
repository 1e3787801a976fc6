"""Codes on their way through stored migrations: which row a label meets at each step, and where it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pvcore.errors import BatchError, Fault
from pvcore.records import digest


def row_id(case_id: str, target: str, llt_code: str) -> str:
    """The name of a coded label in a migration.

    The code is part of it, so that two annotators who coded one verbatim differently have a row each:
    `pvcore.meddra.migrate` takes every row once.
    """
    return digest([case_id, target, llt_code])[:32]


class Moved(NamedTuple):
    """What a migration says of one row; `mapping` is its digest, `code` None where a person has to choose."""

    code: str | None
    kind: str
    rule: str
    mapping: str
    suggestions: tuple[str, ...]


Rows = dict[tuple[str, str], Moved]
"""By row id and old code."""


def steps_of(mappings: Sequence[bytes]) -> dict[str, tuple[str, Rows]]:
    """Old version -> (new version, rows), of migrations as `pvcore.meddra.migrate` stores them."""
    from pvcore.meddra.migrate import Migration

    steps: dict[str, tuple[str, Rows]] = {}
    for data in mappings:
        moved, name = Migration.from_json(data), digest(data)
        wanted = ("row_id", "old_code", "new_code", "class", "rule", "suggestions")
        columns = (moved.rows[column].tolist() for column in wanted)
        rows: Rows = {
            (row, old): Moved(new or None, kind, rule, name, tuple(suggested))
            for row, old, new, kind, rule, suggested in zip(*columns, strict=True)
        }
        if moved.old_version in steps and steps[moved.old_version][0] != moved.new_version:
            raise BatchError(
                "mappings", [Fault(f"from {moved.old_version}", "two migrations to different versions")]
            )
        known = steps.setdefault(moved.old_version, (moved.new_version, {}))[1]
        known.update(rows)
    return steps


class Passage:
    """The rows of migrations that a code passes through on its way to `version`."""

    def __init__(self, mappings: Sequence[bytes], version: str | None) -> None:
        self.version = version
        self._steps = steps_of(mappings)

    def of(self, case_id: str, target: str, code: str | None, version: str | None) -> list[Moved]:
        """One row a step; the last has no code where a person has to choose. [] where there is no row."""
        passed: list[Moved] = []
        for _ in self._steps:
            if version == self.version or code is None or version not in self._steps:
                break
            version, rows = self._steps[version]
            moved = rows.get((row_id(case_id, target, code), code))
            if moved is None:
                break
            passed.append(moved)
            code = moved.code
        return passed
