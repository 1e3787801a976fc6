"""What was collected, and what that forbids: no new entry may name a blob that is gone or about to go.

Blobs are kept under their digests, so writing one again that lies there unused writes nothing. If a
collection took it away in between, the entry that names it would name nothing. The ledger decides who
was first: a collection is refused once an entry names the blob, an entry once a collection lists it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from pvcore.errors import NotFound, RegistryError
from pvcore.registry.blobs import BLOBS
from pvcore.registry.store import Store

if TYPE_CHECKING:
    from pvcore.registry.ledger import Entry, State

COLLECTED, ENDED = "Collected", "CollectionEnded"
DEEP = {"Registered": "version", "DatasetBuilt": "dataset"}
"""Fields that name a blob which names others: the manifest, the dataset."""
_RUN = re.compile(rb"[0-9a-f]{64,}")


def names_in(data: bytes) -> set[str]:
    """Every 64 hex digits in a row, at whatever place: all that could be the digest of a blob."""
    return {
        run[at : at + 64].decode()
        for run in {found[0] for found in _RUN.finditer(data)}
        for at in range(len(run) - 63)
    }


def collections(state: State) -> Iterator[Entry]:
    """The Collected entries, oldest first; their keys are 1, 2, ..."""
    number = 1
    while entry := state.find(COLLECTED, str(number)):
        yield entry
        number += 1


def ended(state: State, collection: Entry) -> bool:
    """Whether all that a collection lists was deleted."""
    return state.find(ENDED, collection.digest) is not None


def require_kept(state: State, store: Store, kind: str, body: bytes) -> None:
    """Refuse an entry that names a blob which a collection takes, or took, away. Raises RegistryError.

    `body` is the entry's body as canonical JSON.
    """
    found = () if kind in (COLLECTED, ENDED) else tuple(collections(state))
    if not found:
        return
    named = names_in(body)
    if kind in DEEP:
        # One that was collected is named itself, so that what follows refuses it.
        with suppress(NotFound):
            named |= names_in(store.get(BLOBS + json.loads(body)[DEEP[kind]]))
    for collection in found:
        lost = named & {blob["digest"] for blob in collection.body["blobs"]}
        if lost and not ended(state, collection):
            raise RegistryError(
                f"{kind} is not written: entry {collection.sequence} collects {min(lost)[:12]}, which it names. "
                "Let `pv registry gc` end, then do this again."
            )
        gone = sorted(name for name in lost if not store.exists(BLOBS + name))
        if gone:
            raise RegistryError(
                f"{kind} is not written: {gone[0][:12]}, which it names, was collected on {collection.time}. "
                "Do again what wrote it."
            )
