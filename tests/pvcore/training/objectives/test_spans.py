"""Extraction in both families: what is learned, on which tokens, and what a model may say."""

from __future__ import annotations

import json
import random

import numpy as np
import pandas as pd
import pytest
import torch

from pvcore.errors import TrainingError
from pvcore.evaluation.span_metrics import span_f1
from pvcore.evaluation.spans import Marked, Span, read, written
from pvcore.inference.guardrails import LOST, UNSUPPORTED, features
from pvcore.inference.heads.generation import GENERATION, passages
from pvcore.inference.model import load_base, load_tokenizer
from pvcore.inference.predict import load
from pvcore.problems.extraction import EXTRACTION
from pvcore.problems.quoting import located
from pvcore.records import Example, Question, canonical
from pvcore.training.objectives import OBJECTIVES, Given
from pvcore.training.objectives.generation import items as passages_of
from pvcore.training.objectives.tagging import NOT_ASKED
from pvcore.training.objectives.tagging import items as windows_of
from pvcore.training.settings import sections

QKV = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]


def marked(text: str, **words: str) -> str:
    """The answer that marks the first place of each wording; "a|b" is a span of two parts."""
    spans = []
    for label, wording in words.items():
        parts = tuple((text.index(w), text.index(w) + len(w)) for w in wording.split("|"))
        spans.append(Span(parts, label))
    return written(Marked.of(spans))


def make_rows(count: int, seed: int) -> list[Example]:
    chance = random.Random(seed)
    made = []
    for n in range(count):
        drug, event = chance.choice(["aspirin", "heparin"]), chance.choice(["rash", "nausea"])
        text = f"{chance.choice(['he', 'she'])} took {drug} and felt {event} {chance.choice(['later', 'at home'])}"
        name = f"{seed}-{n}"
        made.append(
            Example(f"e{name}", f"c{name}", text, marked(text, Drug=drug, Reaction=event), f"k{name}")
        )
    return made


def given(base, **text) -> Given:
    settings = {"base": {"source": "package:tiny", "digest": "0" * 64}, "text": text}
    return Given(load_tokenizer(base), sections(settings), 17)


def test_only_the_first_token_of_a_word_has_a_target(tiny_base):
    text = "hypersensitivity after heparin"
    row = Example("e", "c", text, marked(text, Reaction="hypersensitivity", Drug="heparin"), "k")
    ((encoded, (drug, reaction)),) = windows_of(EXTRACTION, row, given(tiny_base))
    tokens = load_tokenizer(tiny_base).convert_ids_to_tokens(list(encoded.ids))
    asked = [token for token, tag in zip(tokens, drug, strict=True) if tag != NOT_ASKED]
    assert len(asked) == 3 and not any(t.startswith("##") or t.startswith("[") for t in asked)
    assert [t for t in reaction if t != NOT_ASKED] == [1, 0, 0]
    assert [t for t in drug if t != NOT_ASKED] == [0, 0, 1]


def test_a_long_text_is_learned_through_all_its_windows(tiny_base):
    text = "no sign of it " * 30 + "rash"
    row = Example("e", "c", text, marked(text, Reaction="rash"), "k")
    items = windows_of(EXTRACTION, row, given(tiny_base, max_tokens=32))
    assert len(items) > 3
    assert [1 in reaction for _, (_, reaction) in items] == [False] * (len(items) - 1) + [True]
    objective = OBJECTIVES["tagging"](EXTRACTION, [row, *make_rows(2, 1)], given(tiny_base, max_tokens=32))
    assert objective.rows(range(len(items))) == {0} and objective.rows(objective.plan[0]) <= {0, 1, 2}


def test_the_loss_of_a_step_is_the_mean_over_its_items(tiny_base):
    rows = [*make_rows(3, 1), Example("e", "c", "rash", marked("rash", Reaction="rash"), "k")]
    objective = OBJECTIVES["tagging"](EXTRACTION, rows, given(tiny_base))
    torch.manual_seed(0)
    network = load_base(
        tiny_base, head="tagging", labels=EXTRACTION.labels, bits=16, compute="float32"
    ).eval()
    alone = [float(objective.loss(network, [n])) for n in range(4)]
    assert float(objective.loss(network, [0, 1, 2, 3])) == pytest.approx(sum(alone) / 4, rel=1e-5)
    assert len({round(value, 4) for value in alone}) > 1


