"""Which blobs the registry needs, and which it does not: those that no entry leads to, over any number of blobs.

A blob is needed if its digest occurs in an entry of the ledger or in the bytes of a needed blob,
whatever that blob is: nothing has to be known of formats, and a digest that stands somewhere by
chance only keeps too much. (No format here hides a digest in compressed bytes.) So what is lost or was altered
would let go of all that it named: then nothing is said to be free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from pvcore.errors import RegistryError
from pvcore.records import canonical
from pvcore.registry.approval import EVALUATED, REJECTED, REQUESTED, SWITCH, answers_to
from pvcore.registry.blobs import fetched_blob
from pvcore.registry.collected import COLLECTED, DEEP, names_in
from pvcore.registry.content import PIECE
from pvcore.registry.ledger import Entry, State
from pvcore.registry.store import Store
from pvcore.registry.version import Version, read_version

Edges = Mapping[int | str, frozenset[str]]
"""Blobs that are not needed because this entry (by number) or blob (by digest) names them."""
HELD, LIFTED = "HoldPlaced", "HoldLifted"
Proven = Callable[[Entry], bool]
"""Whether an entry that is signed was signed as it stands, by who may."""
_MAKING = ("Trained", "Rebuilt", "RebuildCompared")


def needed(state: State, store: Store, present: set[str], without: Edges) -> set[str]:
    """Those of the blobs that are `present` which an entry leads to, not counting the edges in `without`.

    Raises RegistryError where one of them was altered, or one that leads further is gone: nobody knows what it named.
    """
    _require_leading(state, store, present)
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


def _require_leading(state: State, store: Store, present: set[str]) -> None:
    """Every manifest and every record of a dataset is there."""
    for entry in state.entries:
        part = DEEP.get(entry.kind)
        if part and entry.body[part] not in present:
            raise RegistryError(
                f"{store.url}: the {part} {entry.body[part]} of ledger entry {entry.sequence} is gone, so that nobody "
                "knows which blobs it needs. Restore it from a backup; until then nothing can be collected."
            )


def _named(store: Store, blob: str) -> set[str]:
    with fetched_blob(store, blob) as file:
        return {name for piece in _pieces(file) for name in names_in(piece)}


def _pieces(file: Path) -> Iterator[bytes]:
    """A file in pieces that overlap, so that no digest is cut."""
    with file.open("rb") as source:
        tail = b""
        while piece := source.read(PIECE):
            yield tail + piece
            tail = (tail + piece)[-63:]


def holds(state: State, version: str, proven: Proven) -> list[Entry]:
    """The legal holds on a version that were not lifted, oldest first. Only what is `proven` lifts one."""
    return [
        entry
        for entry in state.entries
        if entry.kind == HELD
        and entry.body["version"] == version
        and not any(proven(lift) for lift in lifts(state, entry))
    ]


def lifts(state: State, hold: Entry) -> list[Entry]:
    """The entries that say that they lift this hold, oldest first."""
    return [e for e in state.entries if e.kind == LIFTED and e.body["hold"]["digest"] == hold.digest]


def spent(
    state: State, store: Store, days: float, now: datetime, proven: Proven
) -> dict[str, tuple[Version, Edges]]:
    """Versions whose weights are no longer needed: turned down `days` ago or longer; by digest, with the edges to cut.

    Turned down is what the gate did not pass when it was asked last, or a person rejected, signed (`proven`).
    Never one that was champion, that another version was continued from or judged beside, that is held, or
    about which someone is asked.
    """
    versions = [read_version(store, e) for problem in state.problems() for e in state.versions(problem)]
    used = {v.manifest.parent for v in versions} | {v.manifest.champion for v in versions}
    used |= {e.body["version"] for problem in state.problems() for e in state.history(problem)}
    down = {v.digest: _turned_down(state, v, proven) for v in versions}
    used |= {name for v in versions if down[v.digest] is None for name in _beside(state, v)}
    return {
        v.digest: (v, _edges(state, v))
        for v in versions
        if v.digest not in used
        and (since := down[v.digest]) is not None
        and since + timedelta(days=days) < now
        and not holds(state, v.digest, proven)
    }


def _turned_down(state: State, version: Version, proven: Proven) -> datetime | None:
    """Since when a version is turned down, by what was said last: a rejection, or a decision that is no pass."""
    requests = [e for e in state.entries if e.kind == REQUESTED and e.body["version"] == version.digest]
    said = [e for request in requests for e in answers_to(state, request, REJECTED) if proven(e)]
    rejected = {e.body["request"]["digest"] for e in said}
    if any(r.digest not in rejected and not state.find(SWITCH[r.body["action"]], r.digest) for r in requests):
        return None
    judged = _evaluations(state, version)
    newest = judged[-1] if judged else state.version(version.digest)
    outcome = judged[-1].body["outcome"] if judged else version.manifest.outcome
    if said and (newest is None or said[-1].sequence > newest.sequence):
        return said[-1].moment
    return newest.moment if newest and outcome != "pass" else None


def _evaluations(state: State, version: Version) -> list[Entry]:
    made = version.manifest.specification
    return [e for e in state.entries if e.kind == EVALUATED and e.body["specification"] == made]


def _beside(state: State, version: Version) -> set[str]:
    """The versions that the newest decision about a version compared it with."""
    return {name for e in _evaluations(state, version)[-1:] for name in e.body.get("references", {}).values()}


def _edges(state: State, version: Version) -> Edges:
    """What names the weights and is not why they are kept: manifest, its documents, the records of their making."""
    files = frozenset(file["sha256"] for file in version.manifest.adapter["files"].values())
    made = version.manifest.specification
    entries = [e.sequence for e in state.entries if e.kind in _MAKING and e.body["specification"] == made]
    documents = [file["sha256"] for file in version.manifest.beside.values()]
    return dict.fromkeys([version.digest, *documents, *entries], files)
