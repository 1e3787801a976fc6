"""A dataset read back: what a specification's settings make of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pvcore.config import open_workspace
from pvcore.cycle import data
from pvcore.problems.extraction import AS_BEFORE, EXTRACTION


def test_what_a_specification_of_before_made_of_a_dataset_stays(
    town_module: Any, tiny_base: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = open_workspace(town_module.found_town(tmp_path, tiny_base, ("extraction",)).workspace.root)
    asked: list[str] = []

    def examples(name: str) -> Any:
        return lambda *tables, **named: asked.append(name) or {}

    monkeypatch.setattr(data.datasets, "load", lambda *name: SimpleNamespace(cases=None, labels=None))
    monkeypatch.setattr(data, "dictionary_digest", lambda *name: None)
    monkeypatch.setattr(data, "new_terms", lambda *name: set())
    monkeypatch.setitem(vars(AS_BEFORE), "examples", examples("before"))
    monkeypatch.setitem(vars(EXTRACTION), "examples", examples("now"))
    now = workspace.recipe("extraction").trained_by()
    before = {name: value for name, value in now.items() if name != "marks"}
    for settings in (None, now, before):
        data.examples(workspace, "extraction", "d" * 64, settings)
    assert asked == ["now", "before"]  # what is the same is read once
