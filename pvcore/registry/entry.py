"""One entry of the ledger: its key, its fields, and everything that can be wrong with its bytes by themselves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pvcore.errors import Fault
from pvcore.records import canonical
from pvcore.records import digest as digest_of
from pvcore.registry import bodies

FORMAT = 1
PREFIX = "ledger/"
ORIGIN = "0" * 64
"""What the first entry names as its predecessor."""
REGISTERED, PROMOTED, ROLLED_BACK, OVERRIDDEN = "Registered", "Promoted", "RolledBack", "Overridden"
SWITCHES = (PROMOTED, ROLLED_BACK, OVERRIDDEN)
FIELDS = {"format", "sequence", "previous", "time", "kind", "actor", "key", "body", "nonce"}


class Head(NamedTuple):
    """Number and digest of an entry: with it, everything before it is named."""

    sequence: int
    digest: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One event. `time` is the writer's clock, UTC; `digest` the SHA-256 of the stored bytes.

    `key` names what the event is about: (kind, key) happens at most once where key is not empty.
    `nonce` lets a writer whose request was cut off find out whether it was written.
    """

    sequence: int
    previous: str
    time: str
    kind: str
    actor: str
    key: str
    body: dict[str, Any]
    nonce: str
    digest: str

    @property
    def moment(self) -> datetime:
        """`time` as a moment; one without a zone is UTC."""
        return utc(self.time)


def utc(time: str) -> datetime:
    """The moment of an ISO time; one without a zone is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(time)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def entry_key(sequence: int) -> str:
    """The key of entry `sequence` (1, 2, ...)."""
    return f"{PREFIX}{sequence:012d}"


def is_entry_key(key: str) -> bool:
    """Whether an object of this key is an entry."""
    name = key.removeprefix(PREFIX)
    return len(name) == 12 and name.isascii() and name.isdigit() and int(name) > 0


def parse(number: int, data: bytes, previous: str | None) -> tuple[Entry | None, list[Fault]]:
    """The entry in `data` and what is wrong with it. `previous` None: the predecessor is missing."""
    where = entry_key(number)
    try:
        fields = json.loads(data)
        if not isinstance(fields, dict) or set(fields) != FIELDS or canonical(fields) != data:
            raise ValueError("not the canonical JSON of an entry")
        if fields["format"] != FORMAT:
            return None, [Fault(where, f"has format {fields['format']!r}", "use a newer pv-retrain")]
        texts = ("previous", "time", "kind", "actor", "key", "nonce")
        if any(not isinstance(fields[name], str) for name in texts) or not isinstance(fields["body"], dict):
            raise ValueError("a field has the wrong type")
        datetime.fromisoformat(fields["time"])
    except (ValueError, RecursionError) as error:
        return None, [Fault(where, f"was altered: {str(error)[:100]}", "restore it from a backup")]
    faults = []
    if fields["sequence"] != number or type(fields["sequence"]) is not int:  # 7.0 and true are equal to one
        faults.append(Fault(where, f"holds entry {fields['sequence']}", "restore it from a backup"))
    if previous is not None and fields["previous"] != previous:
        faults.append(
            Fault(
                where,
                f"follows {fields['previous'][:12]}, but its predecessor is {previous[:12]}: one was altered",
            )
        )
    faults += [
        Fault(
            where,
            f"{fields['kind']}: {odd}",
            "restore it from a backup; if a newer pv-retrain wrote it, use that",
        )
        for odd in bodies.faults(fields["kind"], fields["body"])
    ]
    del fields["format"]
    return Entry(**fields, digest=digest_of(data)), faults
