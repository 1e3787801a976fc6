"""SSH signatures over an in-toto statement: who approves what, verified against `allowed_signers`.

A thin wrapper of `ssh-keygen -Y sign` and `-Y verify` (OpenSSH 8.9 or later; signature format:
PROTOCOL.sshsig of OpenSSH; keys file: ssh-keygen(1), ALLOWED SIGNERS). Plain signatures that hold are
accepted without a process (`sshsig`); ssh-keygen decides all else. A signature binds the bytes
of the statement, the key and a namespace; the keys file binds the key to a person, with dates.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from pvcore.errors import NotFound, RegistryError, SignatureRefused
from pvcore.records import canonical
from pvcore.registry import sshsig
from pvcore.registry.ledger import Entry

NAMESPACE = "pv-approval"
"""A signature made for anything else (git, e-mail, another product) is refused."""
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:pv-retrain:approval:v1"
_GOAL = {"promote": "promote", "rollback": "roll back to", "override": "override the gate for"}
_ARMOR = re.compile(r"-----BEGIN SSH SIGNATURE-----(.*?)-----END SSH SIGNATURE-----", re.DOTALL)
_MAGIC = "U1NIU0lH"
"""base64 of "SSHSIG", with which every signature begins."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the keys stand: who holds which, and those that were revoked (a list of public keys or a KRL)."""

    allowed_signers: Path
    revoked: Path | None = None


def statement(request: Entry, decision: str, name: str, reason: str, principal: str) -> bytes:
    """The canonical bytes that a person signs: an in-toto statement (v1) about the version of a request.

    Its predicate repeats everything that the request asked (report, policy, the champion that is to
    be replaced) and names the request's digest, so that the signature fits no other request. The
    printed name, the meaning and the reason are signed too (21 CFR 11.50, 11.70).
    """
    asked = request.body
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": asked["name"], "digest": {"sha256": asked["version"]}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "action": asked["action"],
                "decision": decision,
                "meaning": meaning(request, decision, name),
                "name": name,
                "principal": principal,
                "reason": reason,
                "report": asked["report"],
                "policy": asked["policy"],
                "expected_champion": asked["expected"],
                "request": {"sequence": request.sequence, "digest": request.digest},
                **({"waived": asked["waived"]} if asked.get("waived") else {}),
            },
        }
    )


def meaning(request: Entry, decision: str, name: str) -> str:
    """What the signature under an answer means, in words. Raises SignatureRefused for another decision."""
    asked, verb = request.body, {"approve": "approves", "reject": "rejects"}.get(decision)
    if verb is None:
        raise SignatureRefused(f"the decision {decision!r} is none: expected approve or reject.")
    goal = (
        f"{_GOAL.get(asked['action'], asked['action'])} {asked['name']} as the champion of {asked['problem']}"
    )
    although = f", although {'; and '.join(asked['waived'])}" if asked.get("waived") else ""
    return f"{name} {verb} the request to {goal}{although}"


def sign(statement: bytes, key: Path, namespace: str = NAMESPACE) -> str:
    """Sign with a private key file (or a public one whose key an agent holds); the armored signature.

    ssh-keygen itself asks for a passphrase on the terminal. Raises SignatureRefused.
    """
    if not key.is_file():
        raise NotFound(f"{key} is no key file. Make one with: ssh-keygen -t ed25519 -f {key}")
    done = _run(["-Y", "sign", "-f", str(key), "-n", namespace], statement)
    if done.returncode or not _ARMOR.search(done.stdout.decode("ascii", "replace")):
        raise SignatureRefused(
            f"{key} did not sign: {_words(done)}. Check its passphrase and that only you can read it."
        )
    return done.stdout.decode("ascii")


def verify(
    statement: bytes,
    signature: str,
    principal: str,
    keys: Keys,
    namespace: str = NAMESPACE,
    at: datetime | None = None,
) -> str:
    """Check a signature; returns the fingerprint of the key ("SHA256:...") that made it.

    `at` is the moment at which the key must have been valid (now if None); dates in
    `allowed_signers` without a zone are taken as UTC.
    Raises SignatureRefused with the reason: no signature, altered statement, foreign or unknown
    key, wrong namespace, expired, not yet valid, revoked.
    """
    armored = normalise(signature)
    allowed_signers, revoked = keys.allowed_signers, keys.revoked
    for file in (allowed_signers, *([revoked] if revoked else ())):
        if not file.is_file():
            raise SignatureRefused(f"{file} does not exist, so no signature can be verified.")
    if not revoked and (
        plain := sshsig.accepted(statement, armored, principal, allowed_signers.read_bytes(), namespace)
    ):
        return plain
    moment = (at or datetime.now(UTC)).astimezone(UTC).strftime("%Y%m%d%H%M%S")
    with tempfile.TemporaryDirectory(prefix="pv-signature-") as folder:
        file = Path(folder, "signature")
        file.write_text(armored, "ascii")
        options = ["-n", namespace, "-s", str(file), "-O", f"verify-time={moment}"]
        known, more = ["-f", str(allowed_signers)], ["-r", str(revoked)] if revoked else []
        done = _run(["-Y", "verify", "-I", principal, *known, *options, *more], statement)
        if done.returncode == 0:
            found = re.search(rb"key (SHA256:\S+)", done.stdout)
            if found:
                return found[1].decode("ascii")
        # ssh-keygen says of a revoked key only that it could not verify.
        if revoked and _run(["-Y", "verify", "-I", principal, *known, *options], statement).returncode == 0:
            raise SignatureRefused(
                f"the signature is not accepted: {revoked.name} revokes its key, or cannot be read. {_words(done)}. If "
                f"what it signed is to stand, end its line in {allowed_signers.name} instead (valid-before=...)."
            )
        valid = _run(["-Y", "check-novalidate", *options], statement).returncode == 0
        signers = _run(["-Y", "find-principals", *known, "-s", str(file), "-O", f"verify-time={moment}"], b"")
    raise SignatureRefused(
        f"the signature is not accepted: {_reason(done, valid, signers, principal, allowed_signers)}"
    )


