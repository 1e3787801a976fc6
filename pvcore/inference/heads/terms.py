"""A causal model that writes the name of a term, token by token held to the dictionary's own names.

Beam search over the trie of all names, as in GENRE (De Cao et al. 2021, "Autoregressive Entity
Retrieval"): an invented term cannot be written. transformers' `prefix_allowed_tokens_fn` does the same for
one text, but what it makes of a text depends on its batch, and it asks Python for every beam in turn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvcore.errors import TrainingError
from pvcore.inference.heads.embedding import RANKED
from pvcore.inference.heads.head import Answer, Head
from pvcore.inference.heads.label_tokens import encode_prompt
from pvcore.inference.scoring import blocks
from pvcore.inference.trie import Trie, build
from pvcore.problems import problem
from pvcore.records import digest

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model

BEAMS = RANKED
"""Beginnings that are followed at once."""


class Beam(NamedTuple):
    """The beginning of an answer: log-probability, its range of the trie, the beam it grew from, last token, and
    the log-probability after each token.
    """

    score: float
    first: int
    last: int
    parent: int
    token: int
    path: tuple[float, ...] = ()


class Ended(NamedTuple):
    """A term that was written to its end, its log-probability, and the probability of each token with the end's."""

    code: str
    score: float
    tokens: tuple[float, ...]


class Search:
    """The beams of one text, and the terms that were written to their end."""

    def __init__(self, trie: Trie) -> None:
        self.trie = trie
        self.depth = 0
        self.live = [Beam(0.0, 0, len(trie.codes), 0, 0)]
        self.ended: list[Ended] = []

    def grow(self, log_p: NDArray[np.float64], end: int) -> None:
        """One token more, from log-probabilities of shape (BEAMS, vocabulary); `end` closes a term."""
        grown = []
        for parent, beam in enumerate(self.live):
            tokens, firsts, lasts = self.trie.children(beam.first, beam.last, self.depth)
            scores = beam.score + log_p[parent, tokens]
            # BEAMS of them live on at most, and one may be the end.
            for i in np.argsort(-scores, kind="stable")[: BEAMS + 1]:
                score = float(scores[i])
                path = (*beam.path, score)
                grown.append(Beam(score, int(firsts[i]), int(lasts[i]), parent, int(tokens[i]), path))
            closing = np.searchsorted(tokens, end)
            if closing < len(tokens) and tokens[closing] == end:
                names = self.trie.codes[firsts[closing] : lasts[closing]]
                score = float(scores[closing])
                steps = tuple(np.exp(np.diff((0.0, *beam.path, score))).tolist())
                self.ended += [Ended(code, score, steps) for code in names]
        self.depth += 1
        grown = [beam for beam in grown if beam.token != end]
        self.live = sorted(grown, key=lambda beam: (-beam.score, beam.first))[:BEAMS]
        self.ended = sorted(self.ended, key=lambda term: (-term.score, term.code))[:RANKED]
        # A beginning can only lose by going on: below the last of the ranked there is nothing to find.
        if len(self.ended) == RANKED and self.live and self.live[0].score < self.ended[-1].score:
            self.live = []


def answers(model: Model, texts: Sequence[str], terms: pd.DataFrame | None) -> list[Answer]:
    """The terms that the model would most likely write, best first. Raises TrainingError without terms.

    `tokens` are those of the best: probabilities in the whole vocabulary, the trie not taken into account.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    if terms is None or not len(terms):
        raise TrainingError("coding needs the terms of a dictionary: predict(..., terms=...)")
    trie, tokenizer = _trie(model, terms), model.tokenizer
    prompt, longest = problem(model.card.problem).prompt, trie.tokens.shape[1]
    asked = [encode_prompt(tokenizer, prompt, text, model.card.max_tokens, longest) for text in texts]
    found: dict[int, Answer] = {}
    for rows, ids, mask in blocks(model.network, tokenizer, asked, left=True):
        # Fused attention over one query alone rounds by its place and the number of threads (torch 2.13, CPU).
        with sdpa_kernel(SDPBackend.MATH):
            searches = decode(model.network, trie, ids, mask, len(rows), tokenizer.eos_token_id)
        for row, search in zip(rows, searches, strict=True):
            ranked = tuple((term.code, math.exp(term.score)) for term in search.ended)
            found[row] = Answer(
                *ranked[0], ranked, asked[row], asked[row].notes, tokens=search.ended[0].tokens
            )
    return [found[row] for row in range(len(asked))]


def decode(network: Any, trie: Trie, ids: Any, mask: Any, count: int, end: int) -> list[Search]:
    """The searches of the first `count` rows of a left-padded block of prompts; `end` closes a term.

    Every step is a block of one shape, (rows * BEAMS, 1), whoever is still at it.
    """
    import torch

    searches = [Search(trie) for _ in range(count)]
    # transformers drops a mask that masks nothing and takes another way through attention, so that an answer
    # would depend on whether the whole block is full: a masked column in front keeps it.
    ids, mask = (torch.cat([part[:, :1] * keep, part], 1) for part, keep in ((ids, 1), (mask, 0)))
    asked = {"input_ids": ids, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    cache: Any = None
    while any(search.live for search in searches):
        out = network(**asked, attention_mask=mask, past_key_values=cache, use_cache=True, logits_to_keep=1)
        log_p, cache = out.logits[:, -1].float().log_softmax(-1).double().cpu().numpy(), out.past_key_values
        if len(log_p) == len(ids):  # the prompts: from here on a row for each beam
            log_p = log_p.repeat(BEAMS, axis=0)
            cache.batch_repeat_interleave(BEAMS)
            mask = mask.repeat_interleave(BEAMS, 0)
        parents, tokens = np.arange(len(log_p)), np.full(len(log_p), end)
        for start, search in zip(range(0, len(log_p), BEAMS), searches, strict=False):
            search.grow(log_p[start : start + BEAMS], end)
            for place, beam in enumerate(search.live, start):
                parents[place], tokens[place] = start + beam.parent, beam.token
        cache.batch_select_indices(torch.from_numpy(parents).to(mask.device))
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        asked = {
            "input_ids": torch.from_numpy(tokens).to(mask.device).unsqueeze(1),
            "position_ids": mask.sum(1, keepdim=True) - 1,
        }
    return searches


def _trie(model: Model, terms: pd.DataFrame) -> Trie:
    """Made once a dictionary, the last one kept."""
    table = sorted(zip(terms["llt_code"].astype(str), terms["llt_name"].astype(str), strict=True))
    key = digest(table)
    if key not in model.kept:
        model.kept.clear()
        model.kept[key] = build(model.tokenizer, table)
    found: Trie = model.kept[key]
    return found


TERMS = Head(name="terms", task="CAUSAL_LM", auto="AutoModelForCausalLM", answers=answers)
