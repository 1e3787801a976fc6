"""Inbox objects: find the new ones, read them, record them as admitted or put them in quarantine."""

from __future__ import annotations

import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pvcore.annotations import batch as batches
from pvcore.annotations.batch import Batch
from pvcore.annotations.reading import MEDDRA_VERSION
from pvcore.config import Workspace
from pvcore.errors import ConfigError, Fault, InputError, ReleaseError
from pvcore.meddra import release as releases
from pvcore.meddra.release import Dictionary
from pvcore.plain import inert
from pvcore.records import canonical, digest
from pvcore.registry.blobs import BLOBS, put_blob
from pvcore.registry.ledger import Entry
from pvcore.registry.store import check_key, copy_object, fetched, holds

Inbox = Literal["meddra", "annotations"]
HANDLED = ("ReleaseAdmitted", "BatchAdmitted", "Quarantined", "AlreadyAdmitted")
SHOWN = 50
"""Faults on the page of a quarantined object; its report names all."""
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an inbox object: `kind` is the ledger's word, `version` the MedDRA version if any."""

    kind: str
    key: str
    line: str
    digest: str = ""
    version: str = ""


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
    dictionary = _read_release(workspace, found.key, found.name)
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


def known_releases(workspace: Workspace, language: str | None = None) -> dict[str, str]:
    """Admitted releases: version -> digest of the dictionary, in the order of admission."""
    language = language or workspace.settings.language
    return {
        entry.body["version"]: entry.body["digest"]
        for entry in workspace.ledger.entries()
        if entry.kind == "ReleaseAdmitted" and entry.body["language"] == language
    }


def load_dictionary(workspace: Workspace, version: str, language: str | None = None) -> Dictionary:
    """An admitted release (in the workspace's language), read again from its blob and checked against its digest."""
    language = language or workspace.settings.language
    for entry in reversed(workspace.ledger.entries()):
        body = entry.body
        wanted = entry.kind == "ReleaseAdmitted" and (body["version"], body["language"]) == (
            version,
            language,
        )
        if wanted:
            dictionary = _read_release(workspace, BLOBS + body["blob"], body["name"])
            if dictionary.digest != body["digest"]:
                raise ReleaseError(
                    body["name"], [Fault(f"MedDRA {version}", "its contents changed since admission")]
                )
            return dictionary
    raise ReleaseError(
        f"MedDRA {version} {language}",
        [Fault("ledger", "no such release was admitted", "put it into inbox/meddra/")],
    )


def _read_release(workspace: Workspace, key: str, name: str) -> Dictionary:
    secret = workspace.settings.meddra_password
    with tempfile.TemporaryDirectory(prefix="pv-release-") as folder:
        # The name comes from a key or from the ledger, which whoever writes to the store can write.
        path = copy_object(workspace.store, key, Path(folder, check_key(PurePosixPath(name).name)))
        return releases.read(path, password=secret.get_secret_value() if secret else None)


def read_batch(workspace: Workspace, found: Found) -> Batch:
    """The batch in an inbox object. Raises BatchError with all faults.

    Annotation tools store no MedDRA version: `batch.<version>.json` says it in the name
    ("batch-7.meddra-29.0.json"), as `pv ingest --meddra-version` writes it.
    """
    # A file and not its bytes: reports of a year are larger than a machine's memory.
    with fetched(workspace.store, found.key) as file:
        return batches.read(file, name=found.name, meddra_version=version_in_name(found.name))


def release_before(workspace: Workspace, dictionary: Dictionary) -> Dictionary | None:
    """The newest admitted release that is older than `dictionary`, to see that no code was deleted."""
    order = version_order(dictionary.version)
    older = [v for v in known_releases(workspace, dictionary.language) if version_order(v) < order]
    return load_dictionary(workspace, max(older, key=version_order), dictionary.language) if older else None


def dictionaries_of(workspace: Workspace, batch: Batch) -> list[Dictionary]:
    """The admitted releases that the codes of a batch are in."""
    versions = {a.meddra_version for a in batch.annotations if a.meddra_version}
    return [load_dictionary(workspace, v) for v in sorted(versions & set(known_releases(workspace)))]


