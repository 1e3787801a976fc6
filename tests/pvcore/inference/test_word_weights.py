"""Words beside a network: TF-IDF without a text, heard in their share, of each text by itself."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from pvcore.errors import TrainingError
from pvcore.inference import word_weights
from pvcore.inference.base import file_digest
from pvcore.inference.word_weights import WordWeights, mean, mean_odds, said
from pvcore.records import Example
from pvcore.training.word_weights import fit

LABELS = ("non-serious", "serious", "unknown")
TEXTS = ("Died in hospital.", "went home, went to bed", "Nothing that any row has", "", "died died at home")


def told(count: int = 120) -> list[Example]:
    """Rows of two of the labels, told by different words."""
    places, ends = ["home", "work", "school", "sea"], ["went to bed", "died in hospital"]
    return [
        Example(
            f"e{n:03}", f"c{n}", f"at {places[n % 4]} she {ends[n % 3 == 0]} n{n}", LABELS[n % 3 == 0], "k"
        )
        for n in range(count)
    ]


CRITERIA = ("death", "never", "sea")


def judged() -> list[Example]:
    """Rows of which two in three know criteria: one word says each that is met, and one is never met."""
    return [
        dataclasses.replace(
            row,
            criteria={"death": "died" in row.text, "never": False, "sea": "sea" in row.text}
            if n % 3 != 1
            else None,
        )
        for n, row in enumerate(told())
    ]


def test_they_say_what_tfidf_says():
    """Of a hash without collisions; a word that one row alone has counts for nothing, and nothing keeps it."""
    rows = told()
    found = fit(rows, LABELS)
    listed = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    truth = [LABELS.index(row.label) for row in rows]
    other = LogisticRegression(C=10.0, max_iter=1000).fit(listed.fit_transform([r.text for r in rows]), truth)
    assert len(found.places) == len(listed.vocabulary_) and found.labels.tolist() == [0, 1]
    np.testing.assert_allclose(said(found, TEXTS)[0], other.predict_proba(listed.transform(TEXTS)), atol=1e-6)
    assert not {f"n{n}" for n in range(120)} & listed.vocabulary_.keys()


def test_a_text_is_read_by_itself(monkeypatch):
    monkeypatch.setattr(word_weights, "AT_ONCE", 2)
    found = fit(judged(), LABELS, dict(enumerate(CRITERIA)))
    for part, width in ((0, 2), (1, 2)):
        assert said(found, [])[part].shape == (0, width)
        together = said(found, TEXTS)[part]
        for number, text in enumerate(TEXTS):
            assert said(found, [text])[part][0].tobytes() == together[number].tobytes()
        assert said(found, TEXTS[::-1])[part][::-1].tobytes() == together.tobytes()


def test_each_criterion_is_learned_from_the_rows_that_know_it():
    """Beside the labels, whose bytes it does not touch; one that no row meets, or that nobody asks for, is not."""
    rows = judged()
    found = fit(rows, LABELS, dict(enumerate(CRITERIA)))
    assert found.criteria.tolist() == [0, 2]
    assert fit(rows, LABELS, {2: CRITERIA[2]}).criteria.tolist() == [2]
    listed = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    given = listed.fit_transform([row.text for row in rows])
    for column, name in enumerate(("death", "sea")):
        known = [n for n, row in enumerate(rows) if name in (row.criteria or {})]
        other = LogisticRegression(C=10.0, max_iter=1000).fit(
            given[known], [rows[n].criteria[name] for n in known]
        )
        expected = other.predict_proba(listed.transform(TEXTS))[:, 1]
        np.testing.assert_allclose(said(found, TEXTS)[1][:, column], expected, atol=1e-6)
    alone = said(fit(rows, LABELS), TEXTS)
    assert alone[0].tobytes() == said(found, TEXTS)[0].tobytes() and alone[1].shape == (len(TEXTS), 0)


def test_a_criterion_is_the_weighted_mean_of_both_log_odds():
    network, words = np.array([[0.2, 0.5, 1.0], [0.6, 0.5, 0.0]]), np.array([[0.9, 1.0], [0.6, 0.0]])
    both = mean_odds(network, words, np.array([0, 2], np.int32), 0.25)
    odds = (0.2 / 0.8) ** 0.75 * (0.9 / 0.1) ** 0.25
    np.testing.assert_allclose(both[:, 0], [odds / (1 + odds), 0.6])
    assert both[:, 1].tolist() == [0.5, 0.5]
    np.testing.assert_allclose(both[:, 2], [1, 0], atol=1e-9)


def test_an_adapter_of_before_knows_no_criteria(tmp_path):
    made = fit(judged(), LABELS, dict(enumerate(CRITERIA)))
    before = {name: values for name, values in made._asdict().items() if not name.startswith("criteria")}
    save_file(before, tmp_path / word_weights.FILE)
    found = word_weights.load(tmp_path, file_digest(tmp_path / word_weights.FILE))
    assert said(found, TEXTS)[0].tobytes() == said(made, TEXTS)[0].tobytes()
    assert said(found, TEXTS)[1].shape == (len(TEXTS), 0)


@pytest.mark.parametrize("count", [4, 9, 17])
def test_each_row_of_many_labels_is_weighed_by_itself(count):
    """numpy sums eight values and more in an order that the layout of an array decides."""
    chance = np.random.default_rng(count)
    network, words = (chance.dirichlet(np.ones(size) / 3, size=300) for size in (count + 1, count))
    own = np.arange(1, count + 1, dtype=np.int32)
    found = mean(network, words, own, 0.3)
    alone = [mean(network[n : n + 1], words[n : n + 1], own, 0.3) for n in range(300)]
    assert np.concatenate(alone).tobytes() == found.tobytes()
    rows = [dataclasses.replace(row, label=str(n % count)) for n, row in enumerate(told())]
    fitted = fit(rows, [str(n) for n in range(count)])
    together, _ = said(fitted, TEXTS)
    assert all(said(fitted, [text])[0][0].tobytes() == together[n].tobytes() for n, text in enumerate(TEXTS))


def test_the_order_of_rows_decides_nothing_and_one_label_is_no_list():
    rows = told()
    for one, other in zip(fit(rows, LABELS), fit(rows[::-1], LABELS), strict=True):
        assert one.tobytes() == other.tobytes()
    assert fit([row for row in rows if row.label == LABELS[0]], LABELS) is None
    assert fit([], LABELS) is None


def test_of_rows_that_share_no_word_nothing_is_kept_unless_they_are_few():
    """Such words say nothing of another text, and of a hundred rows nothing is kept that one alone has."""
    alone = [dataclasses.replace(row, text=f"word{n}") for n, row in enumerate(told())]
    assert fit(alone, LABELS) is None
    assert len(fit(alone[:99], LABELS).places) == 99
    assert fit([dataclasses.replace(row, text="!") for row in alone[:99]], LABELS) is None


def test_a_label_that_the_words_never_saw_keeps_its_probability():
    network = np.array([[0.5, 0.2, 0.3], [0.0, 0.4, 0.6]])
    words = np.array([[0.1, 0.9], [0.5, 0.5]])
    both = mean(network, words, np.array([0, 1]), 0.5)
    np.testing.assert_allclose(both.sum(axis=1), 1)
    np.testing.assert_array_equal(both[:, 2], network[:, 2])
    odds = np.sqrt((0.2 / 0.5) * (0.9 / 0.1))
    np.testing.assert_allclose(both[0, 1] / both[0, 0], odds)
    np.testing.assert_allclose(mean(network, words, np.array([0, 1]), 0.0), network, atol=1e-9)


def test_they_come_back_and_another_file_is_refused(tmp_path):
    made = fit(told(), LABELS)
    assert made is not None
    named = word_weights.save(made, tmp_path)
    found = word_weights.load(tmp_path, named)
    assert isinstance(found, WordWeights)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(made, found, strict=True))
    assert word_weights.load(tmp_path, None) is None
    word_weights.save(made._replace(offsets=made.offsets + 1), tmp_path)
    with pytest.raises(TrainingError, match=r"word_weights\.safetensors is missing or not the one"):
        word_weights.load(tmp_path, named)
