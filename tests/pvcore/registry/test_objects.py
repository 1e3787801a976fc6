"""What pv.yaml says under `s3` reaches the server with every object; what does not go together is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pvcore.config import load_settings, open_workspace
from pvcore.errors import ConfigError, RegistryError
from pvcore.registry.blobs import BLOBS, put_blob
from pvcore.registry.ledger import Ledger
from pvcore.registry.objects import ObjectSettings
from pvcore.registry.store import open_store

KEY = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000"


def kept(store: Any, key: str) -> dict[str, Any]:
    return dict(store._client.head_object(Bucket=store.bucket, Key=store.prefix + key))


def locked_bucket(endpoint: str) -> None:
    client = open_store("s3://none", endpoint=endpoint)._client  # type: ignore[attr-defined]
    client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)


def test_every_object_is_encrypted_and_locked(s3: Any, tmp_path: Path) -> None:
    locked_bucket(s3.endpoint)
    (tmp_path / "pv.yaml").write_text(
        f"store: s3://locked/team\ns3_endpoint: {s3.endpoint}\n"
        f"s3: {{encryption: 'aws:kms', kms_key: '{KEY}', bucket_key: true, lock: COMPLIANCE, lock_days: 30}}\n"
    )
    store = open_workspace(tmp_path).store
    name = put_blob(store, b"weights")
    (tmp_path / "file").write_bytes(b"a file")
    other = put_blob(store, tmp_path / "file")
    Ledger(store).append("Test", {}, actor="a")
    for key in (BLOBS + name, BLOBS + other, "ledger/000000000001"):
        found = kept(store, key)
        assert (found["ServerSideEncryption"], found["SSEKMSKeyId"]) == ("aws:kms", KEY)
        assert found["BucketKeyEnabled"] is True
        assert found["ObjectLockMode"] == "COMPLIANCE"
        left = found["ObjectLockRetainUntilDate"] - datetime.now(UTC)
        assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    assert not store.put_if_absent(BLOBS + name, b"weights")
    # Its key is free after a collection; the locked version itself stays in the bucket.
    store.delete(BLOBS + name)
    assert not store.exists(BLOBS + name)
    versions = store._client.list_object_versions(Bucket="locked", Prefix=f"team/{BLOBS}{name}")  # type: ignore[attr-defined]
    assert len(versions["Versions"]) == 1 and len(versions["DeleteMarkers"]) == 1
    assert put_blob(store, b"weights") == name and store.exists(BLOBS + name)


def test_a_legal_hold_of_s3_and_what_is_not_set(s3: Any) -> None:
    locked_bucket(s3.endpoint)
    held = open_store("s3://locked", endpoint=s3.endpoint, objects=ObjectSettings(legal_hold=True))
    held.put_if_absent("held", b"")
    assert kept(held, "held")["ObjectLockLegalHoldStatus"] == "ON"
    plain = open_store("s3://locked", endpoint=s3.endpoint)
    plain.put_if_absent("plain", b"")
    assert not {"ObjectLockMode", "ObjectLockLegalHoldStatus", "SSEKMSKeyId"} & set(kept(plain, "plain"))
    assert ObjectSettings().arguments() == {}


def test_a_bucket_without_a_lock_says_so(s3: Any) -> None:
    store = open_store(
        "s3://pv-test", endpoint=s3.endpoint, objects=ObjectSettings(lock="GOVERNANCE", lock_days=1)
    )
    with pytest.raises(RegistryError, match=r"'lock': 'GOVERNANCE'.*does the bucket know it\?"):
        store.put_if_absent("key", b"")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("{kms_key: abc}", "kms_key needs encryption: aws:kms"),
        ("{encryption: AES256, kms_key: abc}", "kms_key needs encryption: aws:kms"),
        ("{encryption: 'aws:kms:dsse', bucket_key: true}", "bucket_key needs encryption: aws:kms"),
        ("{lock: COMPLIANCE}", "lock and lock_days stand together"),
        ("{lock_days: 3}", "lock and lock_days stand together"),
        ("{lock: COMPLIANCE, lock_days: 10000000}", "less than or equal to 36525"),
        ("{lock: COMPLIANCE, lock_days: 0}", "greater than 0"),
        ("{lock: FOREVER, lock_days: 3}", "'GOVERNANCE' or 'COMPLIANCE'"),
        ("{key: abc}", "Extra inputs are not permitted"),
    ],
)
def test_what_does_not_go_together_is_refused(said: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "pv.yaml").write_text(f"store: s3://bucket\ns3: {said}\n")
    with pytest.raises(ConfigError, match=words):
        load_settings(tmp_path)


def test_a_folder_neither_encrypts_nor_locks(tmp_path: Path) -> None:
    (tmp_path / "pv.yaml").write_text("s3: {encryption: AES256}\n")
    with pytest.raises(ConfigError, match="can neither encrypt nor lock"):
        open_workspace(tmp_path).store  # noqa: B018
