"""Terms written by a causal model: what the search finds is what scoring every name whole finds."""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from pvcore.errors import TrainingError
from pvcore.inference import trie as tries
from pvcore.inference.base import base_digest, beside_digests
from pvcore.inference.card import Card
from pvcore.inference.heads import terms as module
from pvcore.inference.heads.label_tokens import completion
from pvcore.inference.heads.terms import Search
from pvcore.inference.model import load_base, load_tokenizer
from pvcore.inference.predict import Model, load
from pvcore.problems.coding import CODING
from pvcore.records import canonical
from pvcore.training import qlora
from pvcore.training.settings import Lora

NAMES = [
    "pain",
    "pain in eye",
    "pain in eyes",
    "painful",
    "rash",
    "rash",
    "eye pain",
    "oedema",
    "sore eye",
    "a",
]
TARGETS = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")


def table(names: list[str]) -> pd.DataFrame:
    codes = [str(90_000_000 + number) for number in range(len(names))]
    return pd.DataFrame({"llt_code": codes, "llt_name": names})


@pytest.fixture(scope="module")
def model(tiny_phi3: Path, tmp_path_factory) -> Model:
    """An adapter of random matrices on a tiny Phi-3."""
    folder = tmp_path_factory.mktemp("adapter")
    card = Card(
        problem="coding", family="causal", head="terms", labels=(), positive=None, max_tokens=400,
        base_source="package:tiny", base_digest=base_digest(tiny_phi3), base_files=beside_digests(tiny_phi3),
        bits=4, compute="float32", specification="0" * 64,
    )  # fmt: skip
    torch.manual_seed(3)
    network = load_base(tiny_phi3, head="terms", labels=(), bits=4, compute="float32")
    network = qlora.attach(network, Lora(rank=4, alpha=8, targets=TARGETS), "terms")
    for name, weight in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    qlora.save(network, folder, card)
    return load(folder, tiny_phi3)


def whole(model: Model, text: str, names: list[str]) -> list[float]:
    """log P(name | prompt), each name put behind the prompt and read in one piece."""
    prompt = model.tokenizer(CODING.prompt(text))["input_ids"]
    scores = []
    for name in names:
        answer = completion(model.tokenizer, name)
        with torch.no_grad():
            ids = torch.tensor([[*prompt, *answer]], device=model.network.device)
            logits = model.network(input_ids=ids).logits[0, len(prompt) - 1 : -1]
        log_p = logits.float().log_softmax(-1)
        scores.append(float(log_p[range(len(answer)), list(answer)].double().sum()))
    return scores


def test_the_search_finds_what_scoring_every_name_finds(model):
    """With as many beams as beginnings nothing is lost, so both must say the same."""
    terms = table(NAMES[:5] + NAMES[7:9])
    for text in ("eye hurts", "swollen", "x"):
        scores = whole(model, text, list(terms["llt_name"]))
        (found,) = model.predict([("a", text)], terms=terms)
        by_code = dict(zip(terms["llt_code"], scores, strict=True))
        assert len(found.ranked) == 5 and found.answer == found.ranked[0][0]
        for code, probability in found.ranked:
            assert math.log(probability) == pytest.approx(by_code[code], rel=1e-3)


def test_an_answer_has_the_probability_of_each_of_its_tokens(model):
    terms = table(NAMES)
    for answer in module.answers(model, ["eye hurts", "swollen"], terms):
        name = dict(zip(terms["llt_code"], terms["llt_name"], strict=True))[answer.answer]
        assert len(answer.tokens) == len(completion(model.tokenizer, name))
        assert math.prod(answer.tokens) == pytest.approx(answer.score)
        assert all(0 < probability < 1 for probability in answer.tokens)


def test_order_company_and_threads_do_not_matter(model):
    chance, terms = random.Random(2), table(NAMES)
    asked = [
        (f"q{n}", " ".join(chance.choices(["eye", "sore", "pain", "bad"], k=chance.randint(1, 20))))
        for n in range(19)
    ]
    found = {answer.example_id: canonical(answer) for answer in model.predict(asked, terms=terms, threads=1)}
    for turn in (1, 7):
        turned = asked[turn:] + asked[:turn]
        again = model.predict(turned, terms=terms.sample(frac=1, random_state=turn), threads=1 + turn % 2)
        assert {a.example_id: canonical(a) for a in again} == found
    for question in asked[:4]:
        assert canonical(model.predict([question], terms=terms)[0]) == found[question[0]]
    assert model.predict([], terms=terms) == []


