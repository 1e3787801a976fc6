"""Vectors of terms that are kept between runs: each way of asking has its own."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pvcore.cycle import candidate
from pvcore.inference import kept
from pvcore.training.train import environment


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


@pytest.mark.parametrize(
    ("exact", "changed", "left"), [(False, {}, 1), (True, {}, 0), (False, {"processes": "2"}, 0)]
)
def test_what_training_made_is_left_where_it_is_looked_for(
    tmp_path: Path, exact: bool, changed: dict[str, str], left: int
) -> None:
    """Else it would only push out what others look for."""
    kept.write(tmp_path / "made.npz", {"Pain": np.float32([0.6, 0.8])})
    workspace = SimpleNamespace(settings=SimpleNamespace(threads=1, exact=exact), state=tmp_path)
    candidate._keep(workspace, {"a": 1}, {"b": 2}, {**environment(1), **changed}, tmp_path / "made.npz")
    found = list((tmp_path / "vectors").glob("*.npz"))
    assert len(found) == left
    if left:
        assert found[0].stem == candidate._vectors({"a": 1}, {"b": 2}, environment(1), exact)
        assert list(kept.read(found[0])) == ["Pain"]
