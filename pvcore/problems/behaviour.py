"""The behaviour tests of a problem, read from YAML; `docs/reference/behaviour.md` describes the file.

>>> from pvcore.problems import PROBLEMS
>>> text = "problem: seriousness\\nwords: {drug: [abacol, Zelafib]}\\ntests:\\n  drug_name:\\n"
>>> (test,) = read(text + "    - {text: 'She died after {drug}.', vary: drug}", "mine.yaml", PROBLEMS["seriousness"])
>>> test.form, test.texts
('same', ('She died after abacol.', 'She died after Zelafib.'))

All inputs go through the problem's own `questions`, as those of a case do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import yaml

from pvcore import yaml_text
from pvcore.errors import Fault, InputError
from pvcore.evaluation.behaviour import Behaviour, Form
from pvcore.evaluation.spans import ordered, written
from pvcore.evaluation.spans import read as marked
from pvcore.problems.problem import Problem
from pvcore.problems.quoting import located
from pvcore.records import Case, Question, Reaction, digest

if TYPE_CHECKING:
    import pandas as pd

FORMS: Mapping[frozenset[str], Form] = {
    frozenset({"text", "answer"}): "expected",
    frozenset({"text", "vary"}): "same",
    frozenset({"same"}): "same",
    frozenset({"from", "text", "toward"}): "direction",
    frozenset({"text", "answered"}): "answered",
}
"""What a test is asked by -> its form."""
TERMS = ("term", "other")
"""Words that stand for terms of the dictionary, as {term} and {other}; as an answer they are its code."""
DRAWN = 8
"""Terms of each of them, for a problem that answers with terms."""
LONG = 20_000
"""Characters that {word|long} has at least."""
_SLOT = re.compile(r"\{(\w+)(?:\|(\w+))?\}")
_KIND = re.compile(r"[a-z][a-z0-9_]*")


def misspelt(text: str) -> str:
    """The text with two letters in the middle of its longest word swapped, the nearest that differ.

    >>> misspelt("hepatic failure"), misspelt("ill")
    ('heaptic failure', 'lil')
    """
    word = max(re.findall(r"\w+", text) or [""], key=len)
    places = sorted(range(len(word) - 1), key=lambda n: abs(n + 1 - len(word) / 2))
    at = next((n for n in places if word[n].lower() != word[n + 1].lower()), None)
    if at is None:
        return text
    return text.replace(word, word[:at] + word[at + 1] + word[at] + word[at + 2 :], 1)


CHANGES = {
    "misspelt": misspelt,
    "upper": str.upper,
    "spaced": lambda text: text.replace(" ", "   "),
    "long": lambda text: text * (LONG // max(len(text), 1) + 1),
}
"""What {word|change} does to a word before it is put in."""


@dataclass(frozen=True, slots=True)
class _Slots:
    """What {word} stands for: lists of (text, answer), where the answer is the text or a term's code."""

    words: Mapping[str, Sequence[tuple[str, str]]]

    def used(self, value: Any) -> set[str]:
        return {name for text in _texts(value) for name, _ in _SLOT.findall(text)}

    def filled(self, value: Any, number: int, *, code: bool = False) -> Any:
        """`value` with the words of the `number`-th turn; lists go round, each by its own length."""
        if isinstance(value, list):
            return [self.filled(item, number, code=code) for item in value]

        def put(found: re.Match[str]) -> str:
            listed = self.words[found[1]]
            text, answer = listed[number % len(listed)]
            changed = CHANGES[found[2]](text) if found[2] else text
            return answer if code and found[1] in TERMS else changed

        return _SLOT.sub(put, value)


