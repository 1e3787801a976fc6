"""The object store: put-if-absent, get, exists, list; and which keys there are.

Creating a key that does not exist is the one atomic step that local disks and S3 servers share, so
it is the only one used: nothing is ever overwritten. Deleted are blobs alone, by a signed collection
(`retention`), of which a marker stays. Keys:

    blobs/sha256/<digest>   ledger/<sequence>   snapshots/<sequence>   inbox/...   quarantine/...   probe/<nonce>/...
    collected/<digest>   worklists/<problem>/<phase>.<json or csv>
"""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from pvcore.errors import ConfigError, NotFound, RegistryError
from pvcore.registry.content import Content, same

if TYPE_CHECKING:
    from pvcore.registry.objects import ObjectSettings

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
    if parts and {"#", "?"} & set(url):
        raise ConfigError(
            f"the store {url!r} holds # or ?, with which the path of a URL ends: another store would be meant. "
            "Give a folder as a plain path or with %23 and %3F; choose another prefix in S3."
        )
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


@contextmanager
def fetched(store: Store, key: str) -> Iterator[Path]:
    """A file that holds `key`, to be read only, as long as the block lasts. Raises NotFound."""
    # A folder is made there only by a store that has no files of its own.
    folder = Path(tempfile.gettempdir(), f"pv-object-{secrets.token_hex(16)}")
    try:
        yield store.fetch(key, folder / "object")
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
