"""Which blobs the registry needs, and which it does not: those that no entry leads to, over any number of blobs.

A blob is needed if its digest occurs in an entry of the ledger or in the bytes of a needed blob,
whatever that blob is: nothing has to be known of formats, and a digest that stands somewhere by
chance only keeps too much. (No format here hides a digest in compressed bytes.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from pvcore.records import canonical
from pvcore.registry.approval import REJECTED, REQUESTED, answers_to, closing
from pvcore.registry.collected import COLLECTED, names_in
from pvcore.registry.content import PIECE
from pvcore.registry.ledger import Entry, State
from pvcore.registry.manifest import Version, read_version
from pvcore.registry.store import BLOBS, Store, fetched

Edges = Mapping[int | str, frozenset[str]]
"""Blobs that are not needed because this entry (by number) or blob (by digest) names them."""
HELD, LIFTED = "HoldPlaced", "HoldLifted"


def needed(state: State, store: Store, present: set[str], without: Edges) -> set[str]:
    """Those of the blobs that are `present` which an entry leads to, not counting the edges in `without`."""
    found: set[str] = set()
    for entry in state.entries:
        if entry.kind != COLLECTED:
            said = names_in(canonical([entry.key, entry.body])) & present
            found |= said - without.get(entry.sequence, frozenset())
    waiting = list(found)
    while waiting:
        blob = waiting.pop()
        new = (_named(store, blob) & present) - without.get(blob, frozenset()) - found
        found |= new
        waiting += new
    return found


def _named(store: Store, blob: str) -> set[str]:
    with fetched(store, BLOBS + blob) as file:
        return {name for piece in _pieces(file) for name in names_in(piece)}


def _pieces(file: Path) -> Iterator[bytes]:
    """A file in pieces that overlap, so that no digest is cut."""
    with file.open("rb") as source:
        tail = b""
        while piece := source.read(PIECE):
            yield tail + piece
            tail = (tail + piece)[-63:]


def holds(state: State, version: str) -> list[Entry]:
    """The legal holds on a version that were not lifted, oldest first."""
    return [
        entry
        for entry in state.entries
        if entry.kind == HELD and entry.body["version"] == version and not state.find(LIFTED, entry.digest)
    ]


def spent(state: State, store: Store, days: float, now: datetime) -> dict[str, tuple[Version, Edges]]:
    """Versions whose weights are no longer needed: turned down `days` ago or longer; by digest, with the edges to cut.

    Turned down is what the gate did not pass or a person rejected. Never one that was champion, that
    another version was continued from, that is held, or about which someone is asked.
    """
    versions = [read_version(store, e) for problem in state.problems() for e in state.versions(problem)]
    used = {v.manifest.parent for v in versions} | {v.manifest.champion for v in versions}
    used |= {e.body["version"] for problem in state.problems() for e in state.history(problem)}
    return {
        v.digest: (v, _edges(state, v))
        for v in versions
        if v.digest not in used
        and not holds(state, v.digest)
        and (since := _turned_down(state, v)) is not None
        and since + timedelta(days=days) < now
    }


def _turned_down(state: State, version: Version) -> datetime | None:
    requests = [e for e in state.entries if e.kind == REQUESTED and e.body["version"] == version.digest]
    if any(closing(state, request) is None for request in requests):
        return None
    said = [answer for request in requests for answer in answers_to(state, request, REJECTED)]
    if said:
        return datetime.fromisoformat(said[-1].time)
    registered = state.version(version.digest)
    failed = version.manifest.outcome != "pass" and registered is not None
    return datetime.fromisoformat(registered.time) if failed and registered else None


def _edges(state: State, version: Version) -> Edges:
    files = frozenset(file["sha256"] for file in version.manifest.adapter["files"].values())
    runs = [
        entry.sequence
        for entry in state.entries
        if entry.kind in ("Trained", "Rebuilt")
        and entry.body["specification"] == version.manifest.specification
    ]
    return {version.digest: files, **{run: files for run in runs}}
