"""MedDRA releases of a workspace: which is adopted, which is due, what changed, and adopting the next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pvcore.config import Workspace
from pvcore.cycle.arrivals import last
from pvcore.cycle.dictionaries import known_releases, load_dictionary, version_order
from pvcore.errors import NotFound, RegistryError
from pvcore.meddra.diff import DictionaryDiff, diff
from pvcore.registry.blobs import put_blob
from pvcore.registry.ledger import State

EARLY = timedelta(days=31)
"""A release that is adopted so long before its due date is the one that was due."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The difference of two releases, kept as a blob, with its table."""

    blob: str
    markdown: str


def adopted_version(workspace: Workspace) -> str | None:
    """The MedDRA version that the labels are in, or None before the first release."""
    entry = last(workspace, "DictionaryAdopted")
    return str(entry.body["version"]) if entry else None


def newest_release(workspace: Workspace, version: str = "", *, today: date | None = None) -> str | None:
    """The release to update to, never older than the adopted one; None if a release is overdue.

    An update to the adopted release finds done what was done and goes on where it was cut off. A
    `version` older than the adopted one only brings the codes that labels are carried over from, so
    it too leads to the adopted one. Without `version`, a release is overdue if none was adopted
    since the last due date. Raises NotFound for a version that was not admitted.
    """
    known, adopted = known_releases(workspace), last(workspace, "DictionaryAdopted")
    if version and version not in known:
        raise NotFound(
            f"MedDRA {version} {workspace.settings.language} was not admitted. Put its zip into inbox/meddra/ "
            f"(`pv ingest FILE`). Admitted: {', '.join(known) or 'none'}"
        )
    newest = max([version] if version else known, key=version_order, default=None)
    if adopted is None:
        return newest
    current = str(adopted.body["version"])
    if newest and version_order(newest) > version_order(current):
        return newest
    since = last_due(today or date.today()) - EARLY
    return current if version or date.fromisoformat(adopted.time[:10]) >= since else None


def last_due(today: date) -> date:
    """The last day on which a MedDRA release was due: 1 March and 1 September."""
    due = (date(today.year, 9, 1), date(today.year, 3, 1), date(today.year - 1, 9, 1))
    return next(day for day in due if day <= today)


def overdue_text(workspace: Workspace) -> str:
    """What the alert says when a scheduled update finds no release."""
    adopted = adopted_version(workspace)
    return (
        f"A MedDRA release is due and none newer than {adopted or 'nothing'} was admitted. Download it from the "
        "maintenance organisation and put the zip into inbox/meddra/ (`pv ingest FILE`); the watcher starts the update."
    )


def compare(workspace: Workspace, old: str, new: str) -> Compared:
    """Compare two admitted releases and keep the difference."""
    found = difference(workspace, old, new)
    return Compared(put_blob(workspace.store, found.to_json().encode()), found.summary())


def difference(workspace: Workspace, old: str, new: str) -> DictionaryDiff:
    """The difference of two admitted releases."""
    return diff(load_dictionary(workspace, old), load_dictionary(workspace, new))


def adopt(workspace: Workspace, version: str, mappings: list[str]) -> None:
    """Record that labels are in `version` from here on. Raises RegistryError where a newer one was adopted."""
    name = known_releases(workspace)[version]

    def body(state: State) -> dict[str, Any]:
        before = state.last("DictionaryAdopted")
        current = str(before.body["version"]) if before else None
        if current and version_order(current) > version_order(version):
            raise RegistryError(f"MedDRA {current} was adopted already: labels do not go back to {version}.")
        return {"version": version, "digest": name, "from": current, "mappings": mappings}

    workspace.ledger.append("DictionaryAdopted", body, actor="update", key=version)
