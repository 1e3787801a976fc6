"""A store in a local folder: the same contract as S3's conditional put, and nothing lost by kill -9.

A file is written under another name, flushed to disk, then linked to its final name, which fails if
that exists; then the folder is flushed. A reader sees a whole object or none.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from pvcore.errors import NotFound, RegistryError
from pvcore.registry.blobs import check_blob_key
from pvcore.registry.content import PIECE, Content, opened
from pvcore.registry.store import TEMPORARY, ObjectInfo, check_key

STALE = 3600.0
"""Seconds after which a half-written file is taken for the remains of a killed writer."""


class LocalStore:
    """Objects as files below `root`, which is made when the first object is. See `Store`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __repr__(self) -> str:
        return f"LocalStore({str(self.root)!r})"

    @property
    def url(self) -> str:
        return self.root.as_uri()

    def put_if_absent(self, key: str, data: Content) -> bool:
        target = self.root / check_key(key)
        with opened(data) as source, _told(self.root, f"write {key}"):
            _make_folder(target.parent)
            if target.exists():
                # The other writer may not have flushed the folder yet, and what comes next may build on this.
                _flush_folder(target.parent)
                return False
            work = self.root / TEMPORARY / secrets.token_hex(16)
            _make_folder(work.parent)
            _sweep(work.parent)
            try:
                with work.open("xb") as file:
                    shutil.copyfileobj(source, file, PIECE)
                    file.flush()
                    os.fsync(file.fileno())
                try:
                    os.link(work, target)
                except FileExistsError:
                    return False
                finally:
                    _flush_folder(target.parent)
            finally:
                work.unlink(missing_ok=True)
        return True

    def get(self, key: str) -> bytes:
        with _told(self.root, f"read {key}"):
            try:
                return self._own(key).read_bytes()
            except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
                raise NotFound(f"{self.url} has no object {key}.") from None

    def fetch(self, key: str, target: Path) -> Path:
        path = self._own(key)
        if not path.is_file():
            raise NotFound(f"{self.url} has no object {key}.")
        return path

    def _own(self, key: str) -> Path:
        """Where an object lies. Raises RegistryError for a link out of the store: it would bring in any file."""
        path = self.root / check_key(key)
        below = [path, *path.parents[: key.count("/")]]
        if any(map(os.path.islink, below)) and not path.resolve().is_relative_to(self.root.resolve()):
            raise RegistryError(
                f"{self.url}: {key} is a link that leads out of the store. Put the file there."
            )
        if path.is_dir():  # no object; but one that may not be read stands in listings
            with _told(self.root, f"read the folder {key}"):
                os.scandir(path).close()
        return path

    def exists(self, key: str) -> bool:
        return (self.root / check_key(key)).is_file()

    def list(self, prefix: str) -> list[ObjectInfo]:
        if prefix:
            check_key(prefix.rstrip("/") or prefix)
        start = self.root / prefix.rpartition("/")[0]
        with _told(self.root, f"list {prefix}"):
            keys = {path: path.relative_to(self.root).as_posix() for path in self._paths(start)}
            found = [_info(path, key) for path, key in keys.items() if key.startswith(prefix)]
        return sorted(filter(None, found), key=lambda item: item.key)

    def _paths(self, start: Path) -> Iterator[Path]:
        """The files below a folder, and the folders that may not be read: else nobody would miss what lies there."""
        unread: list[Path] = []

        def refused(error: OSError) -> None:
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                return
            if Path(error.filename) == start:
                raise error
            unread.append(Path(error.filename))

        for folder, folders, names in os.walk(start, onerror=refused):
            if Path(folder) == self.root:
                folders[:] = [name for name in folders if name != TEMPORARY]
            yield from (Path(folder, name) for name in names)
        yield from unread

    def delete(self, key: str) -> None:
        target = self.root / check_blob_key(key)
        with _told(self.root, f"delete {key}"):
            if target.exists():
                target.unlink(missing_ok=True)
                _flush_folder(target.parent)


def _info(path: Path, key: str) -> ObjectInfo | None:
    """A file as a listing shows it; None if it vanished since it was seen: someone cleans the inbox."""
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        etag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
        return ObjectInfo(key, status.st_size, etag, status.st_mtime)
    return None


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    _flush_folder(folder.parent)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Remove what killed writers left behind, long after any living one is done."""
    limit = time.time() - STALE
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(root: Path, what: str) -> Iterator[None]:
    """Turn what the file system refuses into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise RegistryError(
            f"the store {root} could not {what}: {error.strerror or error}. "
            "Check that the folder is on a local disk with hard links, has space and may be written."
        ) from error
