"""Behaviour tests: what a model must do whatever its average says, asked of candidate and champion alike.

A test asks one thing of one or more texts, in one of the forms of CheckList (Ribeiro et al. 2020,
https://aclanthology.org/2020.acl-main.442): a minimum functionality test has the answer to be given
("expected"), an invariance test the same answer for texts that say the same ("same"), a directional
expectation test a label that becomes more likely from one text to the next ("direction"). A fourth form asks
for no more than an answer, or one that was withheld, and never a crash ("answered"). `kind` is what a test
is about: negation, misspelling, units.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from pvcore.evaluation.paired import sign_test
from pvcore.evaluation.sets import NOTHING
from pvcore.records import Prediction

Form = Literal["expected", "same", "direction", "answered"]
View = Callable[[str, str], str]
"""An answer and the text that it answers -> what of it is compared. ValueError for what is no answer."""
SHOWN = 10
"""Failures of a kind that a report keeps whole; `tests - passed` counts all."""
TEXT = 400
"""Characters of a text that a report keeps."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One test. `answer` is the label of an "expected" one, or the label that a "direction" leads to.

    `swapped` are the words, one a text, that a test of sameness put in place of one another: where an answer
    quotes its text they count as the same.
    """

    name: str
    kind: str
    form: Form
    texts: tuple[str, ...]
    answer: str = ""
    swapped: tuple[str, ...] = ()


class Reply(NamedTuple):
    """What came back for one text: a prediction, or how it crashed, or neither where no question was put."""

    prediction: Prediction | None = None
    crash: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A test that was not passed: its texts (shortened), what was asked, what came back for each text."""

    test: str
    form: str
    texts: tuple[str, ...]
    asked: str
    found: tuple[str, ...]
    champion_passed: bool | None


@dataclass(frozen=True, slots=True)
class Kind:
    """All tests of one kind. `withheld` counts texts whose answer a guardrail withheld.

    `champion` is how many the champion passed, None without one; `better` and `worse` count the tests that only
    the candidate or only the champion passed, and `p_worse` is the exact one-sided sign test over them (McNemar).
    """

    tests: int
    passed: int
    withheld: int
    failures: tuple[Failure, ...]
    champion: int | None = None
    better: int | None = None
    worse: int | None = None
    p_worse: float | None = None

    @property
    def rate(self) -> float:
        return self.passed / self.tests


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a candidate behaved. `tests` is the digest of the files they came from, `kinds` by name, sorted."""

    tests: str
    kinds: Mapping[str, Kind]

    @staticmethod
    def from_json(value: Mapping[str, Any] | None) -> Conduct | None:
        """The value that `dataclasses.asdict` made, read back; None for None."""
        if value is None:
            return None
        return Conduct(value["tests"], {name: _kind(kind) for name, kind in value["kinds"].items()})


def conduct(
    asked: Sequence[Behaviour],
    candidate: Sequence[Sequence[Reply]],
    champion: Sequence[Sequence[Reply]] | None,
    view: View,
    tests: str,
) -> Conduct:
    """Judge the replies to each test, which are in the order of its texts; `tests` as in Conduct."""
    mine = [passed(test, replies, view) for test, replies in zip(asked, candidate, strict=True)]
    theirs = (
        None
        if champion is None
        else [passed(test, replies, view) for test, replies in zip(asked, champion, strict=True)]
    )
    kinds = {}
    for kind in sorted({test.kind for test in asked}):
        rows = [number for number, test in enumerate(asked) if test.kind == kind]
        failures = [
            _failure(asked[n], candidate[n], theirs[n] if theirs else None, view) for n in rows if not mine[n]
        ]
        found = Kind(
            tests=len(rows),
            passed=len(rows) - len(failures),
            withheld=sum(bool(r.prediction and r.prediction.stopped) for n in rows for r in candidate[n]),
            # First what the champion could do.
            failures=tuple(sorted(failures, key=lambda failure: not failure.champion_passed)[:SHOWN]),
        )
        kinds[kind] = _beside(found, [mine[n] for n in rows], [theirs[n] for n in rows]) if theirs else found
    return Conduct(tests, kinds)


def passed(test: Behaviour, replies: Sequence[Reply], view: View) -> bool:
    """Whether a test is passed.

    "expected" and "answered" are about what a reader gets, so an answer that was withheld is not the expected
    one. "same" and "direction" are about the model: they look at what it said, withheld or not.
    """
    if any(reply.crash for reply in replies):
        return False
    if test.form == "answered":
        return all(
            _sound(reply.prediction, text, view) for reply, text in zip(replies, test.texts, strict=True)
        )
    found = [reply.prediction for reply in replies]
    if any(prediction is None for prediction in found):
        return False
    given = [prediction for prediction in found if prediction]
    if test.form == "direction":
        before, after = (dict(prediction.ranked).get(test.answer, -math.inf) for prediction in given)
        return after > before
    if test.form == "expected":
        return not given[0].stopped and view(given[0].answer, test.texts[0]) == view(
            test.answer, test.texts[0]
        )
    said = []
    for number, (prediction, text) in enumerate(zip(given, test.texts, strict=True)):
        seen = _seen(prediction.said, text, view)
        said.append(seen.replace(test.swapped[number].casefold(), "{}") if test.swapped else seen)
    return len(set(said)) == 1


def _sound(prediction: Prediction | None, text: str, view: View) -> bool:
    if prediction is None or prediction.stopped:
        return True  # nothing was asked, or a guardrail withheld the answer: a person looks
    try:
        view(prediction.answer, text)
    except ValueError:
        return False
    return math.isfinite(prediction.score)


def _beside(found: Kind, mine: Sequence[bool], theirs: Sequence[bool]) -> Kind:
    test = sign_test(np.array(mine), np.array(theirs), np.arange(len(mine)))
    return dataclasses.replace(
        found, champion=sum(theirs), better=test.better, worse=test.worse, p_worse=test.p_worse
    )


def _failure(test: Behaviour, replies: Sequence[Reply], champion: bool | None, view: View) -> Failure:
    wanted = {
        "expected": _seen(test.answer, test.texts[0], view) or NOTHING,
        "same": "the same answer to all",
        "direction": f"{test.answer} more likely for the second text",
        "answered": "an answer, or one that is withheld",
    }
    found = tuple(_shown(reply, test, text, view) for reply, text in zip(replies, test.texts, strict=True))
    texts = tuple(text if len(text) <= TEXT else text[:TEXT] + " ..." for text in test.texts)
    return Failure(test.name, test.form, texts, wanted[test.form], found, champion)


def _shown(reply: Reply, test: Behaviour, text: str, view: View) -> str:
    if reply.crash:
        return f"crashed: {reply.crash}"
    if reply.prediction is None:
        return "no question was put"
    said = _seen(reply.prediction.said, text, view) or NOTHING
    said = f"withheld: {said}" if reply.prediction.stopped else said
    likely = dict(reply.prediction.ranked).get(test.answer)
    return said if test.form != "direction" or likely is None else f"{said} ({test.answer} {likely:.4f})"


def _seen(answer: str, text: str, view: View) -> str:
    """What is compared of an answer, or what was said where it is none."""
    try:
        return view(answer, text) if answer else ""
    except ValueError:
        return answer


def _kind(value: Mapping[str, Any]) -> Kind:
    failures = [
        Failure(**{**item, "texts": tuple(item["texts"]), "found": tuple(item["found"])})
        for item in value["failures"]
    ]
    return Kind(**{**value, "failures": tuple(failures)})
