"""A version trained again: the same bytes, or a receipt that says exactly what differs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from pvcore.cycle import candidate, rebuilding, receipts, tensors, verification
from pvcore.errors import NotFound, RegistryError
from pvcore.registry.blobs import BLOBS, get_blob, put_blob
from pvcore.registry.names import resolve

WEIGHTS = "adapter_model.safetensors"


def newest(told: Any) -> Any:
    return next(e.body for e in reversed(told.workspace.ledger.entries()) if e.kind == rebuilding.COMPARED)


def rebuilt_elsewhere(told: Any, name: str, environment: dict[str, str], **files: bytes) -> None:
    """What a rebuild records, on a machine that gives other files."""
    ws = told.workspace
    trained = ws.ledger.find("Trained", resolve(ws.store, ws.ledger, name).manifest.specification).body
    changed = {f: {"sha256": put_blob(ws.store, data), "size": len(data)} for f, data in files.items()}
    body = {
        **trained,
        "files": {**trained["files"], **changed},
        "environment": {**trained["environment"], **environment},
    }
    ws.ledger.append("Rebuilt", body, actor="train")


def test_a_rebuild_gives_the_same_bytes_and_a_receipt(own: Any) -> None:
    ws = own.workspace
    assert rebuilding.lineage(ws, "seriousness@2", parents=True) == ["seriousness@1", "seriousness@2"]
    assert rebuilding.lineage(ws, "seriousness@champion", parents=False) == ["seriousness@2"]
    with pytest.raises(NotFound, match="Run: pv rebuild seriousness@2"):
        rebuilding.compare(ws, "seriousness@2")
    assert rebuilding.refused(ws, "seriousness@2") is None
    candidate.train(ws, own.specifications["seriousness"], rebuild=True)
    receipt = rebuilding.compare(ws, "seriousness@2")
    assert receipt.same and "trained again, the same 5 files" in receipt.line
    entries = len(ws.ledger.entries())
    assert rebuilding.compare(ws, "seriousness@2") == receipt and len(ws.ledger.entries()) == entries
    body = newest(own)
    assert body["rebuilt"]["sequence"] == entries - 1 and body["differs"] == body["conditions"] == {}
    assert all(then == now for then, now in body["files"].values())
    assert body["environment"][0] == body["environment"][1] and len(set(body["code"])) == 1
    row = verification.verify_version(ws, "seriousness@2", quick=True)
    (told,) = [r for r in row if r["check"] == "seriousness@2: trained again"]
    assert told["holds"] == "yes" and receipt.line in told["why"]
    (kept,) = rebuilding.receipts(ws, 0)
    assert kept["same"] and kept["version"] == "seriousness@2" and kept["entry"] == entries


def test_a_receipt_says_which_tensors_differ_by_how_much_and_what_else_is_other(own: Any) -> None:
    ws = own.workspace
    files = resolve(ws.store, ws.ledger, "coding@2").manifest.adapter["files"]
    weights = load(get_blob(ws.store, files[WEIGHTS]["sha256"]))
    name = sorted(weights)[1]
    weights[name] = weights[name].copy()
    weights[name].flat[0] += 0.25
    card = json.loads(get_blob(ws.store, files["pv.json"]["sha256"]))
    field = next(key for key, value in card.items() if isinstance(value, str))
    card[field] = "another"
    changed = {WEIGHTS: save(weights), "pv.json": json.dumps(card).encode()}
    rebuilt_elsewhere(own, "coding@2", {"device": "cpu AVX9", "threads": "64"}, **changed)
    receipt = rebuilding.compare(ws, "coding@2")
    assert not receipt.same
    assert f"{WEIGHTS}: 1 of {len(weights)} tensors, by at most 0.25 ({name})" in receipt.line
    assert f"pv.json: {field} is " in receipt.line and "made again another" in receipt.line
    assert "threads (then 1, now 64)" in receipt.line
    body = newest(own)
    assert body["differs"][WEIGHTS]["tensors"][name] == pytest.approx(0.25)
    assert body["device"][1] == "cpu AVX9" and body["files"][WEIGHTS][0] != body["files"][WEIGHTS][1]
    # On another machine other bytes prove nothing; on this one they do.
    check = "coding@2: trained again"
    assert {r["check"]: r["holds"] for r in verification.verify_version(ws, "coding@2", quick=True)}[
        check
    ] == "not checked"
    rebuilt_elsewhere(own, "coding@2", {}, **changed)
    rebuilding.compare(ws, "coding@2")
    rows = {r["check"]: r for r in verification.verify_version(ws, "coding@2", quick=True)}
    assert rows[check]["holds"] == "no" and "Other conditions: none" in rows[check]["why"]


def test_a_receipt_is_not_believed(own: Any) -> None:
    """It names a run that never was, one of other files, or one that read other cases."""
    ws = own.workspace
    version = resolve(ws.store, ws.ledger, "coding@2")
    trained = ws.ledger.find("Trained", version.manifest.specification)

    def receipt(rebuilt: Any) -> None:
        body = {"problem": "coding", "name": version.name, "version": version.digest, "differs": {}}
        body |= {"specification": version.manifest.specification, "same": True, "line": "the same 4 files"}
        at = {"sequence": rebuilt.sequence, "digest": rebuilt.digest}
        ws.ledger.append(rebuilding.COMPARED, {**body, "rebuilt": at, "conditions": {}}, actor="x")

    receipt(trained)
    with pytest.raises(RegistryError):
        receipts.rebuilt(ws, version)
    rebuilt_elsewhere(own, "coding@2", {}, **{WEIGHTS: b"other"})
    receipt(ws.ledger.entries()[-1])
    with pytest.raises(RegistryError, match=f"but {WEIGHTS} differs from its training"):
        receipts.rebuilt(ws, version)
    for part in ("consumed", "fitted", "pretrained"):
        ws.ledger.append("Rebuilt", {**trained.body, part: "0" * 64}, actor="train")
        receipt(ws.ledger.entries()[-1])
        with pytest.raises(RegistryError, match=f"but cases {part} differs"):
            receipts.rebuilt(ws, version)
    rebuilt_elsewhere(own, "coding@2", {})
    receipt(ws.ledger.entries()[-1])
    assert "the same 4 files" in receipts.rebuilt(ws, version)


def test_other_code_is_named(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rebuilt_elsewhere(own, "coding@2", {})
    monkeypatch.setattr(rebuilding, "code_digest", lambda: "f" * 64)
    receipt = rebuilding.compare(own.workspace, "coding@2")
    assert receipt.same and "though other: code (then " in receipt.line and "now ffffffffffff" in receipt.line


def test_data_or_a_base_that_is_not_as_it_was_is_not_trained_on(own: Any) -> None:
    ws = own.workspace
    version = resolve(ws.store, ws.ledger, "coding@2")
    labels = json.loads(get_blob(ws.store, version.manifest.dataset))["labels"]
    file = Path(ws.root, ".pv", "store", BLOBS, labels)
    file.chmod(0o644)
    file.write_bytes(file.read_bytes() + b" ")
    receipt = rebuilding.refused(ws, "coding@2")
    assert receipt and not receipt.same and "not trained again" in receipt.line
    assert "coding@2: dataset, labels: " in receipt.line and "was altered" in receipt.line
    assert newest(own)["rebuilt"] is None and not newest(own)["same"]
    with pytest.raises(RegistryError, match="was altered"):
        receipts.rebuilt(ws, version)
    recipe = ws.root / "recipes" / "coding.yaml"
    assert recipe.exists()
    moved = dataclasses.replace(
        version,
        manifest=dataclasses.replace(version.manifest, base={"source": str(ws.root), "digest": "0" * 64}),
    )
    assert "coding@2: base" in rebuilding._altered(ws, moved)


def test_tensors_of_every_kind_are_compared() -> None:
    one = {"a": np.ones((2, 3), "f4"), "b": np.arange(4), "c": np.ones(2, "f2"), "gone": np.zeros(1)}
    other = {"a": np.ones((2, 3), "f4"), "b": np.arange(4), "c": np.array([1, 1.5], "f2"), "new": np.zeros(1)}
    assert tensors.compare(save(one), save(one)) == {}
    assert tensors.compare(save(one), save(other)) == {"c": 0.5, "gone": "only then", "new": "only now"}
    shaped = {**one, "a": np.ones(6, "f4")}
    assert tensors.compare(save(one), save(shaped)) == {"a": "shape [2, 3] then, [6] now"}
    broken = {**one, "c": np.array([1, np.nan], "f2")}
    assert tensors.compare(save(one), save(broken)) == {"c": "a value that is no number"}
    assert tensors.compare(save(broken), save(broken)) == {}
    header = b'{"h":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    halves = len(header).to_bytes(8, "little") + header + b"\x80\x3f\x00\xc0"
    assert tensors.read(halves)["h"].tolist() == [1.0, -2.0]
    for wrong in (b"", b"\x02\0\0\0\0\0\0\0[]", halves[:-2]):
        with pytest.raises(RegistryError, match="no file of tensors"):
            tensors.read(wrong)