_KEY = re.compile(r"(?:^|\s)(?:ssh-|ecdsa-|sk-)\S+\s+([A-Za-z0-9+/]+=*)")


def owners(fingerprint: str, allowed_signers: Path) -> list[str]:
    """Every list of principals (patterns, as ssh-keygen(1) has them) that the keys file gives a key to."""
    found = []
    for line in allowed_signers.read_text("utf-8").splitlines():
        key = _KEY.search(line)
        if key and not line.lstrip().startswith("#") and _fingerprint(key[1]) == fingerprint:
            found.append(line.split()[0].strip('"'))
    return found


def is_one_of(principal: str, owners: Iterable[str]) -> bool:
    """Whether one of these lists of patterns names the principal (`*@example.org,!eve@example.org`)."""
    return any(
        any(fnmatchcase(principal, p) for p in patterns if not p.startswith("!"))
        and not any(fnmatchcase(principal, p[1:]) for p in patterns if p.startswith("!"))
        for patterns in (owner.split(",") for owner in owners)
    )


def _fingerprint(key: str) -> str:
    try:
        blob = base64.b64decode(key, validate=True)
    except ValueError:
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def normalise(signature: str) -> str:
    """The signature as ssh-keygen writes it, from what forms and mails make of it (one line, CRLF, blanks).

    Raises SignatureRefused where there is none.
    """
    found = _ARMOR.search(signature.replace("\\n", "\n"))
    text = re.sub(r"\s+", "", found[1] if found else signature)
    if not text.startswith(_MAGIC) or not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", text) or len(text) > 20_000:
        raise SignatureRefused(
            "this is no SSH signature: it begins with -----BEGIN SSH SIGNATURE-----. `pv sign` prints one."
        )
    lines = [text[i : i + 70] for i in range(0, len(text), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def make_key(key: Path, principal: str, allowed_signers: Path) -> Path:
    """An Ed25519 key without passphrase, for demonstrations, entered in `allowed_signers`; made once."""
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True)
        done = _run(["-q", "-t", "ed25519", "-N", "", "-C", principal, "-f", str(key)], b"")
        if done.returncode:
            raise RegistryError(f"ssh-keygen made no key at {key}: {_words(done)}.")
    public = " ".join(key.with_name(f"{key.name}.pub").read_text("ascii").split()[:2])
    line = f'{principal} namespaces="{NAMESPACE},pv-checkpoint,pv-retention" {public}'
    present = allowed_signers.read_text("utf-8") if allowed_signers.exists() else ""
    if line not in present.splitlines():
        gap = "" if not present or present.endswith("\n") else "\n"
        allowed_signers.write_text(f"{present}{gap}{line}\n", "utf-8")
    return key


def _run(arguments: list[str], data: bytes) -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise RegistryError("ssh-keygen is not installed. Install OpenSSH 8.9 or later.")
    # English words, and UTC for the dates in allowed_signers, on every machine.
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    try:
        return subprocess.run(
            [program, *arguments], input=data, capture_output=True, env=environment, timeout=300
        )
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise SignatureRefused(f"ssh-keygen gave no answer: {error}.") from error


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    """What ssh-keygen said, in one line, without its last full stop."""
    text = (done.stderr + b"\n" + done.stdout).decode("utf-8", "replace")
    return "; ".join(line.strip().rstrip(".") for line in text.splitlines() if line.strip())[:600]


def _reason(
    done: subprocess.CompletedProcess[bytes],
    valid: bool,
    signers: subprocess.CompletedProcess[bytes],
    principal: str,
    allowed_signers: Path,
) -> str:
    said = _words(done)
    if "namespace" in said:
        return f"it was made for another purpose ({said})"
    if not valid:
        return f"the statement differs from what was signed: decision, name, reason or request ({said})"
    owners = signers.stdout.decode("utf-8", "replace").split() if signers.returncode == 0 else []
    if "expired" in said or "not yet valid" in said:
        return f"its key is not valid at this time ({said})"
    if owners and principal not in owners:
        return f"its key belongs to {', '.join(owners)}, not to {principal}"
    return f"its key is not one that {allowed_signers.name} gives to {principal} at this time ({said})"
