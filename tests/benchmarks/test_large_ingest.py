"""The file that is ingested is what it claims to be, and each step's peak is its own."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from pvcore.annotations.batch import read
from pvcore.errors import BatchError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    import large_ingest

    return large_ingest


def test_copies_have_ids_of_their_own(benchmark: ModuleType, tmp_path: Path) -> None:
    whole, cut, _ = benchmark.write_large(tmp_path, 12 * 2**20)
    assert whole.stat().st_size >= 12 * 2**20
    batch = read(whole)
    assert len(batch.cases) == 2000 and not any(benchmark.MARK in c.case_id for c in batch.cases)
    with pytest.raises(BatchError):
        read(cut)


def test_each_step_has_its_own_peak(benchmark: ModuleType) -> None:
    large = 64 * 2**20
    first, second = benchmark.measured({"large": lambda: len(b"x" * large), "small": lambda: "said"})
    assert first["peak"] > 0.9 * large / 1024 > 8 * second["peak"]
    assert second["said"] == "said"
