"""Training learns, continues, and refuses what cannot be trained."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest
import torch

from pvcore.dossier.described import LIBRARIES
from pvcore.errors import LeakageError, TrainingError
from pvcore.inference.predict import Model, load
from pvcore.problems.pts import PTS
from pvcore.records import Example
from pvcore.training import qlora
from pvcore.training.objectives import OBJECTIVES
from pvcore.training.thresholds import best_threshold
from pvcore.training.train import PACKAGES, environment


def test_a_classifier_learns_and_answers_as_it_was_measured(tiny_base, specify, rows, train):
    asked = specify(tiny_base, training__epochs=6, lora__dropout=0.0)
    result = train(asked, rows(120, 1), rows(40, 2), base=tiny_base)
    assert result.tune["accuracy"] > 0.9
    assert result.curve[-1][1] < 0.5 * result.curve[0][1]
    model = load(result.adapter, tiny_base)
    tune = rows(40, 2)
    found = model.predict(tune)
    right = sum(row.label == answer.answer for row, answer in zip(tune, found, strict=True))
    assert right / len(tune) == result.tune["accuracy"]
    assert 0.0 < model.card.threshold < 1.0


def test_consumed_is_what_batches_held_and_not_what_was_given(tiny_base, specify, rows, train, monkeypatch):
    made = OBJECTIVES["classification"]

    def without_the_third(*asked):
        objective = made(*asked)
        plan = [[item for item in step if item != 2] for step in objective.plan]
        return dataclasses.replace(objective, plan=plan)

    given, tune = rows(24, 1), rows(8, 2)
    whole = train(specify(tiny_base, training__epochs=1), given, tune, base=tiny_base)
    monkeypatch.setitem(OBJECTIVES, "classification", without_the_third)
    less = train(specify(tiny_base, training__epochs=1), given, tune, base=tiny_base)
    assert whole.consumed == tuple(sorted(row.case_id for row in given))
    assert set(whole.consumed) - set(less.consumed) == {given[2].case_id}
    # The head was fitted on it all the same, and thresholds on the tune rows.
    assert less.fitted == tuple(sorted(row.case_id for row in (*given, *tune)))


def test_an_adapter_is_a_plain_peft_folder(tiny_base, specify, rows, train):
    """transformers and peft alone, without a line of this platform, give the same logits."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from pvcore.inference.model import quiet

    asked = specify(tiny_base, quantisation__bits=16)
    result = train(asked, rows(40, 1), rows(8, 2), base=tiny_base)
    with quiet():
        outputs = len(load(result.adapter, tiny_base).card.outputs)  # two labels and six criteria
        base = AutoModelForSequenceClassification.from_pretrained(str(tiny_base), num_labels=outputs)
        plain = PeftModel.from_pretrained(base, str(result.adapter)).eval()
    tokenizer = AutoTokenizer.from_pretrained(str(tiny_base))
    text = "patient felt hospital rash"
    with torch.no_grad():
        encoder, head = plain.get_base_model().bert, plain.get_base_model().classifier
        mean = encoder(**tokenizer(text, return_tensors="pt")).last_hidden_state.mean(1)
        probabilities = head(mean)[:, :2].softmax(-1)[0]
    ours = load(result.adapter, tiny_base).predict([("a", text)])[0]
    assert ours.score == pytest.approx(float(probabilities[1]), abs=1e-5)


def test_training_continues_from_the_parent(tiny_base, specify, rows, train):
    parent = train(
        specify(tiny_base, training__epochs=6, lora__dropout=0.0), rows(120, 1), rows(40, 2), base=tiny_base
    )
    options = {"training__epochs": 1, "training__learning_rate": 1e-4, "lora__dropout": 0.0}
    child = specify(tiny_base, parent=parent, **options)
    continued = train(child, rows(16, 3), rows(40, 2), base=tiny_base, parent=parent.adapter)
    scratch = train(specify(tiny_base, **options), rows(16, 3), rows(40, 2), base=tiny_base)
    assert continued.tune["accuracy"] > 0.9 > scratch.tune["accuracy"]
    assert continued.digest != parent.digest
    again = train(child, rows(16, 3), rows(40, 2), base=tiny_base, parent=parent.adapter)
    assert again.digest == continued.digest