def version_order(version: str) -> tuple[int, ...]:
    """What MedDRA versions are sorted by: 9.1 comes before 26.0."""
    return tuple(int(part) for part in version.split("."))


def looks_like_release(file: Path) -> bool:
    """Whether a file goes into the inbox of releases: a zip with MedDRA tables in it, or a protected one."""
    if file.suffix.lower() != ".zip" or not zipfile.is_zipfile(file):
        return "meddra" in file.name.lower() and file.suffix.lower() == ".zip"
    try:
        with zipfile.ZipFile(file) as archive:
            names = [PurePosixPath(name).name.lower() for name in archive.namelist()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return "meddra" in file.name.lower()  # the watcher says what is wrong with it
    return "llt.asc" in names or "meddra_release.asc" in names


def version_in_name(name: str) -> str | None:
    """The MedDRA version that a file name states as `.meddra-29.0.`, or None."""
    for part in name.split(".meddra-")[1:]:
        major, _, rest = part.partition(".")
        minor = rest.split(".")[0]
        if major.isdigit() and minor.isdigit():
            return f"{major}.{minor}"
    return None


def admit_release(workspace: Workspace, found: Found, dictionary: Dictionary, validation: bytes) -> Outcome:
    """Keep the release as a blob and record it. A release that is known is recorded as such."""
    with tempfile.TemporaryDirectory(prefix="pv-release-") as folder:
        # A copy of our own: what lies in the inbox may be changed by whoever put it there.
        blob = put_blob(workspace.store, copy_object(workspace.store, found.key, Path(folder, "release")))
    body = {
        "version": dictionary.version,
        "language": dictionary.language,
        "digest": dictionary.digest,
        "blob": blob,
        "name": found.name,
        "validation": put_blob(workspace.store, validation),
    }
    line = f"{found.name}: MedDRA {dictionary.version} {dictionary.language} admitted"
    return _record(workspace, found, "ReleaseAdmitted", dictionary.digest, body, line, dictionary.version)


def admit_batch(workspace: Workspace, found: Found, batch: Batch, validation: bytes) -> Outcome:
    """Keep the batch as a blob and record it, with its counts. The same content again is recorded as such."""
    with tempfile.TemporaryDirectory(prefix="pv-batch-") as folder:
        kept = Path(folder, "batch.json")
        with kept.open("wb") as file:
            file.writelines(batches.stored(batch))
        blob = put_blob(workspace.store, kept)
    versions = sorted({a.meddra_version for a in batch.annotations if a.meddra_version})
    body = {
        "digest": batch.digest,
        "blob": blob,
        "name": batch.name,
        "format": batch.format,
        "cases": len(batch.cases),
        "annotations": len(batch.annotations),
        "annotators": sorted({a.annotator for a in batch.annotations}),
        "meddra_versions": versions,
        "dropped": dict(batch.dropped),
        "validation": put_blob(workspace.store, validation),
    }
    line = f"{found.name}: {batch.format}, {len(batch.cases)} cases, {len(batch.annotations)} annotations admitted"
    return _record(workspace, found, "BatchAdmitted", batch.digest, body, line, ",".join(versions))


def quarantine(workspace: Workspace, found: Found, error: InputError, page: str = "") -> Outcome:
    """Copy the object, with a report that names all faults, to quarantine/<digest>/ and record it.

    The digest is that of key and etag, so that each object has a report of its own, whatever its content.
    `page` is the validation as HTML, where it came so far.
    """
    folder = f"quarantine/{digest([found.key, found.etag])}"
    told = [f"{error.source}: {len(error.faults)} fault(s)", *(f"  {fault}" for fault in error.faults)]
    faults = [{"where": f.where, "what": f.what, "advice": f.advice} for f in error.faults]
    with fetched(workspace.store, found.key) as file:
        size = file.stat().st_size
        workspace.store.put_if_absent(f"{folder}/object/{found.name}", file)
    report = {"object": found.key, "size": size, "advice": error.advice, "faults": faults}
    workspace.store.put_if_absent(f"{folder}/report.json", canonical(report))
    text = "\n".join([*told, error.advice]).rstrip() + "\n"
    workspace.store.put_if_absent(f"{folder}/report.txt", text.encode("utf-8", "backslashreplace"))
    if page:
        workspace.store.put_if_absent(f"{folder}/report.html", page.encode())
    body = {"report": f"{folder}/report.json", "faults": len(faults), "first": str(error.faults[0])[:500]}
    line = f"{found.name}: quarantined, {len(faults)} fault(s), {folder}/report.txt"
    return _record(workspace, found, "Quarantined", f"{found.key} {found.etag}", body, line, "")


def page(found: Found, error: InputError) -> str:
    """Why an object was quarantined, as Markdown that shows the words of the file and does nothing."""
    lines = [
        f"## {inert(found.name)} was quarantined",
        "",
        f"{len(error.faults)} fault(s). {inert(error.advice)}",
        "",
    ]
    lines += [f"- {inert(str(fault))}" for fault in error.faults[:SHOWN]]
    more = len(error.faults) - SHOWN
    return "\n".join([*lines, *([f"- ... and {more} more"] if more > 0 else [])])


def _record(
    workspace: Workspace,
    found: Found,
    kind: str,
    key: str,
    body: Mapping[str, object],
    line: str,
    version: str,
) -> Outcome:
    item = {"key": found.key, "etag": found.etag}
    entry = workspace.ledger.append(kind, {**body, "object": item}, actor="watch", key=key)
    if entry.body["object"] != item:
        workspace.ledger.append(
            "AlreadyAdmitted",
            {"object": item, "as": entry.sequence},
            actor="watch",
            key=f"{found.key} {found.etag}",
        )
        line = f"{found.name}: has the content of {entry.body['object']['key']}, admitted before"
        return Outcome("AlreadyAdmitted", found.key, line, key, version)
    return Outcome(kind, found.key, line, key, version)


def unannounced(workspace: Workspace) -> list[Entry]:
    """What was admitted or quarantined and not yet announced to whoever waits for it."""
    entries = workspace.ledger.entries()
    done = {entry.body["sequence"] for entry in entries if entry.kind == "Announced"}
    return [
        entry
        for entry in entries
        if entry.kind in ("ReleaseAdmitted", "BatchAdmitted", "Quarantined") and entry.sequence not in done
    ]


def mark_announced(workspace: Workspace, entry: Entry) -> None:
    """Record that `entry` was announced."""
    workspace.ledger.append("Announced", {"sequence": entry.sequence}, actor="watch", key=str(entry.sequence))


def put(
    workspace: Workspace, inbox: Inbox, files: Sequence[Path], meddra_version: str | None = None
) -> list[str]:
    """Copy files into an inbox of the store; returns their keys. Never overwrites: a taken name gets a number.

    So does a file that was quarantined: what kept it out may have been mended (a password, a release).
    Raises ConfigError for a version that is none, InputError for names that watchers pass over.
    """
    if meddra_version and not MEDDRA_VERSION.fullmatch(meddra_version):
        raise ConfigError(f"MedDRA version {meddra_version!r} is not of the form 29.0.")
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
    refused = {
        entry.body["object"]["key"] for entry in workspace.ledger.entries() if entry.kind == "Quarantined"
    }
    keys = []
    for file in files:
        stem, suffix = file.name.partition(".")[0], "".join(f".{p}" for p in file.name.split(".")[1:])
        if meddra_version and version_in_name(file.name) is None:
            suffix = f".meddra-{meddra_version}{suffix}"
        for number in range(1000):
            key = f"inbox/{inbox}/{stem}{f'-{number}' if number else ''}{suffix}"
            if workspace.store.put_if_absent(key, file) or (
                key not in refused and holds(workspace.store, key, file)
            ):
                keys.append(key)
                break
    return keys
