"""The benchmark of proofs of absence, on few records: its documents are checked as any other."""

from __future__ import annotations

import absence


def test_few_records_are_measured_like_many() -> None:
    row = dict(zip(absence.COLUMNS, absence.measure(500, 50), strict=True))
    assert row["records"] == 500 and row["kept, MB"] == 0 and row["check, ms"] < 10
    # At 10 million records a path is 15 steps of 44 letters longer.
    assert 800 < row["proof"] < 2048 - 15 * 44 < row["file"]
