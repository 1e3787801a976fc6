"""A version: registered once, under the next number of its problem; read from its entry; its adapter fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pvcore.errors import NumberTaken, RegistryError
from pvcore.records import canonical
from pvcore.registry.blobs import blob_exists, get_blob, put_blob
from pvcore.registry.folders import get_folder
from pvcore.registry.ledger import REGISTERED, Entry, Ledger, State
from pvcore.registry.manifest import Manifest, manifest_from, named_blobs
from pvcore.registry.store import Store


@dataclass(frozen=True, slots=True)
class Version:
    """A registered version. `digest` is its manifest's."""

    problem: str
    number: int
    digest: str
    manifest: Manifest

    @property
    def name(self) -> str:
        return f"{self.problem}@{self.number}"


def register(
    store: Store, ledger: Ledger, fields: Mapping[str, Any], actor: str, number: int | None = None
) -> Version:
    """Put a version into the registry, once per problem and specification, and give it its number.

    With `number`, which its documents name already, it gets that one or none: raises NumberTaken. Again with
    the same specification and adapter it returns the version that is there (with the report it was
    registered with). Raises RegistryError where something named does not exist, the parent is not
    registered, or the same specification gave another adapter (training that is not reproducible).
    """
    manifest = manifest_from(fields)
    absent = [
        f"  {name}: {blob}" for name, blob in named_blobs(manifest).items() if not blob_exists(store, blob)
    ]
    if absent:
        raise RegistryError("the manifest names blobs that the store does not have:\n" + "\n".join(absent))
    body = partial(_body, manifest, put_blob(store, canonical(manifest)), number)
    entry = ledger.append(REGISTERED, body, actor=actor, key=f"{manifest.problem} {manifest.specification}")
    if entry.body["adapter"] != manifest.adapter["digest"]:
        raise RegistryError(
            f"{manifest.problem}@{entry.body['number']} was registered for the specification "
            f"{manifest.specification[:12]} with another adapter ({entry.body['adapter'][:12]}, now "
            f"{manifest.adapter['digest'][:12]}): training was not reproducible. Compare the environments."
        )
    return read_version(store, entry)


def _body(manifest: Manifest, digest: str, expected: int | None, state: State) -> dict[str, Any]:
    """What the entry says of a version that comes after those in `state`. Raises RegistryError, NumberTaken."""
    number = len(state.versions(manifest.problem)) + 1
    if expected not in (None, number):
        raise NumberTaken(f"{manifest.problem}@{expected} was registered meanwhile. Register again.")
    for role, other in (("parent", manifest.parent), ("champion", manifest.champion)):
        entry = state.version(other) if other else None
        if other and (entry is None or entry.body["problem"] != manifest.problem):
            raise RegistryError(f"the {role} {other} is not a registered version of {manifest.problem}.")
    return {
        "problem": manifest.problem,
        "number": number,
        "version": digest,
        "specification": manifest.specification,
        "adapter": manifest.adapter["digest"],
        "read": _committed(manifest),
    }


def _committed(manifest: Manifest) -> dict[str, Any] | None:
    """What a Registered entry says of the cases that were read, so that the entry alone binds a proof."""
    return {name: manifest.read[name] for name in ("root", "records")} if manifest.read else None


def read_version(store: Store, entry: Entry) -> Version:
    """The version of a Registered entry, its manifest verified against its digest."""
    data = get_blob(store, entry.body["version"])
    try:
        fields = json.loads(data)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise RegistryError(f"ledger entry {entry.sequence} names a blob that is no manifest.")
    manifest = manifest_from(fields)
    said = (entry.body["problem"], entry.body["specification"], entry.body.get("read"))
    if said != (manifest.problem, manifest.specification, _committed(manifest)):
        raise RegistryError(
            f"ledger entry {entry.sequence} does not fit the manifest {entry.body['version']}."
        )
    return Version(manifest.problem, int(entry.body["number"]), entry.body["version"], manifest)


def require_files(store: Store, version: Version) -> None:
    """Every file of the adapter is in the store; its bytes are checked when it is read. Raises RegistryError."""
    for name, file in version.manifest.adapter["files"].items():
        if not blob_exists(store, file["sha256"]):
            raise RegistryError(
                f"{version.name} has no {name} in {store.url} any more (was it collected? See: pv history). "
                "Restore it from a backup, or train again."
            )


def fetch_adapter(store: Store, version: Version, target: Path, *, beside: bool = False) -> Path:
    """The adapter as a plain PEFT folder at `target`, every byte verified; nothing there if it fails.

    With `beside`, also the documents that go with it: model card and bill of materials.
    """
    manifest = version.manifest
    return get_folder(store, {**manifest.adapter["files"], **(manifest.beside if beside else {})}, target)
