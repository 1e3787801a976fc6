"""Spans as an answer, and F1 of them counted by hand."""

from __future__ import annotations

import doctest
import json
import math
import time
import tracemalloc

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvcore.evaluation import lexicon, spans
from pvcore.evaluation.compare import evaluate, frame
from pvcore.evaluation.policy import Policy
from pvcore.evaluation.span_metrics import relation_f1, span_f1
from pvcore.evaluation.spans import Marked, Span, read, related, sentences, words, written
from pvcore.records import Example, Prediction

DRUG = Span(((0, 4),), "Drug")
RASH = Span(((10, 14),), "Reaction")
PAIN = Span(((20, 24), (30, 33)), "Reaction")


def answer(*found: Span, pairs: tuple[tuple[Span, Span], ...] | None = None) -> str:
    return written(Marked.of(found, pairs))


@pytest.mark.parametrize("module", [spans, lexicon])
def test_the_worked_examples(module):
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def test_an_answer_is_one_sequence_of_bytes_and_reads_back():
    said = answer(PAIN, RASH, DRUG, pairs=((DRUG, PAIN),))
    assert said == answer(DRUG, PAIN, RASH, pairs=((DRUG, PAIN),))
    assert json.loads(said)["relations"] == [[0, 2]]
    assert read(said) == Marked.of([DRUG, RASH, PAIN], [(DRUG, PAIN)])
    assert read(answer(DRUG)).pairs is None


@pytest.mark.parametrize(
    "value",
    [
        [], {}, {"spans": 1}, {"spans": [], "more": 1}, {"spans": [{"start": 1, "end": 2}]},
        {"spans": [{"start": 2, "end": 2, "label": "Drug"}]}, {"spans": [{"start": True, "end": 2, "label": "Drug"}]},
        {"spans": [{"start": -1, "end": 2, "label": "Drug"}]}, {"spans": [{"start": 0, "end": 2, "label": 1}]},
        {"spans": [{"start": 0, "end": 9, "label": "Drug", "parts": [[5, 9], [0, 2]]}]},
        {"spans": [{"start": 0, "end": 9, "label": "Drug", "parts": [[0, 5], [4, 9]]}]},
        {"spans": [{"start": 0, "end": 9, "label": "Drug", "parts": [[0, 5]]}]},
        {"spans": [{"start": 0, "end": 9, "label": "Drug", "parts": [0, 9]}]},
        {"spans": [{"start": 0, "end": 9, "label": "Drug", "parts": []}]},
        {"spans": [], "relations": [[0, 0]]}, {"spans": [], "relations": 3},
    ],
)  # fmt: skip
def test_what_is_no_answer_raises_a_value_error(value):
    with pytest.raises(ValueError, match=r"expected|span|relation"):
        read(json.dumps(value))


def rows() -> pd.DataFrame:
    touching = Span(((12, 18),), "Reaction")
    return pd.DataFrame(
        {
            "label": [answer(DRUG, RASH), answer(PAIN), answer()],
            "answer": [answer(DRUG, touching), answer(PAIN._replace(parts=((20, 24),))), answer(DRUG)],
        }
    )


def test_f1_exact_and_by_overlap_counted_by_hand():
    table = rows()
    # 3 spans are true and 4 said; one is right exactly; overlap finds all 3 true ones and 3 of those said.
    assert span_f1()(table) == pytest.approx(2 / 7)
    assert span_f1(overlap=True)(table) == pytest.approx(6 / 7)
    assert span_f1("Drug")(table) == pytest.approx(2 / 3) == span_f1("Drug", overlap=True)(table)
    assert span_f1("Reaction")(table) == 0.0
    assert [span_f1(label).support(table) for label in (None, "Drug", "Reaction")] == [2, 1, 2]
    assert math.isnan(span_f1()(pd.DataFrame({"label": [answer()], "answer": [answer()]})))


def test_each_side_counts_its_own_spans_that_are_met():
    one, two, long = (Span((part,), "Drug") for part in ((0, 4), (6, 9), (0, 9)))
    table = pd.DataFrame({"label": [answer(long)], "answer": [answer(one, two, Span(((20, 22),), "Drug"))]})
    assert span_f1(overlap=True)(table) == pytest.approx((1 + 2) / (1 + 3))


def test_a_span_of_another_label_is_not_met():
    table = pd.DataFrame({"label": [answer(DRUG)], "answer": [answer(DRUG._replace(label="Reaction"))]})
    assert span_f1(overlap=True)(table) == 0.0


def test_relations_count_only_where_the_label_says_them():
    said = answer(DRUG, RASH, pairs=((DRUG, RASH),))
    table = pd.DataFrame({"label": [answer(DRUG, RASH), said, said], "answer": [said, said, answer(DRUG)]})
    assert relation_f1()(table) == pytest.approx(2 / 3)
    assert math.isnan(relation_f1()(table[:1]))


def test_the_bootstrap_takes_span_metrics():
    asked = [Example(f"e{n}", f"c{n}", "", answer(DRUG, RASH), f"k{n}") for n in range(40)]
    good = [Prediction(e.example_id, e.label, 1.0) for e in asked]
    poor = [Prediction(e.example_id, answer(DRUG) if n % 2 else e.label, 1.0) for n, e in enumerate(asked)]
    report = evaluate("extraction", [span_f1()], frame(asked, poor), frame(asked, good), Policy(), 1)
    found = report.overall.results["span_f1"]
    assert found.candidate.value == pytest.approx(2 * 60 / 140)
    assert found.candidate.low < found.candidate.value < found.candidate.high
    assert found.against["champion"].p_worse < 0.01


