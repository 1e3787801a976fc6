"""Coefficients of agreement for nominal answers: observed, Cohen, Fleiss, Krippendorff.

All but Cohen's take one mapping of annotator to answer per thing judged, and use those with two answers or
more. None where a coefficient is not defined: no such thing, or one and the same answer throughout (then
agreement by chance is complete). Written out because the libraries do not fit: `krippendorff` is under the
GPL, and statsmodels is 12 MB for the eight lines of Fleiss; the tests hold both against published tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence

Answers = Mapping[str, Hashable]
"""Annotator -> answer."""


def observed(things: Iterable[Answers]) -> float | None:
    """The share of pairs of answers to one thing that agree, over all things."""
    agree = pairs = 0
    for counts in _counted(things):
        number = counts.total()
        pairs += number * (number - 1)
        agree += sum(n * (n - 1) for n in counts.values())
    return agree / pairs if pairs else None


def cohen(first: Sequence[Hashable], second: Sequence[Hashable]) -> float | None:
    """Cohen's kappa (1960) of two annotators' answers to the same things, in the same order."""
    if not first:
        return None
    number = len(first)
    one, other = Counter(first), Counter(second)
    chance = sum(one[answer] * other[answer] for answer in one) / number**2
    agree = sum(a == b for a, b in zip(first, second, strict=True)) / number
    return (agree - chance) / (1 - chance) if chance < 1 else None


def fleiss(things: Iterable[Answers]) -> float | None:
    """Fleiss' kappa (1971). It asks for one number of answers to each thing: the most frequent one is used."""
    counted = _counted(things)
    if not counted:
        return None
    sizes = Counter(counts.total() for counts in counted)
    size = max(sizes, key=lambda n: (sizes[n], n))
    counted = [counts for counts in counted if counts.total() == size]
    total = sum(counted, Counter())
    agree = sum(n * (n - 1) for counts in counted for n in counts.values()) / (
        len(counted) * size * (size - 1)
    )
    chance = sum(n * n for n in total.values()) / total.total() ** 2
    return (agree - chance) / (1 - chance) if chance < 1 else None


def alpha(things: Iterable[Answers]) -> float | None:
    """Krippendorff's alpha, nominal (2004, chapter 11); any number of answers, also different ones."""
    counted = _counted(things)
    total = sum(counted, Counter())
    number = total.total()
    expected = number**2 - sum(n * n for n in total.values())
    differing = sum((c.total() ** 2 - sum(n * n for n in c.values())) / (c.total() - 1) for c in counted)
    return 1 - (number - 1) * differing / expected if expected else None


def _counted(things: Iterable[Answers]) -> list[Counter[Hashable]]:
    return [Counter(answers.values()) for answers in things if len(answers) > 1]
