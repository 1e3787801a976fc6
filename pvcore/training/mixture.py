"""What a training run sees: new rows, and a little of what the parent learned (replay).

    >>> from pvcore.records import Example
    >>> rows = [Example(f"e{i}", f"c{i}", "text", "serious" if i % 3 else "non-serious", f"k{i}") for i in range(9)]
    >>> mixed = mix(rows[:4], rows[4:], replay=0.5, max_rows=None, seed=1)
    >>> len(mixed), mixed == mix(rows[3::-1], rows[:3:-1], replay=0.5, max_rows=None, seed=1)
    (6, True)

A little replay keeps most of what continued training would forget (docs/benchmarks/incremental.md). In a
little, a label or a safety slice of few rows would go missing by its share alone: it is kept by number.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from pvcore.errors import TrainingError
from pvcore.records import Example, digest

Stratum = tuple[str, ...]
"""A label, and the slices of its rows."""


def mix(
    new: Sequence[Example],
    parent_rows: Sequence[Example],
    *,
    replay: float,
    max_rows: int | None,
    seed: int,
    keep: int = 0,
    labels: Sequence[str] = (),
) -> list[Example]:
    """New rows (at most `max_rows`) and `replay` rows of the parent per new row, in an order by digest.

    Of each of `labels` that would have no row one more of the parent's is replayed: few new rows of one class would
    pull the model to it. Both are sampled (see `sample`), so the result depends on the rows and the seed and not on
    the order of either list. A row of the parent that is also new counts as new. Raises TrainingError
    where one id names two different rows.
    """
    fresh = _unique(new)
    chosen = sample(fresh.values(), len(fresh) if max_rows is None else max_rows, seed, keep)
    old = [row for row in _unique(parent_rows).values() if row.example_id not in fresh]
    # Without new rows there is nothing to balance: the parent's own rows are the training set.
    wanted = math.ceil(replay * len(chosen)) if chosen else len(old)
    mixed = [*chosen, *sample(old, wanted, seed, keep)]
    lacking = set(labels) - {row.label for row in mixed} if wanted else set()
    first = {row.label: row for row in reversed(_ordered(old, seed)) if row.label in lacking}
    return _ordered([*mixed, *first.values()], seed)


def sample(rows: Iterable[Example], size: int, seed: int, keep: int = 0) -> list[Example]:
    """`size` rows (all, if fewer), each stratum of label and slices by its share, rows by digest.

    Of every slice and every label `keep` rows stay at least (all, if fewer), as far as half of the
    sample goes: the first of each before the second of any, slices before labels, rare before
    frequent. Where terms are labels, that half holds a row each of those seen least.
    """
    strata: dict[Stratum, list[Example]] = defaultdict(list)
    for row in _ordered(rows, seed):
        strata[(row.label, *row.slices)].append(row)
    if size < sum(map(len, strata.values())):
        counts = _shares(strata, size, _kept(strata, keep, size // 2, seed), seed)
        strata = {name: stratum[: counts[name]] for name, stratum in strata.items()}
    return _ordered((row for stratum in strata.values() for row in stratum), seed)


def _kept(
    strata: Mapping[Stratum, Sequence[Example]], keep: int, most: int, seed: int
) -> Mapping[Stratum, int]:
    """How many rows of each stratum stay so that no label or slice goes missing."""
    groups: dict[tuple[bool, str], list[Stratum]] = defaultdict(list)
    for stratum in strata:
        for number, name in enumerate(stratum):
            groups[number == 0, name].append(stratum)
    sizes = {group: sum(len(strata[s]) for s in members) for group, members in groups.items()}
    order = sorted(groups, key=lambda group: (group[0], sizes[group], digest([seed, group[1]])))
    counts: Counter[Stratum] = Counter()
    have: Counter[tuple[bool, str]] = Counter()

    def place(stratum: Stratum) -> str:
        """Where the next row of a stratum stands in the order of all."""
        return digest([seed, strata[stratum][counts[stratum]].example_id])

    for turn in range(1, keep + 1):
        for group in order:
            if have[group] >= min(turn, sizes[group]):
                continue
            if most == 0:
                return counts
            chosen = min((s for s in groups[group] if counts[s] < len(strata[s])), key=place)
            counts[chosen] += 1
            most -= 1
            have.update((number == 0, name) for number, name in enumerate(chosen))
    return counts


def _shares(
    strata: Mapping[Stratum, Sequence[Example]], size: int, least: Mapping[Stratum, int], seed: int
) -> dict[Stratum, int]:
    """Rows of each stratum: in proportion, but `least` of it; largest remainders, ties by digest."""
    counts: dict[Stratum, int] = {}
    free, wanted = dict(strata), size
    while True:
        total = sum(map(len, free.values()))
        shares = {name: Fraction(wanted * len(rows), total) for name, rows in free.items()}
        short = [name for name, share in shares.items() if share < least.get(name, 0)]
        if not short:
            break
        for name in short:
            counts[name] = least[name]
            wanted -= counts[name]
            del free[name]
    whole = {name: int(share) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: (whole[name] - shares[name], digest([seed, list(name)])))
    for name in by_remainder[: wanted - sum(whole.values())]:
        whole[name] += 1
    return counts | whole


def _ordered(rows: Iterable[Example], seed: int) -> list[Example]:
    return sorted(rows, key=lambda row: digest([seed, row.example_id]))


def _unique(rows: Sequence[Example]) -> dict[str, Example]:
    found: dict[str, Example] = {}
    for row in rows:
        if found.setdefault(row.example_id, row) != row:
            raise TrainingError(f"two different rows are named {row.example_id}: build the dataset again")
    return found
