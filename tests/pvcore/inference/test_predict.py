"""The same question has the same bytes of an answer, in any order and any company."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pvcore.errors import TrainingError
from pvcore.inference.base import base_digest, beside_digests
from pvcore.inference.card import Card
from pvcore.inference.heads.labels import decide
from pvcore.inference.model import load_base
from pvcore.inference.predict import load
from pvcore.records import canonical
from pvcore.training import qlora
from pvcore.training.settings import Lora


def adapter(base: Path, folder: Path, head: str, **changes) -> Path:
    """An adapter of random matrices: what it says is meaningless, and must be the same all the same."""
    card = Card(
        problem="coding" if head == "embedding" else "seriousness", family="encoder", head=head,
        labels=() if head == "embedding" else ("non-serious", "serious"),
        positive=None if head == "embedding" else "serious", max_tokens=48, base_source="package:tiny",
        base_digest=base_digest(base), base_files=beside_digests(base), bits=4, compute="float32",
        specification="0" * 64, threshold=None if head == "embedding" else 0.5, pooling="mean",
    )  # fmt: skip
    card = dataclasses.replace(card, **changes)
    torch.manual_seed(3)
    network = load_base(base, head=head, labels=card.labels, bits=card.bits, compute=card.compute)
    network = qlora.attach(network, Lora(rank=4, alpha=8), head)
    for name, weight in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    qlora.save(network, folder, card)
    return folder


@pytest.fixture(params=["float32", "bfloat16"])
def model(request, tiny_base, tmp_path):
    return load(adapter(tiny_base, tmp_path / "a", "classification", compute=request.param), tiny_base)


def questions(count: int) -> list[tuple[str, str]]:
    chance = random.Random(4)
    words = [
        "patient",
        "hospital",
        "rash",
        "recovered",
        "home",
        "fatal",
        "liver",
        "dose",
        "never",
        "admitted",
    ]
    return [(f"q{n}", " ".join(chance.choices(words, k=chance.randint(1, 70)))) for n in range(count)]


def test_order_company_and_threads_do_not_matter(model):
    asked = questions(45)
    found = {answer.example_id: canonical(answer) for answer in model.predict(asked, threads=1)}
    shuffled = asked[:]
    random.Random(1).shuffle(shuffled)
    assert {a.example_id: canonical(a) for a in model.predict(shuffled, threads=2)} == found
    for question in asked[:8]:
        assert canonical(model.predict([question])[0]) == found[question[0]]
    assert any("head and tail" in note for answer in model.predict(asked) for note in answer.notes)
    assert len({answer.score for answer in model.predict(asked)}) > 40


def test_a_fresh_load_says_the_same(tiny_base, tmp_path):
    folder = adapter(tiny_base, tmp_path / "a", "classification")
    one, two = (load(folder, tiny_base).predict(questions(12), version="seriousness@1") for _ in range(2))
    assert [canonical(a) for a in one] == [canonical(a) for a in two]
    assert {answer.version for answer in one} == {"seriousness@1"}


def test_nothing_asked_nothing_answered(model):
    assert model.predict([]) == []
    with model.remembering():
        assert model.predict([]) == []


def test_while_it_remembers_a_network_is_asked_once_a_text(model):
    """And says the same; afterwards it is asked again, because it may have changed."""
    blocks: list[int] = []
    model.network.get_base_model().base_model.register_forward_hook(lambda *_: blocks.append(1))
    asked = questions(20)
    before = model.predict(asked)
    passes = len(blocks)
    with model.remembering():
        assert model.predict(asked) == before and model.predict(asked[::-1]) == before[::-1]
        assert len(blocks) == 2 * passes
        assert model.predict([*asked[:3], ("new", "never admitted")])[:3] == before[:3]
        assert len(blocks) == 2 * passes + 1
    assert model.predict(asked) == before and len(blocks) == 3 * passes + 1


def test_terms_are_ranked_whatever_their_order(tiny_base, tmp_path):
    model = load(adapter(tiny_base, tmp_path / "a", "embedding"), tiny_base)
    terms = pd.DataFrame(
        {
            "llt_code": [str(90_000_000 + n) for n in range(40)],
            "llt_name": [f"finding {n % 39}" for n in range(40)],
        }
    )
    found = model.predict(questions(20), terms=terms, dictionary="d" * 64)
    mixed = model.predict(questions(20)[::-1], terms=terms.sample(frac=1, random_state=1))[::-1]
    assert [a.ranked for a in found] == [a.ranked for a in mixed]
    for first in range(1, 20, 3):  # every place in a block of questions
        turned = questions(20)[first:] + questions(20)[:first]
        again = model.predict(turned, terms=terms)
        assert [a.ranked for a in again] == [a.ranked for a in found[first:] + found[:first]]
    assert all(len(a.ranked) == 5 and a.answer == a.ranked[0][0] for a in found)
    assert {a.dictionary for a in found} == {"d" * 64}
    assert all(list(map(lambda p: -p[1], a.ranked)) == sorted(-s for _, s in a.ranked) for a in found)
    # Terms 0 and 39 have one name: equal similarity goes by code.
    same = model.predict([("a", "finding 0")], terms=terms)[0]
    assert [code for code, _ in same.ranked[:2]] == ["90000000", "90000039"]
    assert "two terms nearly as near" in same.notes
    for wrong in (None, terms[:0]):
        with pytest.raises(TrainingError, match="terms of a dictionary"):
            model.predict(questions(1), terms=wrong)


def test_another_base_or_tokenizer_is_refused(tiny_base, tmp_path):
    import shutil

    folder = adapter(tiny_base, tmp_path / "a", "classification")
    other = tmp_path / "other"
    shutil.copytree(tiny_base, other)
    (other / "tokenizer_config.json").write_text("{}")
    with pytest.raises(TrainingError, match=r"tokenizer_config.json differ"):
        load(folder, other)
    with (other / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(TrainingError, match="was trained on a base"):
        load(folder, other)
    with pytest.raises(TrainingError, match="no adapter of this platform"):
        load(other, tiny_base)
    (folder / qlora.WEIGHTS).unlink()
    with pytest.raises(TrainingError, match=r"no adapter_model\.safetensors"):
        load(folder, tiny_base)


def test_an_adapter_whose_states_were_pooled_otherwise_is_refused(tiny_base, tmp_path):
    folder = adapter(tiny_base, tmp_path / "a", "classification", pooling=None)
    assert Card.read(folder).pooling is None  # what is only read can be read
    with pytest.raises(TrainingError, match=r"\(pooling None, now mean\).*Begin a new workspace"):
        load(folder, tiny_base)


def test_the_threshold_decides_and_a_near_score_says_so(tiny_base, tmp_path):
    card = Card.read(adapter(tiny_base, tmp_path / "a", "classification", threshold=0.3))
    assert decide(card, np.array([0.69, 0.31]))[:2] == ("serious", 0.31)
    assert decide(card, np.array([0.71, 0.29]))[:2] == ("non-serious", 0.29)
    assert decide(dataclasses.replace(card, threshold=None), np.array([0.69, 0.31]))[0] == "non-serious"
    folder = adapter(tiny_base, tmp_path / "b", "classification")
    score = load(folder, tiny_base).predict([("a", "rash")])[0].score
    card = dataclasses.replace(Card.read(folder), threshold=score + 0.01)
    card.write(folder)
    assert "within 0.05 of the threshold" in load(folder, tiny_base).predict([("a", "rash")])[0].notes


def test_a_new_release_costs_its_new_names(tiny_base, tmp_path, monkeypatch):
    from pvcore.inference.heads import embedding

    encoded, make = [], embedding.embeddings
    monkeypatch.setattr(
        embedding, "embeddings", lambda n, t, asked: (encoded.append(len(asked)), make(n, t, asked))[1]
    )
    folder = adapter(tiny_base, tmp_path / "a", "embedding")
    model = load(folder, tiny_base)
    old = pd.DataFrame({"llt_code": ["90000001", "90000002"], "llt_name": ["pain", "rash"]})
    new = pd.DataFrame(
        {"llt_code": ["90000001", "90000002", "90000003"], "llt_name": ["pain", "skin rash", "pain"]}
    )
    model.predict([("a", "ache")], terms=old)
    found = model.predict([("a", "ache")], terms=new)
    assert encoded == [2, 1, 1, 1]  # names, question, the one new name, question
    assert found == load(folder, tiny_base).predict([("a", "ache")], terms=new)
