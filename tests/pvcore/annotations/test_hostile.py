"""Files of an inbox that an attacker would send: refused with a reason, and soon."""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pvcore.annotations import discussion, table
from pvcore.annotations.batch import read
from pvcore.annotations.consistency import Pair
from pvcore.errors import BatchError
from pvcore.records import Annotation, Case

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


def task(text: str = "A rash.", **more: str) -> bytes:
    return json.dumps(
        [{"id": 1, "data": {"text": text, "case_id": "c1", **more}, "annotations": []}]
    ).encode()


def mapped(mapping: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mapping.yaml", f"columns: {{A: case_id, B: narrative}}\n{mapping}")
        archive.writestr("t.csv", "A,B\n1,A rash.\n")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (mapped(f"{LAUGHS}constants: {{annotator: *a11}}"), "aliases stand for more than"),
        (mapped(f"{LAUGHS}delimiter: *a11"), "aliases stand for more than"),
        (mapped("delimiter: !!python/object/apply:os.system ['true']"), "is no YAML"),
        (task("half \ud800"), "half a character"),
        (task(case_id="c1\x1b]0;owned\x07"), "control characters"),
        (task(case_id="c1\nERROR forged"), "control characters"),
        (task(case_id="\u202e1c"), "control characters"),
        (b"case_id,narrative,serious,annotator\nc1,A rash.,yes,\"a\nb\"\n", "control characters"),
        (b"[" * 200_000, "nested too deeply"),
        (b'[{"id":' + b"9" * 5000 + b"}]", "integer string conversion"),
        (b'<?xml version="1.0"?><!DOCTYPE ichicsr SYSTEM "x" [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
         b"<ichicsr>&a;</ichicsr>", "DOCTYPE is not accepted"),
        (b"<ichicsr><safetyreport>" + b"<a>" * 100_000, "Excessive depth"),
        (b"<!--" * 200_000, "not well-formed XML"),
        (b"<!DOCTYPE " * 100_000, "not well-formed XML"),
        (b"<!DOCTYPE a [>" * 70_000, "DOCTYPE is not accepted"),
        (b"<a" + b"<?" * 400_000, "not well-formed XML"),
    ],
)  # fmt: skip
def test_a_hostile_file_is_refused_with_its_reason(data: bytes, reason: str) -> None:
    began = time.monotonic()
    with pytest.raises(BatchError, match=reason):
        read(data, name="hostile")
    assert time.monotonic() - began < 10


def test_a_mapping_of_very_many_columns_takes_seconds() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mapping.yaml", f"columns: {{{', '.join(f'a{n}: case_id' for n in range(20_000))}}}")
        archive.writestr("t.csv", "A,B\n1,A rash.\n")
    began = time.process_time()
    with pytest.raises(BatchError, match="the field 'case_id' is given twice"):
        read(buffer.getvalue())
    assert time.process_time() - began < 10  # 25 where each was counted among all


def test_a_table_of_very_many_columns_takes_seconds() -> None:
    columns = ",".join(f"c{n}" for n in range(30_000))
    began = time.monotonic()
    batch = read(f"case_id,narrative,{columns}\nc1,A rash.{',' * 30_000}\n".encode())
    assert len(batch.cases) == 1 and time.monotonic() - began < 5


FORMULAS = ('=HYPERLINK("http://x","y")', "+1", "-1+2", "@SUM(A1)", "'=1", "'tis a rash")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_spreadsheet_finds_no_formula_and_nothing_is_changed_by_the_way(text: str, tmp_path: Path) -> None:
    case = Case(case_id="c1", narrative=text)
    said = Annotation("c1", "seriousness", {"serious": True, "criteria": []}, annotator=text)
    table.write([case], [said], tmp_path / "all.csv")
    table.write_tasks([case], tmp_path / "work.csv")
    discussion.write_pairs(tmp_path / "pairs.csv", [pair(text)], [case], [said])
    for name in ("all.csv", "work.csv", "pairs.csv"):
        with (tmp_path / name).open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@")]
    again = read(tmp_path / "all.csv")
    assert again.cases[0].narrative == text and again.annotations[0].annotator == text


def pair(text: str) -> Any:
    return Pair(problem="seriousness", case_id="c1", target="", answers=(("a", text), ("b", "other")))
