"""What the entries of a ledger amount to: versions, champions, and who was champion when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from pvcore.registry.entry import ORIGIN, REGISTERED, SWITCHES, Entry, Head


@dataclass(frozen=True)
class State:
    """What the entries amount to: which versions exist and which is champion. Entries in order."""

    entries: tuple[Entry, ...]

    @property
    def head(self) -> Head:
        """The last entry, or (0, ORIGIN) of an empty ledger."""
        last = self.entries[-1:]
        return Head(last[0].sequence, last[0].digest) if last else Head(0, ORIGIN)

    def find(self, kind: str, key: str) -> Entry | None:
        """The entry of this kind and key, of which there is at most one."""
        return self._by_key.get((kind, key))

    def last(self, kind: str) -> Entry | None:
        """The newest entry of this kind, or None."""
        return next((entry for entry in reversed(self.entries) if entry.kind == kind), None)

    def versions(self, problem: str) -> tuple[Entry, ...]:
        """The Registered entries of a problem, by number."""
        return tuple(e for e in self._of(REGISTERED) if e.body["problem"] == problem)

    def version(self, digest: str) -> Entry | None:
        """The Registered entry of a version, the first, by the version's digest."""
        return self._by_version.get(digest)

    def problems(self) -> tuple[str, ...]:
        """Problems that have a version, sorted."""
        return tuple(sorted({e.body["problem"] for e in self._of(REGISTERED)}))

    def history(self, problem: str) -> tuple[Entry, ...]:
        """Every switch of a problem's champion (Promoted, RolledBack, Overridden), oldest first."""
        return tuple(e for e in self._of(*SWITCHES) if e.body["problem"] == problem)

    def champion_at(self, problem: str, moment: datetime) -> Entry | None:
        """The switch that was in force at a moment, by the clocks of those who wrote; None before the first."""
        past = [entry for entry in self.history(problem) if entry.moment <= moment]
        return past[-1] if past else None

    def champion(self, problem: str) -> str | None:
        """Digest of the version that is champion now, or None before the first promotion."""
        history = self.history(problem)
        return history[-1].body["version"] if history else None

    def previous(self, problem: str) -> str | None:
        """Digest of the version that the champion replaced, or None."""
        history = self.history(problem)
        return history[-1].body["expected"] if history else None

    def _of(self, *kinds: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind in kinds]

    @cached_property
    def _by_key(self) -> dict[tuple[str, str], Entry]:
        return {(e.kind, e.key): e for e in reversed(self.entries) if e.key}

    @cached_property
    def _by_version(self) -> dict[str, Entry]:
        return {e.body["version"]: e for e in reversed(self._of(REGISTERED))}
