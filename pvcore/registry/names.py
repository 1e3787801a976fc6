"""Names of versions: `seriousness@7`, `seriousness@champion` or a digest, and which version each means."""

from __future__ import annotations

import re

from pvcore.errors import NotFound
from pvcore.registry import snapshots
from pvcore.registry.ledger import Entry, Ledger, State
from pvcore.registry.store import Store
from pvcore.registry.version import Version, read_version


def resolve(store: Store, ledger: Ledger, name: str) -> Version:
    """The version called `seriousness@7`, `@champion`, `@previous`, `@latest`, or by its digest.

    `@previous` is what the champion replaced, `@latest` the highest number; a digest may be cut to 8
    or more digits. A ledger that was not read yet is not read for a name that its newest snapshot tells
    (snapshots.py says what is trusted then). Raises NotFound that names what there is.
    """
    known = None if ledger.is_read else snapshots.find(store, name)
    return read_version(store, known or find(ledger.state(), name))


def name_of(problem: str, which: str) -> str:
    """The name of a version of `problem`: `which` is champion, previous, latest, a number, a name or a digest.

    Raises NotFound for the name of another problem's version.
    """
    if "@" in which and not which.startswith(f"{problem}@"):
        raise NotFound(f"{which} is no version of {problem}.")
    plain = which in ("champion", "previous", "latest") or re.fullmatch(r"[0-9]{1,7}", which)
    return f"{problem}@{which}" if plain else which


def find(state: State, name: str) -> Entry:
    """The Registered entry of a version by its name or digest; see `resolve`."""
    problem, at, which = name.partition("@")
    if not at:
        return _find_digest(state, name)
    versions = state.versions(problem)
    if not versions:
        known = ", ".join(state.problems()) or "none"
        raise NotFound(f"{name}: the registry has no version of {problem!r}. It has versions of: {known}.")
    if which in ("champion", "previous"):
        digest = state.champion(problem) if which == "champion" else state.previous(problem)
        entry = state.version(digest) if digest else None
        if entry is None:
            raise NotFound(f"{name}: {problem} has no {which} yet. Versions: {_names(versions)}.")
        return entry
    wanted = len(versions) if which == "latest" else int(which) if re.fullmatch(r"[0-9]{1,9}", which) else 0
    if not 1 <= wanted <= len(versions):
        raise NotFound(f"{name} does not exist. Versions: {_names(versions)}, champion, previous, latest.")
    return versions[wanted - 1]


def _find_digest(state: State, digest: str) -> Entry:
    hits = [
        entry
        for problem in state.problems()
        for entry in state.versions(problem)
        if len(digest) >= 8 and entry.body["version"].startswith(digest)
    ]
    if len(hits) != 1:
        told = "fits several versions" if hits else "is no version"
        raise NotFound(
            f"{digest!r} {told}. Name it like seriousness@1, seriousness@champion or by its digest."
        )
    return hits[0]


def _names(versions: tuple[Entry, ...]) -> str:
    last = versions[-1]
    return f"{last.body['problem']}@1" + (f" to @{last.body['number']}" if len(versions) > 1 else "")
