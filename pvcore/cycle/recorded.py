"""A prediction that was made once, found again: by its digest, by batch and case, or in a file that it stands in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvcore.config import Workspace
from pvcore.errors import Fault, InputError, NotFound
from pvcore.records import Guardrail, Prediction, canonical, digest
from pvcore.registry.blobs import get_blob
from pvcore.registry.ledger import Entry
from pvcore.registry.names import find
from pvcore.registry.version import Version, read_version

SHORTEST = 8
"""Digits of a digest that name a prediction."""
FIELDS = frozenset(Prediction.__dataclass_fields__)
CHECK = frozenset(Guardrail.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A prediction as its record has it, the digest of the record's canonical JSON, and who keeps it.

    `entry` is the Scored one; None for a record in a file that this ledger does not hold.
    """

    record: Mapping[str, Any]
    digest: str
    entry: Entry | None

    @property
    def example(self) -> str:
        return str(self.record["example_id"])


def recorded(workspace: Workspace, name: str, example: str | None = None) -> Recorded:
    """The prediction that is called `name`: digest of its record (8 digits or more), BATCH:CASE, or a JSON file.

    BATCH is a scored batch's name or digest, CASE a case id or an example's. `example` chooses among a file's.
    The newest is meant where one was scored again to other bytes. Raises NotFound, InputError.
    """
    file = Path(name)
    if file.is_file():
        record = _of_file(file, example)
        found = next(_with(workspace, digest(record)), None)
        return found or Recorded(record, digest(record), None)
    hits = {found.digest: found for found in _called(workspace, name)}
    if len(hits) == 1:
        return next(iter(hits.values()))
    if not hits:
        raise NotFound(
            f"no prediction {name} was recorded. Name it by its record's digest ({SHORTEST} digits or more), as "
            "BATCH:CASE of a batch that was scored (`pv run score`), or give the JSON of `pv predict --json`."
        )
    told = "\n".join(f"  {f.digest[:16]}  {f.example} by {f.record['version']}" for f in hits.values())
    raise NotFound(f"{name} may be any of {len(hits)} predictions. Name one by its digest:\n{told}")


def version_of(workspace: Workspace, found: Recorded) -> Version:
    """The version that made a prediction. Raises NotFound, RegistryError."""
    name = found.entry.body["version"] if found.entry else str(found.record["version"])
    return read_version(workspace.store, find(workspace.ledger.state(), name))


def _called(workspace: Workspace, name: str) -> Iterator[Recorded]:
    if len(name) >= SHORTEST and set(name) <= set("0123456789abcdef"):
        yield from _with(workspace, name)
        return
    cuts = [place for place, letter in enumerate(name) if letter == ":"]
    asked = {(name[:place], name[place + 1 :]) for place in cuts}
    seen: set[tuple[str, str]] = set()
    for entry in _scored(workspace):
        cases = {
            case
            for batch, case in asked
            if batch in (entry.body.get("name"), entry.body["batch"], entry.body["batch"][:12])
        }
        for found in _records(workspace, entry) if cases else ():
            own = (entry.body["version"], found.example)
            if own not in seen and cases & {found.example, found.example.partition("#")[0]}:
                seen.add(own)
                yield found


def _with(workspace: Workspace, start: str) -> Iterator[Recorded]:
    """Predictions whose record's digest starts so."""
    for entry in _scored(workspace):
        yield from (found for found in _records(workspace, entry) if found.digest.startswith(start))


def _scored(workspace: Workspace) -> list[Entry]:
    return [entry for entry in reversed(workspace.ledger.entries()) if entry.kind == "Scored"]


def _records(workspace: Workspace, entry: Entry) -> Iterator[Recorded]:
    for line in get_blob(workspace.store, entry.body["predictions"]).splitlines():
        yield Recorded(json.loads(line), digest(line), entry)


def _of_file(file: Path, example: str | None) -> Mapping[str, Any]:
    """The record in a file: a JSON value of a prediction, or a list of which `example` names one."""
    try:
        value = json.loads(file.read_bytes())
        canonical(value)
    except (ValueError, RecursionError) as error:
        raise InputError(
            str(file), [Fault("JSON", str(error)[:200], "give what `pv predict --json` prints")]
        ) from None
    rows = value if isinstance(value, list) else [value]
    odd = [n for n, row in enumerate(rows, 1) if not _is_record(row)]
    if odd or not rows:
        what = f"is none of {', '.join(sorted(FIELDS))}" if rows else "holds no prediction"
        raise InputError(str(file), [Fault(f"record {n}", what) for n in odd] or [Fault("list", what)])
    chosen = [
        row for row in rows if example in (None, row["example_id"], row["example_id"].partition("#")[0])
    ]
    if len(chosen) != 1:
        known = ", ".join(row["example_id"] for row in rows[:20])
        raise NotFound(f"{file}: choose one prediction with --example. It holds: {known}.")
    return chosen[0]


def _is_record(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and set(row) == FIELDS
        and all(
            isinstance(row[name], str)
            for name in ("example_id", "answer", "version", "withheld", "input_digest")
        )
        and all(isinstance(row[name], str | None) for name in ("dictionary", "policy"))
        and isinstance(row["notes"], list)
        and isinstance(row["guardrails"], list)
        and all(isinstance(check, dict) and set(check) == CHECK for check in row["guardrails"])
    )
