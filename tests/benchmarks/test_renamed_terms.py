"""The list of renamed terms keeps its form, and the benchmark counts and ranks as it says."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    import renamed_terms

    return renamed_terms


def test_every_pair_has_its_source(benchmark: ModuleType) -> None:
    with benchmark.PAIRS.open(encoding="utf-8", newline="") as opened:
        rows = list(csv.DictReader(opened))
    old = [row["old_name"] for row in rows]
    assert len(rows) >= 30 and len(set(old)) == len(old)
    assert {row["kind"] for row in rows} <= {"renamed", "demoted under", "spelling"}
    assert {row["verified_by"] for row in rows} <= {"corpus", "public file", "knowledge"}
    assert sum(row["verified_by"] != "knowledge" for row in rows) >= 30
    assert all(row["source"] and row["successor"] not in old for row in rows)


def test_counting_and_absence(
    benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = "VAERS_ID," + ",".join(f"{a},{b}" for a, b in benchmark.SYMPTOMS)
    lines = [f"{i},Old,8.10,Both,8.10,,,,,," for i in range(6)] + ["9,Both,12.10,New,12.10,,,,,,"]
    with zipfile.ZipFile(tmp_path / "2001VAERSData.zip", "w") as archive:
        archive.writestr("2001VAERSSYMPTOMS.csv", "\n".join([head, *lines]))
    codes = benchmark.count_codes(tmp_path)
    assert codes == {("Old", 8.1): 6, ("Both", 8.1): 6, ("Both", 12.1): 1, ("New", 12.1): 1}
    found = benchmark.absent(codes, 8.1, 5)
    assert found["term"].tolist() == ["Old"] and found["expected"].tolist() == [1.0]
    assert "absent from later codes: 1" in capsys.readouterr().out
    pairs = [benchmark.Pair("Old", ("New",), "renamed", "corpus")]
    assert benchmark.candidates(codes, pairs, {"Label"}) == ["Both", "Label", "New"]


def test_two_rankings_become_one(benchmark: ModuleType) -> None:
    first = benchmark.places(np.array([[0.9, 0.5, 0.5, 0.1]]))
    second = benchmark.places(np.array([[0.1, 0.2, 0.8, 0.9]]))
    assert first.tolist() == [[0, 1, 2, 3]] and second.tolist() == [[3, 2, 1, 0]]
    # names 0 and 3 lead one ranking each, 1 and 2 follow
    assert benchmark.alternating(first, second).tolist() == [[0, 2, 3, 1]]
    assert benchmark.alternating(second, first).tolist() == [[1, 3, 2, 0]]
    # equal sums of reciprocal ranks go by order: the outer two, each first and last, before the inner two
    assert benchmark.fused(first, second).tolist() == [[0, 2, 3, 1]]
