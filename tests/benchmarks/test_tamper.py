"""Two hundred random changes of a ledger are all found, as ten thousand are by the benchmark itself."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    import tamper

    return tamper


def test_all_are_found_and_some_only_by_the_checkpoint(benchmark: ModuleType, tmp_path: Path) -> None:
    root, data, kept = benchmark.prepared(tmp_path, 66)
    for rounds, look in ((180, benchmark.Memory), (27, benchmark.laid_out(root, data))):
        counted = benchmark.tamper(data, kept, rounds, 7, look)
        assert sum(sum(found.values()) for found in counted.values()) == rounds
        assert not any(found["missed"] for found in counted.values()), counted
        for name in ("truncation", "fork: another history, rechained"):
            assert set(counted[name]) == {"checkpoint"}, "no chain shows this by itself"
        assert set(counted["deletion"]) == {"chain"}


def test_a_change_that_is_none_would_be_missed(benchmark: ModuleType, tmp_path: Path) -> None:
    _, data, kept = benchmark.prepared(tmp_path, 66)
    assert benchmark.audit.audit(benchmark.Memory(data), {"kept": kept}).faults == ()
