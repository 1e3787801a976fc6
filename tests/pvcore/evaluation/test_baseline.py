from __future__ import annotations

import numpy as np
import pytest

from pvcore.errors import GateError
from pvcore.evaluation import metrics as m
from pvcore.evaluation.baseline import nearest_terms, tfidf, tfidf_predictions
from pvcore.evaluation.compare import frame
from pvcore.records import Example

TEXTS = ["was admitted to hospital and died", "mild rash that went away"] * 30
LABELS = ["serious", "non-serious"] * 30


def rows(texts, labels, prefix):
    return [
        Example(f"{prefix}{n}", f"c{n}", text, label, f"k{n}")
        for n, (text, label) in enumerate(zip(texts, labels, strict=True))
    ]


def test_words_are_learned_and_answers_stand_in_a_frame():
    test = rows(["she died", "a rash"], ["serious", "non-serious"], "t")
    given = tfidf_predictions(rows(TEXTS, LABELS, "a"), test, positive="serious", negative="non-serious")
    assert m.accuracy()(frame(test, given)) == 1.0
    assert given[0].score > 0.5 > given[1].score


def test_the_order_of_the_training_rows_does_not_matter():
    train, test = rows(TEXTS, LABELS, "a"), rows(["died of a rash"], ["serious"], "t")
    one = tfidf_predictions(train, test, positive="serious", negative="non-serious")
    assert one == tfidf_predictions(train[::-1], test, positive="serious", negative="non-serious")


def test_one_class_is_refused_and_nothing_asked_is_nothing_answered():
    with pytest.raises(GateError, match="are and are not 'serious'"):
        tfidf(TEXTS, ["serious"] * 60, ["x"], positive="serious")
    assert np.array_equal(tfidf(TEXTS, LABELS, [], positive="serious"), np.zeros(0))


def test_the_nearest_term_shares_letters_with_the_verbatim():
    terms = [("2", "Headache"), ("1", "Nausea"), ("3", "Abdominal pain")]
    test = rows(["Head ache", "PAIN abdominal"], ["2", "3"], "t")
    given = nearest_terms(terms, [], test, first=2, block=1)
    assert [answer.answer for answer in given] == ["2", "3"]
    assert all(len(answer.ranked) == 2 and answer.ranked[0][1] >= answer.ranked[1][1] for answer in given)
    assert nearest_terms(terms, [], test, first=2, block=512) == given


def test_known_verbatims_are_further_names_of_their_term():
    terms = [("1", "Nausea"), ("2", "Headache")]
    learned = rows(["felt sick to the stomach", "gone from the dictionary"], ["1", "9"], "a")
    test = rows(["sick to the stomach"], ["1"], "t")
    assert nearest_terms(terms, learned, test)[0].answer == "1"
    assert nearest_terms(terms, learned, test)[0].score > nearest_terms(terms, [], test)[0].score


def test_equal_names_go_to_the_lower_code_and_no_terms_are_refused():
    test = rows(["rash"], ["4"], "t")
    assert nearest_terms([("7", "Rash"), ("4", "rash")], [], test)[0].answer == "4"
    with pytest.raises(GateError, match="terms of a dictionary"):
        nearest_terms([], [], test)
