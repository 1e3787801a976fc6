"""Tags of words: a scheme that keeps discontinuous spans, and windows that leave no word out."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from pvcore.evaluation.spans import Span, read, words
from pvcore.inference.base import base_digest, beside_digests
from pvcore.inference.card import Card
from pvcore.inference.guardrails import features
from pvcore.inference.heads.tagging import TAGGING, TAGS, spans_of, tags_of, windows
from pvcore.inference.model import load_base, load_tokenizer
from pvcore.inference.predict import load
from pvcore.problems.extraction import LABELS, parse
from pvcore.records import canonical
from pvcore.training import qlora
from pvcore.training.settings import Lora

TEXT = "pain and burning in the left arm after aspirin"


def spelled(tags) -> str:
    return "".join(TAGS[tag] for tag in tags)


def test_tags_of_discontinuous_and_touching_spans_come_back():
    places = words(TEXT)
    torn = Span(((0, 4), (17, 19), (29, 32)), "Reaction")
    spans = {torn, Span(((9, 16),), "Reaction")}
    assert spelled(tags_of(places, [torn], "Reaction")) == "BOODOODOO"
    assert spelled(tags_of(places, spans, "Drug")) == "OOOOOOOOO"
    touching = {Span(((0, 8),), "Drug"), Span(((9, 19),), "Drug")}
    assert spelled(tags_of(places, touching, "Drug")) == "BIBIOOOOO"
    for some, label in (({torn}, "Reaction"), (touching, "Drug")):
        assert set(spans_of(places, tags_of(places, some, label), label)) == some


def test_of_two_spans_that_share_words_the_first_stands_and_half_a_word_is_whole():
    places = words(TEXT)
    shared = [Span(((0, 4), (24, 32)), "Reaction"), Span(((9, 16), (24, 32)), "Reaction")]
    assert spelled(tags_of(places, shared, "Reaction")) == "BOOOODIOO"
    assert spelled(tags_of(places, [Span(((2, 7),), "Drug")], "Drug")) == "BIOOOOOOO"


def test_tags_that_follow_nothing_begin_a_span():
    places = words(TEXT)
    found = spans_of(places, [TAGS.index(t) for t in "IOIDIOOBO"], "Drug")
    assert [s.parts for s in found] == [((0, 4),), ((9, 16), (17, 23)), ((33, 38),)]
    assert list(found.values()) == [(0,), (2, 3, 4), (7,)]


@pytest.mark.parametrize("most", [8, 24, 512])
def test_windows_hold_every_word_and_each_has_one_owner(tiny_base, most):
    tokenizer = load_tokenizer(tiny_base)
    chance = random.Random(most)
    text = " ".join(chance.choices(["hypersensitivity", "pain", "5mg/day", "na\u00efve", "(ALT)"], k=150))
    places, found = windows(tokenizer, text, most)
    assert places == words(text)
    assert sorted(word for window in found for word in window.own) == list(range(len(places)))
    assert max(len(window.encoded.ids) for window in found) <= most
    for window in found:
        assert window.own <= {word for _, word in window.words}
        for position, word in window.words:
            token = tokenizer.convert_ids_to_tokens(window.encoded.ids[position])
            start = places[word][0]
            assert token.isalnum() is False or text[start:].lower().replace("\u00ef", "i").startswith(token)
    assert (len(found) > 1) == (most < 512)


def test_a_text_of_nothing_has_one_window(tiny_base):
    places, found = windows(load_tokenizer(tiny_base), " ", 16)
    assert places == [] and len(found) == 1 and found[0].words == ()


def adapter(base, folder, **changes):
    """An adapter of random matrices and a random head: it marks what it likes."""
    values = dict(
        problem="extraction", family="encoder", head="tagging", labels=LABELS, positive=None, max_tokens=32,
        base_source="package:tiny", base_digest=base_digest(base), base_files=beside_digests(base), bits=4,
        compute="float32", specification="0" * 64,
    )  # fmt: skip
    card = Card(**{**values, **changes})
    torch.manual_seed(3)
    network = load_base(base, head=card.head, labels=card.labels, bits=card.bits, compute=card.compute)
    network = qlora.attach(network, Lora(rank=4, alpha=8), card.head)
    for name, weight in network.named_parameters():
        if "lora_B" in name or "modules_to_save" in name:
            torch.nn.init.normal_(weight, std=0.5)
    qlora.save(network, folder, card)
    return folder


def test_order_company_and_threads_do_not_matter(tiny_base, tmp_path):
    model = load(adapter(tiny_base, tmp_path / "a"), tiny_base)
    chance = random.Random(4)
    some = ["patient", "rash", "aspirin", "pain", "in", "the", "arm", ",", "hypersensitivity"]
    asked = [(f"q{n}", " ".join(chance.choices(some, k=chance.randint(0, 60)))) for n in range(40)]
    found = {answer.example_id: canonical(answer) for answer in model.predict(asked, threads=1)}
    mixed = model.predict(asked[::-1], threads=2)
    assert {a.example_id: canonical(a) for a in mixed} == found
    for question in asked[:6]:
        assert canonical(model.predict([question])[0]) == found[question[0]]
    for (_, text), answer in zip(asked[::-1], mixed, strict=True):
        assert parse(answer.answer) == answer.answer and 0 < answer.score <= 1
        assert all(span.parts[-1][1] <= len(text) for span in read(answer.answer).spans)
    notes = {note for answer in mixed for note in answer.notes}
    assert "2 windows" in notes and "empty text" in notes
    assert len({answer.answer for answer in mixed}) > 30


def test_guardrails_look_at_all_windows(tiny_base, tmp_path):
    model = load(adapter(tiny_base, tmp_path / "a"), tiny_base)
    begin = "patient had pain in the arm " * 8
    one, two = TAGGING.answers(model, [begin + "and rash", begin + "bonds and dividends"], None)
    assert len(one.parts) > 1 and one.asked.ids == two.asked.ids
    assert not np.allclose(*features(model, [one, two]))


def test_the_new_layer_is_not_quantised_and_has_a_tag_for_each_label(tiny_base):
    network = load_base(tiny_base, head="tagging", labels=LABELS, bits=4, compute="float32")
    assert type(network.classifier) is torch.nn.Linear
    assert network.classifier.weight.dtype == torch.float32
    assert network.config.id2label[1] == "B-Drug" and len(network.config.id2label) == 8
    assert np.isfinite(network.classifier.weight.numpy()).all()
