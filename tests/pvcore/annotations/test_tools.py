"""Prodigy, doccano and brat as the tools write them: codings, other spans, and what has no place."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from pvcore.annotations import brat, doccano, prodigy
from pvcore.annotations.batch import Batch, make_batch, read
from pvcore.errors import BatchError
from pvcore.records import Annotation, Case

TEXT = "After aspirin a bad itchy rash came up."
START = TEXT.index("bad")
SPANS = {"spans": [{"start": 6, "end": 13, "label": "Drug"}]}


def zipped(**files: str | bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def lines(*values: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(value).encode() for value in values)


def facts(batch: Batch) -> set[tuple[str, str, str, str]]:
    return {
        (a.problem, a.target, a.annotator, json.dumps(a.value, sort_keys=True)) for a in batch.annotations
    }


EXPECTED = {
    ("coding", "bad itchy rash", "ann", '{"llt_code": "90000001"}'),
    ("extraction", "", "ann", json.dumps(SPANS, sort_keys=True)),
}  # fmt: skip


def answer(**changed: Any) -> dict[str, Any]:
    spans = [
        {"start": 6, "end": 13, "token_start": 1, "label": "Drug"},
        {"start": START, "end": START + 14, "label": "Reaction", "llt_code": "90000001"},
    ]
    return {"text": TEXT, "meta": {"case_id": "A-1", "sex": "F"}, "spans": spans, "answer": "accept",
            "_task_hash": 1, "_annotator_id": "ann", "_timestamp": 1767322800, **changed}  # fmt: skip


def test_prodigy() -> None:
    batch = read(lines(answer()), name="b", meddra_version="29.0")
    assert (batch.format, batch.cases[0].sex) == ("prodigy", "F")
    assert facts(batch) == EXPECTED
    assert {a.time for a in batch.annotations} == {"2026-01-02T03:00:00Z"}
    chosen = read(lines(answer(spans=[], accept=["death", "serious"])), name="b")
    assert chosen.annotations[0].value == {"serious": True, "criteria": ["death"]}


def test_a_case_that_was_counted_from_0() -> None:
    assert read(lines(answer(meta={"case_id": 0})), meddra_version="29.0").cases[0].case_id == "0"
    document = {"text": TEXT, "case_id": 0, "label": ["serious"], "annotator": "ann"}
    assert read(lines(document)).cases[0].case_id == "0"


def test_prodigy_counts_what_says_nothing() -> None:
    batch = read(
        lines(answer(answer="reject"), answer(answer="ignore"), answer(spans=[]), answer(answer=None),
              answer(relations=[{"head": 1, "child": 2}])),
        name="b", meddra_version="29.0",
    )  # fmt: skip
    assert batch.dropped == {"answer ignore": 1, "answer reject": 1, "answer that says nothing": 1, "relation": 1,
                             "task without an answer": 1}  # fmt: skip
    assert len(batch.cases) == 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"meta": {}}, "line 1: no `case_id` in `meta`"),
        ({"_annotator_id": None}, "does not say who answered"),
        ({"spans": [{"start": 5, "end": 900, "label": "x"}]}, "span 5-900 lies outside the text"),
        ({"spans": [{"start": 0, "end": 5, "label": "x", "llt_code": "9"}]}, "is coded '9'"),
        ({"accept": ["serious", "sad"]}, "criteria sad"),
        ({"text": " "}, "no narrative"),
    ],
)
def test_prodigy_faults(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(BatchError) as caught:
        read(
            lines(answer(**changed), answer(text="another text", meta={"case_id": "A-2"}, spans=[])),
            name="b",
            meddra_version="29.0",
        )
    assert message in str(caught.value)


def test_one_case_has_one_text() -> None:
    assert len(read(lines(answer(), answer(text=TEXT + " ")), name="b", meddra_version="29.0").cases) == 1
    with pytest.raises(BatchError, match="differs from an earlier one"):
        read(lines(answer(spans=[]), answer(text="Another.", spans=[])), name="b")


def document(**changed: Any) -> dict[str, Any]:
    entities = [
        {"id": 1, "label": "Drug", "start_offset": 6, "end_offset": 13},
        {"id": 2, "label": "90000001 Rash", "start_offset": START, "end_offset": START + 14},
    ]
    return {
        "id": 7,
        "text": TEXT,
        "case_id": "A-1",
        "entities": entities,
        "relations": [],
        "Comments": [],
        **changed,
    }


def test_doccano_one_file_an_annotator() -> None:
    batch = read(zipped(**{"ann.jsonl": lines(document()).decode()}), name="b", meddra_version="29.0")
    assert batch.format == "doccano" and facts(batch) == EXPECTED
    older = {"id": 7, "text": TEXT, "meta": {"case_id": "A-1"}, "annotator": "ann",
             "label": [[6, 13, "Drug"], [START, START + 14, "90000001"]]}  # fmt: skip
    assert facts(read(lines(older), name="b", meddra_version="29.0")) == EXPECTED
    judged = {"id": 7, "text": TEXT, "case_id": "A-1", "annotator": "ann", "label": ["not serious"]}
    assert read(lines(judged), name="b").annotations[0].value == {"serious": False, "criteria": []}


@pytest.mark.parametrize("indent", [None, 2])
def test_doccano_as_one_json_list(indent: int | None) -> None:
    said = [
        {"id": n, "text": f"{TEXT} {n}", "case_id": f"A-{n}", "annotator": "ann", "label": ["serious"]}
        for n in (1, 2)
    ]
    listed = read(b"\xef\xbb\xbf" + json.dumps(said, indent=indent).encode())
    assert (listed.format, listed.digest) == ("doccano", read(lines(*said)).digest)
    with pytest.raises(BatchError, match="document 2: is no JSON object"):
        read(json.dumps([said[0], 3]).encode())


def test_doccano_must_say_who() -> None:
    for data in (lines(document()), zipped(**{"all.jsonl": lines(document()).decode()})):
        with pytest.raises(BatchError, match="does not say who labelled it"):
            read(data, name="ann.jsonl", meddra_version="29.0")
    found = read(lines(document(entities=[], relations=[{"id": 1}])), name="b")
    assert found.dropped == {"document without a label": 1, "relation": 1}


ANN = f"""T1\tDrug 6 13\taspirin
T2\tReaction {START} {START + 14}\tbad itchy rash
N1\tReference T2 MedDRA:90000001\tRash
T3\tReaction {START} {START + 3};{START + 10} {START + 14}\tbad rash
N2\tReference T3 MedDRA:90000002\tRash, bad
R1\tCauses Arg1:T1 Arg2:T2
A1\tNegated T2
N3\tReference T1 Wikipedia:123\tAspirin
#1\tAnnotatorNotes T1\tsee page 2
"""


def test_brat_keeps_discontinuous_spans_and_codes_and_names_the_rest() -> None:
    data = zipped(**{"ann/A-1.txt": TEXT, "ann/A-1.ann": ANN, "readme.md": "x"})
    batch = read(data, name="b", meddra_version="29.0")
    assert batch.format == "brat" and batch.cases[0].case_id == "A-1"
    assert facts(batch) == EXPECTED | {("coding", "bad rash", "ann", '{"llt_code": "90000002"}')}
    assert batch.dropped == {
        "attribute": 1, "file that is neither .txt nor .ann": 1, "normalisation to another resource than MedDRA": 1,
        "note": 1, "relation": 1,
    }  # fmt: skip
    uncoded = ANN.replace("N2\tReference T3 MedDRA:90000002\tRash, bad\n", "")
    spans = next(a.value for a in read(zipped(**{"ann/A-1.txt": TEXT, "ann/A-1.ann": uncoded}), name="b",
                                       meddra_version="29.0").annotations if a.problem == "extraction")  # fmt: skip
    assert spans["spans"][1]["parts"] == [[START, START + 3], [START + 10, START + 14]]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"ann/A.txt": TEXT, "ann/A.ann": ANN.replace("aspirin", "asprin")},
            "the text was changed afterwards",
        ),
        ({"ann/A.txt": TEXT, "ann/A.ann": ANN.replace("6 13", "6 1300")}, "ann/A.ann, line 1: span 6-1300"),
        ({"ann/A.txt": TEXT, "ann/A.ann": "T1 Drug 6 13\n"}, "is no line of brat's standoff format"),
        (
            {"ann/A.txt": TEXT, "ann/A.ann": "N1\tReference T9 MedDRA:90000001\tx\n"},
            "T9 is normalised, but not in",
        ),
        (
            {"ann/A.txt": TEXT, "ann/A.ann": ANN + "N9\tReference T2 MedDRA:90000009\tx\n"},
            "T2 is coded 90000001, 90000009",
        ),
        ({"ann/A.ann": ANN}, "has no .txt beside it"),
        ({"A.txt": TEXT, "A.ann": ANN}, "does not say who made it"),
        ({"a/A.txt": TEXT, "a/A.ann": "", "b/A.txt": TEXT + "!", "b/A.ann": ""}, "differs from an earlier"),
    ],
)
def test_brat_faults(files: dict[str, str], message: str) -> None:
    with pytest.raises(BatchError) as caught:
        read(zipped(**files), name="b", meddra_version="29.0")
    assert message in str(caught.value)


@pytest.mark.parametrize("counted", [0, 1])
def test_brat_of_a_text_with_a_byte_order_mark(counted: int) -> None:
    marked = f"T1\tReaction {2 + counted} {6 + counted}\trash\n"
    found = read(zipped(**{"ann/d.txt": b"\xef\xbb\xbfA rash.", "ann/d.ann": marked}))
    plain = read(zipped(**{"ann/d.txt": "A rash.", "ann/d.ann": "T1\tReaction 2 6\trash\n"}))
    assert found.digest == plain.digest


BY_FINDER = {
    "__MACOSX/._a": b"\x00\x05\x16\x07\xff",
    "__MACOSX/ann/._d.ann": b"\xff",
    "ann/.DS_Store": b"\x00",
}


@pytest.mark.parametrize(
    "packed",
    [
        {"ann/d.txt": b"A rash.", "ann/d.ann": b"T1\tReaction 2 6\trash\n"},
        {"ann.jsonl": b'{"text": "A rash.", "case_id": "d", "label": [[2, 6, "Reaction"]]}'},
        {"mapping.yaml": b"columns: {A: case_id, B: narrative}", "t.csv": b"A,B\nd,A rash.\n"},
    ],
)
def test_a_zip_that_a_mac_made(packed: dict[str, bytes]) -> None:
    plain, from_finder = read(zipped(**packed)), read(zipped(**packed, **BY_FINDER))
    assert (plain.digest, plain.dropped) == (from_finder.digest, from_finder.dropped)


def test_a_name_that_stands_in_a_zip_twice_hides_no_file() -> None:
    buffer = io.BytesIO(zipped(**{"ann.jsonl": json.dumps({"text": "A rash.", "case_id": "a", "label": []})}))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("ann.jsonl", json.dumps({"text": "A rash.", "case_id": "b", "label": []}))
    with pytest.raises(BatchError, match="stands in the zip twice"):
        read(buffer.getvalue())


def test_spans_come_back_from_every_tool_that_has_them(tmp_path: Path) -> None:
    case = Case("A/1", TEXT)
    parts = {
        "start": START,
        "end": START + 14,
        "label": "Reaction",
        "parts": [[START, START + 3], [START + 10, START + 14]],
    }
    value = {"spans": [*SPANS["spans"], parts]}
    said = [Annotation("A/1", "extraction", value, "ann")]
    for code, words in (("90000002", "bad rash"), ("90000003", "not there")):
        said.append(Annotation("A/1", "coding", {"llt_code": code}, "ann", words, meddra_version="29.0"))
    for tool, lost in ((prodigy, {}), (brat, {}), (doccano, {"discontinuous span": 2})):
        dropped = tool.write([case], said, tmp_path / "b")
        assert dropped == {"coding whose words are not in the narrative": 1} | lost
        found = read(tmp_path / "b", meddra_version="29.0")
        assert found.cases[0].case_id == "A/1"
        if not lost:
            assert facts(found) == facts(make_batch("same", "x", [case], said[:2]))
