"""The object store: put-if-absent, get, exists, list; and blobs and folders kept under their digests.

Creating a key that does not exist is the one atomic step that local disks and S3 servers share, so
it is the only one used: nothing is ever overwritten. Deleted are blobs alone, by a signed collection
(`retention`), of which a marker stays. Keys:

    blobs/sha256/<digest>   ledger/<sequence>   snapshots/<sequence>   inbox/...   quarantine/...   probe/<nonce>/...
    collected/<digest>   worklists/<problem>/<phase>.<json or csv>
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from pvcore.errors import ConfigError, NotFound, RegistryError
from pvcore.registry.content import Content, same, sha256

if TYPE_CHECKING:
    from pvcore.registry.objects import ObjectSettings

BLOBS = "blobs/sha256/"
COLLECTED = "collected/"
"""What stands in the place of a blob that was collected: which ledger entry says so, when, by whom, why."""
AT_ONCE = 8
"""Objects that are written at the same time."""
TEMPORARY = ".tmp"
"""First part of keys that a local store keeps for itself: half-written files."""
_UNFIT = re.compile(r"[\\\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as a listing shows it. `size` in bytes; `etag` changes when the content does.

    `modified` is when the store had it last written, in seconds since 1970 by the store's clock.
    """

    key: str
    size: int
    etag: str
    modified: float = 0.0


@runtime_checkable
class Store(Protocol):
    """What a place for objects must do. All methods raise RegistryError where the place fails."""

    @property
    def url(self) -> str:
        """Where the store is, without secrets."""
        ...

    def put_if_absent(self, key: str, data: Content) -> bool:
        """Create `key` with `data`, durably. True if this call created it, False if it was there before.

        A file is read piece by piece.
        """
        ...

    def get(self, key: str) -> bytes:
        """The bytes of `key`, for objects that are known to be small. Raises NotFound."""
        ...

    def fetch(self, key: str, target: Path) -> Path:
        """A file that holds `key`, to be read only: the store's own, or `target`, written piece by piece.

        The last folder of `target` is made where it is missing, for the owner alone. Raises NotFound; `target`
        is not there then.
        """
        ...

    def exists(self, key: str) -> bool:
        """True if `key` can be read now."""
        ...

    def list(self, prefix: str) -> list[ObjectInfo]:
        """All objects whose key begins with `prefix`, sorted by key."""
        ...

    def delete(self, key: str) -> None:
        """Take away a blob, if it is there. Raises RegistryError for a key of anything else."""
        ...


def open_store(url: str, *, endpoint: str | None = None, objects: ObjectSettings | None = None) -> Store:
    """The store at `file:///folder`, at a plain path, or at `s3://bucket/prefix`.

    `endpoint` is the URL of an S3 server that is not AWS; region and keys come from the environment,
    as boto3 reads them. `objects` says how S3 encrypts and locks. Opening asks the server nothing;
    `probe` does. Raises ConfigError.
    """
    parts = urlsplit(url) if "://" in url else None
    if parts and parts.scheme == "s3" and parts.netloc:
        from pvcore.registry.s3 import S3Store

        return S3Store(parts.netloc, parts.path.strip("/"), endpoint=endpoint, objects=objects)
    if objects and objects.arguments():
        raise ConfigError(
            f"the store {url!r} can neither encrypt nor lock; the settings under s3 are for s3://bucket/prefix."
        )
    if parts is None:
        return _local(Path(url).expanduser().resolve())
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.startswith("/"):
        return _local(Path(unquote(parts.path)))
    raise ConfigError(
        f"the store {url!r} is not understood. Use a folder, file:///folder or s3://bucket/prefix."
    )


def _local(folder: Path) -> Store:
    from pvcore.registry.disk import LocalStore

    return LocalStore(folder)


def check_key(key: str) -> str:
    """The key itself, if every store can hold it. Raises RegistryError: no way out of the folder."""
    parts = key.split("/")
    fault = ""
    if not key or any(part in ("", ".", "..") for part in parts):
        fault = "must be names joined by single slashes, without '.' and '..'"
    elif parts[0] == TEMPORARY:
        fault = f"must not begin with {TEMPORARY}/, which the local store keeps for itself"
    elif _UNFIT.search(key):
        fault = "must hold neither backslashes nor control characters"
    elif len(key.encode()) > 900 or any(len(part.encode()) > 255 for part in parts):
        fault = "is too long: at most 255 bytes a name and 900 in all"
    if fault:
        raise RegistryError(f"the key {key[:200]!r} cannot be stored: it {fault}.")
    return key


def check_blob_key(key: str) -> str:
    """The key itself, if it is one of a blob: nothing else is ever deleted. Raises RegistryError."""
    if not key.startswith(BLOBS) or not is_digest(key.removeprefix(BLOBS)):
        raise RegistryError(f"{key[:200]!r} is no blob, and nothing else is ever deleted.")
    return key


def is_digest(text: str) -> bool:
    """Whether a text is a SHA-256 as it is written here: 64 small hex digits."""
    return len(text) == 64 and not set(text) - set("0123456789abcdef")


@contextmanager
def fetched(store: Store, key: str) -> Iterator[Path]:
    """A file that holds `key`, to be read only, as long as the block lasts. Raises NotFound."""
    with _room() as target:
        yield store.fetch(key, target)