def test_a_chain_of_updates_keeps_one_adapter_of_one_size(tiny_base, specify, rows, train):
    from safetensors.torch import load_file

    version, sizes = train(specify(tiny_base, training__epochs=1), rows(16, 1), base=tiny_base), []
    for update in range(4):
        weights = version.adapter / qlora.WEIGHTS
        shapes = {name: tuple(tensor.shape) for name, tensor in load_file(weights).items()}
        sizes.append((weights.stat().st_size, shapes))
        if update < 3:
            asked = specify(tiny_base, parent=version, training__epochs=1)
            version = train(asked, rows(8, 3 + update), base=tiny_base, parent=version.adapter)
    assert any("lora_A" in name for name in sizes[0][1]) and any("classifier" in name for name in sizes[0][1])
    assert all(size == sizes[0] for size in sizes)


def test_an_update_learns_at_its_own_rate(tiny_base, specify, rows, train):
    from safetensors.torch import load_file

    parent = train(specify(tiny_base), rows(24, 1), base=tiny_base)
    before = load_file(parent.adapter / qlora.WEIGHTS)
    for rate, moved in ((1e-9, False), (0.5, True)):
        asked = specify(tiny_base, parent=parent, training__epochs=1, mixture__rate=rate)
        after = load_file(
            train(asked, rows(16, 3), base=tiny_base, parent=parent.adapter).adapter / qlora.WEIGHTS
        )
        assert after.keys() == before.keys()
        assert any(not torch.allclose(after[n], before[n], atol=1e-6) for n in before) == moved


