"""The quality benchmarks count what they say: places and wordings, seen and unseen terms, pairs by held-out drugs."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import quality
import quality_coding
import quality_ddi
import quality_extraction
import quality_parts

from pvcore.evaluation.metrics import accuracy_at_1
from pvcore.evaluation.spans import read
from pvcore.records import Example, Prediction


def test_a_wording_stands_where_it_is_a_whole_word_and_in_no_longer_one() -> None:
    text = "Abdominal\n  pain, PAIN and painful joints; rash (rash-like)."
    found = quality_extraction.places(text, ["pain", "abdominal pain", "rash"])
    assert [" ".join(text[a:b].split()) for a, b in found] == ["Abdominal pain", "PAIN", "rash", "rash"]
    assert quality_extraction.places(text, []) == []


def test_a_section_of_a_label_has_its_spans_and_its_wordings(tmp_path: Path) -> None:
    """One wording is in two parts in the text, so it has no span; a section without any is a row, too."""
    section = {"label_id": "A", "section_name": "s", "section_text": "Rash or  rash. Pain in legs."}
    events = [["RASH", "Rash"], ["pain legs", "Pain in extremity"], [None, None]]
    file = tmp_path / "labels.json"
    empty = {**section, "section_name": "t", "adverse_events": []}
    file.write_text(json.dumps([{**section, "adverse_events": events}, empty]))
    rows, said = quality_extraction.labels(file)
    assert [len(read(row.label).spans) for row in rows] == [2, 0]
    assert said == {"A s": {"rash", "pain legs"}, "A t": frozenset()}
    assert quality_extraction.worded(rows[0].text, rows[0].label) == {"rash"}
    table = pd.DataFrame({"wordings": [said["A s"]], "said": [frozenset({"rash", "or"})]})
    assert quality_extraction.wordings_f1()(table) == 0.5


def test_accuracy_of_seen_and_of_unseen_terms() -> None:
    rows = pd.DataFrame(
        {"label": ["a", "b", "c"], "ranked": [("a",), ("x", "b"), ("x",)], "seen": [True, False, False]}
    )
    values = {
        (top, seen): quality_coding.at(top, seen)(rows) for top in (1, 5) for seen in (None, True, False)
    }
    assert values[1, None] == pytest.approx(1 / 3) and values[5, None] == pytest.approx(2 / 3)
    assert (values[1, True], values[1, False], values[5, False]) == (1, 0, 0.5)


def test_pairs_are_told_apart_by_their_held_out_drugs_and_survive_the_files() -> None:
    sets, said = quality_ddi.sets()
    assert sum(map(len, sets.values())) == quality_ddi.PAIRS
    few = {name: cases[:20] for name, cases in sets.items()}
    found = quality_ddi.through_files(few, said)
    names = {name: {drug for row in rows for drug in quality_ddi.drugs(row)} for name, rows in found.items()}
    assert not names["both drugs seen"] & names["both unseen"]
    assert {name: len(rows) for name, rows in found.items()} == dict.fromkeys(quality_ddi.SETS, 20)
    assert {row.label for rows in found.values() for row in rows} == {"interaction", "no interaction"}


def test_whole_clusters_are_drawn() -> None:
    """Ten cases of twenty rows each, all right or all wrong: the interval is that of ten."""
    rows = pd.DataFrame({"label": "a", "ranked": [("a",) if n < 100 else ("b",) for n in range(200)]})
    by_row, by_case = (
        quality_parts.table({"x": [frame]}, [accuracy_at_1()], [])[2].split("[")[1].split("]")[0].split(", ")
        for frame in (rows, rows.assign(cluster=[f"c{n // 20}" for n in range(200)]))
    )
    width = [float(high) - float(low) for low, high in (by_row, by_case)]
    assert 0.1 < width[0] < 0.2 and width[1] > 0.5


def test_answers_are_made_once(tmp_path: Path) -> None:
    rows = [Example("a", "a", "text", "x", "a")]
    made: list[int] = []

    def make() -> quality_parts.Answered:
        made.append(1)
        return quality_parts.Answered([Prediction("a", "x", 0.5, (("x", 0.5),))], 1.5)

    first, again = (quality_parts.kept(tmp_path, ["k"], rows, make) for _ in range(2))
    assert first == again and len(made) == 1
    quality_parts.kept(tmp_path, ["other"], rows, make)
    assert len(made) == 2
    assert np.isnan(accuracy_at_1()(pd.DataFrame({"label": [], "ranked": []})))


def test_every_command_of_the_one_command_is_one(tmp_path: Path) -> None:
    """Their options are known to the scripts, and data that is not there is named."""
    script = Path(quality.__file__)
    told = subprocess.run(
        [sys.executable, script, tmp_path, "--only", "pts", "coding"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.count("left out, there is no") == 2
    known: dict[str, str] = {}
    for name, (needed, line) in quality.RUNS.items():
        called, *words = shlex.split(line)
        if called not in known:
            asked = [sys.executable, script.parent / called, "--help"]
            known[called] = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        assert all(word in known[called] for word in words if word.startswith("--")), name
        assert needed is None or "{}" in words
