"""The inboxes: put files there, find what is new, read it."""

from __future__ import annotations

import itertools
import re
import time
import zipfile
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal

from pvcore.annotations import batch as batches
from pvcore.annotations.batch import Batch
from pvcore.annotations.reading import MEDDRA_VERSION
from pvcore.config import Workspace
from pvcore.cycle.dictionaries import known_releases, read_archive
from pvcore.errors import ConfigError, Fault, InputError, ReleaseError
from pvcore.meddra.release import Dictionary
from pvcore.registry.store import fetched, holds

Inbox = Literal["meddra", "annotations"]
HANDLED = ("ReleaseAdmitted", "BatchAdmitted", "Quarantined", "AlreadyAdmitted")
PARTIAL = (".part", ".partial", ".tmp", ".crdownload", ".filepart")
"""Endings that tools give to a file that is still being written."""


@dataclass(frozen=True, slots=True)
class Found:
    """An inbox object that the ledger does not know. `etag` changes when the object does."""

    inbox: str
    key: str
    size: int
    etag: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.key).name


def passed_over(name: str) -> bool:
    """Whether a name says that the file is hidden or still being written."""
    return name.lower().endswith(PARTIAL) or name.startswith(".")


def look(workspace: Workspace, inbox: Inbox) -> list[Found]:
    """Objects under inbox/<inbox>/ that were not handled and are no longer changing.

    A file that is being copied into a local folder grows; so whoever is new is looked at twice,
    `settle_seconds` apart, and left for the next look if size or time changed.
    """
    handled = {
        (entry.body["object"]["key"], entry.body["object"]["etag"])
        for entry in workspace.ledger.entries()
        if entry.kind in HANDLED
    }

    def listed() -> list[Found]:
        return [
            Found(inbox, item.key, item.size, item.etag)
            for item in workspace.store.list(f"inbox/{inbox}/")
            if not passed_over(PurePosixPath(item.key).name)
        ]

    fresh = [found for found in listed() if (found.key, found.etag) not in handled]
    if fresh and workspace.settings.settle_seconds:
        time.sleep(workspace.settings.settle_seconds)
        settled = set(listed())
        fresh = [found for found in fresh if found in settled]
    return fresh


def read_release(workspace: Workspace, found: Found) -> Dictionary:
    """The release in an inbox object, verified. Raises ReleaseError with all faults."""
    dictionary = read_archive(workspace, found.key, found.name)
    known = known_releases(workspace, dictionary.language).get(dictionary.version)
    if known and known != dictionary.digest:
        raise ReleaseError(
            found.name,
            [
                Fault(
                    f"MedDRA {dictionary.version} {dictionary.language}",
                    "another release of this version, with other contents, was admitted before",
                    f"compare both with `pv meddra check`; the admitted one has the digest {known[:12]}",
                )
            ],
        )
    return dictionary


def read_batch(workspace: Workspace, found: Found) -> Batch:
    """The batch in an inbox object. Raises BatchError with all faults.

    Annotation tools store no MedDRA version: `batch.<version>.json` says it in the name
    ("batch-7.meddra-29.0.json"), as `pv ingest --meddra-version` writes it.
    """
    # A file and not its bytes: reports of a year are larger than a machine's memory.
    with fetched(workspace.store, found.key) as file:
        return batches.read(file, name=found.name, meddra_version=version_in_name(found.name))


def looks_like_release(file: Path) -> bool:
    """Whether a file goes into the inbox of releases: a zip with MedDRA tables in it, or one called as a release is."""
    if file.suffix.lower() != ".zip" or not zipfile.is_zipfile(file):
        return "meddra" in file.name.lower() and file.suffix.lower() == ".zip"
    try:
        with zipfile.ZipFile(file) as archive:
            names = [PureWindowsPath(name).name.lower() for name in archive.namelist()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return "meddra" in file.name.lower()  # the watcher says what is wrong with it
    # Without a table, its reader says what is missing.
    named = re.match(r"meddra[_ -]\d", file.name, re.IGNORECASE)
    return "llt.asc" in names or "meddra_release.asc" in names or named is not None


def version_in_name(name: str) -> str | None:
    """The MedDRA version that a file name states as `.meddra-29.0.`, or None."""
    for part in name.split(".meddra-")[1:]:
        major, _, rest = part.partition(".")
        minor = rest.split(".")[0]
        if major.isdigit() and minor.isdigit():
            return f"{major}.{minor}"
    return None


def put(
    workspace: Workspace, inbox: Inbox, files: Sequence[Path], meddra_version: str | None = None
) -> list[str]:
    """Copy files into an inbox of the store; returns their keys. Never overwrites: a taken name gets a number.

    So does a file that was quarantined: what kept it out may have been mended (a password, a release).
    Raises ConfigError for a version that is none, InputError for names that watchers pass over.
    """
    if meddra_version and not MEDDRA_VERSION.fullmatch(meddra_version):
        raise ConfigError(f"MedDRA version {meddra_version!r} is not of the form 29.0.")
    _require_seen(files)
    refused = {
        entry.body["object"]["key"] for entry in workspace.ledger.entries() if entry.kind == "Quarantined"
    }
    if inbox == "meddra":
        meddra_version = None  # of codes: a release says its own, and its name must not say another
    return [_put(workspace, file, _keys(inbox, file.name, meddra_version), refused) for file in files]


def _require_seen(files: Sequence[Path]) -> None:
    faults = [
        Fault(
            file.name,
            "a name that watchers pass over",
            "rename it: no leading dot, none of " + " ".join(PARTIAL),
        )
        for file in files
        if passed_over(file.name)
    ]
    if faults:
        raise InputError("inbox", faults, "Nothing was put into the inbox.")


def _keys(inbox: Inbox, name: str, meddra_version: str | None) -> Iterator[str]:
    """The keys that a file may lie under, best first."""
    stem = name.partition(".")[0]
    suffix = name.removeprefix(stem)
    if meddra_version and version_in_name(name) is None:
        suffix = f".meddra-{meddra_version}{suffix}"
    for number in itertools.count():
        yield f"inbox/{inbox}/{stem}{f'-{number}' if number else ''}{suffix}"


def _put(workspace: Workspace, file: Path, keys: Iterator[str], refused: Set[str]) -> str:
    """The first key that was free, or has this content and was not refused."""
    store = workspace.store
    return next(
        key
        for key in keys
        if store.put_if_absent(key, file) or (key not in refused and holds(store, key, file))
    )
