"""How an S3 server is asked to keep each object: encryption with whose key, and the object lock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ObjectSettings(BaseModel):
    """Passed on with every PutObject; what is not set is what the bucket says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        default=None, description="x-amz-server-side-encryption"
    )
    kms_key: str | None = Field(default=None, min_length=1, description="id or ARN of the KMS key")
    bucket_key: bool | None = Field(default=None, description="one data key a bucket: fewer calls of KMS")
    lock: Literal["GOVERNANCE", "COMPLIANCE"] | None = Field(
        default=None, description="mode of the object lock; the bucket must have it enabled"
    )
    lock_days: float | None = Field(
        default=None,
        gt=0,
        le=36_525,
        description="for which an object is locked; S3 knows a hundred years at most",
    )
    legal_hold: bool = Field(default=False, description="lock without an end, until someone lifts it in S3")

    @model_validator(mode="after")
    def _together(self) -> ObjectSettings:
        kms = (self.encryption or "").startswith("aws:kms")
        if self.kms_key and not kms:
            raise ValueError("kms_key needs encryption: aws:kms or aws:kms:dsse")
        if self.bucket_key is not None and self.encryption != "aws:kms":
            raise ValueError("bucket_key needs encryption: aws:kms")
        if (self.lock is None) != (self.lock_days is None):
            raise ValueError("lock and lock_days stand together: the mode, and for how long")
        return self

    def arguments(self, now: datetime | None = None) -> dict[str, Any]:
        """The arguments of put_object that say so; a locked object's end is counted from `now`."""
        until = (now or datetime.now(UTC)) + timedelta(days=self.lock_days) if self.lock_days else None
        said = {
            "ServerSideEncryption": self.encryption,
            "SSEKMSKeyId": self.kms_key,
            "BucketKeyEnabled": self.bucket_key,
            "ObjectLockMode": self.lock,
            "ObjectLockRetainUntilDate": until,
            "ObjectLockLegalHoldStatus": "ON" if self.legal_hold else None,
            # S3 takes no locked object without a checksum of what was sent.
            "ChecksumAlgorithm": "SHA256" if self.lock or self.legal_hold else None,
        }
        return {name: value for name, value in said.items() if value is not None}
