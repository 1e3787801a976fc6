"""The plain case of `ssh-keygen -Y verify`, without a process for each signature.

What is accepted here is a signature of an Ed25519 key whose line in the keys file is as plain as can be: the
principal itself, at most `namespaces="..."` with names and no patterns, the key. Whatever else stands in such a
file (dates, patterns, certificate authorities, other keys, a list of revoked keys) is left to ssh-keygen, and
so is every refusal: what is not accepted here is asked of it. So this file can be wrong in one way only, by accepting
what ssh-keygen would not; the tests hold one against the other. Formats: PROTOCOL.sshsig of OpenSSH, RFC 8709.
"""

from __future__ import annotations

import base64
import hashlib
import re

_MAGIC, _VERSION, _TYPE = b"SSHSIG", (1).to_bytes(4, "big"), b"ssh-ed25519"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._+-]*")
_LINE = re.compile(
    rb'(?P<principal>[!-~]+)(?: namespaces="(?P<names>[A-Za-z0-9@._,-]+)")? ssh-ed25519 '
    rb"(?P<key>[A-Za-z0-9+/]+=*)(?: [ -~]*)?"
)


def accepted(statement: bytes, armored: str, principal: str, allowed: bytes, namespace: str) -> str | None:
    """The fingerprint ("SHA256:...") of the key that signed, if the plain case holds; None tells nothing.

    `armored` as `signing.normalise` gives it; `allowed` the bytes of the keys file.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        blob = base64.b64decode("".join(armored.splitlines()[1:-1]), validate=True)
        public, algorithm, signature = _parts(blob, namespace.encode())
        if not _may(public, principal, allowed, namespace):
            return None
        hashed = hashlib.new(algorithm.decode(), statement).digest()
        signed = _MAGIC + b"".join(map(_string, (namespace.encode(), b"", algorithm, hashed)))
        Ed25519PublicKey.from_public_bytes(_bare(public, 32)).verify(_bare(signature, 64), signed)
    except (ValueError, InvalidSignature):
        return None
    return "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).decode().rstrip("=")


def _parts(blob: bytes, namespace: bytes) -> tuple[bytes, bytes, bytes]:
    """Public key, hash algorithm and signature of an SSHSIG for this namespace. Raises ValueError."""
    if not blob.startswith(_MAGIC + _VERSION):
        raise ValueError("another version")
    public, purpose, reserved, algorithm, signature = _strings(blob[len(_MAGIC + _VERSION) :])
    if (purpose, reserved) != (namespace, b"") or algorithm not in (b"sha256", b"sha512"):
        raise ValueError("another purpose or hash")
    return public, algorithm, signature


def _may(public: bytes, principal: str, allowed: bytes, namespace: str) -> bool:
    """Whether a plain line gives this key to the principal, for any namespace or for this one."""
    if not _PLAIN.fullmatch(principal) or b"\0" in allowed:
        return False
    encoded = base64.b64encode(public)
    return any(
        line["principal"] == principal.encode()
        and line["key"] == encoded
        and (line["names"] is None or namespace.encode() in line["names"].split(b","))
        for line in map(_LINE.fullmatch, allowed.split(b"\n"))
        if line
    )


def _bare(value: bytes, size: int) -> bytes:
    """The key or signature in its string of the one type. Raises ValueError."""
    kind, bare = _strings(value)
    if kind != _TYPE or len(bare) != size:
        raise ValueError("no Ed25519")
    return bare


def _string(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _strings(data: bytes) -> list[bytes]:
    """The strings of SSH (RFC 4251, 5) that the bytes consist of, to the last one. Raises ValueError."""
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 + size:
            raise ValueError("cut off")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    return found
