"""The steps of contrastive training: every verbatim once an epoch, none twice, and no step of few pairs."""

from __future__ import annotations

from collections import Counter

import pytest

from pvcore.training.objectives.contrastive import contrastive
from pvcore.training.objectives.objective import Given
from pvcore.training.settings import sections


@pytest.mark.parametrize("synonyms", [0, 7])
def test_every_row_once_an_epoch_whatever_their_number(tiny_base, specify, verbatims, terms, synonyms):
    from pvcore.inference.model import load_tokenizer
    from pvcore.problems import PROBLEMS

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
        objective = contrastive(PROBLEMS["coding"], verbatims[:number], given)
        seen = Counter(item for step in objective.plan for item in step)
        assert all(seen[row] == epochs for row in range(number)), number
        assert sum(seen.values()) == epochs * (number + synonyms)
        if number + synonyms >= batch:
            assert min(map(len, objective.plan)) >= batch // 2
            assert max(map(len, objective.plan)) < 1.5 * batch
