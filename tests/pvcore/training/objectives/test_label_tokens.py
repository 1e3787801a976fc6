"""The shared beginning of the prompts is encoded once, and nothing else changes."""

from __future__ import annotations

import dataclasses
import random

import pytest
import torch

from pvcore.errors import TrainingError
from pvcore.inference import prefix
from pvcore.inference.model import load_tokenizer
from pvcore.problems.seriousness import SERIOUSNESS
from pvcore.records import Example
from pvcore.training import loop, qlora
from pvcore.training.objectives import Given
from pvcore.training.objectives.label_tokens import label_tokens
from pvcore.training.settings import Lora, sections

INSTRUCTION = "Is this report of a reaction serious? Report: "
SHORT = dataclasses.replace(SERIOUSNESS, prompt=lambda text: f"{INSTRUCTION}{text}\nAnswer:", criteria={})
ASKING = dataclasses.replace(SHORT, criteria={"death": " died:", "other": " else:"})
TASKS = {"labels": SHORT, "criteria": ASKING}
MODELS = {
    "phi3": {"max_position_embeddings": 512, "original_max_position_embeddings": 512},
    "llama": {},
    "mistral": {"sliding_window": 20},
    "qwen2": {"use_sliding_window": True, "sliding_window": 20, "max_window_layers": 1},
}
"""Windows of 20 tokens: shorter than the instruction, so that some rows see a part of it."""


def ragged(count: int = 8) -> list[Example]:
    chance = random.Random(3)
    texts = ["".join(chance.choices("abcdefgh ", k=chance.randint(1, 60))) for _ in range(count)]
    texts[0] = "no"
    known = ({"death": True, "other": False}, {"other": True}, {}, None)
    return [
        Example(f"e{n}", f"c{n}", text, SHORT.labels[n % 2], f"k{n}", criteria=known[n % 4])
        for n, text in enumerate(texts)
    ]


@pytest.fixture(scope="module")
def tokenizer(tiny_phi3):
    return load_tokenizer(tiny_phi3)


def objective(tokenizer, rows=None, task=SHORT, **training):
    settings = sections(
        {
            "base": {"source": "package:x", "digest": "0" * 64},
            "text": {"max_tokens": 160},
            "training": {"batch": 8, **training},
        }
    )
    return label_tokens(
        task, ragged() if rows is None else rows, Given(tokenizer, settings, 1)
    ), settings.training


def lora(network):
    torch.manual_seed(1)
    targets = {"q_proj", "k_proj", "v_proj", "qkv_proj", "o_proj", "down_proj"}
    names = {name.rpartition(".")[2] for name, _ in network.named_modules()}
    made = qlora.attach(
        network, Lora(rank=4, alpha=4, dropout=0.0, targets=tuple(names & targets)), "label_tokens"
    )
    for name, weight in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return made.train()


def gradients(network, made, items=range(8)):
    made, settings = made
    network.zero_grad()
    loss = loop._step(network, made, settings, list(items))
    return loss, {n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None}


def tokens_seen(network):
    """The tokens that go through the first layer in a training step, counted as they pass."""
    seen = []
    layer = network.get_base_model().model.layers[0]
    return seen, layer.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0].shape[:2].numel())
    )


