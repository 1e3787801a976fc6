"""The plain case without a process, held against ssh-keygen: nothing is accepted that it would refuse."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from pvcore.errors import RegistryError, SignatureRefused
from pvcore.registry import signing, sshsig
from pvcore.registry.signing import Keys

JANE, MAX = "jane@example.org", "max@example.org"
TEXT = b"a statement\n"
People = tuple[dict[str, Path], Path]
PLAIN = [
    "{who} {key}",
    "{who} {key} a comment",
    '{who} namespaces="pv-approval" {key}',
    '{who} namespaces="git,pv-approval,file" {key}',
    "# {who} {other}\n\n{who} {other}\n{who} {key}",
    "{who} ssh-ed25519 rubbish\nrubbish\n{who} valid-before={key}\n{who} {key}",
    '{who} valid-before="20200101" {key}\n{who} {key}',
]
"""Accepted by both."""
LEFT_ALONE = [
    "*@example.org {key}",
    '"{who}" {key}',
    "{who},other {key}",
    '{who} valid-before="20991231" {key}',
    '{who} valid-after="20200101" {key}',
    '{who} namespaces="pv-*" {key}',
    '{who} NAMESPACES="pv-approval" {key}',
    "\t{who} {key}",
    "{who} {key}\r",
]
"""Accepted by ssh-keygen, which is asked."""
REFUSED = [
    "",
    "{other}",
    "{key}",
    "# {who} {key}",
    "#{who} {key}",
    "{who} {other}",
    "max@example.org {key}",
    "!{who} {key}",
    "{who}x {key}",
    '{who} namespaces="git" {key}',
    '{who} namespaces="pv-approvals,pv" {key}',
    '{who} namespaces="pv-approval,!pv-approval" {key}',
    '{who} namespaces="" {key}',
    "{who} cert-authority {key}",
    '{who} namespaces="pv-approval",cert-authority {key}',
    '{who} valid-before="20200101" {key}',
    '{who} valid-after="20990101" {key}',
    '{who} namespaces="pv-approval",valid-before="20200101" {key}',
    '{who} unknown="option" {key}',
    "{who} ssh-rsa {key}",
    "{who} {key}AAAA",
]
"""Refused by both."""


def by_ssh_keygen(
    folder: Path, signature: str, principal: str = JANE, namespace: str = "pv-approval"
) -> bool:
    (folder / "signature").write_text(signature)
    command = ["ssh-keygen", "-Y", "verify", "-f", folder / "allowed", "-I", principal, "-n", namespace]
    done = subprocess.run([*command, "-s", folder / "signature"], input=TEXT, capture_output=True)
    return done.returncode == 0


@pytest.mark.parametrize(
    ("lines", "here", "there"),
    [(line, True, True) for line in PLAIN]
    + [(line, False, True) for line in LEFT_ALONE]
    + [(line, False, False) for line in REFUSED],
)
def test_each_line_of_a_keys_file(
    people: People, tmp_path: Path, lines: str, here: bool, there: bool
) -> None:
    keys, _ = people
    key, other = (" ".join(keys[who].with_suffix(".pub").read_text().split()[:2]) for who in (JANE, MAX))
    (tmp_path / "allowed").write_text(lines.format(who=JANE, key=key, other=other) + "\n", newline="")
    signature = signing.sign(TEXT, keys[JANE])
    allowed = (tmp_path / "allowed").read_bytes()
    assert bool(sshsig.accepted(TEXT, signature, JANE, allowed, "pv-approval")) is here
    assert by_ssh_keygen(tmp_path, signature) is there


def test_what_was_signed_for_whom(people: People, tmp_path: Path) -> None:
    keys, allowed = people
    (tmp_path / "allowed").write_bytes(allowed.read_bytes())
    signature = signing.sign(TEXT, keys[JANE])
    found = sshsig.accepted(TEXT, signature, JANE, allowed.read_bytes(), "pv-approval")
    done = subprocess.run(
        ["ssh-keygen", "-lf", keys[JANE].with_suffix(".pub")], capture_output=True, text=True
    )
    assert found == done.stdout.split()[1]
    for text, who, namespace in (
        (TEXT + b".", JANE, "pv-approval"), (TEXT, MAX, "pv-approval"), (TEXT, JANE, "pv-checkpoint"),
        (TEXT, "*", "pv-approval"), (TEXT, "", "pv-approval"), (TEXT, f"{JANE} ", "pv-approval"),
    ):  # fmt: skip
        assert sshsig.accepted(text, signature, who, allowed.read_bytes(), namespace) is None
    assert not by_ssh_keygen(tmp_path, signature, MAX) and not by_ssh_keygen(tmp_path, signature, "*")


def test_no_byte_of_a_signature_can_be_changed_added_or_left_out(people: People) -> None:
    keys, allowed = people
    signature, known = signing.sign(TEXT, keys[JANE]), allowed.read_bytes()
    blob = base64.b64decode("".join(signature.splitlines()[1:-1]))

    def accepts(data: bytes) -> bool:
        armored = signing.normalise(base64.b64encode(data).decode())
        return sshsig.accepted(TEXT, armored, JANE, known, "pv-approval") is not None

    assert accepts(blob)
    for at in range(6, len(blob)):
        assert not any(accepts(blob[:at] + bytes([blob[at] ^ bit]) + blob[at + 1 :]) for bit in (1, 32, 128))
        assert not accepts(blob[:at])
    assert not accepts(blob + b"\0") and not accepts(blob + bytes(4))


def test_only_what_is_plain_needs_no_process(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, allowed = people
    signature = signing.sign(TEXT, keys[JANE])
    made = subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", tmp_path / "ecdsa"])
    assert made.returncode == 0
    (tmp_path / "allowed").write_text(f"{JANE} {(tmp_path / 'ecdsa.pub').read_text()}")
    signing.verify(TEXT, ours := signing.sign(TEXT, tmp_path / "ecdsa"), JANE, Keys(tmp_path / "allowed"))
    revoked = tmp_path / "revoked"
    revoked.write_bytes(keys[JANE].with_suffix(".pub").read_bytes())
    with pytest.raises(SignatureRefused, match="revokes its key"):
        signing.verify(TEXT, signature, JANE, Keys(allowed, revoked))
    monkeypatch.setenv("PATH", str(tmp_path))
    signing.verify(TEXT, signature, JANE, Keys(allowed))
    for text, given, known in (
        (TEXT, signature, Keys(allowed, revoked)),
        (TEXT + b".", signature, Keys(allowed)),
        (TEXT, ours, Keys(tmp_path / "allowed")),
    ):
        with pytest.raises(RegistryError, match="ssh-keygen is not installed"):
            signing.verify(text, given, JANE, known)
