"""A work list holds what one needs to talk: the narrative, who said what, and nothing that a spreadsheet runs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from pvcore.annotations.consistency import measure
from pvcore.annotations.discussion import write_pairs
from pvcore.errors import ConfigError
from pvcore.records import Annotation, Case

CASES = [Case("c1", "=HYPERLINK(1) and a rash"), Case("c2", "Nothing of note.")]
SAID = [Annotation("c1", "seriousness", {"serious": n == "ann", "criteria": []}, n) for n in ("ann", "bob")]


def test_csv_and_label_studio(tmp_path: Path) -> None:
    pairs = measure("x", SAID).pairs
    write_pairs(tmp_path / "pairs.csv", pairs, CASES, SAID)
    (row,) = csv.DictReader(io.StringIO((tmp_path / "pairs.csv").read_text()))
    assert row["case_id"] == "c1" and row["answers"] == "ann: serious; bob: not serious"
    assert row["narrative"] == "'=HYPERLINK(1) and a rash"
    write_pairs(tmp_path / "pairs.json", pairs, CASES, SAID)
    (task,) = json.loads((tmp_path / "pairs.json").read_text())
    assert task["data"]["text"] == CASES[0].narrative and "bob: not serious" in task["data"]["reason"]
    assert [p["model_version"] for p in task["predictions"]] == ["ann", "bob"]
    with pytest.raises(ConfigError, match=r"\.csv file or a \.json"):
        write_pairs(tmp_path / "pairs.xlsx", pairs, CASES, SAID)
