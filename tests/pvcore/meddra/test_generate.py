"""An invented release is a real one in format and proportions, the same bytes by seed."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from pvcore.errors import ConfigError
from pvcore.meddra.diff import diff
from pvcore.meddra.evolve import CHANGES
from pvcore.meddra.generate import Size, Truth, generate
from pvcore.meddra.release import Dictionary, read


def test_the_file_is_laid_out_as_the_real_one(first: Truth, second: Truth) -> None:
    assert first.archive.name == "MedDRA_28_1_English.zip"
    with zipfile.ZipFile(first.archive) as archive:
        names = archive.namelist()
        llt, release = archive.read("MedAscii/llt.asc"), archive.read("MedAscii/meddra_release.asc")
    assert "MedAscii/mdhier.asc" in names and "SeqAscii/llt.seq" in names
    line = llt.splitlines(keepends=True)[0]
    assert line.endswith(b"$\r\n") and line.count(b"$") == 11
    assert release == b"28.1$English$$$$"
    with zipfile.ZipFile(second.archive) as archive:
        assert b"$A$" in archive.read("SeqAscii/llt.seq")


def test_the_numbers_are_those_asked_for(first: Truth) -> None:
    size, tables = Size.small(), first.dictionary.tables
    for table in ("soc", "hlgt", "hlt", "pt", "llt"):
        assert len(tables[table]) == getattr(size, f"{table}s")
    stale = (tables["llt"]["llt_currency"] == "N").mean()
    assert stale == pytest.approx(size.noncurrent, abs=0.01)
    several = tables["mdhier"]["pt_code"].value_counts() > 1
    assert 0.2 < several.mean() < 0.5, "about a third of the PTs stand under a second SOC"


def test_no_name_is_there_twice_and_no_code_could_be_a_real_one(new: Dictionary) -> None:
    llt = new.tables["llt"]
    assert not llt["llt_name"].str.lower().duplicated().any()
    for table in ("llt", "hlt", "hlgt", "soc"):
        assert new.tables[table][f"{table}_code"].str.startswith("90").all()


@pytest.mark.parametrize("with_previous", [False, True])
def test_the_same_seed_writes_the_same_bytes(
    with_previous: bool, first: Truth, second: Truth, tmp_path: Path
) -> None:
    truth, previous = (second, first.dictionary) if with_previous else (first, None)
    again = generate(tmp_path / "x.zip", version=truth.version, seed=3, size=Size.small(), previous=previous)
    assert again.archive.read_bytes() == truth.archive.read_bytes()
    assert again.changes.equals(truth.changes)
    other = generate(tmp_path / "y.zip", version=truth.version, seed=4, size=Size.small(), previous=previous)
    assert other.dictionary.digest != truth.dictionary.digest


def test_a_next_version_from_a_file_is_the_same_as_from_memory(
    first: Truth, second: Truth, tmp_path: Path
) -> None:
    previous = read(first.archive)
    again = generate(tmp_path, version="29.0", seed=3, size=Size.small(), previous=previous)
    assert again.dictionary.digest == second.dictionary.digest


@pytest.mark.parametrize("seed", range(3))
def test_many_versions_in_a_row_hold_and_are_found(seed: int, tmp_path: Path) -> None:
    truth = generate(tmp_path, version="28.1", seed=seed, size=Size.small())
    for version in ("29.0", "29.1", "30.0"):
        after = generate(tmp_path, version=version, seed=seed, size=Size.small(), previous=truth.dictionary)
        changes = diff(truth.dictionary, read(after.archive)).changes
        found = set(changes[["level", "code", "kind"]].itertuples(index=False, name=None))
        assert found == set(after.changes.itertuples(index=False, name=None))
        above = changes[changes["level"].isin(["HLT", "HLGT", "SOC"])]
        assert above.empty == version.endswith(".1"), "HLT and above change only in x.0"
        truth = after


def test_the_number_of_changes_is_the_one_asked_for(first: Truth, tmp_path: Path) -> None:
    for kind in CHANGES:
        size = replace(Size.small(), changes={kind: 2})
        truth = generate(tmp_path, version="29.0", seed=1, size=size, previous=first.dictionary)
        number = (truth.changes["kind"] == kind).sum()
        assert number >= 2, kind
        if kind not in ("demotions", "code_switches", "hierarchy_changes"):  # these make more rows each
            assert number == 2, kind


@pytest.mark.parametrize(
    "size",
    [
        replace(Size.small(), socs=99),
        replace(Size.small(), hlgts=10_000),
        replace(Size.small(), hlts=10_000),
        replace(Size.small(), pts=100_000, llts=200_000),
        replace(Size.small(), llts=50_000),
        replace(Size.small(), llts=299),
    ],
)
def test_more_than_there_are_words_for(size: Size, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        generate(tmp_path, version="28.1", seed=1, size=size)


@pytest.mark.parametrize("changes", [{"demotions": 1000}, {"inventions": 1}, {"hierarchy_changes": 10_000}])
def test_more_changes_than_terms(changes: dict[str, int], first: Truth, tmp_path: Path) -> None:
    size = replace(Size.small(), changes=changes)
    with pytest.raises(ConfigError):
        generate(tmp_path, version="29.0", seed=1, size=size, previous=first.dictionary)


def test_a_dictionary_with_all_systems(tmp_path: Path) -> None:
    """All SOCs, HLGTs and HLTs of a real-sized dictionary, with a tenth of its terms."""
    size = replace(Size.real(), pts=2_650, llts=8_850)
    truth = generate(tmp_path, version="29.0", seed=1, size=size)
    dictionary = read(truth.archive)
    assert dictionary.digest == truth.dictionary.digest
    assert [len(dictionary.tables[name]) for name in ("soc", "hlgt", "hlt", "pt", "llt")] == [
        27, 337, 1740, 2_650, 8_850,
    ]  # fmt: skip
