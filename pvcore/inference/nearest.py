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
    queries: NDArray[np.float32], vectors: NDArray[np.float32], top: int
) -> Iterator[list[tuple[int, float]]]:
    """For each query the `top` (row of `vectors`, dot product), best first; equal ones by the lower row.

    Shapes (queries, size) and (vectors, size), all of length one.
    """
    import torch

    columns = torch.from_numpy(vectors).T
    top = min(top, len(vectors))
    for start in range(0, len(queries), ROWS):
        part = queries[start : start + ROWS]
        rough = torch.from_numpy(part) @ columns
        least = rough.topk(top, dim=1).values[:, -1:] - margin(vectors.shape[1])
        for query, possible in zip(part, rough >= least, strict=True):
            found = [(row, exact(query, vectors[row])) for row in possible.nonzero()[:, 0].tolist()]
            yield sorted(found, key=lambda pair: (-pair[1], pair[0]))[:top]


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