def test_words_sentences_and_what_belongs_together():
    text = "Aspirin, then rash. Heparin later.\n\nNo pain."
    assert [text[a:b] for a, b in words(text)][:4] == ["Aspirin", ",", "then", "rash"]
    assert "".join(text[a:b] for a, b in sentences(text)) == text and len(sentences(text)) == 3
    aspirin, rash, heparin = Span(((0, 7),), "Drug"), Span(((14, 18),), "Reaction"), Span(((20, 27),), "Drug")
    assert related(text, Marked.of([aspirin, rash, heparin])).pairs == {(aspirin, rash)}


PLACES = st.builds(
    lambda start, length, label: Span(((start, start + length),), label),
    st.integers(0, 40), st.integers(1, 9), st.sampled_from(["Drug", "Reaction", "Other"]),
)  # fmt: skip


@given(st.text("aA. \n", max_size=40), st.frozensets(PLACES, max_size=12))
def test_a_pair_is_a_drug_and_a_reaction_that_begin_in_one_sentence(text, marked):
    one_by_one = {
        (drug, event)
        for start, end in sentences(text)
        for drug in marked
        for event in marked
        if (drug.label, event.label) == ("Drug", "Reaction")
        and start <= drug.parts[0][0] < end
        and start <= event.parts[0][0] < end
    }
    found = related(text, Marked(marked))
    assert found.spans == marked and found.pairs == one_by_one


def test_a_long_list_of_sentences_is_related_at_once():
    text = "He took heparin and had a rash. " * 3000
    marked = Marked.of(
        Span(((at + place, at + place + 4),), label)
        for at in range(0, len(text), 32)
        for place, label in ((8, "Drug"), (26, "Reaction"))
    )
    begin = time.monotonic()
    assert written(related(text, marked)).count("[") == 3000 + 2
    assert time.monotonic() - begin < 5


def test_the_lexicon_leaves_out_what_is_mostly_not_marked():
    marked = written(Marked.of([Span(((0, 4),), "Reaction")]))
    train = [Example("a", "a", "pain", marked, "a")]
    train += [Example(f"b{n}", f"b{n}", "no pain", answer(), f"b{n}") for n in range(2)]
    assert read(lexicon.lexicon(train[:2], [train[0]])[0].answer).spans
    assert not read(lexicon.lexicon(train, [train[0]])[0].answer).spans


def plainly(train: list[Example], asked: str) -> Marked:
    """What the lexicon marks, with every stretch of every text looked at."""

    def stretches(text: str) -> list[tuple[int, int, str]]:
        places = words(text)
        return [
            (start, end, " ".join(text[a:b] for a, b in places[first : last + 1]).casefold())
            for first, (start, _) in enumerate(places)
            for last, (_, end) in reversed([*enumerate(places)][first:])
        ]

    def wording(text: str) -> str:
        return " ".join(text[a:b] for a, b in words(text)).casefold()

    said = [(span, row.text) for row in train for span in read(row.label).spans if len(span.parts) == 1]
    seen = [found for row in train for _, _, found in stretches(row.text)]
    spans = []
    for label in sorted({span.label for span, _ in said}):
        marked = [wording(text[slice(*span.parts[0])]) for span, text in said if span.label == label]
        until = 0
        for start, end, found in stretches(asked):
            if start >= until and found in marked and 2 * marked.count(found) >= seen.count(found):
                spans.append(Span(((start, end),), label))
                until = end
    return related(asked, Marked.of(spans))


@st.composite
def marked_texts(draw: st.DrawFn) -> Example:
    text = draw(st.text("aB -é", min_size=1, max_size=14))
    ends = st.tuples(*[st.integers(0, len(text))] * 2).map(sorted).filter(lambda pair: pair[0] < pair[1])
    marks = draw(st.lists(st.tuples(ends.map(tuple), st.sampled_from(["Drug", "Reaction"])), max_size=3))
    return Example("a", "a", text, answer(*{Span((pair,), label) for pair, label in marks}), "a")


@given(st.lists(marked_texts(), max_size=6), st.text("abB -é", max_size=20))
def test_the_lexicon_marks_what_a_plain_one_marks(train, asked):
    (found,) = lexicon.lexicon(train, [Example("b", "b", asked, answer(), "b")])
    assert found.answer == written(plainly(train, asked))


def test_a_lexicon_with_a_long_wording_holds_no_more_than_its_wordings():
    text = " ".join(f"w{n}" for n in range(120))
    long = answer(Span(((0, words(text)[39][1]),), "Reaction"))
    train = [
        Example(str(n), str(n), text.replace("w", "v" * n), long if n == 1 else answer(), "a")
        for n in range(1, 30)
    ]
    tracemalloc.start()
    (found,) = lexicon.lexicon(train, train[:1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(read(found.answer).spans) == 1
    assert peak < 1e6  # 29 rows, 120 words and 40 lengths: over 20 MB of stretches
