"""Is the data enough? Counts, duplicates, variety and coverage of a problem's examples, beside published ranges.

    >>> rows = [Example(f"e{n}", f"c{n}", f"rash number {n}", "serious" if n % 4 else "non-serious", f"k{n % 8}")
    ...         for n in range(10)]
    >>> found = sufficiency("seriousness", "classification", ("non-serious", "serious"), rows)
    >>> found.examples, found.distinct, round(found.repeated, 2), found.labels[0]
    (10, 8, 0.2, Label(name='serious', examples=7, distinct=6, enough=False))
    >>> [round(c.share, 2) for c in coverage(["a", "a", "a", "b", "c"])], coverage(["a", "a", "a", "b", "c"])[1].terms
    ([0.5, 0.8, 0.95], 2)

The ranges are starting points that reports of fine-tuned models of 3 to 8 billion parameters name
(classification 500 to 2,000 examples, extraction 1,000 to 5,000); the user's own learning curve (`pv curve`)
says more than any of them. For terms none is published: coverage of the volume takes its place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pvcore.records import Example

RANGES: Mapping[str, tuple[int, int]] = {"classification": (500, 2_000), "extraction": (1_000, 5_000)}
"""Kind of problem -> (low, high) number of examples, a starting point."""
PER_LABEL = 50
"""Examples below which a label is called rare: its recall cannot be told within 14 points (Wilson, 95%)."""
SHARES = (0.5, 0.8, 0.95)
WORDS = 20_000
"""Words that variety is measured on: the number of distinct ones grows with the text."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Label:
    """A label's examples, how many of them are distinct (near-identical cases count once), enough or not."""

    name: str
    examples: int
    distinct: int
    enough: bool


@dataclass(frozen=True, slots=True)
class Coverage:
    """The `terms` most frequent terms make up `share` of the volume; the rarest of them has `fewest` examples."""

    share: float
    terms: int
    fewest: int


@dataclass(frozen=True)
class Sufficiency:
    """`repeated` is the share of examples that are nearly another one; `variety` the distinct words of each 1,000
    (of at most WORDS), `labels` most frequent first, `coverage` of terms, () where labels are no terms.
    """

    problem: str
    examples: int
    distinct: int
    repeated: float
    variety: float
    range: tuple[int, int] | None
    labels: tuple[Label, ...]
    coverage: tuple[Coverage, ...]

    @property
    def advice(self) -> tuple[str, ...]:
        """What is missing, in words; () for nothing."""
        found = []
        if self.range and self.distinct < self.range[0]:
            found.append(
                f"{self.distinct:,} distinct examples; {self.range[0]:,} to {self.range[1]:,} are a starting point"
            )
        if self.repeated > 0.2:
            found.append(f"{self.repeated:.0%} of the examples repeat another one nearly word by word")
        if rare := [label for label in self.labels if not label.enough] if not self.coverage else []:
            names = ", ".join(f"{label.name} ({label.distinct})" for label in rare[:5])
            found.append(
                f"fewer than {PER_LABEL} distinct examples of {names}" + (", ..." if rare[5:] else "")
            )
        for cover in self.coverage:
            if cover.fewest < 2:
                found.append(
                    f"some terms of the first {cover.share:.0%} of the volume stand in one example only"
                )
                break
        return tuple(found)


def sufficiency(
    problem: str, kind: str, labels: Sequence[str], examples: Sequence[Example], *, terms: bool = False
) -> Sufficiency:
    """Measure all examples of a problem, whatever their split. `terms`: labels are terms, several split by blanks."""
    named = [(label, row.cluster) for row in examples for label in labels_of(row.label, kind)]
    counts = Counter(name for name, _ in named)
    distinct = Counter(name for name, _ in set(named))
    order = sorted({*counts, *labels} if not terms else counts, key=lambda name: (-counts[name], name))
    clusters = len({row.cluster for row in examples})
    return Sufficiency(
        problem=problem,
        examples=len(examples),
        distinct=clusters,
        repeated=1 - clusters / len(examples) if examples else 0.0,
        variety=_variety(row.text for row in examples),
        range=RANGES.get(kind),
        labels=tuple(Label(n, counts[n], distinct[n], distinct[n] >= PER_LABEL) for n in order),
        coverage=coverage([name for name, _ in named]) if terms else (),
    )


def coverage(terms: Iterable[str]) -> tuple[Coverage, ...]:
    """How many of the most frequent terms make up each of SHARES of all mentions; () without any."""
    counts = sorted(Counter(terms).values(), reverse=True)
    found, volume = [], sum(counts)
    for share in SHARES if counts else ():
        reached, number = 0, 0
        while reached < share * volume - 1e-9:
            reached, number = reached + counts[number], number + 1
        found.append(Coverage(share, number, counts[number - 1]))
    return tuple(found)


def labels_of(label: str, kind: str) -> list[str]:
    """What a label or an answer counts as: a class or term, the terms of a set, the kinds of its spans."""
    if kind == "extraction":
        from pvcore.evaluation.spans import read

        return sorted({span.label for span in read(label).spans})
    return label.split() if kind == "set" else [label]


def _variety(texts: Iterable[str]) -> float:
    words: list[str] = []
    for text in texts:
        words += _WORD.findall(text.lower())
        if len(words) >= WORDS:
            break
    words = words[:WORDS]
    return 1000 * len(set(words)) / len(words) if words else 0.0
