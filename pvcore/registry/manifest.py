"""Versions: what a manifest says, how one is registered once and found by name.

A manifest is an immutable blob that names everything a version was made of and measured by. It is
written after all of that, so its existence means that what it names exists; its digest is the
version's identity. The number (`seriousness@7`) stands in the ledger's entry, not in the manifest,
because it is only known at the moment of writing that entry.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pvcore.errors import NotFound, RegistryError
from pvcore.records import canonical
from pvcore.registry import snapshots
from pvcore.registry.blobs import blob_exists, get_blob, put_blob
from pvcore.registry.folders import get_folder
from pvcore.registry.ledger import REGISTERED, Entry, Ledger, State
from pvcore.registry.store import Store, check_key

FORMAT = 1
_HEX = re.compile(r"[0-9a-f]{64}")
_PROBLEM = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_KEPT_AS_BLOB = ("specification", "dataset", "report", "dossier")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version is. All digests are 64 hex SHA-256; all values are JSON.

    `adapter` is {"digest": of the adapter as training defines it, "files": of `put_folder`};
    `champion` the version that `report` compares with (None: there was none), `parent` the version
    that training continued (None: from the base); `decision` has at least {"outcome": "pass" |
    "fail" | "inconclusive"}; `policy` is the digest of the policy that decided. `specification`,
    `dataset`, `report` and `dossier` are blobs of the same store. `dictionary` is the digest of a
    MedDRA release, whose text is licensed and stays out of the manifest. `read` commits to the cases that its
    training and its ancestors' read: {"root", "records", "secret" (a blob)} of `absence_tree`; None for a
    version that was registered before this was recorded. `beside` are documents that go where the adapter
    goes, file name -> {"sha256"}: its model card and its bill of materials.
    """

    problem: str
    adapter: Mapping[str, Any]
    base: Mapping[str, Any]
    specification: str
    dataset: str
    parent: str | None
    champion: str | None
    recipe: Mapping[str, Any]
    dictionary: str | None
    report: str
    decision: Mapping[str, Any]
    policy: str
    dossier: str
    environment: Mapping[str, Any]
    created: str
    format: int = FORMAT
    read: Mapping[str, Any] | None = None
    beside: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def outcome(self) -> str:
        """The gate's decision: pass, fail or inconclusive."""
        return str(self.decision["outcome"])


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


def manifest_from(fields: Mapping[str, Any]) -> Manifest:
    """A manifest of these fields, checked. Raises RegistryError that lists all faults."""
    declared = {field.name: field for field in dataclasses.fields(Manifest)}
    missing = sorted(n for n, f in declared.items() if n not in fields and _required(f))
    faults = [f"{name} is missing" for name in missing]
    faults += [f"{name} is not a field of a manifest" for name in sorted(set(fields) - set(declared))]
    if not faults:
        faults = _faults(fields)
    if faults:
        raise RegistryError("the manifest cannot be used:\n" + "\n".join(f"  {fault}" for fault in faults))
    return Manifest(**json.loads(canonical(dict(fields))))


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _faults(fields: Mapping[str, Any]) -> list[str]:
    faults = []
    if fields.get("format", FORMAT) != FORMAT:
        return [f"format {fields['format']!r} is newer than this program: expected {FORMAT}"]
    if not isinstance(fields["problem"], str) or not _PROBLEM.fullmatch(fields["problem"]):
        faults.append(f"problem {fields['problem']!r} is not a name of small letters and digits")
    for name in (*_KEPT_AS_BLOB, "policy", "parent", "champion", "dictionary"):
        optional = name in ("parent", "champion", "dictionary")
        if not (optional and fields[name] is None) and not _is_digest(fields[name]):
            faults.append(f"{name} is not a digest: {fields[name]!r}")
    for name in ("adapter", "base", "recipe", "decision", "environment", "beside"):
        if not isinstance(fields.get(name, {}), Mapping):
            faults.append(f"{name} is not a mapping: {fields[name]!r}")
    try:
        datetime.fromisoformat(fields["created"])
    except (TypeError, ValueError):
        faults.append(f"created is not an ISO time: {fields['created']!r}")
    read = fields.get("read")
    if read is not None and not (
        isinstance(read, Mapping)
        and set(read) == {"root", "records", "secret"}
        and _is_digest(read["root"])
        and _is_digest(read["secret"])
        and isinstance(read["records"], int)
    ):
        faults.append(f'read is not {{"root", "records", "secret"}}: {read!r}')
    if faults:
        return faults
    if fields["decision"].get("outcome") not in ("pass", "fail", "inconclusive"):
        faults.append(f"decision has no outcome of pass, fail, inconclusive: {dict(fields['decision'])!r}")
    beside, files = fields.get("beside", {}), fields["adapter"].get("files") or {}
    faults += [f"beside: {name} is a file of the adapter" for name in sorted({*beside} & {*files})]
    return faults + _adapter_faults(fields["adapter"]) + _files_faults("beside", beside)


