"""What a flow of advice found, in the Prefect UI: one page with plot and table, and the same as JSON."""

from __future__ import annotations

from typing import Any

from prefect.artifacts import Artifact

from pvcore.dossier.finding import Finding, markdown
from tasks.inbox import key_of, show


def publish(name: str, found: Finding, value: Any, description: str) -> None:
    """The page under the key `name`, and `value` (JSON values) under `name`-json."""
    show(name, markdown(found), description)
    Artifact(type="json", key=key_of(f"{name}-json"), data=value, description=f"{description}: JSON").create()
