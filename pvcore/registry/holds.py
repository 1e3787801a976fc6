"""Legal holds: a version and all that it leads to stay, until each hold on it is lifted. Both are signed."""

from __future__ import annotations

from pvcore.errors import NotFound, RegistryError
from pvcore.records import digest as digest_of
from pvcore.registry import reach
from pvcore.registry.blobs import get_blob
from pvcore.registry.collected import collections, ended, names_in
from pvcore.registry.ledger import Entry, Ledger, State
from pvcore.registry.reach import HELD, LIFTED, lifts
from pvcore.registry.retention import Person, Rules, append_signed, by, proven
from pvcore.registry.store import Store
from pvcore.registry.version import Version, require_files


def on(state: State, version: str, rules: Rules) -> list[Entry]:
    """The legal holds on a version, oldest first; one is lifted by what was signed as it stands, and nothing else."""
    return reach.holds(state, version, proven(state, rules))


def hold(ledger: Ledger, store: Store, version: Version, person: Person, rules: Rules) -> Entry:
    """Place a legal hold: the version and all that it leads to stay. Once a person and reason.

    Raises RegistryError where its weights are gone, or a collection that takes some of it was cut off.
    """
    state = ledger.state()
    for known in on(state, version.digest, rules):
        if (known.body["principal"], known.body["reason"]) == (person.principal, person.reason.strip()):
            return known
    body = {
        "problem": version.problem,
        "version": version.digest,
        "of": version.name,
        **by(person, state.head),
    }
    return append_signed(
        ledger,
        HELD,
        body,
        person,
        rules,
        digest_of(body),
        lambda state: _require_there(state, store, version),
    )


def _require_there(state: State, store: Store, version: Version) -> None:
    """Nothing of a version is being collected, and no file of its adapter was."""
    parts = names_in(get_blob(store, version.digest)) | {version.digest}
    for entry in collections(state):
        if not ended(state, entry) and parts & {blob["digest"] for blob in entry.body["blobs"]}:
            raise RegistryError(
                f"{version.name} cannot be held: the collection of entry {entry.sequence}, which was cut off, takes "
                "some of it. Restore it from a backup, or let `pv registry gc` end."
            )
    require_files(store, version)


def lift(ledger: Ledger, version: Version, person: Person, rules: Rules) -> list[Entry]:
    """Lift every legal hold on a version, a signature each. Raises NotFound where there is none."""
    state = ledger.state()
    placed = on(state, version.digest, rules)
    if not placed:
        raise NotFound(f"{version.name} is not held.")
    lifted = []
    for entry in placed:
        body = {
            "problem": version.problem,
            "version": version.digest,
            "of": version.name,
            "hold": {"sequence": entry.sequence, "digest": entry.digest},
            **by(person, state.head),
        }
        # An entry that says so and is not signed lifts nothing, and takes no place.
        key = (
            digest_of([entry.digest, *(e.digest for e in said)])
            if (said := lifts(state, entry))
            else entry.digest
        )
        lifted.append(append_signed(ledger, LIFTED, body, person, rules, key, lambda state: None))
    return lifted
