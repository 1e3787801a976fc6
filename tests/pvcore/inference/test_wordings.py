"""What was coded before, kept as vectors and codes: the same after a round trip, and no other file in its place."""

from __future__ import annotations

import numpy as np
import pytest

from pvcore.errors import TrainingError
from pvcore.inference import wordings
from pvcore.inference.wordings import Wordings, distinct
from pvcore.records import Example


def coded(text: str, *codes: str) -> list[Example]:
    return [Example(f"{text}{n}", "c", text, code, "k") for n, code in enumerate(codes)]


def test_a_wording_has_the_code_that_it_has_most_often():
    rows = coded("Belly  ache", "90000001") + coded("belly ache", "90000002", "90000001")
    rows += coded("rash", "90000005", "90000004")
    assert distinct(rows) == [("belly ache", "90000001"), ("rash", "90000004")]
    assert distinct(rows[::-1]) == distinct(rows)
    assert distinct([]) == []


def test_they_come_back_and_another_file_is_refused(tmp_path):
    made = Wordings(("00000017", "90000001"), np.float32([[0.6, 0.8], [1, 0]]))
    named = wordings.save(made, tmp_path)
    found = wordings.load(tmp_path, named)
    assert found is not None
    assert found.codes == made.codes and found.vectors.tobytes() == made.vectors.tobytes()
    assert wordings.load(tmp_path, None) is None
    wordings.save(Wordings(("00000018", "90000001"), made.vectors), tmp_path)
    with pytest.raises(TrainingError, match=r"wordings\.safetensors is missing or not the one"):
        wordings.load(tmp_path, named)
