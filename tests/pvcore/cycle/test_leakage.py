"""A training set that shares a cluster with what was ever held out is refused, with the pairs, before it is trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pvcore.annotations import label_studio, places
from pvcore.config import Workspace, init_workspace, open_workspace
from pvcore.cycle import admission, building, candidate, data, inbox
from pvcore.errors import LeakageError
from pvcore.records import Annotation, Case, digest

CASES = [Case(f"c{i:02d}", " ".join(digest([i, word])[:7] for word in range(30))) for i in range(40)]


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv("PV_WORKSPACE", raising=False)
    init_workspace(tmp_path)
    (tmp_path / "recipes" / "coding.yaml").unlink()
    (tmp_path / "pv.yaml").write_text("settle_seconds: 0\n")
    return open_workspace(tmp_path)


def build(ws: Workspace, name: str, cases: list[Case]) -> str:
    file = ws.root / f"{name}.json"
    said = [
        Annotation(
            c.case_id,
            "seriousness",
            {"serious": i % 2 == 0, "criteria": []},
            "ann",
            time="2026-01-01T00:00:00Z",
        )
        for i, c in enumerate(cases)
    ]
    label_studio.write(cases, said, file)
    inbox.put(ws, "annotations", [file])
    for found in inbox.look(ws, "annotations"):
        admission.admit_batch(ws, found, inbox.read_batch(ws, found), b"{}")
    built = building.build_dataset(ws, None, [])
    assert built
    return built.digest


def test_a_dataset_with_wrong_clusters_is_not_trained_on(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a version of the platform that took near-duplicates for different."""
    first = build(ws, "first", CASES)
    cases = data.datasets.load(ws.store, first).cases
    held = str(cases["case_id"][cases["split"] == "test"].iloc[0])
    text = next(c.narrative for c in CASES if c.case_id == held)
    copies = [Case(f"copy{i}", f"{text} {i}") for i in range(8)]
    monkeypatch.setattr(places, "clusters", lambda texts: np.arange(len(texts)))
    wrong = build(ws, "copies", copies)
    specification = candidate.specify(ws, "seriousness", wrong)
    assert specification
    with pytest.raises(LeakageError, match=rf"(?m)^  copy\d \(training\) and {held} \(held out\)$"):
        candidate.train(ws, specification)


def test_what_a_follow_up_replaced_is_held_out_too(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(ws, "first", CASES)
    cases = data.datasets.load(ws.store, first).cases
    held = next(c for c in CASES if c.case_id == cases["case_id"][cases["split"] == "test"].iloc[0])
    now = dataclasses.replace(held, narrative="A wholly different narrative came with the follow-up.")
    build(ws, "follow-up", [now])
    monkeypatch.setattr(places, "clusters", lambda texts: np.arange(len(texts)))
    copies = [dataclasses.replace(held, case_id=f"copy{i}") for i in range(8)]
    examples = data.examples(ws, "seriousness", wrong := build(ws, "copies", copies))
    with pytest.raises(LeakageError, match=rf"copy\d \(training\) and {held.case_id} \(held out\)"):
        data.refuse_leakage(ws, wrong, examples["train"])
    data.refuse_leakage(ws, wrong, [e for e in examples["train"] if not e.case_id.startswith("copy")])