@pytest.mark.parametrize("options", [{}, {"micro_batch": 2}], ids=["whole", "parts"])
@pytest.mark.parametrize("recomputed", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("task", TASKS)
def test_gradients_are_those_of_full_prompts(causal_network, tokenizer, task, kind, recomputed, options):
    network, options = lora(causal_network(kind, **MODELS[kind])), {"task": TASKS[task], **options}
    full_loss, full = gradients(network, objective(tokenizer, task=TASKS[task], shared_prefix=False))
    if recomputed:
        network.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
        prefix.keep_cache_when_recomputing(network)
    seen, hook = tokens_seen(network)
    loss, found = gradients(network, objective(tokenizer, **options))
    hook.remove()
    # The instruction has gone through once, whatever the number of parts, and the rows without it.
    answers = 60 if TASKS[task].criteria else 30
    passed = len(INSTRUCTION) + 8 * (max(len(row.text) for row in ragged()) + answers)
    assert sum(seen) < passed
    assert loss == pytest.approx(full_loss, rel=1e-6, abs=1e-5)
    assert set(found) == set(full) and max(g.abs().max() for g in full.values()) > 0.1
    largest = max(g.abs().max() for g in full.values())
    assert all((found[name] - full[name]).abs().max() <= 1e-6 * largest for name in full)


@pytest.mark.parametrize("kind", MODELS)
def test_all_questions_in_one_pass_cost_what_each_alone_does(causal_network, tokenizer, kind):
    network = lora(causal_network(kind, **MODELS[kind])).eval()
    made, _ = objective(tokenizer, task=ASKING)

    def alone(row, *continuation):
        """-log P of the last part of the text, by a pass of its own."""
        before = tokenizer(ASKING.prompt(row.text) + "".join(continuation[:-1]))["input_ids"]
        said = [*tokenizer(continuation[-1])["input_ids"], tokenizer.eos_token_id]
        logs = network(torch.tensor([[*before, *said]])).logits[0].log_softmax(-1)
        return -sum(logs[len(before) + at - 1, token].item() for at, token in enumerate(said))

    with torch.no_grad():
        for number, row in enumerate(ragged(4)):
            known = row.criteria or {}
            answers = [alone(row, ASKING.criteria[n], " yes" if met else " no") for n, met in known.items()]
            expected = alone(row, f" {row.label}") + sum(answers) / max(1, len(answers))
            assert made.loss(network, [number]).item() == pytest.approx(expected, abs=1e-3)


def test_the_loss_stands_by_itself_outside_a_step(causal_network, tokenizer):
    network = lora(causal_network("llama"))
    plain, _ = objective(tokenizer, shared_prefix=False)
    shared, _ = objective(tokenizer)
    assert shared.loss(network, [0, 3]).item() == pytest.approx(plain.loss(network, [0, 3]).item(), abs=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_padding_and_company_do_not_change_a_row(causal_network, tokenizer, task):
    network = lora(causal_network("mistral", sliding_window=20)).eval()
    made, _ = objective(tokenizer, task=TASKS[task])
    with torch.no_grad():
        alone = [made.loss(network, [item]).item() for item in range(8)]
        together = made.loss(network, range(8)).item()
    assert together == pytest.approx(sum(alone) / 8, abs=1e-5)


def test_rows_that_are_all_alike_keep_their_last_token(causal_network, tokenizer):
    rows = [Example(f"e{n}", f"c{n}", "same", SHORT.labels[n], f"k{n}") for n in range(2)]
    network = lora(causal_network("llama"))
    (full_loss, full), (loss, found) = (
        gradients(network, objective(tokenizer, rows, shared_prefix=on), range(2)) for on in (False, True)
    )
    assert loss == pytest.approx(full_loss, abs=1e-5)
    assert all(torch.allclose(found[name], full[name], atol=1e-5) for name in full)


@pytest.mark.parametrize(
    "changes", [{}, {"training__micro_batch": 2}, {"training__gradient_checkpointing": True}]
)
def test_the_same_bytes_again_on_two_threads_and_after_a_stop(
    tiny_phi3, specify, rows, train, tmp_path, changes
):
    asked = specify(
        tiny_phi3, family="causal", training__batch=4, training__epochs=1, lora__dropout=0.2, **changes
    )  # fmt: skip

    def stop(step, total, loss):
        if step == 3:
            raise KeyboardInterrupt

    found = {train(asked, rows(20, 1), base=tiny_phi3, threads=n).digest for n in (1, 2, 1)}
    with pytest.raises(KeyboardInterrupt):
        train(asked, rows(20, 1), base=tiny_phi3, workdir=tmp_path / "stopped", progress=stop)
    again = train(asked, rows(20, 1), base=tiny_phi3, workdir=tmp_path / "stopped")
    assert again.resumed_from == 2
    assert found == {again.digest}


def test_the_recipe_can_switch_it_off(tiny_phi3, specify, rows, train):
    options = {"family": "causal", "training__batch": 4, "training__epochs": 1, "lora__dropout": 0.0}
    shared, full = (
        train(specify(tiny_phi3, training__shared_prefix=on, **options), rows(20, 1), base=tiny_phi3)
        for on in (True, False)
    )
    assert shared.digest != full.digest
    assert [v for _, v in shared.curve] == pytest.approx([v for _, v in full.curve], rel=1e-3)


def test_a_base_that_keeps_no_cache_is_refused(causal_network):
    network = causal_network("llama")
    network.config.layer_types = ["linear_attention"] * 3
    with pytest.raises(TrainingError, match="layers of linear_attention"):
        prefix.encode(network, [5, 6])
    network = lora(causal_network("llama"))
    # As it would be with activations recomputed and nothing said to the layers.
    network.get_base_model().activation_checkpointing_enable({"use_reentrant": False})
    with pytest.raises(TrainingError, match="shared_prefix: false"):
        prefix.encode(network, [5, 6])
