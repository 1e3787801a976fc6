"""Two files of tensors beside each other: which of them differ, and by how much (format: safetensors, its README)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from pvcore.errors import RegistryError

KINDS = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U8": "u1", "BOOL": "?",
}  # fmt: skip


def read(data: bytes) -> dict[str, np.ndarray]:
    """Name -> values, as float64. Raises RegistryError for bytes that are no safetensors file."""
    try:
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        return {
            name: _values(tensor, data[8 + length :])
            for name, tensor in header.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RegistryError(f"this is no file of tensors: {error}") from None


def _values(tensor: dict[str, Any], body: bytes) -> np.ndarray:
    begin, end = tensor["data_offsets"]
    found = np.frombuffer(body[begin:end], KINDS[tensor["dtype"]])
    if tensor["dtype"] == "BF16":  # the upper half of a float32
        found = (found.astype("<u4") << 16).view("<f4")
    return found.astype(np.float64).reshape(tensor["shape"])


def compare(one: bytes, other: bytes) -> dict[str, float | str]:
    """Tensors that differ: name -> the largest absolute difference, or words where shapes or names differ."""
    then, now = read(one), read(other)
    found: dict[str, float | str] = {}
    for name in sorted({*then, *now}):
        if name not in then or name not in now:
            found[name] = "only then" if name in then else "only now"
        elif then[name].shape != now[name].shape:
            found[name] = f"shape {list(then[name].shape)} then, {list(now[name].shape)} now"
        elif not np.array_equal(then[name], now[name], equal_nan=True):
            apart = float(np.max(np.abs(then[name] - now[name])))
            found[name] = apart if np.isfinite(apart) else "a value that is no number"
    return found