@contextmanager
def _room() -> Iterator[Path]:
    """Where a store that has no files of its own may write one. A folder is made there only where one does."""
    folder = Path(tempfile.gettempdir(), f"pv-object-{secrets.token_hex(16)}")
    try:
        yield folder / "object"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def copy_object(store: Store, key: str, target: Path) -> Path:
    """`key` as a file of one's own at `target`. Raises NotFound."""
    found = store.fetch(key, target)
    if found != target:
        shutil.copyfile(found, target)
    return target


def holds(store: Store, key: str, content: Content) -> bool:
    """Whether `key` is there with this content."""
    try:
        with fetched(store, key) as file:
            return same(file, content)
    except NotFound:
        return False


def put_blob(store: Store, content: Content) -> str:
    """Keep `content` under its SHA-256; returns the digest. The same again costs one refused request.

    A file is read twice, so it must be one that nobody else writes to.
    """
    name = sha256(content)
    store.put_if_absent(BLOBS + name, content)
    return name


def put_blobs(store: Store, contents: Sequence[Content]) -> list[str]:
    """Keep several, at the same time, since each waits for the disk or the network; returns their digests."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(partial(put_blob, store), contents))


@contextmanager
def fetched_blob(store: Store, digest: str) -> Iterator[Path]:
    """A file with the bytes of this SHA-256, to be read only, as long as the block lasts.

    Raises NotFound, and RegistryError where they were altered.
    """
    with _room() as target:
        with _told(store, digest):
            file = store.fetch(BLOBS + digest, target)
        _require(store, digest, file)
        yield file


def copy_blob(store: Store, digest: str, target: Path) -> Path:
    """The blob with this SHA-256 as a file of one's own at `target`. Raises as `fetched_blob`."""
    with _told(store, digest):
        copy_object(store, BLOBS + digest, target)
    _require(store, digest, target)
    return target


def get_blob(store: Store, digest: str) -> bytes:
    """The bytes with this SHA-256, for blobs that are known to be small. Raises as `fetched_blob`."""
    with _told(store, digest):
        data = store.get(BLOBS + digest)
    _require(store, digest, data)
    return data


def check_blob(store: Store, digest: str) -> None:
    """Read the blob with this SHA-256 to its end. Raises as `fetched_blob`."""
    with fetched_blob(store, digest):
        pass


@contextmanager
def _told(store: Store, digest: str) -> Iterator[None]:
    """Let what is not found be named as the blob that it is."""
    if not is_digest(digest):
        raise NotFound(f"{digest[:80]!r} is not a digest: expected 64 hex digits.")
    try:
        yield
    except NotFound:
        raise NotFound(_absent(store, digest)) from None


def _absent(store: Store, digest: str) -> str:
    try:
        marker = json.loads(store.get(COLLECTED + digest))
    except NotFound:
        return f"{store.url} has no blob {digest}. Was it copied without its blobs/ folder?"
    return (
        f"{store.url}: blob {digest} was collected on {marker['time']} by {marker['by']}: {marker['reason']} "
        f"(ledger entry {marker['entry']})."
    )


def _require(store: Store, digest: str, content: Content) -> None:
    found = sha256(content)
    if found != digest:
        raise RegistryError(
            f"{store.url}: blob {digest} was altered (its digest is {found} now). Restore it from a backup."
        )


def blob_exists(store: Store, digest: str) -> bool:
    """True if there is a blob under this digest (its bytes are checked when it is read)."""
    return store.exists(BLOBS + digest)


def put_folder(store: Store, folder: Path) -> dict[str, dict[str, Any]]:
    """Keep all files of a folder as blobs; returns {relative name: {"sha256", "size" in bytes}}, sorted."""
    files = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    if not files:
        raise NotFound(f"{folder} has no files to store.")
    for path in files:
        if path.is_symlink() or not path.is_file():
            raise RegistryError(f"{path} is a link or no plain file. Copy the file itself into the folder.")
    names = [check_key(path.relative_to(folder).as_posix()) for path in files]
    kept = {
        name: {"sha256": digest, "size": path.stat().st_size}
        for name, path, digest in zip(names, files, put_blobs(store, files), strict=True)
    }
    return dict(sorted(kept.items()))


def get_folder(store: Store, files: Mapping[str, Mapping[str, Any]], target: Path) -> Path:
    """Write the files of `put_folder` to `target`, all or nothing, every byte verified.

    A target that holds exactly these files is left as it is; one that holds anything else is never
    touched: RegistryError lists the extra, missing and changed names.
    """
    if target.is_dir() and any(target.iterdir()):
        return _require_same(files, target)
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        for name, entry in files.items():
            path = work / check_key(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            copy_blob(store, entry["sha256"], path)
        try:
            os.replace(work, target)  # a folder of that name that has files makes this fail
        except OSError:
            if not target.is_dir():
                raise RegistryError(f"{target} exists and is no folder. Choose another place.") from None
            return _require_same(files, target)  # another process was faster
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def _require_same(files: Mapping[str, Mapping[str, Any]], target: Path) -> Path:
    found = {p.relative_to(target).as_posix(): p for p in target.rglob("*") if not p.is_dir()}
    faults = {
        "extra": sorted(set(found) - set(files)),
        "missing": sorted(set(files) - set(found)),
        "changed": sorted(
            name for name in set(files) & set(found) if sha256(found[name]) != files[name]["sha256"]
        ),
    }
    if any(faults.values()):
        told = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in faults.items() if names)
        raise RegistryError(
            f"{target} already exists and differs from the registry ({told}). Remove it first."
        )
    return target
