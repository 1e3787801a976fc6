"""Tables: columns with names of their own, all faults together, and work lists that come back filled in."""

from __future__ import annotations

import csv
import datetime
import io
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from pvcore.annotations import label_studio, table
from pvcore.annotations.batch import Batch, read
from pvcore.annotations.pairs import Described, pair_annotation, pair_case
from pvcore.errors import BatchError
from pvcore.records import Annotation, Case, Drug, Reaction

MAPPING: dict[str, Any] = {
    "columns": {"NO": "case_id", "TEXT": "narrative", "SERIOUS": "serious", "WHY": "criteria", "TERM": "verbatim",
                "LLT": "llt_code", "DRUGS": "drugs"},
    "constants": {"annotator": "unit-7", "meddra_version": 29.0},
    "values": {"serious": {1: "serious", 2: "not serious"}, "criteria": {"hosp": "hospitalisation"}},
    "delimiter": "|",
    "encoding": "latin-1",
}  # fmt: skip
ROWS = """NO|TEXT|SERIOUS|WHY|TERM|LLT|DRUGS|PHONE
1|A bad rash in the caf\xe9.|1|hosp|bad rash|90000001|A; B|555
1||||itch|||
2|Well again.|2||||| 
"""


def packed(rows: str = ROWS, mapping: Any = MAPPING, **more: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mapping.yaml", mapping if isinstance(mapping, str) else yaml.safe_dump(mapping))
        archive.writestr("reports.csv", rows.encode("latin-1"))
        for name, text in more.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def test_a_table_with_its_mapping() -> None:
    batch = read(packed(), name="b")
    assert batch.format == "table" and batch.dropped == {"cell of column 'PHONE'": 2}
    assert batch.cases[0] == Case(
        "1",
        "A bad rash in the caf\xe9.",
        drugs=(Drug("A"), Drug("B")),
        reactions=(Reaction("bad rash"), Reaction("itch")),
    )
    assert [(a.case_id, a.problem, a.target, a.value, a.annotator, a.meddra_version) for a in batch.annotations] == [
        ("1", "coding", "bad rash", {"llt_code": "90000001"}, "unit-7", "29.0"),
        ("1", "seriousness", "", {"serious": True, "criteria": ["hospitalisation"]}, "unit-7", None),
        ("2", "seriousness", "", {"serious": False, "criteria": []}, "unit-7", None),
    ]  # fmt: skip


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_table_as_a_spreadsheet_of_another_country_saves_it(delimiter: str) -> None:
    rows = 'case_id,narrative,serious,annotator\n1,"A rash; and, later, a fever.",yes,x\n2,Well again.,no,x\n'
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerows(csv.reader(io.StringIO(rows)))
    assert read(b"\xef\xbb\xbf" + buffer.getvalue().encode()).digest == read(rows.encode()).digest


def test_a_name_may_begin_with_a_bracket() -> None:
    rows = """case_id,narrative,drugs
1,A rash.,[18F]FDG; aspirin
2,A rash.,"[""[18F]FDG"", {""name"": ""aspirin"", ""role"": ""suspect""}]"
3,A rash.,[]
"""
    drugs = [case.drugs for case in read(rows.encode()).cases]
    assert drugs == [(Drug("[18F]FDG"), Drug("aspirin")), (Drug("[18F]FDG"), Drug("aspirin", "suspect")), ()]


def test_what_another_problem_speaks_of_is_no_reaction(tmp_path: Path) -> None:
    pair = Described("abacol"), Described("zelafib")
    case, said = pair_case(*pair), pair_annotation(*pair, True, "ann")
    table.write([case], [said], tmp_path / "b.csv")
    found = read(tmp_path / "b.csv")
    assert (found.cases, found.annotations) == ((case,), (said,))


def test_a_mapping_is_meant_as_it_is_written() -> None:
    mapping = """columns: {No: case_id, On: narrative, Yes: serious}
constants: {annotator: 0123}
values: {serious: {1: not serious, 0: serious, No: not serious}}
"""
    found = read(packed("No,On,Yes\n1,A rash.,1 \n2,Well again., 0\n3,Nothing.,No\n", mapping))
    said = [(a.case_id, a.annotator, a.value["serious"]) for a in found.annotations]
    assert said == [("1", "0123", False), ("2", "0123", True), ("3", "0123", False)]


def test_rows_and_columns_that_a_spreadsheet_left_empty_say_nothing() -> None:
    rows = "case_id,narrative,serious,annotator"
    emptied = f"{rows},,\n1,A rash.,yes,x,,\n,,,,, \n,,\n2,Well again.,no,x,,\n,,,,,\n"
    plain = read(f"{rows}\n1,A rash.,yes,x\n2,Well again.,no,x\n".encode())
    assert (read(emptied.encode()).digest, read(emptied.encode()).dropped) == (plain.digest, {})
    with pytest.raises(BatchError, match="two columns named ''"):
        read(f"{rows},,\n1,A rash.,yes,x,a,b\n".encode())


@pytest.mark.parametrize("time", ["3/10/2026", "10.03.2026 09:00", "2026"])
def test_a_time_that_is_in_no_order_is_a_fault(time: str) -> None:
    rows = "case_id,narrative,serious,annotator,time\n1,A rash.,yes,x,3/9/2026\n1,,no,x,{}\n"
    with pytest.raises(BatchError) as caught:
        read(rows.format(time).encode())
    told = sorted(fault.what.partition(" (x)")[0] for fault in caught.value.faults)
    assert told == sorted(f"time {said!r}" for said in ("3/9/2026", time))
    right = rows.replace("3/9/2026", "2026-03-09").format("2026-03-10T09:30:00.5+01:00")
    assert {a.time for a in read(right.encode()).annotations} == {"2026-03-09", "2026-03-10T09:30:00.5+01:00"}


def test_a_version_that_a_spreadsheet_took_for_a_number(tmp_path: Path) -> None:
    rows = "case_id,narrative,verbatim,llt_code,annotator,meddra_version\n1,A rash.,rash,90000001,x,29\n"
    assert read(rows.encode()).annotations[0].meddra_version == "29.0"
    frame = pd.read_csv(io.StringIO(rows)).astype({"meddra_version": float})
    frame.to_parquet(tmp_path / "b.parquet")
    assert read(tmp_path / "b.parquet").digest == read(rows.encode()).digest


def test_parquet_with_types_of_its_own(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"case_id": [1, 2], "narrative": ["a", "b"], "age_years": [48.0, None], "serious": [True, None],
               "received": [datetime.date(2026, 2, 3), None], "annotator": ["x", None],
               "drugs": [[{"name": "A", "role": "suspect"}], None]}  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "b.parquet")
    batch = read(tmp_path / "b.parquet")
    assert batch.cases == (
        Case("1", "a", "", "2026-02-03", 48.0, drugs=(Drug("A", "suspect"),)),
        Case("2", "b"),
    )
    assert [a.value for a in batch.annotations] == [{"serious": True, "criteria": []}]


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (packed(mapping="["), ["mapping.yaml: is no YAML"]),
        (packed(mapping={"columns": {"NO": "case", "X": "narrative"}, "colums": 1, "delimiter": "|",
                         "encoding": "latin-1"}),
         ["knows no 'colums'", "knows no field 'case'", "no column 'X'"]),
        (packed(mapping={"columns": {"NO": "case_id", "TEXT": "case_id"}}), ["the field 'case_id' is given twice"]),
        (packed(mapping={**MAPPING, "table": "other.csv"}), ["no 'other.csv'"]),
        (packed(**{"more.csv": "x"}), ["2 files beside mapping.yaml"]),
        (packed(mapping={**MAPPING, "encoding": "latin-99"}), ["not latin-99"]),
        (packed(ROWS.replace("2|Well", "2|3|Well")), ["line 4: 9 cells under 8 columns"]),
        (packed(ROWS.replace("|1|hosp", "|maybe|sad")), ["criteria sad"]),
        (packed(ROWS.replace("1||||itch", "1|other text|||itch")), ["narrative differs from an earlier row"]),
        (packed(ROWS.replace("90000001", "9")), ["'bad rash' is coded '9'"]),
        (packed(ROWS.replace("|bad rash|", "||")), ["codes nothing"]),
        (b"case_id,narrative,serious\n1,a,yes\n", ["does not say who said it"]),
        (b"case_id,case_id,narrative\n1,1,a\n", ["two columns named 'case_id'"]),
        (b'case_id,narrative\n1,"a\n', ["not readable as CSV"]),
        (b"case_id,narrative,age_years,received\n1,a,old,1/2/2026\n", ["age_years 'old'", "received '1/2/2026'"]),
        (b"case_id,narrative,annotator,verbatim,llt_code\n1,a,x,a,90000001\n", ["no MedDRA version"]),
    ],
)  # fmt: skip
def test_faults(data: bytes, messages: list[str]) -> None:
    with pytest.raises(BatchError) as caught:
        read(data, name="b")
    for message in messages:
        assert message in str(caught.value)


