"""Blobs: contents kept under their digests, and every byte that is read held against its digest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from pvcore.errors import NotFound, RegistryError
from pvcore.registry.content import Content, is_digest, sha256
from pvcore.registry.store import Store, copy_object, fetched

BLOBS = "blobs/sha256/"
COLLECTED = "collected/"
"""What stands in the place of a blob that was collected: which ledger entry says so, when, by whom, why."""
AT_ONCE = 8
"""Objects that are written at the same time."""


def check_blob_key(key: str) -> str:
    """The key itself, if it is one of a blob: nothing else is ever deleted. Raises RegistryError."""
    if not key.startswith(BLOBS) or not is_digest(key.removeprefix(BLOBS)):
        raise RegistryError(f"{key[:200]!r} is no blob, and nothing else is ever deleted.")
    return key


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
    with ExitStack() as stack:
        with _told(store, digest):
            file = stack.enter_context(fetched(store, BLOBS + digest))
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
