"""What a training run sees: new rows, and a little of what the parent learned (replay).

    >>> from pvcore.records import Example
    >>> rows = [Example(f"e{i}", f"c{i}", "text", "serious" if i % 3 else "non-serious", f"k{i}") for i in range(9)]
    >>> mixed = mix(rows[:4], rows[4:], replay=0.5, max_rows=None, seed=1)
    >>> len(mixed), mixed == mix(rows[3::-1], rows[:3:-1], replay=0.5, max_rows=None, seed=1)
    (6, True)

A little replay keeps most of what continued training would forget; see docs/decisions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fractions import Fraction

from pvcore.errors import TrainingError
from pvcore.records import Example, digest


def mix(
    new: Sequence[Example], parent_rows: Sequence[Example], *, replay: float, max_rows: int | None, seed: int
) -> list[Example]:
    """New rows (at most `max_rows`) and `replay` rows of the parent per new row, in an order by digest.

    Both are sampled by digest within strata of label and slices, in proportion to them, so the
    result depends on the rows and the seed and not on the order of either list. A row of the parent
    that is also new counts as new. Raises TrainingError where one id names two different new rows.
    """
    fresh = _unique(new)
    chosen = sample(fresh.values(), len(fresh) if max_rows is None else max_rows, seed)
    old = [row for row in _unique(parent_rows).values() if row.example_id not in fresh]
    # Without new rows there is nothing to balance: the parent's own rows are the training set.
    wanted = math.ceil(replay * len(chosen)) if chosen else len(old)
    return _ordered([*chosen, *sample(old, wanted, seed)], seed)


def sample(rows: Iterable[Example], size: int, seed: int) -> list[Example]:
    """`size` rows (all, if fewer), each stratum by its share: largest remainders, ties by digest."""
    strata: dict[tuple[str, ...], list[Example]] = defaultdict(list)
    for row in _ordered(rows, seed):
        strata[(row.label, *row.slices)].append(row)
    total = sum(len(stratum) for stratum in strata.values())
    if size >= total:
        return _ordered((row for stratum in strata.values() for row in stratum), seed)
    shares = {name: Fraction(size * len(stratum), total) for name, stratum in strata.items()}
    counts = {name: int(share) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda n: (counts[n] - shares[n], digest([seed, list(n)])))
    for name in by_remainder[: size - sum(counts.values())]:
        counts[name] += 1
    return _ordered((row for name, stratum in strata.items() for row in stratum[: counts[name]]), seed)


def _ordered(rows: Iterable[Example], seed: int) -> list[Example]:
    return sorted(rows, key=lambda row: digest([seed, row.example_id]))


def _unique(rows: Sequence[Example]) -> dict[str, Example]:
    found: dict[str, Example] = {}
    for row in rows:
        if found.setdefault(row.example_id, row) != row:
            raise TrainingError(f"two different rows are named {row.example_id}: build the dataset again")
    return found