CASES = [Case("A-1", "A bad rash.", reactions=(Reaction("bad rash"),)), Case("A-2", "He died.")]
SAID = [
    Annotation("A-1", "coding", {"llt_code": "90000001"}, "ann", "bad rash", meddra_version="29.0"),
    Annotation("A-1", "coding", {"llt_code": "90000002"}, "bo", "bad rash", meddra_version="29.0"),
    Annotation("A-2", "seriousness", {"serious": True, "criteria": ["death"]}, "ann"),
]
RANKED = {("A-1", "bad rash"): [("90000001", "Rash"), ("90000002", "Rash, bad")]}


def filled(path: Path, **cells: str) -> Batch:
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
    for row in rows:
        row.update(cells if row["case_id"] == "A-1" else {})
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return read(path)


def test_a_work_list_is_filled_in_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "work.csv"
    table.write_tasks(CASES, path, suggestions=SAID, reasons={"A-1": "two codes"}, ranked=RANKED)
    first, second = csv.DictReader(io.StringIO(path.read_text("utf-8")))
    assert (first["reason"], first["llt_code"], first["suggested_llt_names"]) == (
        "two codes",
        "",
        "Rash; Rash, bad",
    )
    assert (second["serious"], second["criteria"]) == ("serious", "death")  # all who said it agree
    untouched = read(path)
    assert untouched.annotations == () and untouched.dropped == {"row of a work list that nobody signed": 1}
    found = filled(path, annotator="chief", llt_code="90000002", meddra_version="29.0")
    assert [(a.annotator, a.target, a.value) for a in found.annotations] == [
        ("chief", "bad rash", {"llt_code": "90000002"})
    ]
    assert found.cases == tuple(CASES)


