"""A damaged version is shown as damaged, where all versions are shown and where it is verified."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pvcore.cli import app
from pvcore.config import Workspace, init_workspace, open_workspace
from pvcore.cycle import overview, verification
from pvcore.records import canonical
from pvcore.registry.blobs import BLOBS, put_blob
from pvcore.registry.version import Version, register


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    init_workspace(tmp_path / "ws")
    return open_workspace(tmp_path / "ws")


def registered(workspace: Workspace, seed: str, parent: Version | None = None) -> Version:
    """A version whose parts are there, though nothing was trained."""
    blob = put_blob(workspace.store, canonical({"part of": seed}))
    fields: dict[str, Any] = {
        "problem": "seriousness",
        "adapter": {"digest": blob, "files": {"adapter_config.json": {"sha256": blob, "size": 1}}},
        "base": {"source": "package:invented"},
        "parent": parent.digest if parent else None,
        "champion": None,
        "recipe": {},
        "dictionary": None,
        "decision": {"outcome": "pass", "reasons": []},
        "environment": {},
        "created": "2030-01-02T03:04:05Z",
    }
    parts = dict.fromkeys(("specification", "report", "policy", "dossier"), blob)
    named = dict.fromkeys(("cases", "annotations", "labels", "aside", "open"), blob)
    parts["dataset"] = put_blob(workspace.store, canonical({**named, "mappings": [], "batches": []}))
    return register(workspace.store, workspace.ledger, {**fields, **parts}, "test")


def promoted(workspace: Workspace, version: Version) -> None:
    """What makes a champion for those who only look; its signatures would not verify."""
    entry = {"sequence": 1, "digest": "0" * 64}
    body = {
        "problem": "seriousness",
        "name": version.name,
        "version": version.digest,
        "expected": None,
        "asked": "0" * 64,
        "request": entry,
        "signatures": 1,
        "approvals": [entry],
    }
    workspace.ledger.append("Promoted", body, actor="test")


def alter(workspace: Workspace, version: Version) -> None:
    file = workspace.root / ".pv" / "store" / BLOBS / version.digest
    file.write_bytes(file.read_bytes() + b" ")


def test_status_goes_on_past_an_altered_manifest(workspace: Workspace) -> None:
    first = registered(workspace, "first")
    promoted(workspace, first)
    second = registered(workspace, "second", parent=first)
    alter(workspace, first)
    damaged, whole = overview.versions(workspace)
    assert (damaged["version"], damaged["champion"]) == ("seriousness@1", "yes")
    assert damaged["decision"].startswith("damaged: ") and "was altered" in damaged["decision"]
    assert (whole["version"], whole["decision"], whole["parent"]) == (second.name, "pass", "seriousness@1")
    assert set(damaged) == set(whole)
    (shown,) = overview.overview(workspace)["champions"]
    assert shown == damaged
    done = CliRunner().invoke(app, ["status", "--workspace", str(workspace.root), "--json"])
    assert done.exit_code == 0
    assert "was altered" in json.loads(done.stdout)["champions"][0]["decision"]


def test_verify_names_an_altered_manifest_and_what_came_before_it(workspace: Workspace) -> None:
    first = registered(workspace, "first")
    second = registered(workspace, "second", parent=first)
    alter(workspace, first)
    rows = verification.verify_version(workspace, second.name)
    (wrong,) = [row for row in rows if row["holds"] == "no" and row["check"].endswith(": manifest")]
    assert wrong["check"] == "seriousness@1: manifest" and "was altered" in wrong["why"]
    assert {"check": "seriousness@2: manifest", "holds": "yes", "why": ""} in rows
    rows = verification.verify_version(workspace, "seriousness@1")
    assert [row["check"] for row in rows if "ledger" not in row["check"]] == ["seriousness@1: manifest"]


def test_an_entry_that_names_another_blob_is_damaged_too(workspace: Workspace) -> None:
    body = {"problem": "seriousness", "number": 1, "specification": "0" * 64, "adapter": "0" * 64}
    for data in (b"no JSON", b"[]"):
        version = put_blob(workspace.store, data)
        workspace.ledger.append("Registered", {**body, "version": version}, actor="test")
    assert all("is no manifest" in row["decision"] for row in overview.versions(workspace))
