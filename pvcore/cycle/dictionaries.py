"""The dictionaries of a workspace: which MedDRA releases were admitted, and each read again from the store."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path, PurePosixPath

from pvcore.annotations.batch import Batch
from pvcore.config import Workspace
from pvcore.errors import Fault, NotFound, ReleaseError
from pvcore.meddra import release as releases
from pvcore.meddra.release import Dictionary
from pvcore.registry.blobs import BLOBS
from pvcore.registry.ledger import Entry
from pvcore.registry.store import check_key, copy_object


def known_releases(workspace: Workspace, language: str | None = None) -> dict[str, str]:
    """Admitted releases: version -> digest of the dictionary, in the order of admission."""
    return {entry.body["version"]: entry.body["digest"] for entry in _admitted(workspace, language)}


def load_dictionary(workspace: Workspace, version: str, language: str | None = None) -> Dictionary:
    """An admitted release (in the workspace's language), read again from its blob and checked against its digest."""
    admitted = [e.body for e in _admitted(workspace, language) if e.body["version"] == version]
    if not admitted:
        raise ReleaseError(
            f"MedDRA {version} {language or workspace.settings.language}",
            [Fault("ledger", "no such release was admitted", "put it into inbox/meddra/")],
        )
    body = admitted[-1]
    dictionary = read_archive(workspace, BLOBS + body["blob"], body["name"], admitted=True)
    if dictionary.digest != body["digest"]:
        raise ReleaseError(body["name"], [Fault(f"MedDRA {version}", "its contents changed since admission")])
    return dictionary


def of_version(workspace: Workspace, version: str | None) -> Dictionary | None:
    """The admitted release of a version; None for None. The last two are kept. Raises ReleaseError."""
    found = known_releases(workspace).get(version) if version else None
    return load_dictionary(workspace, version) if version and not found else by_digest(workspace, found)


def by_digest(workspace: Workspace, name: str | None) -> Dictionary | None:
    """An admitted release by its digest; None for None. The last two are kept. Raises NotFound."""
    return _by_digest(workspace, name) if name else None


@lru_cache(maxsize=2)
def _by_digest(workspace: Workspace, name: str) -> Dictionary:
    version = next((v for v, known in known_releases(workspace).items() if known == name), None)
    if version is None:
        raise NotFound(
            f"no MedDRA release with the digest {name[:12]} was admitted in {workspace.settings.language}."
        )
    return load_dictionary(workspace, version)


def _admitted(workspace: Workspace, language: str | None) -> list[Entry]:
    """The records of admission in a language (None: the workspace's), oldest first."""
    wanted = (language or workspace.settings.language).casefold()
    return [
        entry
        for entry in workspace.ledger.entries()
        if entry.kind == "ReleaseAdmitted" and entry.body["language"].casefold() == wanted
    ]


def read_archive(workspace: Workspace, key: str, name: str, *, admitted: bool = False) -> Dictionary:
    """The release in an object of the store, verified; `name` says what form it has. Raises ReleaseError.

    `admitted`: read it as it was when it was (`pvcore.meddra.release.read`).
    """
    secret = workspace.settings.meddra_password
    with tempfile.TemporaryDirectory(prefix="pv-release-") as folder:
        # The name comes from a key or from the ledger, which whoever writes to the store can write.
        path = copy_object(workspace.store, key, Path(folder, check_key(PurePosixPath(name).name)))
        password = secret.get_secret_value() if secret else None
        return releases.read(path, password=password, admitted=admitted)


def release_before(workspace: Workspace, dictionary: Dictionary) -> Dictionary | None:
    """The newest admitted release that is older than `dictionary`, to see that no code was deleted."""
    order = version_order(dictionary.version)
    older = [v for v in known_releases(workspace, dictionary.language) if version_order(v) < order]
    return load_dictionary(workspace, max(older, key=version_order), dictionary.language) if older else None


def of_batch(workspace: Workspace, batch: Batch) -> list[Dictionary]:
    """The admitted releases that the codes of a batch are in."""
    versions = {a.meddra_version for a in batch.annotations if a.meddra_version}
    return [load_dictionary(workspace, v) for v in sorted(versions & set(known_releases(workspace)))]


def version_order(version: str) -> tuple[int, ...]:
    """What MedDRA versions are sorted by: 9.1 comes before 26.0."""
    return tuple(int(part) for part in version.split("."))
