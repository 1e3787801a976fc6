"""Word-list baselines: what a model must beat to be worth its trouble.

They answer as Predictions, so that they stand in the same report as the candidate. The scikit-learn
defaults are deterministic: the same rows in the same order give the same answers.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvcore.errors import GateError
from pvcore.evaluation.metrics import Bools
from pvcore.evaluation.sets import best_cut, members
from pvcore.records import Example, Prediction, digest

ROWS, CONTROLS = 10_000_000, 10
"""Training rows of all regressions of sets together (500 codes of 20,000 rows), and the others a row of a code."""
MANY = 100
"""Training texts from which a word that stands in one alone is left out."""


def tfidf(
    train_texts: Sequence[str], train_labels: Sequence[str], test_texts: Sequence[str], *, positive: str
) -> NDArray[np.float64]:
    """P(`positive`) of each test text: TF-IDF of words and word pairs, then logistic regression.

    Classes are weighted by their rarity, so that 0.5 is a fair threshold. Shape (test texts,).
    Raises GateError if the training labels are all alike, or no training text has a word.
    """
    truth = np.array([label == positive for label in train_labels], dtype=bool)
    if not len(truth) or truth.all() or not truth.any():
        raise GateError(f"the TF-IDF baseline needs training examples that are and are not {positive!r}.")
    words, given = _features(train_texts)
    model = _regression().fit(given, truth)
    if not len(test_texts):
        return np.zeros(0)
    scores: NDArray[np.float64] = model.predict_proba(words.transform(list(test_texts)))[:, 1]
    return scores


def tfidf_predictions(
    train: Sequence[Example], test: Sequence[Example], *, positive: str, negative: str
) -> list[Prediction]:
    """The TF-IDF baseline's answers to `test`, in its order. Raises GateError as `tfidf` does."""
    ordered = sorted(train, key=lambda example: example.example_id)
    scores = tfidf(
        [e.text for e in ordered], [e.label for e in ordered], [e.text for e in test], positive=positive
    )
    return [
        Prediction(
            example_id=example.example_id,
            answer=positive if score >= 0.5 else negative,
            score=float(score),
            input_digest=digest(example.text.encode()),
            version="tfidf",
        )
        for example, score in zip(test, scores, strict=True)
    ]


def with_criteria(
    answered: Sequence[Prediction], train: Sequence[Example], test: Sequence[Example], criteria: Sequence[str]
) -> list[Prediction]:
    """The answers to `test` with what TF-IDF says of each criterion that `train` shows both met and not met."""
    scores: dict[str, list[float]] = {}
    for name in criteria:
        known = sorted((e for e in train if name in (e.criteria or {})), key=lambda e: e.example_id)
        truth = [str(e.criteria[name]) for e in known]  # type: ignore[index]
        if len(set(truth)) == 2:
            found = tfidf([e.text for e in known], truth, [e.text for e in test], positive=str(True))
            scores[name] = found.tolist()
    return [
        dataclasses.replace(
            answer,
            criteria=tuple((name, column[row]) for name, column in scores.items()),
            met=tuple(name for name, column in scores.items() if column[row] >= 0.5),
        )
        for row, answer in enumerate(answered)
    ]


def tfidf_classes(train: Sequence[Example], test: Sequence[Example]) -> list[Prediction]:
    """The TF-IDF baseline's answers to `test`, in its order, among any number of classes.

    The score is the probability of the answer, as a model without a positive class gives it. Raises
    GateError if the training labels are all alike, or no training text has a word.
    """
    ordered = sorted(train, key=lambda example: example.example_id)
    if len({example.label for example in ordered}) < 2:
        raise GateError("the TF-IDF baseline needs training examples of two classes or more.")
    words, given = _features([e.text for e in ordered])
    model = _regression().fit(given, [e.label for e in ordered])
    found = model.predict_proba(words.transform([e.text for e in test])) if test else np.zeros((0, 2))
    return [
        Prediction(
            example_id=example.example_id,
            answer=ranked[0][0],
            score=ranked[0][1],
            ranked=ranked,
            input_digest=digest(example.text.encode()),
            version="tfidf",
        )
        for example, row in zip(test, found, strict=True)
        for ranked in (
            tuple(sorted(zip(model.classes_, map(float, row), strict=True), key=lambda p: (-p[1], p[0]))),
        )
    ]