def test_an_encoder_learns_to_mark(tiny_base, specify, train):
    asked = specify(tiny_base, "extraction", training__epochs=8, lora__dropout=0.0)
    result = train(asked, make_rows(64, 1), make_rows(16, 2), base=tiny_base, threads=1)
    assert result.tune["span_f1"] > 0.9
    again = train(asked, make_rows(64, 1), make_rows(16, 2), base=tiny_base, threads=1)
    assert again.digest == result.digest
    model, long = load(result.adapter, tiny_base), " ".join(row.text for row in make_rows(12, 3))
    (found,) = model.predict([("long", long)])
    assert found.notes and found.notes[0].endswith("windows")
    assert max(span.parts[-1][1] for span in read(found.answer).spans) > 0.8 * len(long)
    asked = [
        ("denied", "he took aspirin and denied rash at home"),
        Question("kept", "she took heparin and felt nausea later", ("Heparin", "nausea", "aspirin")),
        Question("lost", "she took heparin and felt nausea later", ("heparin", "felt")),
    ]
    denied, kept, gone = model.predict(asked)
    print(denied, kept, gone)
    assert (denied.answer, raised(denied)[UNSUPPORTED].value) == ("", 1) and denied.withheld
    assert kept.answer and UNSUPPORTED not in raised(kept) and LOST not in raised(kept)
    assert (gone.answer, raised(gone)[LOST].words) == ("", "the answer does not keep: felt")


def raised(prediction) -> dict:
    return {check.name: check for check in prediction.raised}


def test_the_loss_of_generation_stands_on_the_answer_alone(tiny_phi3):
    rows = [make_rows(1, 1)[0], Example("e", "c", "rash", marked("rash", Reaction="rash"), "k")]
    objective = OBJECTIVES["generation"](EXTRACTION, rows, given(tiny_phi3, max_tokens=600))
    assert objective.rows([0, 1]) == {0, 1}
    prompt, answer = passages_of(EXTRACTION, rows[0], given(tiny_phi3, max_tokens=600))[0]
    tokenizer = load_tokenizer(tiny_phi3)
    text = tokenizer.decode(answer)
    assert text.startswith(' [["Drug",') and text.endswith("]]<eos>")
    assert located(rows[0].text, text.removesuffix("<eos>"))[0] == read(rows[0].label)
    assert tokenizer.decode(prompt) == EXTRACTION.prompt(rows[0].text)

    class Sure(torch.nn.Linear):
        """Knows each sequence, but only from the first token of its answer on."""

        def forward(self, input_ids, attention_mask, logits_to_keep, **options):
            logits = torch.nn.functional.one_hot(input_ids.roll(-1, 1), 258).float() * 50
            for row, size in zip(logits, sizes, strict=True):
                row[: -size - 1] = 0.0  # knows nothing of the prompt, which must not count
            return type("Out", (), {"logits": logits[:, -logits_to_keep:]})

    sizes = [len(passages_of(EXTRACTION, row, given(tiny_phi3, max_tokens=600))[0][1]) for row in rows]
    assert sizes[0] != sizes[1]
    assert float(objective.loss(Sure(1, 1), [0, 1])) < 1e-4
    sizes[1] -= 1
    assert float(objective.loss(Sure(1, 1), [0, 1])) > 0.01


def test_whatever_the_weights_an_answer_is_json_of_the_texts_own_words(tiny_phi3, specify, train):
    """A model of random weights: what it says is meaningless, where it stands is not."""
    asked = specify(
        tiny_phi3, "extraction", "causal", lora__targets=QKV, training__epochs=1, training__learning_rate=0.05
    )
    result = train(asked, make_rows(8, 1), base=tiny_phi3, threads=1)
    model = load(result.adapter, tiny_phi3)
    texts = [
        "",
        " \n",
        'She took "aspirin" 5\\6 mg\n\tand a na\u00efve [rash]. ',
        "rash " * 3 + "\u2028 x_1 \u00b5g",
    ]
    texts += ["He took heparin and felt well. " * 12, *(row.text for row in make_rows(8, 4))]
    questions = [(f"q{n}", text) for n, text in enumerate(texts)]
    found = model.predict(questions, threads=1)
    for text, answer in zip(texts, found, strict=True):
        assert EXTRACTION.parse(answer.answer) == answer.answer
        for span in read(answer.answer).spans:
            assert all(text[start:end].strip() for start, end in span.parts)
    assert "empty text" in found[0].notes and any("passages" in note for note in found[4].notes)
    assert [canonical(a) for a in model.predict(questions[::-1], threads=2)[::-1]] == list(
        map(canonical, found)
    )
    assert canonical(model.predict([questions[7]])[0]) == canonical(found[7])
    for text, answer in zip(texts, GENERATION.answers(model, texts, None), strict=True):
        assert answer.tokens and all(0 < p <= 1 for p in answer.tokens)
        marks = read(answer.answer).spans
        said = {text[start:end] for span in marks for start, end in span.parts if span.label == "Drug"}
        said = {words for words in said if any(map(str.isalnum, words))}
        assert set(answer.named.drugs) == said and len(answer.named.drugs) == len(said)