def test_two_codes_of_one_name_stand_side_by_side_the_lower_first(model):
    (found,) = model.predict([("a", "spots")], terms=table(NAMES)[4:7])
    place = [code for code, _ in found.ranked].index("90000004")
    assert found.ranked[place + 1] == ("90000005", found.ranked[place][1])
    assert {code for code, _ in found.ranked} == {"90000004", "90000005", "90000006"}


def test_another_dictionary_is_another_trie_and_none_is_refused(model):
    assert model.predict([("a", "spots")], terms=table(NAMES)[:2])[0].answer in ("90000000", "90000001")
    assert model.predict([("a", "spots")], terms=table(NAMES)[9:])[0].ranked[0][0] == "90000009"
    for wrong in (None, table([])):
        with pytest.raises(TrainingError, match="terms of a dictionary"):
            model.predict([("a", "spots")], terms=wrong)


def every_walk(trie: tries.Trie, end: int) -> list[tuple[str, ...]]:
    """Everything that can be written by following children, as the codes at its end."""
    walks, found = [(0, len(trie.codes), 0)], []
    while walks:
        first, last, depth = walks.pop()
        for token, start, stop in zip(*trie.children(first, last, depth), strict=True):
            if token == end:
                found.append(trie.codes[start:stop])
            else:
                walks.append((start, stop, depth + 1))
    return found


def test_the_trie_holds_every_name_and_nothing_else(tiny_phi3):
    tokenizer, chance = load_tokenizer(tiny_phi3), random.Random(1)
    names = [*NAMES, *("".join(chance.choices("abé ", k=chance.randint(1, 6))) for _ in range(300))]
    terms = list(zip(map(str, range(90_000_000, 90_000_000 + len(names))), names, strict=True))
    trie = tries.build(tokenizer, terms)
    same = [
        tuple(code for code, _ in group)
        for _, group in itertools.groupby(sorted(terms, key=lambda t: (t[1], t[0])), key=lambda t: t[1])
    ]
    assert sorted(every_walk(trie, tokenizer.eos_token_id)) == sorted(same)
    written = [tuple(int(t) for t in row if t >= 0) for row in trie.tokens]
    assert written == [completion(tokenizer, dict(terms)[code]) for code in trie.codes]
    tokenizer.eos_token_id = None
    with pytest.raises(TrainingError, match="no end of text"):
        tries.build(tokenizer, terms)


def test_what_the_model_likes_best_is_not_written_where_no_name_has_it():
    """Token 9 is nearly certain everywhere, and stands in no name after the first token."""
    trie = tries.Trie(np.array([[5, 7, 1], [5, 8, 1], [9, 7, 1]]), ("a", "b", "c"))
    log_p = np.full((module.BEAMS, 10), -20.0)
    log_p[:, 9], log_p[:, 8] = -0.01, -5.0
    search = Search(trie)
    while search.live:
        search.grow(log_p, 1)
    assert [term.code for term in search.ended] == ["c", "b", "a"]
    assert search.ended[1].score == pytest.approx(-20 - 5 - 20)
    assert search.ended[1].tokens == pytest.approx([math.exp(-20), math.exp(-5), math.exp(-20)])


def test_a_search_ends_when_nothing_better_can_come(monkeypatch):
    monkeypatch.setattr(module, "RANKED", 1)
    trie = tries.Trie(np.array([[5, 1, -1, -1], [5, 7, 7, 1]]), ("a", "b"))
    log_p = np.full((module.BEAMS, 8), -9.0)
    log_p[:, [1, 5]] = -0.1
    search = Search(trie)
    search.grow(log_p, 1)
    search.grow(log_p, 1)
    (ended,) = search.ended
    assert ended[:2] == ("a", pytest.approx(-0.2)) and search.live == [] and search.depth == 2
