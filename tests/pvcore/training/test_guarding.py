"""Guardrails of trained models: calibrated on tune rows, stored with the adapter, the same bytes in any batch."""

from __future__ import annotations

import dataclasses
import itertools
import random
import re

import numpy as np
import pytest

from pvcore.errors import TrainingError
from pvcore.evaluation.spans import Marked, Span, written
from pvcore.inference.guardrails import CONFIDENCE, FILE, UNLIKE, UNSURE, GuardrailPolicy
from pvcore.inference.predict import load
from pvcore.records import canonical
from pvcore.training import qlora
from pvcore.training.guarding import upper_limit

KINDS = {
    "classification": {},
    "classification, words": {"training__word_weights": True},
    "windows, mean": {"text__max_tokens": 12, "text__long": "windows"},
    "windows, max": {"text__max_tokens": 12, "text__long": "windows", "text__pool": "max"},
    "label_tokens": {"family": "causal", "training__epochs": 1},
    "embedding": {"problem": "coding"},
    "embedding, windows": {"problem": "coding", "text__max_tokens": 12, "text__long": "windows"},
    "embedding, wordings": {"problem": "coding", "training__wordings": True},
    "mentions": {"problem": "pts", "text__max_tokens": 24, "training__epochs": 1},
    "tagging": {"problem": "extraction", "text__max_tokens": 12},
    "terms": {"problem": "coding", "family": "causal", "training__epochs": 1},
    "generation": {"problem": "extraction", "family": "causal", "training__epochs": 1},
}
FEW = {"terms": 18, "generation": 18}
"""Questions to those that take many passes an answer: a block and two more. They train on less, too."""
SPOKEN = ("tagging", "terms", "generation")
STRANGE = "The quarterly shareholder meeting approved dividends, bonds and a merger of two railways."