def test_an_update_shows_a_share_of_the_dictionary_pairs(tiny_base, specify, verbatims, terms, train):
    """Its parent saw others."""
    ask = {
        "training__epochs": 1,
        "training__dictionary_pairs": 20,
        "training__batch": 4,
        "lora__dropout": 0.0,
    }
    first = train(specify(tiny_base, "coding", **ask), verbatims, base=tiny_base, terms=terms)
    steps = {share: (len(verbatims) + round(20 * share)) // 4 for share in (0.0, 0.4, 1.0)}
    assert len(first.curve) == steps[1.0]
    for share, number in steps.items():
        asked = specify(tiny_base, "coding", parent=first, mixture__pairs=share, **ask)
        made = train(asked, verbatims, base=tiny_base, terms=terms, parent=first.adapter)
        assert len(made.curve) == number


def test_a_parent_of_another_shape_is_refused_with_all_differences(tiny_base, specify, rows, train):
    parent = train(specify(tiny_base), rows(16, 1), base=tiny_base)
    asked = specify(tiny_base, parent=parent, lora__rank=8, lora__targets=["query"])
    with pytest.raises(TrainingError, match=r"(?s)lora.rank: parent 4, recipe 8.*lora.targets"):
        train(asked, rows(16, 3), base=tiny_base, parent=parent.adapter)


def test_a_parent_that_was_altered_is_refused(tiny_base, specify, rows, train):
    parent = train(specify(tiny_base), rows(16, 1), base=tiny_base)
    asked = specify(tiny_base, parent=parent)
    weights = parent.adapter / qlora.WEIGHTS
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(TrainingError, match=r"adapter_model\.safetensors differ"):
        train(asked, rows(16, 3), base=tiny_base, parent=parent.adapter)
    with pytest.raises(TrainingError, match="disagree about"):
        train(asked, rows(16, 3), base=tiny_base)


def test_rows_that_cannot_be_trained_on_are_refused(tiny_base, specify, rows, train):
    some = rows(16, 1)
    alike = [dataclasses.replace(row, label="serious") for row in some]
    foreign = [*some, dataclasses.replace(some[0], example_id="x", label="grave")]
    for wrong, reason in (([], "no row"), (alike, "all 16 rows are serious"), (foreign, "grave")):
        with pytest.raises(TrainingError, match=reason):
            train(specify(tiny_base), wrong, base=tiny_base)
    with pytest.raises(LeakageError, match=rf"train and tune \({some[0].case_id} and {some[0].case_id}\)"):
        train(specify(tiny_base), some, some[:1], base=tiny_base)
    with pytest.raises(TrainingError, match="terms of a dictionary"):
        train(specify(tiny_base, "coding"), some, base=tiny_base)
    with pytest.raises(TrainingError, match="family: encoder"):
        train(specify(tiny_base, "pts", "causal"), some, base=tiny_base)


@pytest.mark.parametrize("family", ["encoder", "causal"])
def test_an_update_may_be_of_one_class(tiny_base, tiny_phi3, specify, rows, train, family):
    base = tiny_base if family == "encoder" else tiny_phi3
    parent = train(specify(base, family=family, training__epochs=1), rows(16, 1), base=base)
    asked = specify(base, family=family, parent=parent, training__epochs=1)
    alike = [row for row in rows(16, 3) if row.label == "serious"][:1]
    made = train(asked, alike, rows(8, 2), base=base, parent=parent.adapter)
    assert made.consumed == (alike[0].case_id,)


def test_full_fine_tuning_is_a_line_and_goes_through_the_same_door(tiny_base, specify, rows, train):
    from safetensors.torch import load_file

    options = {"training__method": "full", "quantisation__bits": 16, "training__learning_rate": 5e-4}
    asked = specify(tiny_base, training__epochs=4, **options)
    result = train(asked, rows(120, 1), rows(40, 2), base=tiny_base)
    assert result.tune["accuracy"] > 0.9
    stored, base = load_file(result.adapter / qlora.WEIGHTS), load_file(tiny_base / "model.safetensors")
    prefix = "base_model.model.bert."
    read = [name for name in base if "pooler" not in name]
    assert {prefix + name for name in read} | {
        "base_model.model.classifier.weight", "base_model.model.classifier.bias"
    } == set(stored)  # fmt: skip
    assert not torch.equal(stored[prefix + (name := "encoder.layer.1.attention.self.key.weight")], base[name])
    tune = rows(40, 2)
    found = load(result.adapter, tiny_base).predict(tune)
    right = sum(row.label == answer.answer for row, answer in zip(tune, found, strict=True))
    assert right / len(tune) == result.tune["accuracy"]
    child = specify(tiny_base, parent=result, training__epochs=1, **options)
    assert train(child, rows(16, 3), tune, base=tiny_base, parent=result.adapter).tune["accuracy"] > 0.9
    with pytest.raises(TrainingError, match=r"training.method: parent 'full', recipe 'lora'"):
        train(specify(tiny_base, parent=result), rows(16, 3), base=tiny_base, parent=result.adapter)
    with pytest.raises(TrainingError, match=r"quantisation\.bits: 16"):
        train(specify(tiny_base, training__method="full"), rows(16, 3), base=tiny_base)


@pytest.mark.parametrize("wrong", [["qkv_proj"], ["query", "qkv_proj", "vaule"]])
def test_targets_that_the_base_does_not_have_are_named(tiny_base, specify, rows, train, wrong):
    said = rf"no layer is called {', '.join(wrong[-2:])}\. The base has query, key, value, dense"
    with pytest.raises(TrainingError, match=said):
        train(specify(tiny_base, lora__targets=wrong), rows(16, 1), base=tiny_base)


def test_more_tokens_than_the_base_can_read_are_refused(tiny_base, specify, rows, train):
    with pytest.raises(TrainingError, match=r"text\.max_tokens 4096: this base reads \d+ tokens at most"):
        train(specify(tiny_base, text__max_tokens=4096), rows(8, 1), base=tiny_base)


def test_a_loss_that_is_no_number_ends_the_run(tiny_base, specify, rows, train):
    with pytest.raises(TrainingError, match="the loss is nan"):
        train(
            specify(tiny_base, training__learning_rate=1e20, training__clip=1e20), rows(40, 1), base=tiny_base
        )


def test_coding_finds_the_term_of_a_wording(tiny_base, specify, verbatims, terms, train):
    asked = specify(tiny_base, "coding", training__epochs=8, training__dictionary_pairs=20, lora__dropout=0.0)
    tune = [dataclasses.replace(row, example_id=f"t{i}", cluster=f"t{i}") for i, row in enumerate(verbatims)]
    before = train(
        specify(tiny_base, "coding", training__epochs=1, training__learning_rate=1e-9),
        verbatims, tune, base=tiny_base, terms=terms,
    )  # fmt: skip
    after = train(asked, verbatims, tune, base=tiny_base, terms=terms)
    assert after.tune["accuracy_at_1"] > max(0.8, before.tune["accuracy_at_1"])
    found = load(after.adapter, tiny_base).predict([("a", "bad liver pain again")], terms=terms)[0]
    assert after.consumed == tuple(sorted(row.case_id for row in verbatims))  # and none of the dictionary
    assert found.answer == "90000000"
    assert len(found.ranked) == 5 and found.ranked[0] == (found.answer, found.score)
    assert json.loads((after.adapter / "pv.json").read_text())["pooling"] == "mean"


def test_a_causal_model_learns_label_words(tiny_phi3, specify, rows, train):
    asked = specify(
        tiny_phi3, family="causal", training__epochs=3, training__learning_rate=3e-2, training__batch=4
    )
    result = train(asked, rows(40, 1), rows(12, 2), base=tiny_phi3)
    assert result.curve[-1][1] < 0.2 * result.curve[0][1]
    model = load(result.adapter, tiny_phi3)
    assert model.card.head == "label_tokens"
    answers = model.predict(rows(6, 2))
    assert all(sum(p for _, p in answer.ranked) == pytest.approx(1) for answer in answers)
    assert answers == [model.predict([row])[0] for row in rows(6, 2)]


def test_a_prompt_without_room_for_text_says_what_to_set(tiny_phi3, specify, rows, train):
    with pytest.raises(TrainingError, match=r"text\.max_tokens 64 leaves no room"):
        train(specify(tiny_phi3, family="causal", text__max_tokens=64), rows(8, 1), base=tiny_phi3)


def test_best_threshold_is_the_best_f1():
    assert best_threshold([0.1, 0.2, 0.6, 0.9], [False, False, True, True]) == pytest.approx(0.4)
    assert best_threshold([0.9, 0.8], [True, True]) == 0.5
    assert best_threshold([], []) == 0.5
    # Equal scores cannot be told apart: the threshold lies between different ones.
    assert best_threshold([0.3, 0.3, 0.7], [False, True, True]) in (pytest.approx(0.15), pytest.approx(0.5))


def test_a_causal_model_learns_to_write_terms(tiny_phi3, specify, verbatims, terms, train):
    some = terms.iloc[::5]
    rows = [row for row in verbatims if row.label in set(some["llt_code"])]
    asked = specify(
        tiny_phi3, "coding", "causal", training__epochs=8, training__learning_rate=3e-2, training__batch=4,
        training__dictionary_pairs=4, lora__dropout=0.0,
    )  # fmt: skip
    result = train(asked, rows, base=tiny_phi3, terms=some)
    assert result.curve[-1][1] < 0.5 * result.curve[0][1]
    model = load(result.adapter, tiny_phi3)
    assert model.card.head == "terms"
    found = model.predict(rows, terms=some)
    assert {code for answer in found for code, _ in answer.ranked} <= set(some["llt_code"])
    assert sum(answer.answer == row.label for answer, row in zip(found, rows, strict=True)) >= len(rows) / 2
    with pytest.raises(TrainingError, match="no term of the dictionary"):
        train(asked, verbatims, base=tiny_phi3, terms=some)


def test_a_narrative_has_the_terms_it_mentions(tiny_base, specify, terms, train):
    names = terms[terms["llt_code"] == terms["pt_code"]]
    table = list(zip(names["llt_code"], names["llt_name"], strict=True))

    def narratives(count: int, seed: int) -> list[Example]:
        chance = random.Random(seed)
        made = []
        for number in range(count):
            some = sorted(chance.sample(table, chance.randint(1, 3)))
            text = " and then ".join(f"patient had {name}" for _, name in chance.sample(some, len(some)))
            label = " ".join(code for code, _ in some)
            made.append(Example(f"{seed}-{number}", f"{seed}-{number}", text, label, f"{seed}-{number}"))
        return made

    rows, tune, test = narratives(160, 1), narratives(30, 2), narratives(30, 3)
    asked = specify(tiny_base, "pts", training__epochs=8, text__max_tokens=48, lora__dropout=0.0)
    result = train(asked, rows, tune, base=tiny_base, terms=names)
    assert result.tune["micro_f1"] > 0.5
    model = load(result.adapter, tiny_base)
    assert model.card.head == "mentions" and model.card.threshold is not None
    found = model.predict(test, terms=names)
    assert [model.predict([row], terms=names)[0] for row in test[:5]] == found[:5]
    assert model.predict(test[::-1], terms=names)[::-1] == found
    assert all(answer.answer == PTS.parse(answer.answer) for answer in found)
    high = dataclasses.replace(model.card, threshold=2.0)
    assert {a.answer for a in Model(high, model.network, model.tokenizer).predict(test, terms=names)} == {""}


def test_the_libraries_that_decide_an_adapter_are_recorded_and_named_in_the_bill_of_materials():
    """Else a rebuild with another scikit-learn would be other bytes under the same conditions."""
    assert {"torch", "scipy", "scikit-learn"} <= environment().keys()
    assert set(PACKAGES) == set(LIBRARIES)
