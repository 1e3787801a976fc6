"""Words beside a network: TF-IDF without a text, heard in their share, of each text by itself."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from pvcore.errors import TrainingError
from pvcore.inference import word_weights
from pvcore.inference.word_weights import WordWeights, mean, said
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


def test_they_say_what_tfidf_says():
    """Of a hash without collisions; a word that one row alone has counts for nothing, and nothing keeps it."""
    rows = told()
    found = fit(rows, LABELS)
    listed = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    truth = [LABELS.index(row.label) for row in rows]
    other = LogisticRegression(C=10.0, max_iter=1000).fit(listed.fit_transform([r.text for r in rows]), truth)
    assert len(found.places) == len(listed.vocabulary_) and found.labels.tolist() == [0, 1]
    np.testing.assert_allclose(said(found, TEXTS), other.predict_proba(listed.transform(TEXTS)), atol=1e-6)
    assert not {f"n{n}" for n in range(120)} & listed.vocabulary_.keys()


def test_a_text_is_read_by_itself(monkeypatch):
    monkeypatch.setattr(word_weights, "AT_ONCE", 2)
    found = fit(told(), LABELS)
    assert said(found, []).shape == (0, 2)
    together = said(found, TEXTS)
    for number, text in enumerate(TEXTS):
        assert said(found, [text])[0].tobytes() == together[number].tobytes()
    assert said(found, TEXTS[::-1])[::-1].tobytes() == together.tobytes()


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
    together = said(fitted, TEXTS)
    assert all(said(fitted, [text])[0].tobytes() == together[n].tobytes() for n, text in enumerate(TEXTS))


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