def test_a_work_list_asks_the_questions_of_every_problem(tmp_path: Path) -> None:
    said = [
        Annotation("c1", "triage", {"priority": p}, who) for p, who in (("urgent", "a"), ("routine", "b"))
    ]
    said += [Annotation("c2", "triage", {"priority": "urgent"}, who) for who in ("a", "b")]
    cases = [
        Case("c1", "A rash.", reactions=(Reaction("rash"),)),
        Case("c2", "A fever."),
        Case("c3", "Well."),
    ]
    table.write_tasks(cases, tmp_path / "work.csv", suggestions=said)
    with (tmp_path / "work.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    asked = [(row["case_id"], row["verbatim"], row["problem"], row["value"]) for row in rows]
    agreed = '{"priority": "urgent"}'
    expected = [
        ("c1", "rash", "", ""),
        ("c1", "", "triage", ""),
        ("c2", "", "triage", agreed),
        ("c3", "", "", ""),
    ]
    assert asked == expected
    assert not read(tmp_path / "work.csv").annotations  # nobody signed
    rows[1] |= {"annotator": "chief", "value": agreed}
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    found = read(buffer.getvalue().encode())
    assert found.annotations == (Annotation("c1", "triage", {"priority": "urgent"}, "chief"),)
    assert found.dropped == {"row of a work list that nobody signed": 1}


def test_label_studio_offers_the_ranked_terms_and_reads_the_chosen_one(tmp_path: Path) -> None:
    import json

    config = label_studio.write_tasks(CASES, tmp_path / "work.json", ranked=RANKED)
    tasks = json.loads((tmp_path / "work.json").read_text())
    assert [item["value"] for item in tasks[0]["data"]["suggested"]] == [
        "90000001 Rash",
        "90000002 Rash, bad",
    ]
    assert tasks[1]["data"]["suggested"] == []  # every task must have the field that the configuration names
    assert 'value="$suggested"' in config.read_text()
    span = {"start": 2, "end": 10}
    tasks[0]["annotations"] = [{"completed_by": "chief", "result": [
        {"id": "r", "from_name": "reaction", "type": "labels", "value": {**span, "labels": ["Reaction"]}},
        {"id": "r", "from_name": "suggested", "type": "choices", "value": {
            **span, "text": "bad rash", "choices": ["90000002 Rash, bad"]}},
    ]}]  # fmt: skip
    found = read(json.dumps(tasks).encode(), name="b", meddra_version="29.0")
    assert [(a.target, a.value) for a in found.annotations] == [("bad rash", {"llt_code": "90000002"})]
    tasks[0]["annotations"][0]["result"].append(
        {"id": "r", "from_name": "llt", "type": "textarea", "value": {**span, "text": ["90000009"]}}
    )
    with pytest.raises(BatchError, match="is coded '90000002, 90000009'"):
        read(json.dumps(tasks).encode(), name="b", meddra_version="29.0")
