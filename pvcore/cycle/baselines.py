"""What a candidate has to beat: the word list for its kind of problem, and references of the problem's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pvcore.evaluation.baseline import (
    nearest_terms,
    tfidf_classes,
    tfidf_predictions,
    tfidf_sets,
    with_criteria,
)
from pvcore.evaluation.lexicon import lexicon
from pvcore.problems import Problem
from pvcore.records import Example, Prediction

Splits = Mapping[str, list[Example]]


def baselines(problem: Problem, examples: Splits, terms: Any) -> dict[str, list[Prediction]]:
    """Name -> answers to the test rows: of the word list for this kind of problem, and of the problem's own."""
    train, test = examples["train"], examples.get("test", [])
    words = BASELINES[problem.kind]
    own = {name: made(train, test) for name, made in problem.baselines.items()}
    return {words.name: words.answers(problem, examples, terms), **own}


class Baseline(NamedTuple):
    """A reference by the name that a policy's `against` and the report call it."""

    name: str
    answers: Callable[[Problem, Splits, Any], list[Prediction]]


def _words(problem: Problem, examples: Splits, terms: Any) -> list[Prediction]:
    train, test = examples["train"], examples.get("test", [])
    if problem.positive is None:
        return tfidf_classes(train, test)
    negative = next(label for label in problem.labels if label != problem.positive)
    answered = tfidf_predictions(train, test, positive=problem.positive, negative=negative)
    return with_criteria(answered, train, test, list(problem.criteria))


def _terms(problem: Problem, examples: Splits, terms: Any) -> list[Prediction]:
    pairs = list(zip(terms["llt_code"], terms["llt_name"], strict=True))
    return nearest_terms(pairs, examples["train"], examples.get("test", []))


def _sets(problem: Problem, examples: Splits, terms: Any) -> list[Prediction]:
    return tfidf_sets(examples["train"], examples.get("tune", []), examples.get("test", []))


def _marks(problem: Problem, examples: Splits, terms: Any) -> list[Prediction]:
    return lexicon(examples["train"], examples.get("test", []))


BASELINES: Mapping[str, Baseline] = {
    "classification": Baseline("TF-IDF", _words),
    "ranking": Baseline("TF-IDF", _terms),
    "set": Baseline("TF-IDF", _sets),
    "extraction": Baseline("lexicon", _marks),
}
"""Kind of problem -> its word list: TF-IDF with logistic regression, the nearest term by letters (TF-IDF, too),
the wordings that were marked before."""