def _adapter_faults(adapter: Mapping[str, Any]) -> list[str]:
    files = adapter.get("files")
    if set(adapter) != {"digest", "files"} or not _is_digest(adapter.get("digest")):
        return ['adapter is not {"digest": 64 hex digits, "files": {...}}']
    if not isinstance(files, Mapping) or not files:
        return ["adapter has no files"]
    return _files_faults("adapter", files)


def _files_faults(part: str, files: Mapping[str, Any]) -> list[str]:
    faults = []
    for name, entry in files.items():
        try:
            check_key(name)
        except RegistryError as error:
            faults.append(f"{part}: {error}")
        if not isinstance(entry, Mapping) or not _is_digest(entry.get("sha256")):
            faults.append(f"{part}: {name} has no sha256")
    return faults


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def register(store: Store, ledger: Ledger, fields: Mapping[str, Any], actor: str) -> Version:
    """Put a version into the registry, once per problem and specification, and give it its number.

    Again with the same specification and adapter it returns the version that is there (with the
    report it was registered with). Raises RegistryError where something named does not exist, the
    parent is not registered, or the same specification gave another adapter (training that is not
    reproducible).
    """
    manifest = manifest_from(fields)
    files = {f"adapter file {name}": entry["sha256"] for name, entry in manifest.adapter["files"].items()}
    files |= {name: entry["sha256"] for name, entry in manifest.beside.items()}
    named = {**files, **{name: getattr(manifest, name) for name in _KEPT_AS_BLOB}}
    absent = [f"  {name}: {digest}" for name, digest in named.items() if not blob_exists(store, digest)]
    if absent:
        raise RegistryError("the manifest names blobs that the store does not have:\n" + "\n".join(absent))
    digest = put_blob(store, canonical(manifest))

    def body(state: State) -> dict[str, Any]:
        for role, other in (("parent", manifest.parent), ("champion", manifest.champion)):
            entry = state.version(other) if other else None
            if other and (entry is None or entry.body["problem"] != manifest.problem):
                raise RegistryError(f"the {role} {other} is not a registered version of {manifest.problem}.")
        return {
            "problem": manifest.problem,
            "number": len(state.versions(manifest.problem)) + 1,
            "version": digest,
            "specification": manifest.specification,
            "adapter": manifest.adapter["digest"],
            "read": _committed(manifest),
        }

    key = f"{manifest.problem} {manifest.specification}"
    entry = ledger.append(REGISTERED, body, actor=actor, key=key)
    if entry.body["adapter"] != manifest.adapter["digest"]:
        raise RegistryError(
            f"{manifest.problem}@{entry.body['number']} was registered for the specification "
            f"{manifest.specification[:12]} with another adapter ({entry.body['adapter'][:12]}, now "
            f"{manifest.adapter['digest'][:12]}): training was not reproducible. Compare the environments."
        )
    return read_version(store, entry)


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
