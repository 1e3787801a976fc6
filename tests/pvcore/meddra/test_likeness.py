"""Terms ranked by their letters: as scikit-learn would, and the same on every machine."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from pvcore.meddra.likeness import Likeness
from pvcore.meddra.matching import EMPTY, exact, in_one_spelling
from pvcore.meddra.release import Dictionary

TERMS = pd.DataFrame({"llt_code": ["3", "1", "2"], "llt_name": ["Liver pain", "Liver pain", "Kidney stone"]})


def test_ranking_prefers_likeness_then_the_lower_code() -> None:
    assert Likeness(TERMS).rank(["pain in liver", "kidney stones", "zzz"]) == [["1", "3"], ["2"], []]
    assert Likeness(TERMS).rank(["pain in liver"], top=1) == [["1"]]
    assert Likeness(TERMS).only({"2", "3"}).rank(["pain in liver"]) == [["3"]]


def test_pairs() -> None:
    same, other = Likeness(TERMS).between(["liver pain", "liver pain"], ["1", "2"])
    assert same == pytest.approx(1, abs=1e-5) and other < 0.2


def test_no_terms() -> None:
    assert Likeness(TERMS.head(0)).rank(["liver"]) == [[]]
    assert Likeness(pd.DataFrame({"llt_code": ["1"], "llt_name": ["NOS"]})).rank(["liver", "NOS"]) == [[], []]
    assert Likeness(TERMS).scored([]) == []


def _normal(text: str) -> str:
    return " ".join(word for word in in_one_spelling(exact(text).split()) if word not in EMPTY)


def test_as_scikit_learn_has_it(new: Dictionary) -> None:
    terms = new.current_llts()
    texts = [f"{name[2:]} x" for name in terms["llt_name"].tolist()[::40]] + ["a", "", "zzzz"]
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), dtype=np.float32)
    index = vectorizer.fit_transform(map(_normal, terms["llt_name"].tolist()))
    expected = np.round((vectorizer.transform(map(_normal, texts)) @ index.T).toarray(), 6)
    found = np.stack(list(Likeness(terms).cosines(texts)))
    assert found == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("top", [1, 5, 20])
def test_the_best_are_the_best_of_all_cosines(top: int, new: Dictionary) -> None:
    """`scored` calculates only those that can be among them; names that are there twice make ties."""
    terms = new.current_llts()
    terms = pd.concat([terms, terms.assign(llt_code=[f"8{code[1:]}" for code in terms["llt_code"]])])
    likeness = Likeness(terms)
    texts = [*terms["llt_name"].str[3:].tolist()[::50], "pain", "x", ""]
    for found, cosines in zip(likeness.scored(texts, top=top), likeness.cosines(texts), strict=True):
        best = np.lexsort((likeness.codes.astype(str), -cosines))[:top]
        assert found == [(likeness.codes[n], cosines[n]) for n in best if cosines[n] > 0]
