"""Answers weighed over one encoding of their prompt: the numbers of one pass each, the same bytes in any company."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from pvcore.errors import TrainingError
from pvcore.inference import backend
from pvcore.inference.branches import Continuation, Tree, log_likelihoods
from pvcore.inference.heads.label_tokens import completion
from pvcore.inference.model import load_tokenizer
from pvcore.inference.prefix import common, instruction
from pvcore.problems.seriousness import INSTRUCTION, prompt

MODELS = {
    "phi3": {"max_position_embeddings": 512, "original_max_position_embeddings": 512},
    "llama": {},
    "mistral": {"sliding_window": 12},
    "qwen2": {"use_sliding_window": True, "sliding_window": 12, "max_window_layers": 1},
}
PREFIX = tuple(range(20, 50))
LABELS = [Continuation(ids) for ids in ((60, 1), (61, 62, 1), (61, 62, 63, 1), (64,))]
QUESTIONS = [
    Continuation((*question, *answer), given=len(question))
    for question in ((70, 71, 72), (70, 73), (74,))
    for answer in ((80, 1), (81, 82, 1))
]


@pytest.fixture(scope="module")
def tokenizer(tiny_phi3):
    return load_tokenizer(tiny_phi3)


def prompts(count: int) -> list[tuple[int, ...]]:
    """Some begin with the prefix, every seventh does not; lengths of several blocks."""
    chance = random.Random(2)
    made = []
    for number in range(count):
        rest = tuple(chance.choices(range(100, 250), k=chance.choice((1, 3, 7, 20, 33, 50))))
        made.append((9, *rest) if number % 7 == 6 else (*PREFIX, *rest))
    return made


def by_hand(network, tokens, continuation):
    ids, given = continuation
    with torch.no_grad():
        logs = network(torch.tensor([[*tokens, *ids]])).logits[0].log_softmax(-1)
    start = len(tokens) - 1
    return sum(logs[start + at, ids[at]].item() for at in range(given, len(ids)))


@pytest.mark.parametrize("answers", [LABELS, QUESTIONS], ids=["labels", "questions"])
@pytest.mark.parametrize("kind", MODELS)
def test_a_likelihood_is_that_of_a_pass_of_its_own(causal_network, tokenizer, kind, answers):
    network, asked = causal_network(kind, **MODELS[kind]), prompts(20)
    found = log_likelihoods(network, tokenizer, asked, answers, PREFIX)
    expected = [[by_hand(network, tokens, one) for one in answers] for tokens in asked]
    assert found.std() > 0.5
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind, compute", [("phi3", "bfloat16"), ("mistral", "float32")])
def test_order_count_and_threads_do_not_matter(causal_network, tokenizer, kind, compute):
    network = causal_network(kind, **MODELS[kind]).to(getattr(torch, compute))
    asked = prompts(64)
    with backend.deterministic(1):
        found = log_likelihoods(network, tokenizer, asked, LABELS, PREFIX)
    chance = random.Random(1)
    for count in (1, 2, 3, 5, 15, 16, 17, 33, 63, 64):
        rows = chance.sample(range(64), count)
        with backend.deterministic(1 + count % 2):
            again = log_likelihoods(network, tokenizer, [asked[row] for row in rows], LABELS, PREFIX)
        assert again.tobytes() == found[rows].tobytes(), count
    assert len({row.tobytes() for row in found}) == 64


def test_a_prompt_goes_through_once_whatever_the_labels(causal_network, tokenizer):
    network, asked = causal_network("llama"), [(*PREFIX, 200, 201)] * 16
    passed = []
    network.model.layers[0].register_forward_pre_hook(
        lambda module, inputs: passed.append(tuple(inputs[0].shape[:2]))
    )
    log_likelihoods(network, tokenizer, asked, QUESTIONS, PREFIX)
    # The prefix once, then one block: two tokens and the nodes of three questions, in sixteen rows.
    assert passed == [(1, len(PREFIX)), (16, 16)]


def test_a_tree_lays_common_beginnings_together():
    tree = Tree(tuple(LABELS))
    assert list(tree.nodes) == [(60,), (61,), (61, 62), (61, 62, 63)]
    assert tree.depths == [1, 1, 2, 3]
    assert tree.lineage.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]
    assert tree.steps[1] == [(-1, 61), (1, 62), (2, 1)] and tree.steps[3] == [(-1, 64)]
    assert Tree((Continuation((64,)),)).lineage.shape == (0, 0)


def test_the_instruction_is_what_every_prompt_begins_with(tokenizer):
    begins = instruction(tokenizer, prompt)
    assert tokenizer.decode(begins) == INSTRUCTION
    assert common([(1, 2, 3), (1, 2, 3)]) == (1, 2)  # a last token is left to ask from
    assert common([]) == common([(1,), (1, 2)]) == ()
    assert instruction(tokenizer, lambda text: text) == ()


def test_layers_that_keep_no_keys_are_refused(causal_network, tokenizer):
    network = causal_network("llama")
    network.config.layer_types = ["full_attention", "linear_attention", "full_attention"]
    with pytest.raises(TrainingError, match="linear_attention"):
        log_likelihoods(network, tokenizer, prompts(1), LABELS)


def test_an_answer_ends_with_the_end_of_the_text(tokenizer):
    assert completion(tokenizer, "serious")[-1] == tokenizer.eos_token_id
