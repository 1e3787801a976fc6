"""A causal model that writes terms learns the names of its rows, whatever the dictionary's size."""

from __future__ import annotations

import tracemalloc

import pandas as pd

from pvcore.inference.model import load_tokenizer
from pvcore.problems.coding import CODING
from pvcore.records import Example
from pvcore.training.objectives import Given
from pvcore.training.objectives.terms import terms
from pvcore.training.settings import sections


def test_nothing_of_the_size_of_rows_times_terms_is_held(tiny_phi3, specify):
    asked = specify(tiny_phi3, "coding", "causal")
    codes = [str(90_000_000 + number) for number in range(2000)]
    table = pd.DataFrame({"llt_code": codes, "llt_name": codes, "pt_code": codes})
    rows = [Example(code, code, "text", code, code) for code in codes[:400]]
    told = Given(load_tokenizer(tiny_phi3), sections(asked.settings), 1, table)
    tracemalloc.start()
    try:
        terms(CODING, rows, told)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20  # the matrix alone took 30 MB as a list
    finally:
        tracemalloc.stop()
