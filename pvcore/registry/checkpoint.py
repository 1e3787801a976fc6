"""Signed checkpoints: a few lines that an outsider keeps, with which everything up to them is fixed.

A checkpoint is a text in the form of C2SP's tlog-checkpoint (origin, size, root in base64, further lines),
an empty line and an SSH signature over everything before that line, in a namespace of its own:

    pv-retrain/ledger/<digest of the first entry>
    1204
    9+f3...=
    time 2030-01-02T03:04:05.678Z
    signer jane@example.org

    -----BEGIN SSH SIGNATURE-----

`allowed_signers` says whose signature counts. The time is the signer's clock; the key must have been
valid then, and must not be revoked now.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pvcore.errors import Fault, InputError
from pvcore.registry import signing
from pvcore.registry.entry import utc

NAMESPACE = "pv-checkpoint"
ORIGIN = "pv-retrain/ledger/"
_FORM = re.compile(
    rf"{ORIGIN}(?P<ledger>[0-9a-f]{{64}})\n(?P<size>[1-9][0-9]{{0,11}})\n(?P<root>[A-Za-z0-9+/]{{43}}=)\n"
    r"time (?P<time>\S+)\nsigner (?P<signer>\S+)\n\n(?P<signature>-----BEGIN SSH SIGNATURE-----.*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The first `size` entries of a ledger: `ledger` is the digest of its first entry (hex), `root` the 32 bytes
    of its Merkle tree, `signature` armored, over `text`."""

    ledger: str
    size: int
    root: bytes
    time: str
    signer: str
    signature: str = ""

    @property
    def text(self) -> str:
        """What is signed."""
        root = base64.b64encode(self.root).decode("ascii")
        return f"{ORIGIN}{self.ledger}\n{self.size}\n{root}\ntime {self.time}\nsigner {self.signer}\n"

    def __str__(self) -> str:
        """The file."""
        return f"{self.text}\n{self.signature}"


def sign(ledger: str, size: int, root: bytes, signer: str, key: Path) -> Checkpoint:
    """A checkpoint of now, signed with a private key. Raises SignatureRefused, NotFound."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    bare = Checkpoint(ledger, size, root, now, signer)
    return Checkpoint(ledger, size, root, now, signer, signing.sign(bare.text.encode(), key, NAMESPACE))


def read(file: Path) -> Checkpoint:
    """The checkpoint in a file; its signature is not looked at. Raises InputError for what is none."""
    try:
        text = file.read_bytes().replace(b"\r\n", b"\n").decode()
        found = _FORM.fullmatch(text)
        if found is None:
            raise ValueError("expected origin, size, root, time, signer, an empty line, an SSH signature")
        utc(found["time"])
        root = base64.b64decode(found["root"], validate=True)
    except (ValueError, binascii.Error) as error:
        what = f"is no checkpoint: {error}"
        raise InputError(str(file), [Fault(file.name, what, "make one: pv ledger checkpoint")]) from None
    return Checkpoint(
        found["ledger"], int(found["size"]), root, found["time"], found["signer"], found["signature"]
    )


def verify(checkpoint: Checkpoint, keys: signing.Keys) -> str:
    """Check who signed a checkpoint; returns the key's fingerprint. Raises SignatureRefused."""
    text, when = checkpoint.text.encode(), utc(checkpoint.time)
    return signing.verify(text, checkpoint.signature, checkpoint.signer, keys, NAMESPACE, when)
