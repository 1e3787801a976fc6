"""Where a model fails: slices that go wrong more often than the rest, and groups of wrong answers that read alike.

A slice is a failure mode where the exact test of its errors against those of the other rows (Fisher), corrected
over all slices (Holm), says so; fewer rows than MINIMUM say nothing. What no slice names is grouped by the
words of the wrong answers' texts, and each group is named by the words that set it apart from the right ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pvcore.advice.vectors import vectors
from pvcore.evaluation.paired import holm
from pvcore.records import Example

MINIMUM = 20
LEVEL = 0.05
GROUPS, WORDS, SHOWN = 4, 4, 5
"""Groups of wrong answers at most, words that name one, examples that are shown of a mode."""
RARE = 5
"""Training rows below which a label's rows are the slice rare_labels; of a set, one such term is enough."""
LONG = 0.75
"""Texts longer than this share of all are the slice long_texts."""
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|-){2,}")
"""Three letters or more of any alphabet."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A held-out row with the model's answer to it, and whether that is right. `labels` is what its label counts as
    (`sufficiency.labels_of`), where that is not the label itself: the terms of a set, the kinds of its spans.
    """

    example: Example
    answer: str
    right: bool
    confidence: float | None = None
    labels: tuple[str, ...] | None = None

    @property
    def counted(self) -> tuple[str, ...]:
        """What is counted of its label."""
        return (self.example.label,) if self.labels is None else self.labels


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to fail. `kind` is slice or words; `rest` the error rate outside of it; `p` corrected over all slices,
    None for a group of words. `cases` are the ids of its wrong rows, the surest first; `examples` a few of them.
    """

    name: str
    kind: str
    rows: int
    errors: int
    rest: float
    p: float | None
    cases: tuple[str, ...]
    examples: tuple[Mapping[str, str], ...]

    @property
    def rate(self) -> float:
        """Share of its rows that went wrong."""
        return self.errors / self.rows


def failure_modes(rows: Sequence[Answered], trained: Mapping[str, int]) -> list[Mode]:
    """All modes, those that explain the most errors first. `trained`: label -> rows that the model learned from."""
    named = slices(rows, trained)
    found = [mode for mode in _slices(rows, named) if mode.p is not None and mode.p <= LEVEL]
    explained = {case for mode in found for case in mode.cases}
    found += _groups(rows, explained)
    return sorted(found, key=lambda mode: (-mode.errors, mode.name))


def slices(rows: Sequence[Answered], trained: Mapping[str, int]) -> dict[str, list[int]]:
    """Slice -> places of its rows: the problem's own, and rare_labels, long_texts."""
    found: dict[str, list[int]] = {}
    lengths = [len(row.example.text) for row in rows]
    long = float(np.quantile(lengths, LONG)) if lengths else 0.0
    for place, row in enumerate(rows):
        names = set(row.example.slices)
        rare = any(trained.get(label, 0) < RARE for label in row.counted)
        names |= {"rare_labels"} if rare else set()
        names |= {"long_texts"} if lengths[place] > long else set()
        for name in names:
            found.setdefault(name, []).append(place)
    return dict(sorted(found.items()))


def _slices(rows: Sequence[Answered], named: Mapping[str, list[int]]) -> list[Mode]:
    from scipy.stats import hypergeom

    wrong = np.array([not row.right for row in rows])
    tested = {}
    for name, places in named.items():
        if not MINIMUM <= len(places) <= len(rows) - MINIMUM:
            continue
        inside = int(wrong[places].sum())
        tested[name] = float(hypergeom.sf(inside - 1, len(rows), int(wrong.sum()), len(places)))
    corrected = holm(tested)
    return [_mode(name, "slice", rows, named[name], corrected[name]) for name in tested]


def _groups(rows: Sequence[Answered], explained: set[str]) -> list[Mode]:
    """Groups of the wrong rows that no slice explains, by their words."""
    left = [n for n, row in enumerate(rows) if not row.right and row.example.example_id not in explained]
    if len(left) < 2 * SHOWN:
        return []
    from sklearn.cluster import KMeans

    seen = vectors([rows[n].example.text for n in left])
    count = min(GROUPS, len(left) // SHOWN, len(np.unique(seen, axis=0)))
    of = KMeans(count, n_init=4, random_state=0).fit_predict(seen)
    right = _counts(row.example.text for row in rows if row.right)
    found = []
    for group in range(count):
        members = [left[i] for i in np.flatnonzero(of == group)]
        words = _telling(_counts(rows[n].example.text for n in members), right)
        if len(members) >= SHOWN and words:
            # Which right rows would belong to it is not known, so its rows are its errors.
            found.append(_mode(f"like: {', '.join(words)}", "words", rows, members, None))
    return found


def _counts(texts: Iterable[str]) -> tuple[Counter[str], int]:
    """(Word -> texts that hold it, number of texts)."""
    found: Counter[str] = Counter()
    number = 0
    for text in texts:
        found.update(set(_WORD.findall(text.lower())))
        number += 1
    return found, number


def _telling(group: tuple[Counter[str], int], others: tuple[Counter[str], int]) -> list[str]:
    """The words that set a group apart: the largest log-odds ratio over its standard error (Monroe et al. 2008)."""
    (mine, size), (theirs, rest) = group, others

    def weight(word: str) -> float:
        a, b = mine[word] + 0.5, theirs[word] + 0.5
        c, d = size - mine[word] + 0.5, rest - theirs[word] + 0.5
        return float(np.log(a * d / (b * c)) / np.sqrt(1 / a + 1 / b + 1 / c + 1 / d))

    often = [word for word, count in mine.items() if count >= max(2, 0.2 * size)]
    return [word for word in sorted(often, key=lambda w: (-weight(w), w)) if weight(word) > 1.96][:WORDS]


def _mode(name: str, kind: str, rows: Sequence[Answered], places: Sequence[int], p: float | None) -> Mode:
    inside = set(places)
    wrong = [n for n in places if not rows[n].right]
    wrong.sort(key=lambda n: (-(rows[n].confidence or 0.0), rows[n].example.example_id))
    rest = [not row.right for n, row in enumerate(rows) if n not in inside]
    return Mode(
        name=name,
        kind=kind,
        rows=len(places),
        errors=len(wrong),
        rest=float(np.mean(rest)) if rest else 0.0,
        p=p,
        cases=tuple(rows[n].example.example_id for n in wrong),
        examples=tuple(
            {"case": rows[n].example.case_id, "text": rows[n].example.text, "label": rows[n].example.label,
             "answer": rows[n].answer}
            for n in wrong[:SHOWN]
        ),
    )  # fmt: skip


def closed(
    before: Sequence[Mode], rows: Sequence[Answered], trained: Mapping[str, int]
) -> list[dict[str, object]]:
    """What became of the failure modes of an earlier report on the same held-out rows, a row each.

    A mode is `closed` where at least half of its wrong rows are right now and the slice is no mode any more.
    """
    now = {row.example.example_id: row.right for row in rows}
    still = {mode.name for mode in failure_modes(rows, trained)}
    found = []
    for mode in before:
        asked = [case for case in mode.cases if case in now]
        mended = sum(now[case] for case in asked)
        done = bool(asked) and mended >= len(asked) / 2 and mode.name not in still
        found.append({"mode": mode.name, "wrong_before": len(asked), "right_now": mended, "closed": done})
    return found
