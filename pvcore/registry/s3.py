"""A store in an S3 bucket, on AWS or any server that honours `If-None-Match: *` on PutObject."""

from __future__ import annotations

import io
import random
import time
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from pvcore.errors import ConfigError, NotFound, RegistryError, StoreRefused
from pvcore.registry.blobs import check_blob_key
from pvcore.registry.content import PIECE, Content, opened
from pvcore.registry.objects import ObjectSettings
from pvcore.registry.store import ObjectInfo, check_key, holds

ATTEMPTS = 12
"""Tries of a conditional put that the server answers with 409 (another conditional put is under way)."""
MOST = 5 * 2**30
"""Bytes of the largest object that one PutObject takes (S3's limit); few servers know If-None-Match on an
upload in parts."""


class S3Store:
    """Objects below `prefix` in `bucket`. Region and keys come from the environment. See `Store`."""

    def __init__(
        self,
        bucket: str,
        prefix: str = "",
        *,
        endpoint: str | None = None,
        objects: ObjectSettings | None = None,
    ) -> None:
        self.bucket = bucket
        self.prefix = f"{check_key(prefix)}/" if prefix else ""
        self.endpoint = endpoint
        self.objects = objects or ObjectSettings()

    def __repr__(self) -> str:
        return f"S3Store({self.url!r})"

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        # Servers that are not AWS often know neither bucket names as host names nor boto3's default
        # checksums; the registry checks the digests of all that matters itself.
        lenient: dict[str, Any] = (
            {
                "s3": {"addressing_style": "path"},
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            }
            if self.endpoint
            else {}
        )
        config = Config(
            retries={"mode": "standard", "max_attempts": 5},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=32,
            **lenient,
        )
        try:
            return boto3.session.Session().client("s3", endpoint_url=self.endpoint, config=config)
        except (BotoCoreError, ValueError) as error:
            raise ConfigError(f"{self.url}: {error}. Check PV_S3_ENDPOINT and AWS_DEFAULT_REGION.") from error

    def put_if_absent(self, key: str, data: Content) -> bool:
        name = self.prefix + check_key(key)
        with opened(data) as file:
            size = file.seek(0, io.SEEK_END)
            if size > MOST:
                raise RegistryError(
                    f"{self.url}: {key} has {size} bytes; an S3 server creates at most {MOST} in one request, "
                    "which alone is put-if-absent. Split the file."
                )
            # For a file, boto3 asks before it sends: a key that is taken costs no upload.
            return self._create(name, key, data, data if isinstance(data, bytes) else file)

    def _create(self, name: str, key: str, data: Content, body: bytes | BinaryIO) -> bool:
        from botocore.exceptions import ClientError

        repeated = False
        for attempt in range(ATTEMPTS):
            try:
                if not isinstance(body, bytes):
                    body.seek(0)
                kept = self.objects.arguments()
                self._client.put_object(Bucket=self.bucket, Key=name, Body=body, IfNoneMatch="*", **kept)
                return True
            except ClientError as error:
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
                repeated = repeated or bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts"))
                if status == 412:
                    # After a repeated request the object may be our own: the first answer was lost.
                    return repeated and holds(self, key, data)
                if status == 501:
                    raise StoreRefused(
                        f"{self.url}: the server does not know If-None-Match on PutObject."
                    ) from error
                if status != 409:
                    raise self._refusal(error, key) from error
                repeated = True
            except Exception as error:
                raise self._refusal(error, key) from error
            time.sleep(random.uniform(0, 0.05 * 2 ** min(attempt, 6)))
        raise RegistryError(
            f"{self.url}: {ATTEMPTS} attempts to write {key} met a conflict (409). Try again later."
        )

    def get(self, key: str) -> bytes:
        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=self.prefix + check_key(key))
            return bytes(answer["Body"].read())
        except Exception as error:
            raise self._refusal(error, key) from error

    def fetch(self, key: str, target: Path) -> Path:
        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=self.prefix + check_key(key))
            target.parent.mkdir(mode=0o700, exist_ok=True)
            with closing(answer["Body"]), target.open("wb") as file:
                for piece in answer["Body"].iter_chunks(PIECE):
                    file.write(piece)
        except Exception as error:
            target.unlink(missing_ok=True)
            raise self._refusal(error, key) from error
        return target

    def exists(self, key: str) -> bool:
        try:
            self._client.head_object(Bucket=self.bucket, Key=self.prefix + check_key(key))
        except Exception as error:
            refusal = self._refusal(error, key)
            if isinstance(refusal, NotFound):
                return False
            raise refusal from error
        return True

    def list(self, prefix: str) -> list[ObjectInfo]:
        if prefix:
            check_key(prefix.rstrip("/") or prefix)
        found = []
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix
            )
            for page in pages:
                for item in page.get("Contents", ()):
                    if not item["Key"].endswith("/"):  # the empty object that consoles make for a "folder"
                        etag, written = item["ETag"].strip('"'), item["LastModified"].timestamp()
                        found.append(
                            ObjectInfo(item["Key"].removeprefix(self.prefix), item["Size"], etag, written)
                        )
        except Exception as error:
            raise self._refusal(error, prefix) from error
        return sorted(found, key=lambda item: item.key)

    def delete(self, key: str) -> None:
        """In a bucket with versions the object's versions stay: its lifecycle or its lock decides for how long."""
        try:
            self._client.delete_object(Bucket=self.bucket, Key=self.prefix + check_blob_key(key))
        except Exception as error:
            raise self._refusal(error, key) from error

    def _advice(self, code: str) -> str:
        if code in ("AccessDenied", "403"):
            return "Check the keys and that they may list, get and put here, and use the KMS key if there is one."
        if code.startswith(("KMS.", "InvalidRequest", "ObjectLock")) and self.objects.arguments():
            asked = self.objects.model_dump(exclude_defaults=True)
            return f"pv.yaml asks under s3 for {asked}: does the bucket know it?"
        return ""

    def _refusal(self, error: Exception, key: str) -> Exception:
        """The error of our tree that says what the server or boto3 said, and what to do."""
        from botocore.exceptions import (
            BotoCoreError,
            ClientError,
            NoCredentialsError,
            PartialCredentialsError,
        )
        from botocore.exceptions import HTTPClientError as TransportError

        if isinstance(error, ClientError):
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in ("NoSuchKey", "404", "NotFound"):
                return NotFound(f"{self.url} has no object {key}.")
            if code == "NoSuchBucket":
                return NotFound(f"{self.url}: the bucket does not exist. Create it, or mend the store's URL.")
            return RegistryError(f"{self.url}: {key}: {error}. {self._advice(code)}".rstrip())
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return ConfigError(f"{self.url}: {error}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
        if isinstance(error, BotoCoreError | TransportError):
            where = f" at {self.endpoint}" if self.endpoint else ""
            return RegistryError(
                f"{self.url}{where} cannot be used: {error}. Check the network and PV_S3_ENDPOINT."
            )
        if isinstance(error, OSError):
            return RegistryError(
                f"{self.url}: {key}: {error}. Check the network, and that the temporary folder (TMPDIR) has room."
            )
        return error
