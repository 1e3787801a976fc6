"""The nearest of many vectors, found roughly first and then exactly: fast, and the same in any company.

What a matrix product makes of a row may depend on the row's place and on the shape (seen with OpenBLAS's
Haswell kernel). It decides here only which vectors can be among the best, with a margin that no order of
adding can exceed. The similarities that rank and are shown are correctly rounded sums, which have no order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

ROWS = 64
"""Queries at once: with 90,000 vectors their similarities take 23 MB."""


def nearest(
    queries: NDArray[np.float32],
    vectors: NDArray[np.float32],
    top: int,
    *,
    of: NDArray[np.int64] | None = None,
    less: NDArray[np.float64] | None = None,
) -> Iterator[list[tuple[int, float]]]:
    """For each query the `top` (row of `vectors`, dot product), best first; equal ones by the lower row.

    Shapes (queries, size) and (vectors, size), all of length one. `of`, shape (vectors,), numbers from 0 what each
    vector is a name of: of each thing its best name alone is found. `less`, of the same shape, is the share of what a
    product lacks to 1 that is taken off it, too: from that of equal vectors nothing is.
    """
    import torch

    columns = torch.from_numpy(vectors).T
    things = np.arange(len(vectors)) if of is None else of
    taken = np.zeros(len(vectors)) if less is None else less
    count = int(things.max(initial=-1)) + 1
    top = min(top, count)
    for start in range(0, len(queries), ROWS):
        part = queries[start : start + ROWS]
        rough = torch.from_numpy(part) @ columns
        rough -= (1 - rough).clamp(min=0) * torch.from_numpy(taken).float()
        best = rough
        if of is not None:
            empty = rough.new_full((len(part), count), -math.inf)
            best = empty.scatter_reduce(1, torch.from_numpy(of).expand_as(rough), rough, "amax")
        off = margin(vectors.shape[1]) * (1 + float(taken.max(initial=0)))
        possible = rough >= best.topk(top, dim=1).values[:, -1:] - off
        if of is not None:  # a thing may have hundreds of names above that, of which its best alone counts
            possible &= rough >= best.gather(1, torch.from_numpy(of).expand_as(rough)) - off
        for query, one in zip(part, possible, strict=True):
            rows = one.nonzero()[:, 0].tolist()
            dots = [(row, exact(query, vectors[row])) for row in rows]
            found = [(row, dot - max(0.0, 1 - dot) * float(taken[row])) for row, dot in dots]
            first: dict[int, tuple[int, float]] = {}
            for row, value in sorted(found, key=lambda pair: (-pair[1], pair[0])):
                first.setdefault(int(things[row]), (row, value))
            yield [*first.values()][:top]


def margin(size: int) -> float:
    """How far below the top-th best rough value a vector can lie and still be among the best.

    A dot product of vectors of length one, in single precision and in any order, is off by less than
    size * 2**-24 (Higham, "Accuracy and Stability of Numerical Algorithms", 3.1); two of them by twice that.
    A tenth is added for lengths that are not quite one.
    """
    return 1.1 * size * 2.0**-23


def exact(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The dot product, correctly rounded: a product of two singles is exact in double precision."""
    return math.fsum((a.astype(np.float64) * b).tolist())
