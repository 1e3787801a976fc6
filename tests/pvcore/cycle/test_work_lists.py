"""A dataset's work list as a project of Label Studio: whatever waits, its form has the controls to answer it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from pvcore.annotations.batch import make_batch, read
from pvcore.annotations.dataset import build
from pvcore.annotations.leakage import SplitSettings
from pvcore.cycle.datasets import write_work_list
from pvcore.records import Annotation, Case
from pvcore.registry.disk import LocalStore

MARKED = {
    who: {"spans": [{"start": 2, "end": end, "label": "Reaction"}]} for who, end in (("a", 6), ("b", 5))
}


@pytest.mark.parametrize("serious", [False, True])
def test_a_project_for_what_waits(serious: bool, tmp_path: Path) -> None:
    said = [Annotation("c1", "extraction", value, who) for who, value in MARKED.items()]
    if serious:
        said += [
            Annotation("c1", "seriousness", {"serious": who == "a", "criteria": []}, who) for who in "ab"
        ]
    workspace: Any = SimpleNamespace(store=LocalStore(tmp_path / "store"))
    batch = make_batch("1", "x", [Case("c1", "A rash.")], said)
    info = build(workspace.store, batches=[batch], meddra_version=None, split=SplitSettings(), seed=1)
    _, config = write_work_list(workspace, info.digest, tmp_path / "tasks.json")
    assert config is not None
    controls = {node.get("name") for node in ElementTree.parse(config).iter() if node.get("toName")}
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    asked = {result["from_name"] for p in task["predictions"] for result in p["result"]}
    assert asked <= controls and "spans" in asked and ("seriousness" in controls) == serious
    task["annotations"] = [{**task["predictions"][0], "completed_by": "chief"}]
    found = read(json.dumps([task]).encode()).annotations
    assert {a.problem for a in found} == {a.problem for a in said}