def tfidf_sets(
    train: Sequence[Example], tune: Sequence[Example], test: Sequence[Example], *, first: int = 5
) -> list[Prediction]:
    """Answers to `test`, in its order, where labels are sets of codes: one logistic regression a code of `train`.

    Codes are answered from one probability on for all of them, that of the best micro F1 on `tune` (0.5 without
    tune rows). The score is the largest probability. All regressions together learn from about ROWS rows: with
    more rows and codes than that each sees all rows of its code and a sample of the others, weighed up to their
    number (case-control sampling: King and Zeng 2001). Raises GateError if no training row has a code, or a word.
    """
    ordered = sorted(train, key=lambda example: example.example_id)
    codes = sorted({code for example in ordered for code in example.label.split()})
    if not codes:
        raise GateError("the TF-IDF baseline needs training examples that have a code.")
    words, given = _features([example.text for example in ordered])
    truth = members(ordered, codes)
    asked = [*tune, *test]
    scores = np.zeros((len(asked), len(codes)))
    if asked:
        features = words.transform([example.text for example in asked])
        drawn = np.random.default_rng(0).permutation(len(ordered))
        for column in range(len(codes)):
            scores[:, column] = _probability(given, truth[:, column], features, drawn, ROWS // len(codes))
    cut = best_cut(scores[: len(tune)].ravel(), members(tune, codes).ravel())
    cut = 0.5 if cut is None else cut
    answers = []
    for example, row in zip(test, scores[len(tune) :], strict=True):
        ranked = tuple((codes[i], float(row[i])) for i in np.argsort(-row, kind="stable")[:first])
        answers.append(
            Prediction(
                example_id=example.example_id,
                answer=" ".join(codes[i] for i in np.flatnonzero(row >= cut)),
                score=ranked[0][1],
                ranked=ranked,
                input_digest=digest(example.text.encode()),
                version="tfidf",
            )
        )
    return answers


def _probability(
    given: Any, truth: Bools, asked: Any, drawn: NDArray[np.int64], others: int
) -> NDArray[np.float64]:
    """P(true) of each row of `asked`; 1 where all rows given are true.

    Learned from all true rows and the first of the others as they are `drawn`: `others`, or CONTROLS a true row.
    """
    from sklearn.linear_model import LogisticRegression

    if truth.all():
        return np.ones(asked.shape[0])
    false = drawn[~truth[drawn]]
    kept = false[: max(others, CONTROLS * int(truth.sum()))]
    rows = np.sort(np.concatenate([np.flatnonzero(truth), kept]))
    weights = np.where(truth[rows], 1.0, len(false) / len(kept))
    model = LogisticRegression(C=10.0, solver="liblinear").fit(given[rows], truth[rows], weights)
    found: NDArray[np.float64] = model.predict_proba(asked)[:, 1]
    return found


def _regression() -> Any:
    """Logistic regression with classes weighted by their rarity."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000)


def _features(texts: Sequence[str]) -> tuple[Any, Any]:
    """TF-IDF of words and word pairs, fitted to texts, and the texts by it, shape (texts, words and pairs).

    Of many texts the words that two share, or all where none do (Japanese). GateError where no text has a word.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    for least in (2, 1) if len(texts) >= MANY else (1,):
        words = TfidfVectorizer(ngram_range=(1, 2), min_df=least, sublinear_tf=True)
        with contextlib.suppress(ValueError):  # its way to say that nothing is left
            return words, words.fit_transform(list(texts))
    raise GateError(
        f"the TF-IDF baseline finds no word of two letters in {len(texts)} training texts. "
        "Look at them: pv dataset show"
    )


def nearest_terms(
    terms: Sequence[tuple[str, str]],
    train: Sequence[Example],
    test: Sequence[Example],
    *,
    first: int = 5,
    block: int = 512,
) -> list[Prediction]:
    """The coding baseline: the dictionary's terms that share most letter groups with the verbatim.

    `terms` are (code, name) pairs; verbatims of `train` count as further names of their code. A
    code's score is the best cosine of its names (TF-IDF of 2 to 4 letters within words). Ties go
    to the lower code. `block` verbatims are scored at a time, which bounds the memory.
    Raises GateError without terms.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    known = {code for code, _ in terms}
    named = [*terms, *((e.label, e.text) for e in train if e.label in known)]
    if not named:
        raise GateError("the coding baseline needs the terms of a dictionary.")
    codes = sorted(known)
    column = {code: number for number, code in enumerate(codes)}
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    names = vectors.fit_transform([name.casefold() for _, name in named])
    # Names of one code stand side by side, so that the best of them is one reduction.
    owner = np.array([column[code] for code, _ in named])
    order = np.argsort(owner, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(owner[order]) != 0])
    names = names[order].T.tocsr()
    answers: list[Prediction] = []
    for start in range(0, len(test), block):
        asked = test[start : start + block]
        cosine = (vectors.transform([e.text.casefold() for e in asked]) @ names).toarray()
        best = np.maximum.reduceat(cosine, starts, axis=1)
        # Rounded, so that equal names are equal on every machine and the lower code wins.
        top = np.argsort(-np.round(best, 9), axis=1, kind="stable")[:, :first]
        for example, row, ranking in zip(asked, best, top, strict=True):
            ranked = tuple((codes[index], float(row[index])) for index in ranking)
            answers.append(
                Prediction(
                    example_id=example.example_id,
                    answer=ranked[0][0],
                    score=ranked[0][1],
                    ranked=ranked,
                    input_digest=digest(example.text.encode()),
                    version="nearest-terms",
                )
            )
    return answers
