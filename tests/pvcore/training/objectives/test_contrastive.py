"""Contrastive training: what competes in a step, and every verbatim once an epoch, in no step of few pairs."""

from __future__ import annotations

import importlib
from collections import Counter

import pandas as pd
import pytest
import torch

from pvcore.inference.model import load_tokenizer
from pvcore.problems.coding import CODING
from pvcore.records import Example
from pvcore.training.objectives import Given
from pvcore.training.objectives.contrastive import contrastive
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


@pytest.mark.parametrize("synonyms", [0, 7])
def test_every_row_once_an_epoch_whatever_their_number(tiny_base, specify, verbatims, terms, synonyms):
    epochs, batch = 3, 8
    asked = specify(
        tiny_base,
        "coding",
        training__epochs=epochs,
        training__batch=batch,
        training__dictionary_pairs=synonyms,
    )
    given = Given(load_tokenizer(tiny_base), sections(asked.settings), 17, terms)
    for number in range(1, len(verbatims) + 1):
        objective = contrastive(CODING, verbatims[:number], given)
        seen = Counter(item for step in objective.plan for item in step)
        assert all(seen[row] == epochs for row in range(number)), number
        assert sum(seen.values()) == epochs * (number + synonyms)
        if number + synonyms >= batch:
            assert min(map(len, objective.plan)) >= batch // 2
            assert max(map(len, objective.plan)) < 1.5 * batch
