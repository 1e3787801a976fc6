"""Words beside a network: fitted to all known rows, heard as much as the tune split says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pvcore.errors import LeakageError, TrainingError
from pvcore.inference import word_weights
from pvcore.inference.predict import load
from pvcore.inference.word_weights import said
from pvcore.records import digest
from pvcore.training.word_weights import SHARE, SHARES, fit, heard

ASK = {"training__epochs": 1, "training__word_weights": True, "lora__dropout": 0.0}
RARE, PLAIN = "zygomycosis", "patient had nausea at home"


@pytest.fixture
def known(rows):
    """Rows of which a few more are serious for a word that the others lack."""
    told = rows(120, 1)
    rare = [
        dataclasses.replace(
            row, text=f"patient had {RARE} daily", label="serious", example_id=f"r{row.example_id}"
        )
        for row in told[:12]
    ]
    return [*told, *rare]


def serious(model, *texts):
    found = model.predict([(str(n), text) for n, text in enumerate(texts)])
    return [prediction.score for prediction in found]


def by_words(model, text, other):
    """What the words add to the log-odds of `serious` for a text, beyond what they add for another one."""
    parts = []
    for asked, share in (
        (model, 1),
        (dataclasses.replace(model, word_weights=None), model.card.word_share - 1),
    ):
        one, two = (np.log(score / (1 - score)) for score in serious(asked, text, other))
        parts.append(share * (one - two))
    return sum(parts)


def test_a_word_of_known_rows_is_heard_in_any_company_and_by_the_same_bytes(
    tiny_base, specify, rows, known, train
):
    """Of rows that no batch held; no word of theirs stands in the adapter."""
    asked = specify(tiny_base, **ASK)
    made = train(asked, known[:40], rows(60, 2), base=tiny_base, known=known, threads=1)
    model = load(made.adapter, tiny_base)
    text = f"patient had {RARE} at home"
    assert 0 < model.card.word_share <= SHARES[-1]
    assert by_words(model, text, PLAIN) > 0.1
    many = [row.text for row in known] + [text]
    assert serious(model, *many)[-1] == serious(model, text)[0]
    assert {row.case_id for row in known} <= set(made.fitted) & set(made.consumed)
    assert not any(RARE.encode() in file.read_bytes() for file in made.adapter.iterdir())

    again = train(asked, known[:40], rows(60, 2), base=tiny_base, known=known[::-1], threads=2)
    assert again.digest == made.digest
    plain = train(
        specify(tiny_base, training__epochs=1, lora__dropout=0.0), known[:40], rows(60, 2), base=tiny_base
    )
    assert word_weights.FILE in made.files and word_weights.FILE not in plain.files


def test_words_that_mislead_are_not_heard(tiny_base, specify, rows, train):
    """The tune split decides; without one they have half of the say."""
    told = rows(160, 1)
    wrong = [dataclasses.replace(r, label="serious" if "well" in r.text else "non-serious") for r in told]
    asked = specify(tiny_base, **ASK | {"training__epochs": 4})
    renamed = [dataclasses.replace(r, example_id=f"w{r.example_id}") for r in wrong]
    made = train(asked, told, rows(60, 2), base=tiny_base, known=renamed)
    model = load(made.adapter, tiny_base)
    assert model.card.word_share == 0 and model.card.word_weights is None
    assert word_weights.FILE not in made.files  # of words that are not heard nothing is kept
    untuned = load(train(asked, told, base=tiny_base).adapter, tiny_base)
    assert untuned.card.word_share == SHARE


def test_words_are_heard_in_the_criteria_too(tiny_base, specify, rows, train):
    """In a share of their own, and where the labels do not need them: then of the labels nothing is kept."""

    def judged(told, word):
        return [
            dataclasses.replace(
                row,
                text=f"{row.text} {word if n % 4 == 0 else 'slept'}",
                criteria={"death": n % 4 == 0, "hospitalisation": row.label == "serious"},
            )
            for n, row in enumerate(told)
        ]

    batch, tune = judged(rows(24, 1), "nausea"), judged(rows(60, 2), RARE)
    known = [*batch, *judged(rows(120, 3), RARE)]
    made = train(specify(tiny_base, **ASK), batch, tune, base=tiny_base, known=known)
    model = load(made.adapter, tiny_base)
    assert 0 < model.card.criteria_share == made.criteria_share <= SHARES[-1]
    texts = [f"patient felt {RARE}", "patient felt slept"]
    silent = dataclasses.replace(model, word_weights=None)
    together, alone = (
        [dict(found.criteria)["death"] for found in asked.predict([("1", texts[0]), ("2", texts[1])])]
        for asked in (model, silent)
    )
    assert together[0] - together[1] > alone[0] - alone[1] + 0.1
    silent_tune = [dataclasses.replace(row, criteria=None) for row in tune]
    assert (
        train(specify(tiny_base, **ASK), batch, silent_tune, base=tiny_base, known=known).criteria_share
        == SHARE
    )
    both = fit(known, model.card.labels, {0: "death"})
    labels_alone, criteria_alone = heard(both, 0.5, 0.0), heard(both, 0.0, 0.5)
    assert heard(both, 0.0, 0.0) is None and heard(None, 0.5, 0.5) is None
    assert len(labels_alone.criteria) == len(labels_alone.criteria_weights) == len(criteria_alone.labels) == 0
    np.testing.assert_array_equal(said(criteria_alone, texts)[1], said(both, texts)[1])


def test_an_update_weighs_all_words_anew(tiny_base, specify, rows, known, train):
    first = train(specify(tiny_base, **ASK), known, rows(60, 2), base=tiny_base)
    new = rows(20, 4)
    second = train(
        specify(tiny_base, parent=first, **ASK), new, rows(60, 2), base=tiny_base, parent=first.adapter,
        known=[*new, *known],
    )  # fmt: skip
    assert by_words(load(second.adapter, tiny_base), f"felt {RARE}", "felt daily") > 0.1
    assert second.files[word_weights.FILE] != first.files[word_weights.FILE]


def test_of_windows_the_words_read_the_whole_text(tiny_base, specify, rows, known, train):
    ask = ASK | {"text__max_tokens": 12, "text__long": "windows"}
    made = train(specify(tiny_base, **ask), known[:40], base=tiny_base, known=known)
    model = load(made.adapter, tiny_base)
    long = " ".join(["patient felt nausea later"] * 10)
    assert by_words(model, f"{long} {RARE} {long}", f"{long} {long}") > 0.02


def test_an_answer_names_the_whole_text_where_words_read_it(tiny_base, specify, rows, known, train):
    """The network sees the same head and tail of both, the words do not: one input has one answer."""
    made = train(
        specify(tiny_base, **ASK | {"text__max_tokens": 12}), known[:40], base=tiny_base, known=known
    )
    model = load(made.adapter, tiny_base)
    begin, end = " ".join(["patient felt nausea later"] * 5), " ".join(["at home daily"] * 5)
    texts = [f"{begin} {word} {end}" for word in (RARE, "nausea")]

    def asked(model):
        return model.predict([("1", texts[0]), ("2", texts[1])])

    one, two = asked(model)
    assert one.score != two.score and [one.input_digest, two.input_digest] == [
        digest(t.encode()) for t in texts
    ]
    one, two = asked(dataclasses.replace(model, word_weights=None))
    assert (one.score, one.input_digest) == (two.score, two.input_digest)


def test_a_known_row_may_not_be_held_out(tiny_base, specify, known, train):
    with pytest.raises(LeakageError, match=known[-1].case_id):
        train(specify(tiny_base, **ASK), known[20:60], [known[-1]], base=tiny_base, known=known)


@pytest.mark.parametrize(("problem", "family"), [("coding", "encoder"), ("seriousness", "causal")])
def test_only_an_encoder_with_classes_has_words_beside_it(
    tiny_base, tiny_phi3, specify, rows, verbatims, terms, train, problem, family
):
    base, told = (tiny_base, verbatims) if family == "encoder" else (tiny_phi3, rows(20, 1))
    asked = specify(base, problem, family, training__word_weights=True)
    with pytest.raises(TrainingError, match=f"training.word_weights is for .* this is {problem}, {family}"):
        train(asked, told, base=base, terms=terms)
