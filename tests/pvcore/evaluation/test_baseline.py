from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pvcore.errors import GateError
from pvcore.evaluation import metrics as m
from pvcore.evaluation.baseline import (
    nearest_terms,
    tfidf,
    tfidf_classes,
    tfidf_predictions,
    tfidf_sets,
)
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


def test_texts_that_share_no_word_are_answered_all_the_same_and_texts_without_one_are_refused():
    """Japanese has no blanks between words: each clause is a word that stands in one report alone."""
    rows = [
        Example(f"e{n:03}", f"c{n}", f"患者{n}は発疹を認め入院した。", ("b", "a")[n % 2], f"k{n}")
        for n in range(120)
    ]
    made = (
        tfidf_predictions(rows, rows, positive="a", negative="b"),
        tfidf_classes(rows, rows),
        tfidf_sets(rows, [], rows),
    )
    for answers in made:
        assert [said.answer for said in answers] == [row.label for row in rows]
    silent = [dataclasses.replace(row, text="?") for row in rows]
    with pytest.raises(GateError, match="no word of two letters in 120 training texts"):
        tfidf_classes(silent, rows)


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


SETS = [
    ("fever and a rash", "1 2"),
    ("a rash on both arms", "2"),
    ("high fever at night", "1"),
    ("felt well", ""),
]


def test_sets_are_answered_by_one_regression_a_code_and_one_threshold():
    texts, labels = zip(*SETS * 20, strict=True)
    train = rows(texts, labels, "a")
    asked, right = ["a rash with fever", "fever", "rash on the arms", "well"], ["1 2", "1", "2", ""]
    tune, test = rows(asked, right, "u"), rows(asked, right, "t")
    given = tfidf_sets(train, tune, test)
    assert [answer.answer for answer in given] == right
    assert [answer.ranked[0][0] for answer in given[1:3]] == ["1", "2"]
    assert tfidf_sets(train[::-1], tune[::-1], test) == given
    # the threshold is the tune split's: one that finds every fever and every rash wrong is higher
    strict = rows(["fever", "a rash", "fever and fever, and a rash"], ["", "", "1"], "s")
    assert [a.answer for a in tfidf_sets(train, strict, test)] != [a.answer for a in given]
    assert [answer.ranked for answer in tfidf_sets(train, strict, test)] == [a.ranked for a in given]


def test_sets_without_codes_are_refused_and_a_code_of_all_rows_is_certain():
    with pytest.raises(GateError, match="that have a code"):
        tfidf_sets(rows(["x"], [""], "a"), [], rows(["y"], [""], "t"))
    (answer,) = tfidf_sets(
        rows(["rash at night", "fever"], ["7 8", "7"], "a"), [], rows(["anything"], ["7"], "t")
    )
    assert answer.ranked[0] == ("7", 1.0) and "7" in answer.answer.split()
    assert tfidf_sets(rows(["rash"], ["7"], "a"), [], []) == []


def many(rows_of: dict[str, int], others: int, prefix: str) -> list[Example]:
    """Rows that name their code, and others, each with words of its own."""
    texts = [(f"{code} at day {n % 7}", code) for code, number in rows_of.items() for n in range(number)]
    texts += [(f"well {n % 11} at day {n % 7}", "") for n in range(others)]
    return rows(*zip(*texts, strict=True), prefix)


def test_with_many_rows_and_codes_each_code_learns_from_a_sample_of_the_others(monkeypatch):
    train, test = many({"11": 6, "22": 40}, 600, "a"), rows(["11", "22", "well 3"], ["11", "22", ""], "t")
    learned: list[int] = []
    fit = LogisticRegression.fit

    def counted(self, given, *arguments):
        learned.append(given.shape[0])
        return fit(self, given, *arguments)

    monkeypatch.setattr(LogisticRegression, "fit", counted)
    whole = tfidf_sets(train, [], test)
    monkeypatch.setattr("pvcore.evaluation.baseline.ROWS", 300)
    few = tfidf_sets(train, [], test)
    assert learned == [646, 646, 6 + 150, 40 + 400]
    assert few == tfidf_sets(train[::-1], [], test)
    for one, other in zip(whole, few, strict=True):  # weighed up, so that a probability is one of all rows
        assert dict(one.ranked) == pytest.approx(dict(other.ranked), abs=0.05)
