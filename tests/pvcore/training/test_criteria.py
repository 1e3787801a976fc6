"""Criteria beside the label, in both families: learned, answered alike in any company, and never made up."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from pvcore.errors import TrainingError
from pvcore.inference.guardrails import GuardrailPolicy
from pvcore.inference.heads.classification import read_off
from pvcore.inference.predict import load
from pvcore.inference.windows import windows
from pvcore.problems.seriousness import SERIOUSNESS
from pvcore.records import CRITERIA, canonical

LEARNED = ("hospitalisation", "other")


@pytest.fixture
def judged(rows):
    """Rows whose words decide one criterion as they decide the label, and one the other way round.

    Of every third row only the label is known.
    """

    def make(count, seed):
        made = []
        for number, row in enumerate(rows(count, seed)):
            serious = row.label == "serious"
            known = {**dict.fromkeys(CRITERIA, False), "hospitalisation": serious, "other": not serious}
            made.append(dataclasses.replace(row, criteria=None if number % 3 == 2 else known))
        return made

    return make


OPTIONS = {
    "encoder": {"training__epochs": 6, "lora__dropout": 0.0},
    "causal": {
        "training__epochs": 3,
        "training__learning_rate": 2e-2,
        "training__batch": 4,
        "lora__dropout": 0.0,
    },
}


@pytest.fixture(params=OPTIONS)
def family(request):
    return request.param


@pytest.fixture
def base(family, tiny_base, tiny_phi3):
    return {"encoder": tiny_base, "causal": tiny_phi3}[family]


def by_hand(model, text, criterion):
    """P(yes) among yes and no, each by a pass of its own over prompt, question and answer."""
    tokens = model.tokenizer(SERIOUSNESS.prompt(text) + SERIOUSNESS.criteria[criterion])["input_ids"]
    weights = []
    for said in (" yes", " no"):
        answer = [*model.tokenizer(said)["input_ids"], model.tokenizer.eos_token_id]
        with torch.no_grad():
            logits = model.network(input_ids=torch.tensor([[*tokens, *answer]])).logits[0]
        logs = logits.double().log_softmax(-1)
        weights.append(sum(logs[len(tokens) + at - 1, token] for at, token in enumerate(answer)).exp())
    return float(weights[0] / sum(weights))


def test_criteria_are_learned_and_answered_alike_in_any_company(base, family, specify, judged, train):
    sizes = {"encoder": (120, 40), "causal": (60, 12)}[family]
    asked, tune = specify(base, family=family, **OPTIONS[family]), judged(sizes[1], 2)
    result = train(asked, judged(sizes[0], 1), tune, base=base)
    model = load(result.adapter, base)
    # Only what the rows show both met and not met can be answered.
    assert tuple(sorted(model.card.thresholds)) == LEARNED and model.card.criteria == CRITERIA
    found = model.predict(tune)
    assert [[name for name, _ in p.criteria] for p in found] == [[*LEARNED]] * len(tune)
    for answer in found:
        scores = dict(answer.criteria)
        assert answer.met == tuple(n for n, value in scores.items() if value >= model.card.thresholds[n])
    if family == "encoder":
        assert all(result.tune[f"{name}_average_precision"] > 0.9 for name in LEARNED)
    else:
        assert result.curve[-1][1] < 0.3 * result.curve[0][1]
        for row, answer in zip(tune[:3], found, strict=False):
            for name, value in answer.criteria:
                assert value == pytest.approx(by_hand(model, row.text, name), abs=2e-3)
    assert [canonical(p) for p in found[:6]] == [canonical(model.predict([row])[0]) for row in tune[:6]]
    assert [canonical(p) for p in model.predict(tune[::-1], threads=2)] == [canonical(p) for p in found[::-1]]
    again = train(asked, judged(sizes[0], 1), tune, base=base, threads=2)
    assert again.digest == result.digest


def test_what_the_criteria_say_decides_what_is_trained(base, family, specify, judged, train):
    rows = judged(16, 1)
    turned = [
        dataclasses.replace(row, criteria=row.criteria and {**row.criteria, "death": True}) for row in rows
    ]
    options = {**OPTIONS[family], "training__epochs": 1}
    one, two = (train(specify(base, family=family, **options), part, base=base) for part in (rows, turned))
    assert one.digest != two.digest


def test_a_criterion_that_contradicts_the_label_is_a_note(tiny_base, specify, judged, train):
    result = train(specify(tiny_base), judged(40, 1), judged(16, 2), base=tiny_base)
    card = json.loads((result.adapter / "pv.json").read_text())
    (result.adapter / "pv.json").write_text(
        json.dumps({**card, "threshold": 1.1, "thresholds": {"hospitalisation": 0.0, "other": 1.1}})
    )
    (found,) = load(result.adapter, tiny_base).predict([("a", "patient felt rash")])
    assert (found.answer, found.met) == ("non-serious", ("hospitalisation",))
    assert "hospitalisation met, though non-serious" in found.notes
    (result.adapter / "pv.json").write_text(json.dumps({**card, "threshold": 0.0}))
    (found,) = load(result.adapter, tiny_base).predict([("a", "patient felt rash")])
    assert found.answer == "serious" and not any("though" in note for note in found.notes)


def test_an_adapter_from_before_answers_without_and_is_not_continued(tiny_base, specify, judged, rows, train):
    from pvcore.problems import PROBLEMS

    plain = dataclasses.replace(PROBLEMS["seriousness"], criteria={})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PROBLEMS, "seriousness", plain)
        before = train(specify(tiny_base), rows(16, 1), base=tiny_base)
    card = json.loads((before.adapter / "pv.json").read_text())
    del card["criteria"], card["thresholds"]
    (before.adapter / "pv.json").write_text(json.dumps(card))
    (found,) = load(before.adapter, tiny_base).predict([("a", "patient felt rash")])
    assert found.criteria == found.met == ()
    asked = dataclasses.replace(specify(tiny_base), parent="0" * 64)
    with pytest.raises(TrainingError, match=r"criteria: parent \(\), recipe \('death'"):
        train(asked, judged(16, 3), base=tiny_base, parent=before.adapter)


def test_what_the_parent_answers_is_not_forgotten_for_want_of_rows(tiny_base, specify, judged, train):
    parent = train(specify(tiny_base), judged(40, 1), base=tiny_base)
    silent = [dataclasses.replace(row, criteria=None) for row in judged(16, 3)]
    child = train(specify(tiny_base, parent=parent), silent, base=tiny_base, parent=parent.adapter)
    assert set(load(child.adapter, tiny_base).card.thresholds) == set(LEARNED)
    alone = train(specify(tiny_base), silent, base=tiny_base)
    assert not load(alone.adapter, tiny_base).card.thresholds


def test_a_withheld_answer_meets_no_criterion(tiny_base, specify, judged, train):
    result = train(specify(tiny_base), judged(40, 1), judged(16, 2), base=tiny_base)
    card = json.loads((result.adapter / "pv.json").read_text())
    (result.adapter / "pv.json").write_text(json.dumps({**card, "thresholds": {"hospitalisation": 0.0}}))
    model, question = load(result.adapter, tiny_base), [("a", "patient felt rash")]
    (given,) = model.predict(question)
    (held,) = model.predict(question, policy=GuardrailPolicy(abstain_below={"seriousness": 1.0}))
    assert given.met == ("hospitalisation",) and given.guardrails and given.confidence is not None
    assert (held.answer, held.withheld, held.met) == ("", given.answer, ())
    assert held.criteria == given.criteria


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_criteria_of_a_text_in_windows(pool, tiny_base, specify, judged, train):
    """By maximum each criterion is that of the window which meets it most: `other` is met where the label is not."""
    options = {"text__max_tokens": 12, "text__long": "windows", "text__pool": pool}
    result = train(
        specify(tiny_base, **OPTIONS["encoder"], **options), judged(80, 1), judged(20, 2), base=tiny_base
    )
    assert len(result.consumed) == 80  # by case, not by window
    model = load(result.adapter, tiny_base)
    text = "hospital " * 8 + "took drug and felt rash later at home daily " + "well " * 8
    parts = windows(model.tokenizer, text, 12)
    outputs, _ = read_off(model.network, model.tokenizer, parts)
    each = 1 / (1 + np.exp(-outputs[:, len(model.card.labels) :].astype(float)))
    assert len(parts) > 2 and len({*each.argmax(0)}) > 1
    (found,) = model.predict([("a", text)])
    wanted = dict(zip(CRITERIA, each.max(0) if pool == "max" else each.mean(0), strict=True))
    assert dict(found.criteria) == pytest.approx({name: wanted[name] for name in LEARNED})
