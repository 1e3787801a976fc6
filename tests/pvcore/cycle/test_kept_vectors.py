"""Vectors of terms that are kept between runs: each way of asking has its own."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from pvcore.cycle import candidate


def test_one_text_at_a_time_has_vectors_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two ways may differ in the last digits, so none may be answered with the vectors of the other."""
    names: list[str] = []
    model = SimpleNamespace(head=SimpleNamespace(vectors=True), predict=print)
    monkeypatch.setattr(candidate, "get_folder", lambda *_: tmp_path)
    monkeypatch.setattr(candidate, "base_folder", lambda *_: tmp_path)
    monkeypatch.setattr("pvcore.inference.predict.load", lambda *_: model)
    monkeypatch.setattr(
        "pvcore.inference.kept.on_disk", lambda model, folder, name: names.append(name) or nullcontext()
    )
    settings = SimpleNamespace(threads=1, exact=False)
    workspace = SimpleNamespace(settings=settings, store=None, state=tmp_path)
    for exact in (None, False, True):
        with candidate.opened(workspace, {}, {}, exact=exact):
            pass
    assert names[0] == names[1] != names[2]