def read(
    text: str | bytes, source: str, problem: Problem, terms: pd.DataFrame | None = None
) -> tuple[Behaviour, ...]:
    """The tests of a file for `problem`; tests of {term} only where the dictionary's `terms` are given.

    Raises InputError that lists every fault of the file.
    """
    try:
        value = yaml_text.load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(source, [Fault("YAML", str(error))]) from None
    faults: list[Fault] = []
    value = value if isinstance(value, dict) else {"": value}
    for name in value.keys() - {"problem", "words", "tests"}:
        faults.append(Fault(f"{name!r}", "unknown", "a file has problem, words and tests"))
    if value.get("problem") != problem.name:
        faults.append(Fault("problem", f"{value.get('problem')!r}, expected {problem.name!r}"))
    slots = _slots(value.get("words"), problem, terms, faults)
    made: list[Behaviour] = []
    kinds = value.get("tests")
    if not isinstance(kinds, dict) or not kinds:
        faults.append(Fault("tests", "no mapping of kinds (negation, history, ...) to lists of tests"))
        kinds = {}
    for kind, tests in kinds.items():
        if not isinstance(kind, str) or not _KIND.fullmatch(kind) or not isinstance(tests, list) or not tests:
            faults.append(Fault(f"tests.{kind}", "not a name in small letters with a list of tests"))
            continue
        for number, test in enumerate(tests, 1):
            where = f"{kind} {number}"
            try:
                made += _tests(where, kind, test, problem, slots)
            except ValueError as error:
                faults.append(Fault(where, str(error)))
    if faults:
        raise InputError(source, faults, "How a test is written: docs/reference/behaviour.md.")
    return tuple(made)


def _slots(words: Any, problem: Problem, terms: pd.DataFrame | None, faults: list[Fault]) -> _Slots:
    found: dict[str, list[tuple[str, str]]] = {}
    for name, listed in (words if isinstance(words, dict) else {}).items():
        texts = listed if isinstance(listed, list) else []
        if name in TERMS:
            faults.append(Fault(f"words.{name}", "stands for terms of the dictionary, choose another name"))
        elif not re.fullmatch(r"\w+", str(name)) or not texts or not all(isinstance(t, str) for t in texts):
            faults.append(Fault(f"words.{name}", "not a name with a list of texts"))
        else:
            found[str(name)] = [(text, text) for text in texts]
    if words is not None and not isinstance(words, dict):
        faults.append(Fault("words", "no mapping of names to lists of texts"))
    if problem.terms:
        chosen = _drawn(terms) if terms is not None else []
        found |= {name: chosen[place * DRAWN :][:DRAWN] for place, name in enumerate(TERMS)}
    return _Slots(found)


def _drawn(terms: pd.DataFrame) -> list[tuple[str, str]]:
    """(name, code) of as many terms as are asked for, by the digest of their codes: the same in each run.

    Names with a word of six letters or more, so that a misspelling still says which is meant; each once.
    """
    rows = zip(terms["llt_name"].astype(str), terms["llt_code"].astype(str), strict=True)
    long = {name: code for name, code in rows if any(len(word) > 5 for word in re.findall(r"\w+", name))}
    return sorted(long.items(), key=lambda row: digest(row[1]))[: DRAWN * len(TERMS)]


def _tests(where: str, kind: str, asked: Any, problem: Problem, slots: _Slots) -> Iterator[Behaviour]:
    """The tests that one entry of a file makes, a turn of its words each. Raises ValueError."""
    if not isinstance(asked, dict):
        raise ValueError("not a mapping such as {text: ..., answer: ...}")
    form = FORMS.get(frozenset(asked))
    if form is None:
        raise ValueError(
            f"says {', '.join(map(str, asked)) or 'nothing'}, expected text with answer, text with vary, same, "
            "from with text and toward, or text with answered"
        )
    _refuse_odd(asked, problem, slots)
    used = slots.used([v for k, v in asked.items() if k != "answered"]) - {asked.get("vary")}
    if any(not slots.words[name] for name in used):
        return  # of the dictionary's terms, and none is at hand
    for number in range(max((len(slots.words[name]) for name in used), default=1)):
        texts, swapped = _filled(asked, slots, number)
        answer = asked.get("toward") or (asked["answer"] if form == "expected" else "")
        label = _label(slots.filled(answer, number, code=True), texts[0], problem) if answer else ""
        name = f"{where}.{number + 1}" if used else where
        yield Behaviour(name, kind, form, tuple(texts), label, swapped)


