"""Vectors kept on disk are those that were made, and only as many files as there is use for."""

from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np
import pytest

from pvcore.inference import kept


def test_what_was_made_is_there_the_next_time(tmp_path):
    made = {"Pain": np.float32([0.6, 0.8]), "Rash, Übel": np.float32([1, 0])}
    first, second = SimpleNamespace(kept={}), SimpleNamespace(kept={})
    with kept.on_disk(first, tmp_path / "v", "m"):
        first.kept.update(made)
    with kept.on_disk(second, tmp_path / "v", "m"):
        assert {name: vector.tobytes() for name, vector in second.kept.items()} == {
            name: vector.tobytes() for name, vector in made.items()
        }
    assert [file.name for file in (tmp_path / "v").iterdir()] == ["m.npz"]


@pytest.mark.parametrize("content", [b"PK\x03\x04 no zip", b""])
def test_a_damaged_file_is_made_again_and_a_failure_leaves_nothing(tmp_path, content):
    (tmp_path / "m.npz").write_bytes(content)
    model = SimpleNamespace(kept={})
    with pytest.raises(RuntimeError), kept.on_disk(model, tmp_path, "m"):
        model.kept["Pain"] = np.float32([1, 0])
        raise RuntimeError
    with kept.on_disk(model := SimpleNamespace(kept={}), tmp_path, "m"):
        assert model.kept == {}
        model.kept["Pain"] = np.float32([1, 0])
    with kept.on_disk(model := SimpleNamespace(kept={}), tmp_path, "m"):
        assert list(model.kept) == ["Pain"]


def test_the_oldest_files_go(tmp_path):
    for number in range(5):
        with kept.on_disk(model := SimpleNamespace(kept={}), tmp_path, f"m{number}"):
            model.kept["Pain"] = np.float32([1, 0])
        os.utime(tmp_path / f"m{number}.npz", (number, number))
    assert sorted(file.stem for file in tmp_path.iterdir()) == ["m2", "m3", "m4"]
