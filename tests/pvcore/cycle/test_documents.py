"""What a registered version hands out: its dossier with signatures, its adapter with card and bill of materials."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pvcore.annotations import dataset as datasets
from pvcore.cli import app
from pvcore.cycle.documents import printed
from pvcore.cycle.material import balance
from pvcore.cycle.registration import register
from pvcore.errors import ConfigError, NotFound
from pvcore.records import Example, digest
from pvcore.registry.blobs import get_blob
from pvcore.registry.names import resolve


def _pv(told: Any, *words: str) -> Any:
    return CliRunner().invoke(app, ["registry", *words, "-w", str(told.workspace.root)])


def test_the_adapter_is_fetched_with_its_card_and_its_bill(told: Any, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    assert _pv(told, "fetch", "coding@2", str(folder)).exit_code == 0
    assert (folder / "README.md").read_text("utf-8").count("\n## ") == 9
    found = json.loads((folder / "bom.cdx.json").read_bytes())
    manifest = resolve(told.workspace.store, told.workspace.ledger, "coding@2").manifest
    files = {
        part["name"]: part["hashes"][0]["content"] for part in found["metadata"]["component"]["components"]
    }
    assert files == {name: entry["sha256"] for name, entry in manifest.adapter["files"].items()}
    assert all(digest((folder / name).read_bytes()) == hashed for name, hashed in files.items())
    assert {"adapter_model.safetensors", *manifest.beside} < {path.name for path in folder.iterdir()}
    assert _pv(told, "fetch", "coding@2", str(folder)).exit_code == 0


def test_the_dossier_is_the_stored_page_with_its_signatures(told: Any, tmp_path: Path) -> None:
    page = tmp_path / "dossier.html"
    assert _pv(told, "dossier", "seriousness@2", str(page)).exit_code == 0
    text = page.read_text("utf-8")
    manifest = resolve(told.workspace.store, told.workspace.ledger, "seriousness@2").manifest
    stored = get_blob(told.workspace.store, manifest.dossier).decode()
    assert text.startswith(stored[: stored.rindex("</body>")]) and manifest.dossier not in stored
    assert "approves the request to promote seriousness@2" in text and manifest.dossier in text
    assert "Dr Demo Physician" in text and printed(told.workspace, "seriousness@2", ".html") == text.encode()


def test_the_stored_dossier_shows_data_failures_and_no_text_of_a_case(told: Any) -> None:
    ws = told.workspace
    body = [e.body for e in ws.ledger.entries() if e.kind == "Evaluated" and e.body["problem"] == "coding"][
        -1
    ]
    changed = json.loads(get_blob(ws.store, body["changed"]))
    page = get_blob(ws.store, resolve(ws.store, ws.ledger, "coding@2").manifest.dossier).decode()
    assert changed["rows"] and all(row["case_id"] in page for row in changed["rows"])
    assert (
        "first.xml" in page and "annotator-a" in page and "cases received" in page and "other labels" in page
    )
    assert "the policy lets no text of a case out" in page
    cases = datasets.load(ws.store, resolve(ws.store, ws.ledger, "coding@2").manifest.dataset).cases
    assert not [text for text in cases["narrative"] if escape(text[:50]) in page]
    batches = ws.ledger.entries()
    assert sum(entry.kind == "BatchAdmitted" for entry in batches) == 4


def test_registering_again_changes_no_byte(told: Any) -> None:
    ws = told.workspace
    entries = ws.ledger.entries()
    (last,) = [e for e in entries if e.kind == "Evaluated" and e.body["problem"] == "coding"][-1:]
    assert register(ws, last.body["specification"], last.key) == "coding@2"
    assert len(ws.ledger.entries()) == len(entries)


@pytest.mark.parametrize("name", ["dossier", "dossier.docx"])
def test_another_form_of_the_dossier_is_refused(told: Any, name: str) -> None:
    refused = _pv(told, "dossier", "coding@2", name)
    assert isinstance(refused.exception, ConfigError) and ".html or .pdf" in str(refused.exception)
    assert isinstance(_pv(told, "dossier", "coding@9", "dossier.html").exception, NotFound)
    assert not Path(name).exists()


def test_labels_are_counted_by_split_and_the_rare_ones_together() -> None:
    made = [Example(f"e{n}", f"c{n}", "", f"label {n % 20}", f"k{n}") for n in range(60)]
    table = balance({"train": made[:40], "test": made[40:]}, str.upper)
    assert table[0] == ["Label", "train", "tune", "test"] and table[1] == ["LABEL 0", "2", "0", "1"]
    assert table[-2] == ["8 other labels", "16", "0", "8"] and table[-1] == ["all", "40", "0", "20"]
    spans = ['{"spans":[]}', '{"spans":[{"label":"Drug","start":0,"end":1}]}']
    marked = balance({"train": [Example(f"e{n}", "c", "", s, "k") for n, s in enumerate(spans)]}, str)
    assert marked[1:] == [["texts", 2, 0, 0], ["texts with nothing marked", 1, 0, 0], ["Drug", 1, 0, 0]]
