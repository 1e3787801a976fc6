"""What a manifest says: everything a version was made of and measured by.

A manifest is an immutable blob. It is written after all that it names, so its existence means that what it
names exists; its digest is the version's identity. The number (`seriousness@7`) stands in the ledger's
entry, not in the manifest, because it is only known at the moment of writing that entry.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pvcore.errors import RegistryError
from pvcore.records import canonical
from pvcore.registry.content import is_digest
from pvcore.registry.store import check_key

FORMAT = 1
_PROBLEM = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_KEPT_AS_BLOB = ("specification", "dataset", "report", "dossier")
_MAY_BE_ABSENT = ("parent", "champion", "dictionary")


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
    if fields.get("format", FORMAT) != FORMAT:
        return [f"format {fields['format']!r} is newer than this program: expected {FORMAT}"]
    return _form_faults(fields) or _content_faults(fields)


def _form_faults(fields: Mapping[str, Any]) -> list[str]:
    """What is odd about the fields, each for itself."""
    faults = []
    if not isinstance(fields["problem"], str) or not _PROBLEM.fullmatch(fields["problem"]):
        faults.append(f"problem {fields['problem']!r} is not a name of small letters and digits")
    for name in (*_KEPT_AS_BLOB, "policy", *_MAY_BE_ABSENT):
        absent = name in _MAY_BE_ABSENT and fields[name] is None
        if not absent and not is_digest(fields[name]):
            faults.append(f"{name} is not a digest: {fields[name]!r}")
    for name in ("adapter", "base", "recipe", "decision", "environment", "beside"):
        if not isinstance(fields.get(name, {}), Mapping):
            faults.append(f"{name} is not a mapping: {fields[name]!r}")
    try:
        datetime.fromisoformat(fields["created"])
    except (TypeError, ValueError):
        faults.append(f"created is not an ISO time: {fields['created']!r}")
    read = fields.get("read")
    if read is not None and not _is_commitment(read):
        faults.append(f'read is not {{"root", "records", "secret"}}: {read!r}')
    return faults


def _is_commitment(read: object) -> bool:
    return (
        isinstance(read, Mapping)
        and set(read) == {"root", "records", "secret"}
        and is_digest(read["root"])
        and is_digest(read["secret"])
        and isinstance(read["records"], int)
    )


def _content_faults(fields: Mapping[str, Any]) -> list[str]:
    """What is odd inside the mappings."""
    faults = []
    if fields["decision"].get("outcome") not in ("pass", "fail", "inconclusive"):
        faults.append(f"decision has no outcome of pass, fail, inconclusive: {dict(fields['decision'])!r}")
    beside, files = fields.get("beside", {}), fields["adapter"].get("files") or {}
    faults += [f"beside: {name} is a file of the adapter" for name in sorted({*beside} & {*files})]
    return faults + _adapter_faults(fields["adapter"]) + _files_faults("beside", beside)


def _adapter_faults(adapter: Mapping[str, Any]) -> list[str]:
    files = adapter.get("files")
    if set(adapter) != {"digest", "files"} or not is_digest(adapter.get("digest")):
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
        if not isinstance(entry, Mapping) or not is_digest(entry.get("sha256")):
            faults.append(f"{part}: {name} has no sha256")
    return faults


def named_blobs(manifest: Manifest) -> dict[str, str]:
    """The blobs that must be there before a manifest is written: what each is, and its digest."""
    files = {f"adapter file {name}": entry["sha256"] for name, entry in manifest.adapter["files"].items()}
    files |= {name: entry["sha256"] for name, entry in manifest.beside.items()}
    return {**files, **{name: getattr(manifest, name) for name in _KEPT_AS_BLOB}}
