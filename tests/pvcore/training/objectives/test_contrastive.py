from __future__ import annotations

import importlib

import pandas as pd
import pytest
import torch

from pvcore.problems.coding import CODING
from pvcore.records import Example
from pvcore.training.objectives import Given
from pvcore.training.settings import sections

BASE = {"base": {"source": "package:x", "digest": "0" * 64}}


def test_another_row_of_the_same_code_is_no_negative(monkeypatch):
    """Three pairs, the first two of one code: by hand, their terms do not compete."""
    module = importlib.import_module("pvcore.training.objectives.contrastive")
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0.2], [0.9, 0.1], [0.1, 1.0]] * 2), dim=1)
    monkeypatch.setattr(module, "batch", lambda *a: (None, None))
    monkeypatch.setattr(module, "embed", lambda *a: vectors)
    terms = pd.DataFrame(
        [("90000001", "pain", "90000001"), ("90000002", "rash", "90000002")],
        columns=["llt_code", "llt_name", "pt_code"],
    )
    rows = [
        Example("a", "a", "ache", "90000001", "a"), Example("b", "b", "sore", "90000001", "b"),
        Example("c", "c", "spots", "90000002", "c"),
    ]  # fmt: skip

    class Words:
        pad_token_id = 0

        def num_special_tokens_to_add(self, pair):
            return 0

        def __call__(self, text, **options):
            return {"input_ids": [1], "offset_mapping": [(0, len(text))]}

    settings = sections({**BASE, "training": {"temperature": 1.0, "epochs": 1}})
    objective = module.contrastive(CODING, rows, Given(Words(), settings, 1, terms))
    s = (vectors[:3] @ vectors[3:].T).double()
    rivals = {0: [0, 2], 1: [1, 2], 2: [0, 1, 2]}
    by_hand = [torch.logsumexp(s[i, columns], 0) - s[i, i] for i, columns in rivals.items()]
    assert objective.loss(None, [0, 1, 2]).item() == pytest.approx(float(sum(by_hand) / 3), abs=1e-5)
    assert not objective.divisible
