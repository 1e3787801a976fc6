"""Real ssh-keygen: what is accepted, and each reason for which it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pvcore.errors import NotFound, RegistryError, SignatureRefused
from pvcore.registry import signing
from pvcore.registry.signing import Keys

JANE, MAX = "jane@example.org", "max@example.org"
TEXT = b"a statement\n"
People = tuple[dict[str, Path], Path]


def public(people: People, who: str) -> str:
    return people[0][who].with_suffix(".pub").read_text()


def test_sign_and_verify(people: People) -> None:
    keys, allowed = people
    signature = signing.sign(TEXT, keys[JANE])
    fingerprint = signing.verify(TEXT, signature, JANE, Keys(allowed))
    assert fingerprint.startswith("SHA256:")
    assert fingerprint != signing.verify(TEXT, signing.sign(TEXT, keys[MAX]), MAX, Keys(allowed))


@pytest.mark.parametrize(
    "mangle",
    [
        lambda s: s.replace("\n", "\r\n"),
        lambda s: s.replace("\n", " "),
        lambda s: s.replace("\n", ""),
        lambda s: s.replace("\n", "\\n"),
        lambda s: f"\n  {s}\n\n",
        lambda s: "".join(s.splitlines()[1:-1]),
    ],
)
def test_what_forms_do_to_a_signature(people: People, mangle: Callable[[str], str]) -> None:
    signature = signing.sign(TEXT, people[0][JANE])
    assert signing.normalise(mangle(signature)) == signature
    signing.verify(TEXT, mangle(signature), JANE, Keys(people[1]))


@pytest.mark.parametrize(
    "text", ["", "yes", "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----", "U1NIU0lH é"]
)
def test_what_is_no_signature(people: People, text: str) -> None:
    with pytest.raises(SignatureRefused, match="no SSH signature"):
        signing.verify(TEXT, text, JANE, Keys(people[1]))


def test_reasons_of_refusal(people: People, tmp_path: Path) -> None:
    keys, allowed = people
    signature = signing.sign(TEXT, keys[JANE])

    def refused(why: str, **changes: Any) -> None:
        given = {"statement": TEXT, "signature": signature, "principal": JANE, "keys": Keys(allowed)}
        with pytest.raises(SignatureRefused, match=why):
            signing.verify(**{**given, **changes})

    refused("differs from what was signed", statement=TEXT + b".")
    refused(r"belongs to jane@example\.org, not to max@example\.org", principal=MAX)
    refused("not accepted", principal="-oops")
    refused("not accepted", principal="*")
    refused("another purpose", signature=signing.sign(TEXT, keys[JANE], "git"))
    refused("does not exist", keys=Keys(tmp_path / "none"))
    cut = signature.splitlines()
    refused("not accepted", signature="\n".join([*cut[:3], cut[-1]]))
    other = tmp_path / "allowed"
    other.write_text(f"{MAX} {public(people, MAX)}")
    refused("is not one that allowed gives to jane", keys=Keys(other))
    other.write_text(f'{JANE} namespaces="git" {public(people, JANE)}')
    refused("another purpose", keys=Keys(other))
    other.write_text(f'{JANE} valid-before="20300101" {public(people, JANE)}')
    refused("not valid at this time", keys=Keys(other), at=datetime(2030, 6, 1, tzinfo=UTC))
    signing.verify(TEXT, signature, JANE, Keys(other), at=datetime(2029, 12, 31, 23, 59, tzinfo=UTC))
    revoked = tmp_path / "revoked"
    revoked.write_text(public(people, MAX))
    signing.verify(TEXT, signature, JANE, Keys(allowed, revoked))
    revoked.write_text(public(people, JANE))
    refused(r"revoked revokes its key.*end its line in .*valid-before=", keys=Keys(allowed, revoked))
    revoked.write_text("rubbish")
    refused("cannot be read", keys=Keys(allowed, revoked))
    refused("does not exist", keys=Keys(allowed, tmp_path / "none"))


def test_dates_are_utc_on_every_machine(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "allowed"
    other.write_text(f'{JANE} valid-before="20300101Z" {public(people, JANE)}')
    signature = signing.sign(TEXT, people[0][JANE])
    for zone in ("Asia/Tokyo", "America/Los_Angeles"):
        monkeypatch.setenv("TZ", zone)
        signing.verify(TEXT, signature, JANE, Keys(other), at=datetime(2029, 12, 31, 23, 0, tzinfo=UTC))
        with pytest.raises(SignatureRefused):
            signing.verify(TEXT, signature, JANE, Keys(other), at=datetime(2030, 1, 1, 1, 0, tzinfo=UTC))


def test_keys_that_do_not_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound, match="ssh-keygen -t ed25519"):
        signing.sign(TEXT, tmp_path / "none")
    (tmp_path / "key").write_text("not a key")
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(SignatureRefused, match="did not sign"):
        signing.sign(TEXT, tmp_path / "key")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RegistryError, match="Install OpenSSH"):
        signing.sign(TEXT, tmp_path / "key")


def test_demonstration_key_is_made_once(tmp_path: Path) -> None:
    allowed = tmp_path / "allowed_signers"
    allowed.write_text("# people")
    key = signing.make_key(tmp_path / "deep" / "key", JANE, allowed)
    before = key.read_bytes(), allowed.read_text()
    assert signing.make_key(key, JANE, allowed) == key
    assert (key.read_bytes(), allowed.read_text()) == before
    assert allowed.read_text().startswith(
        f'# people\n{JANE} namespaces="pv-approval,pv-checkpoint,pv-retention" ssh-ed25519 '
    )
    assert key.stat().st_mode & 0o077 == 0
    signing.verify(TEXT, signing.sign(TEXT, key), JANE, Keys(allowed))


def test_statement_names_all_that_is_approved(registry: Any) -> None:
    version = registry.version("one")
    request = registry.request(version)
    said = json.loads(signing.statement(request, "approve", "Dr Jane Roe", "good", JANE))
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["subject"] == [{"name": "seriousness@1", "digest": {"sha256": version.digest}}]
    assert said["predicate"] == {
        "action": "promote",
        "decision": "approve",
        "meaning": "Dr Jane Roe approves the request to promote seriousness@1 as the champion of seriousness",
        "name": "Dr Jane Roe",
        "principal": JANE,
        "reason": "good",
        "report": version.manifest.report,
        "policy": registry.policy_digest,
        "expected_champion": None,
        "request": {"sequence": request.sequence, "digest": request.digest},
    }
    with pytest.raises(SignatureRefused, match="expected approve or reject"):
        signing.statement(request, "perhaps", "Dr Jane Roe", "good", JANE)
