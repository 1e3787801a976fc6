"""What objects hold: bytes, or a file that is read piece by piece, so that its size costs no memory."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

from pvcore.errors import RegistryError

Content = bytes | Path
PIECE = 2**18
"""Bytes of a file that are held at a time."""


def opened(content: Content) -> io.BufferedReader | io.BytesIO:
    """The content as a stream, from its beginning. Raises RegistryError for a file that cannot be read."""
    if isinstance(content, bytes):
        return io.BytesIO(content)
    try:
        return content.open("rb")
    except OSError as error:
        raise RegistryError(
            f"{content} cannot be read: {error.strerror or error}. Check that it is there and may be read."
        ) from error


def sha256(content: Content) -> str:
    """The digest (64 hex digits) of the content."""
    with opened(content) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_digest(value: object) -> bool:
    """Whether a value is a SHA-256 as it is written here: 64 small hex digits."""
    return isinstance(value, str) and len(value) == 64 and not set(value) - set("0123456789abcdef")


def same(one: Content, other: Content) -> bool:
    """Whether both have the same bytes."""
    with opened(one) as first, opened(other) as second:
        while piece := first.read(PIECE):
            if second.read(PIECE) != piece:
                return False
        return not second.read(1)
