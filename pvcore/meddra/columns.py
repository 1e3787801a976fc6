"""Whole columns of text at once, by Arrow: membership, lookup and joining, where pandas goes value by value."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

TEXT = pa.large_string()
"""What a pandas column of text is made of, so that nothing is copied."""
Texts: TypeAlias = pd.Series | pd.Index


def to_frame(table: pa.Table) -> pd.DataFrame:
    """An Arrow table whose columns are TEXT as a frame of text."""
    return table.to_pandas(types_mapper={TEXT: pd.StringDtype(na_value=float("nan"))}.get)


def to_array(values: Texts) -> pa.Array:
    """A column of text for Arrow; a missing value stays missing."""
    return pa.array(values, TEXT)


def is_in(values: Texts, known: Texts) -> npt.NDArray[np.bool_]:
    """`values.isin(known)`, for which pandas makes a list of all text first; shape (values,)."""
    return pc.is_in(to_array(values), value_set=to_array(known)).to_numpy(zero_copy_only=False)


def places(values: Texts, known: Texts) -> npt.NDArray[np.int64]:
    """Where each value stands first in `known`, -1 if it does not; shape (values,)."""
    found = pc.index_in(to_array(values), value_set=to_array(known))
    return pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def looked_up(values: Texts, frame: pd.DataFrame, key: str, *columns: str) -> pd.DataFrame:
    """Columns of the first row of `frame` that has each value as its key; NaN where none has."""
    at = places(values, frame[key])
    found = {column: frame[column].array.take(at, allow_fill=True) for column in columns}
    return pd.DataFrame(found, index=values.index if isinstance(values, pd.Series) else values)


def joined(frame: pd.DataFrame, by: str) -> pa.Array:
    """Every row of a frame of text as its fields, joined."""
    rows = pc.binary_join_element_wise(
        *(to_array(frame[name]) for name in frame.columns), pa.scalar(by, TEXT)
    )
    return rows.combine_chunks() if isinstance(rows, pa.ChunkedArray) else rows


def sorted_lines(rows: pa.Array) -> pa.Buffer:
    """Texts in order of their UTF-8 bytes, which is that of their characters, with newlines between them."""
    rows = rows.take(pc.sort_indices(rows))
    text = pc.binary_join(pa.LargeListArray.from_arrays([0, len(rows)], rows), pa.scalar("\n", TEXT))
    return text[0].as_buffer()