def test_no_pass_over_a_long_text_is_longer_than_its_passages(tiny_phi3, specify, train):
    """What guardrails look at is the mean over the passages: the whole would be one pass of any length."""
    asked = specify(tiny_phi3, "extraction", "causal", lora__targets=QKV, training__epochs=1)
    model = load(train(asked, make_rows(8, 1), base=tiny_phi3, threads=1).adapter, tiny_phi3)
    sentences, most = ["He took heparin and felt well. ", "She took aspirin. "], model.card.max_tokens
    widths: list[int] = []
    hook = model.network.get_base_model().register_forward_pre_hook(
        lambda module, args, named: widths.append(named["input_ids"].shape[1]), with_kwargs=True
    )
    found = GENERATION.answers(model, [sentences[0] * 14 + sentences[1] * 14, sentences[0]], None)
    vectors = features(model, found)
    hook.remove()
    assert len(found[0].parts) > 1 and max(widths) <= most
    alone = [features(model, [found[0]._replace(parts=(part,))])[0] for part in found[0].parts]
    assert vectors[0] == pytest.approx(np.mean(alone, axis=0), abs=1e-6)
    assert (features(model, found[::-1])[::-1] == vectors).all()


def test_the_grammar_holds_any_speaker_to_the_text(tiny_phi3):
    """Tokens at random among those allowed: the answer parses, and every quotation has the text's words."""
    import llguidance.hf

    from pvcore.inference.heads.generation import Speaker
    from pvcore.problems.quoting import complete, grammar

    text = 'She took "aspirin" 5\\6 mg\n\tand a na\u00efve [rash].'
    guide = llguidance.hf.from_tokenizer(load_tokenizer(tiny_phi3), n_vocab=258)
    chance, said = random.Random(5), []
    for _ in range(20):
        speaker = Speaker(llguidance.LLMatcher(guide, grammar(text, EXTRACTION.labels)))
        while not speaker.ended and len(speaker.tokens) < 300:
            speaker.choose(torch.tensor([chance.gauss(0, 3) for _ in range(258)]).numpy())
        whole = guide.decode_bytes(speaker.tokens).decode("utf-8", "ignore").strip()
        said += json.loads(whole) if speaker.ended else json.loads(complete(whole))
        assert len(speaker.chances) == len(speaker.tokens) and all(0 < p <= 1 for p in speaker.chances)
    assert len(said) > 20
    plain = " ".join(text.split())
    assert all(label in EXTRACTION.labels for label, *_ in said)
    assert all(piece in plain and piece == piece.strip() for _, *pieces in said for piece in pieces)


def test_a_causal_model_learns_to_quote(tiny_phi3, specify, train):
    text = "took aspirin, rash"
    rows = [
        Example(f"e{n}", f"c{n}", text, marked(text, Drug="aspirin", Reaction="rash"), f"k{n}")
        for n in range(16)
    ]
    asked = specify(
        tiny_phi3, "extraction", "causal", lora__targets=QKV, training__epochs=16, lora__dropout=0.0
    )
    result = train(asked, rows, base=tiny_phi3, threads=1)
    assert result.curve[-1][1] < 0.7 * result.curve[0][1]
    (found,) = load(result.adapter, tiny_phi3).predict([("a", text)])
    table = pd.DataFrame({"label": [rows[0].label], "answer": [found.answer]})
    assert span_f1(overlap=True)(table) > 0


def test_passages_are_cut_at_sentences_and_hold_all_of_a_text(tiny_phi3):
    tokenizer = load_tokenizer(tiny_phi3)
    text = "He took heparin and felt well. " * 12 + "x" * 40
    found = passages(tokenizer, text, EXTRACTION.prompt, 330)
    assert "".join(text[a:b] for a, b in found) == text and len(found) > 2
    assert all(text[a:].startswith(("He", "x")) for a, _ in found)
    with pytest.raises(TrainingError, match=r"text\.max_tokens leaves no room"):
        passages(tokenizer, text, EXTRACTION.prompt, 100)


def test_a_word_that_is_longer_than_a_passage_is_cut_within(tiny_phi3):
    """One text with a link or a scan's debris in it would keep all others of its batch from an answer."""
    tokenizer, text = load_tokenizer(tiny_phi3), "He took heparin. " + "x" * 900 + " and had a rash."
    found = passages(tokenizer, text, EXTRACTION.prompt, 330)
    assert "".join(text[a:b] for a, b in found) == text
    assert all(len(tokenizer(EXTRACTION.prompt(text[a:b]))["input_ids"]) <= 330 for a, b in found)
    assert any("heparin" in text[a:b] for a, b in found) and text[slice(*found[-1])].endswith("had a rash.")
    row = Example("e", "c", text, marked(text, Drug="heparin", Reaction="rash"), "k")
    answers = [tokenizer.decode(a) for _, a in passages_of(EXTRACTION, row, given(tiny_phi3, max_tokens=495))]
    assert sum('"heparin"' in a for a in answers) == sum('"rash"' in a for a in answers) == 1