def _refuse_odd(asked: Mapping[str, Any], problem: Problem, slots: _Slots) -> None:
    """Raises ValueError for a value that is of another form than it should be."""
    for key, value in asked.items():
        listed = key == "same" or (key == "answer" and problem.kind == "extraction")
        if key == "answered":
            if value is not True:
                raise ValueError("answered: true is all that can be said of it")
        elif not isinstance(value, list if listed else str) or not all(
            isinstance(item, str) for item in (value if key == "same" else ())
        ):
            raise ValueError(
                f"{key}: expected {'a list of texts' if listed else 'a text'}, found {value!r:.60}"
            )
    if len(set(asked.get("same", "ab"))) < 2:
        raise ValueError("same: expected two texts or more that differ")
    if "toward" in asked and problem.kind == "extraction":
        raise ValueError("toward: spans have no ranking to compare")
    known = ", ".join(slots.words) or "none"
    for text in _texts([value for key, value in asked.items() if key != "answered"]):
        for name, change in _SLOT.findall(text):
            if name not in slots.words:
                raise ValueError(f"{{{name}}} is not one of the words: {known}")
            if change and change not in CHANGES:
                raise ValueError(f"{{{name}|{change}}}: expected one of {', '.join(CHANGES)}")
    if "vary" in asked:
        varied = slots.words.get(asked["vary"], ())
        if len(varied) < 2 or asked["vary"] in TERMS or asked["vary"] not in slots.used(asked["text"]):
            raise ValueError(f"vary: {asked['vary']!r} is no list of two words or more that the text uses")


def _filled(asked: Mapping[str, Any], slots: _Slots, number: int) -> tuple[list[str], tuple[str, ...]]:
    """The texts of a turn, and the words that were put in place of one another."""
    if "vary" not in asked:
        texts = asked["same"] if "same" in asked else [asked[key] for key in ("from", "text") if key in asked]
        return slots.filled(texts, number), ()
    swapped = slots.words[asked["vary"]]
    one_each = [_Slots({**slots.words, asked["vary"]: [word]}) for word in swapped]
    return [one.filled(asked["text"], number) for one in one_each], tuple(text for text, _ in swapped)


def _label(answer: Any, text: str, problem: Problem) -> str:
    """An expected answer as the problem's label. Raises ValueError."""
    if problem.kind != "extraction":
        return problem.parse(answer)
    found, lost = located(text, json.dumps(answer))
    if lost:
        raise ValueError(f"answer: {lost} quotation(s) of {answer!r:.80} do not stand in the text")
    return problem.parse(written(found))


def view(problem: Problem, answer: str, text: str) -> str:
    """What of an answer is compared: the label, or of spans their words. Raises ValueError for no answer."""
    label = problem.parse(answer)
    if problem.kind != "extraction":
        return label
    quoted = [(s.label, *(text[a:b].casefold() for a, b in s.parts)) for s in ordered(marked(label).spans)]
    return json.dumps(sorted(quoted), ensure_ascii=False)


def questions(problem: Problem, tests: Sequence[Behaviour]) -> list[list[Question | None]]:
    """The question of each text of each test, as the problem asks a case; None where it asks nothing."""
    numbers = count(1)
    return [[_question(problem, text, next(numbers)) for text in test.texts] for test in tests]


def _question(problem: Problem, text: str, number: int) -> Question | None:
    # A ranking is asked of what was reported of a reaction, everything else of the narrative.
    reactions = (Reaction(verbatim=text),) if problem.kind == "ranking" else ()
    posed = problem.questions([Case(f"behaviour-{number}", text, "behaviour test", reactions=reactions)])
    return posed[0]._replace(example_id=f"behaviour-{number}") if posed else None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