@pytest.fixture
def trained(specify, rows, train, tiny_base, tiny_phi3, verbatims, terms):
    """A model of a kind, loaded from its folder, with the questions that suit it."""

    def make(kind):
        options = dict(KINDS[kind])
        base = tiny_phi3 if options.get("family") == "causal" else tiny_base
        asked = specify(
            base, options.pop("problem", "seriousness"), options.pop("family", "encoder"), **options
        )
        less = 5 if kind in FEW else 1
        if asked.problem == "pts":
            kept = terms[terms["llt_code"] == terms["pt_code"]]
            told = mentioned(rows(40, 1), kept), mentioned(rows(24, 2), kept)
            result = train(asked, *told, base=base, terms=kept)
            return load(result.adapter, base), kept, result
        if asked.problem == "coding":
            tune = [
                dataclasses.replace(r, example_id=f"t{n}", cluster=f"t{n}") for n, r in enumerate(verbatims)
            ]
            result = train(asked, verbatims[::less], tune[::less], base=base, terms=terms)
            return load(result.adapter, base), terms, result
        if asked.problem == "extraction":
            result = train(asked, marked(rows(40 // less, 1)), marked(rows(24 // less, 2)), base=base)
        else:
            result = train(asked, rows(40, 1), rows(24, 2), base=base)
        return load(result.adapter, base), None, result

    return make


def marked(rows):
    """The rows with "rash" and "nausea" marked in their texts."""
    found = [[m.span() for m in re.finditer("rash|nausea", row.text)] for row in rows]
    labels = [written(Marked.of(Span((place,), "Reaction") for place in places)) for places in found]
    return [dataclasses.replace(row, label=label) for row, label in zip(rows, labels, strict=True)]


def mentioned(rows, terms):
    """The rows with a term's name behind their texts, which is what they are coded by."""
    some = zip(rows, itertools.cycle(terms[["llt_code", "llt_name"]].itertuples(index=False)), strict=False)
    return [dataclasses.replace(row, text=f"{row.text} {name}", label=code) for row, (code, name) in some]


def questions(count):
    chance = random.Random(5)
    words = ["patient", "hospital", "rash", "recovered", "home", "liver", "pain", "swelling", "of", "the"]
    return [(f"q{n}", " ".join(chance.choices(words, k=chance.randint(1, 40)))) for n in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bytes_in_any_batch_and_order(trained, kind):
    model, terms, _ = trained(kind)
    policy = GuardrailPolicy(abstain_below={model.card.problem: 0.5})
    count = FEW.get(kind, 64)
    asked = questions(count)
    answered = model.predict(asked, terms=terms, policy=policy)
    whole = {p.example_id: canonical(p) for p in answered}
    for size in (1, 3, 16, 17, 64) if count == 64 else (1, 17):
        random.Random(size).shuffle(asked)
        for start in range(0, count, size)[: 4 if count == 64 else 2]:
            for found in model.predict(asked[start : start + size], terms=terms, policy=policy):
                assert canonical(found) == whole[found.example_id], size
    assert len({p.score for p in answered}) > 10
    sure = [c for p in answered for c in p.guardrails if c.name == UNSURE]
    assert bool(sure) == (kind in SPOKEN)
    assert not sure or (
        len({c.value for c in sure}) > 10 and {c.threshold for c in sure} == {model.card.unsure}
    )
    if "windows" in kind:
        notes = [note for p in answered for note in p.notes]
        assert any("windows of 12 tokens over" in note for note in notes)


def test_one_text_at_a_time_is_another_exact_way(trained):
    model, _, _ = trained("classification")
    seen = []
    hook = model.network.get_base_model().base_model.register_forward_pre_hook(
        lambda module, args, named: seen.append(len(named["input_ids"])), with_kwargs=True
    )
    asked = questions(20)
    alone = [canonical(p) for p in model.predict(asked, exact=True)]
    assert set(seen) == {1} and len(seen) == 20
    assert [canonical(p) for p in model.predict(asked[::-1], exact=True)][::-1] == alone
    seen.clear()
    together = model.predict(asked)
    hook.remove()
    assert set(seen) == {16}
    exact = model.predict(asked, exact=True)
    assert [p.score for p in exact] == pytest.approx([p.score for p in together], abs=1e-5)
    assert all("one text at a time" in p.notes for p in exact)


def test_a_text_unlike_the_training_data_is_told_apart(trained):
    model, _, _ = trained("classification")
    near = model.predict([("a", "patient took drug and felt rash at home")])[0].guardrails[0]
    far = model.predict([("a", STRANGE)])[0].guardrails[0]
    assert near.name == far.name == UNLIKE
    assert near.outcome == "pass" and near.value < near.threshold < far.value
    assert far.outcome == "warn" and "98% of held-out texts" in far.words
    stopped = model.predict([("a", STRANGE)], policy=GuardrailPolicy(unlike="withhold"))[0]
    assert stopped.answer == "" and stopped.withheld in model.card.labels and stopped.said == stopped.withheld


def test_abstention_follows_the_policy(trained):
    model, _, _ = trained("classification")
    asked = questions(40)
    free = model.predict(asked)
    limit = float(np.median([p.confidence for p in free]))
    held = model.predict(asked, policy=GuardrailPolicy(abstain_below={"seriousness": limit}))
    assert 10 < sum(not p.answer for p in held) < 30
    for before, after in zip(free, held, strict=True):
        assert (after.answer == "") == (before.confidence < limit)
        assert after.said == before.answer and after.confidence == before.confidence
        check = next(c for c in after.guardrails if c.name == CONFIDENCE)
        assert (check.value, check.threshold) == (before.confidence, limit)
    other = model.predict(asked, policy=GuardrailPolicy(abstain_below={"coding": 1.0}))
    assert [p.answer for p in other] == [p.answer for p in free]


def test_without_a_tune_split_nothing_passes_silently(specify, rows, train, tiny_base):
    result = train(specify(tiny_base), rows(24, 1), base=tiny_base)
    assert not (result.adapter / FILE).exists()
    model = load(result.adapter, tiny_base)
    found = model.predict([("a", "rash")])[0]
    assert found.confidence is None and found.answer
    assert (found.guardrails[0].outcome, found.guardrails[0].value) == ("warn", None)
    assert "train with a tune split" in found.guardrails[0].words
    strict = GuardrailPolicy(abstain_below={"seriousness": 0.1})
    assert model.predict([("a", "rash")], policy=strict)[0].answer == ""


def test_the_vectors_belong_to_the_adapter(trained, tiny_base):
    model, _, result = trained("classification")
    assert set(result.files) == {qlora.CONFIG, qlora.WEIGHTS, "pv.json", FILE}
    assert model.prototypes.shape == (40, 64)
    assert np.allclose(np.linalg.norm(model.prototypes, axis=1), 1)
    file = result.adapter / FILE
    kept = file.read_bytes()
    file.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(TrainingError, match=r"guardrails\.safetensors is missing or not the one"):
        load(result.adapter, tiny_base)
    file.unlink()
    with pytest.raises(TrainingError, match=r"guardrails\.safetensors is missing"):
        load(result.adapter, tiny_base)


def test_windows_need_an_encoder_and_one_answer_and_a_maximum_a_positive_label(
    specify, rows, train, tiny_base, tiny_phi3
):
    with pytest.raises(TrainingError, match="windows is for encoders"):
        train(specify(tiny_phi3, family="causal", text__long="windows"), rows(8, 1), base=tiny_phi3)
    with pytest.raises(TrainingError, match="a label of pts says of no window"):
        train(specify(tiny_base, "pts", text__long="windows"), rows(8, 1), base=tiny_base)
    with pytest.raises(TrainingError, match="coding has none"):
        train(specify(tiny_base, "coding", text__pool="max"), rows(8, 1), base=tiny_base)


def test_a_word_in_the_middle_of_a_long_text_is_found_with_windows(specify, rows, train, tiny_base):
    """Head and tail of 12 tokens do not hold the one word that decides."""

    def long(count, seed):
        filler = "took drug and felt rash later at home daily "
        return [
            dataclasses.replace(
                row, text=filler + ("hospital " * 8 if row.label == "serious" else "well " * 8) + filler
            )
            for row in rows(count, seed)
        ]

    found = {}
    for how in ("head_and_tail", "windows"):
        options = {
            "text__max_tokens": 12,
            "text__long": how,
            "text__pool": "max" if how == "windows" else "mean",
        }
        asked = specify(tiny_base, training__epochs=6, lora__dropout=0.0, **options)
        found[how] = train(asked, long(80, 1), long(30, 2), base=tiny_base).tune
    assert found["windows"]["roc_auc"] > 0.95
    assert found["head_and_tail"]["roc_auc"] < 0.7


def test_the_limit_holds_for_a_new_value():
    """Split conformal: of 10,000 draws of 99 values and a new one, the new one exceeds the limit in at most 2%."""
    draws = np.random.default_rng(0).random((4000, 100))
    over = np.mean([row[-1] > upper_limit(row[:-1], 0.02) for row in draws])
    assert 0.01 < over < 0.027
    assert upper_limit([3.0, 1.0, 2.0], 0.02) == 3.0
