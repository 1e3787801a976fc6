"""Codes on their way through stored migrations: which row a label meets at each step, and where it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pvcore.records import digest


def coded_as(value: Mapping[str, Any]) -> str | None:
    """What the value of a coding says: its LLT code, or the name of a PT where there is no code."""
    said = value.get("llt_code") or value.get("pt_name")
    return str(said) if said else None


def row_id(case_id: str, target: str, coded: str) -> str:
    """The name of a coded label in a migration; `coded` is its LLT code, or its PT name.

    That is part of it, so that two annotators who coded one verbatim differently have a row each:
    `pvcore.meddra.migrate` takes every row once. Where a term's own name stands for the words, as in a
    work list, there are none: the row keeps its name while the term is renamed.
    """
    return digest([case_id, target if target != coded else "", coded])[:32]


class Moved(NamedTuple):
    """What a migration (`mapping`, its digest) says of one row, from version `old` to `new`.

    `before` and `after` are LLT codes or PT names; `after` is None where a person has to choose.
    """

    old: str
    new: str
    before: str
    after: str | None
    kind: str
    rule: str
    mapping: str
    suggestions: tuple[str, ...]

    def __str__(self) -> str:
        return f"migration {self.mapping[:12]}: {self.verdict}"

    @property
    def verdict(self) -> str:
        """Class and rule."""
        return f"{self.kind} ({self.rule})" if self.rule else self.kind


def carried(value: Mapping[str, Any], passed: Sequence[Moved]) -> dict[str, Any]:
    """The value of a coding after its passage, which ended on a term.

    A PT name beside an LLT code goes unless all is as it was: the PT follows from the LLT.
    """
    if not value.get("llt_code"):
        return {**value, "pt_name": passed[-1].after}
    stands = all(moved.kind == "unchanged" for moved in passed)
    kept = {name: said for name, said in value.items() if stands or name != "pt_name"}
    return {**kept, "llt_code": passed[-1].after}


class Passage:
    """The rows of migrations that a code passes through on its way to `version`.

    A row that waits for a person is asked about again by every update, so there may be several
    migrations from its version: the last one that has the row counts. Nothing passes to no version. What is
    in `version` passes only where a migration says that it may not be used there.
    """

    def __init__(self, mappings: Sequence[bytes], version: str | None) -> None:
        self.version = version
        self._steps: dict[str, dict[tuple[str, str], Moved]] = {}
        for data in mappings if version else ():
            old, rows = _rows(data)
            self._steps.setdefault(old, {}).update(rows)

    def has(self, version: str, row: str, coded: str) -> bool:
        """Whether a migration from the version has the row."""
        return (row, coded) in self._steps.get(version, {})

    def of(self, case_id: str, target: str, coded: str | None, version: str | None) -> list[Moved]:
        """One row a step; the last has no term where a person has to choose. [] where there is no row."""
        passed: list[Moved] = []
        for _ in self._steps:
            if coded is None or version not in self._steps:
                break
            moved = self._steps[version].get((row_id(case_id, target, coded), coded))
            if moved is None or (version == self.version != moved.new):
                break
            passed.append(moved)
            version, coded = moved.new, moved.after
            if version == self.version:
                break
        return passed


def _rows(data: bytes) -> tuple[str, dict[tuple[str, str], Moved]]:
    """Old version and, by row id and what the row was coded as, rows of a migration as it is stored."""
    from pvcore.meddra.mapping import LABELS, Migration

    moved, name = Migration.from_json(data), digest(data)
    wanted = ("row_id", *LABELS[moved.label], "class", "rule", "suggestions")
    columns = (moved.rows[column].tolist() for column in wanted)
    return moved.old_version, {
        (row, old): Moved(
            moved.old_version, moved.new_version, old, new or None, kind, rule, name, tuple(suggested)
        )
        for row, old, new, kind, rule, suggested in zip(*columns, strict=True)
    }
