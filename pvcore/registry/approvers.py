"""Who may answer a request, how many of them it takes, and for how long: the policy's `approval` and `signers`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pvcore.errors import GateError, RegistryError, SignatureRefused
from pvcore.registry.blobs import get_blob
from pvcore.registry.store import Store

Action = Literal["promote", "rollback", "override"]


class Signer(BaseModel):
    """A person who may answer. `principal` is the name of their key in allowed_signers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    principal: str = Field(min_length=1)
    name: str = Field(min_length=1, description="the printed name of the signature")
    roles: tuple[str, ...] = Field(min_length=1)


class Override(BaseModel):
    """What an emergency takes: a switch that the gate did not pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    signatures: int = Field(default=2, ge=1)
    roles: tuple[str, ...] = Field(
        min_length=1, description="each of them may approve and reject an override"
    )


class ApprovalPolicy(BaseModel):
    """How many signatures a switch needs, from whom, and how long a request for them may be answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    signatures: int = Field(default=1, ge=1)
    roles: tuple[str, ...] = Field(min_length=1, description="each of them may approve, reject and roll back")
    valid_days: float = Field(
        default=14.0, gt=0, lt=1e9, description="after which a request has to be asked anew"
    )
    trainers: tuple[str, ...] = Field(
        default=(),
        description="principals or fingerprints (SHA256:...) of keys that train: they approve nothing",
    )
    override: Override | None = Field(default=None, description="absent: the gate cannot be overridden")
    signers: tuple[Signer, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> ApprovalPolicy:
        for field in ("principal", "name"):
            values = [getattr(signer, field) for signer in self.signers]
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"two signers have the same {field}: {', '.join(twice)}")
        if self.override and self.override.signatures < self.signatures:
            raise ValueError(
                f"an override with {self.override.signatures} signature(s) would be easier than a promotion "
                f"with {self.signatures}"
            )
        return self

    def signer(self, name: str) -> Signer:
        """The signer of this principal or printed name. Raises SignatureRefused."""
        for signer in self.signers:
            if name.strip() in (signer.principal, signer.name):
                return signer
        known = ", ".join(signer.principal for signer in self.signers) or "nobody"
        raise SignatureRefused(f"{name!r} is no signer of the policy. It names: {known}.")

    def rule(self, action: str) -> ApprovalPolicy | Override:
        """What this action takes: `signatures` and `roles`. Raises GateError where no override is allowed."""
        if action != "override":
            return self
        if self.override is None:
            raise GateError(
                "the policy allows nobody to override the gate. Who may, and with how many signatures, stands "
                "under approval.override."
            )
        return self.override

    def until(self, asked: datetime) -> datetime:
        """When a request of this moment can no longer be answered; the end of the calendar where it has no such day."""
        try:
            return asked + timedelta(days=self.valid_days)
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC)


def approval_policy(raw: Mapping[str, Any]) -> ApprovalPolicy:
    """The part of a policy document that says who may approve. Raises pydantic's ValidationError."""
    return ApprovalPolicy.model_validate({**(raw.get("approval") or {}), "signers": raw.get("signers") or []})


def policy_of(store: Store, digest: str) -> ApprovalPolicy:
    """The approval policy in the document of this digest, as it was signed. Raises NotFound, RegistryError."""
    data = get_blob(store, digest)
    try:
        return approval_policy(json.loads(data))
    except (ValueError, RecursionError, AttributeError, TypeError) as error:
        raise RegistryError(
            f"the policy {digest} says nothing of approvals that can be used: {error}"
        ) from error


def require_role(policy: ApprovalPolicy, needed: Sequence[str], principal: str, name: str) -> list[str]:
    """Those of the `needed` roles that a person of this principal and printed name has. Raises SignatureRefused."""
    signer = policy.signer(principal)
    if principal != signer.principal:
        raise SignatureRefused(f"{principal!r} is a printed name: sign as {signer.principal}.")
    roles = sorted(set(signer.roles) & set(needed))
    if not roles:
        raise SignatureRefused(
            f"{principal} has the roles {', '.join(signer.roles)}; needed: {', '.join(needed) or 'no one'}."
        )
    if name != signer.name:
        raise SignatureRefused(f"{principal} signs as {signer.name!r} in the policy, not as {name!r}.")
    return roles
