"""The benchmark of proofs of absence, on few records: its documents are checked as any other."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_few_records_are_measured_like_many() -> None:
    spec = importlib.util.spec_from_file_location("absence_benchmark", ROOT / "benchmarks" / "absence.py")
    assert spec and spec.loader
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    row = dict(zip(benchmark.COLUMNS, benchmark.measure(500, 50), strict=True))
    assert row["records"] == 500 and row["kept, MB"] == 0 and row["check, ms"] < 10
    # At 10 million records a path is 15 steps of 44 letters longer.
    assert 800 < row["proof"] < 2048 - 15 * 44 < row["file"]
