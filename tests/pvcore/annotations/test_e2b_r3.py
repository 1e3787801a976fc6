"""E2B(R3): real samples, round trip, what is not known stays unknown, hostile XML is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pvcore.annotations import e2b_r3
from pvcore.annotations.batch import read
from pvcore.errors import BatchError
from pvcore.records import CRITERIA, Annotation, Case, Drug, Reaction

CASE = Case(
    "X-1", "He was admitted & <treated>.", "E2B(R3)", "2026-02-03", 48.0, "M", "GB",
    drugs=(Drug("Drug A", "suspect"), Drug("Drug B", "concomitant"), Drug("Drug C", None)),
    reactions=(Reaction("deep vein clot"), Reaction("rash")),
)  # fmt: skip
SAID = (
    Annotation("X-1", "seriousness", {"serious": True, "criteria": ["hospitalisation"]}, "unit-7"),
    Annotation("X-1", "coding", {"llt_code": "90000001"}, "unit-7", "deep vein clot", meddra_version="29.0"),
)


def written(tmp_path: Path, case: Case = CASE, said: tuple[Annotation, ...] = SAID) -> bytes:
    e2b_r3.write([case], said, tmp_path / "b.xml", "29.0")
    return (tmp_path / "b.xml").read_bytes()


def test_real_samples(shared: Path) -> None:
    files = sorted((shared / "data" / "e2b_r3").glob("*.xml"))
    assert len(files) == 10
    batches = {file.stem: read(file) for file in files}
    assert all(len(batch.cases) == 1 for batch in batches.values())
    first = batches["FAERS2022Scenario1"]
    assert first.cases[0].case_id == "US-APHARMA-8744554B"
    assert (
        first.cases[0].age_years == 48
        and first.cases[0].sex == "M"
        and first.cases[0].received == "2022-06-14"
    )
    assert [(d.name, d.role) for d in first.cases[0].drugs] == [
        ("Drug A", "suspect"), ("Drug B", "suspect"), ("Drug C", "concomitant"),
    ]  # fmt: skip
    assert [(r.llt_code, r.meddra_version) for r in first.cases[0].reactions] == [
        ("10027940", "25.0"), ("10009896", "25.0"),
    ]  # fmt: skip
    said = {(a.problem, a.target): a.value for a in first.annotations}
    unknown = ["death", "life_threatening", "hospitalisation", "congenital_anomaly"]  # NI of every reaction
    assert said["seriousness", ""] == {
        "serious": True,
        "criteria": ["disabling", "other"],
        "unknown": unknown,
    }
    assert said["coding", "COLITE ISCHEMIQUE"] == {"llt_code": "10009896"}
    # all flags of this one are NI: not known is no label
    assert "seriousness" not in {a.problem for a in batches["FAERS2022Scenario7"].annotations}
    assert batches["FAERS2022Scenario7"].dropped["case whose seriousness is not known"] == 1


def test_round_trip(generated, tmp_path: Path) -> None:
    cases, said = generated
    dropped = e2b_r3.write(cases, said, tmp_path / "b.xml", "29.0", sender="annotator-b")
    batch = read(tmp_path / "b.xml")
    own = [a for a in said if a.annotator == "annotator-b"]
    assert dropped == {
        "annotation of another annotator": len(said) - len(own),
        "guideline of an annotation": len(own),
        "source of a case": len(cases),
    }

    def facts(items) -> list[tuple[str, ...]]:
        return sorted((a.case_id, a.problem, a.target, str(a.value), str(a.meddra_version)) for a in items)

    assert facts(batch.annotations) == facts(own)
    assert {a.annotator for a in batch.annotations} == {"annotator-b"}
    for before, after in zip(cases, batch.cases, strict=True):
        for name in ("case_id", "narrative", "received", "age_years", "sex", "country", "drugs"):
            assert getattr(before, name) == getattr(after, name)
        assert [r.verbatim for r in before.reactions] == [r.verbatim for r in after.reactions]
    again = tmp_path / "again" / "b.xml"
    e2b_r3.write(cases, said, again, "29.0", sender="annotator-b")
    assert again.read_bytes() == (tmp_path / "b.xml").read_bytes()


def test_only_six_explicit_denials_make_a_case_not_serious(tmp_path: Path) -> None:
    deny = (Annotation("X-1", "seriousness", {"serious": False, "criteria": []}, "unit-7"),)
    data = written(tmp_path, CASE, deny)
    assert read(data, name="b").annotations[0].value == {"serious": False, "criteria": []}
    unknown = data.replace(b'xsi:type="BL" value="false"', b'xsi:type="BL" nullFlavor="NI"', 1)
    assert unknown != data
    assert not [a for a in read(unknown, name="b").annotations if a.problem == "seriousness"]
    true = data.replace(b'xsi:type="BL" value="false"', b'xsi:type="BL" value="true"', 1)
    assert read(true, name="b").annotations[0].value == {"serious": True, "criteria": [CRITERIA[0]]}


def test_a_criterion_that_is_not_known_stays_so_when_written(tmp_path: Path) -> None:
    value = {"serious": True, "criteria": ["hospitalisation"], "unknown": ["death", "other"]}
    said = (Annotation("X-1", "seriousness", value, "unit-7"),)
    batch = read(written(tmp_path, CASE, said), name="b")
    assert batch.annotations[0].value == value
    assert all({"death", "other"}.isdisjoint(r.seriousness) for r in batch.cases[0].reactions)


def test_nothing_said_writes_nothing_false(tmp_path: Path) -> None:
    batch = read(written(tmp_path, CASE, ()), name="b")
    assert batch.annotations == () and batch.cases[0].reactions[0].seriousness == {}


@pytest.mark.parametrize(
    "hostile",
    [
        b'<!DOCTYPE a [<!ENTITY x "lol">]><MCCI_IN200100UV01 xmlns="urn:hl7-org:v3">&x;</MCCI_IN200100UV01>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><MCCI_IN200100UV01 xmlns="urn:hl7-org:v3"/>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY x "y">]><a/>'.encode("utf-16"),
    ],
)
def test_a_document_type_is_refused(hostile: bytes) -> None:
    with pytest.raises(BatchError, match="DOCTYPE is not accepted"):
        read(hostile, name="b")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<html></html>", "not an E2B"),
        (b"<ichicsr/>", "holds no safetyreport"),
        (b"<MCCI_IN200100UV01 xmlns='urn:hl7-org:v3'/>", "holds no message"),
        (b"<a><b></a>", "not an E2B"),
        (b"<MCCI_IN200100UV01 xmlns='urn:hl7-org:v3'><b></MCCI_IN200100UV01>", "not well-formed"),
        (b"<", "not well-formed"),
    ],
)
def test_other_xml(data: bytes, message: str) -> None:
    with pytest.raises(BatchError, match=message):
        read(data, name="b")


def test_truncated_anywhere_is_a_batch_error(tmp_path: Path) -> None:
    data = written(tmp_path)
    for end in range(100, len(data) - 20, 701):
        with pytest.raises(BatchError):
            read(data[:end], name="b")


def test_all_faults_of_a_file_come_together(tmp_path: Path) -> None:
    data = written(tmp_path)
    data = data.replace(b'code="90000001"', b'code="9000"').replace(b'value="48"', b'value="old"')
    data = re.sub(rb'low value="\d+"', b'low value="3 February"', data)
    data = data.replace(b"He was admitted &amp; &lt;treated&gt;.", b" ")
    with pytest.raises(BatchError) as caught:
        read(data, name="b")
    text = str(caught.value)
    assert len(caught.value.faults) == 4
    for words in ("not of 8 digits", "age (D.2.2) 'old'", "date of receipt", "no narrative (H.1)"):
        assert words in text


@pytest.mark.parametrize(("unit", "years"), [("mo", 4.0), ("wk", 0.92), ("{decade}", 480.0)])
def test_age_units(tmp_path: Path, unit: str, years: float) -> None:
    data = written(tmp_path).replace(b'unit="a"', f'unit="{unit}"'.encode())
    assert read(data, name="b").cases[0].age_years == pytest.approx(years, abs=0.01)


def test_a_code_needs_a_version(tmp_path: Path) -> None:
    data = written(tmp_path).replace(b'codeSystemVersion="29.0"', b"")
    with pytest.raises(BatchError, match="MedDRA version"):
        read(data, name="b")
    codings = [a for a in read(data, name="b", meddra_version="28.1").annotations if a.problem == "coding"]
    assert [a.meddra_version for a in codings] == ["28.1"]


def test_what_a_message_has_no_place_for_is_counted(tmp_path: Path) -> None:
    reactions = (Reaction("rash", outcome="odd"), Reaction("itch", pt_name="Pruritus", meddra_version="29.0"))
    case = Case("c1", "Une \xe9ruption.", source="x", language="fr", reactions=reactions)
    said = [
        Annotation("c1", "seriousness", {"serious": True, "criteria": []}, "ann", time="2026-03-10"),
        Annotation("c1", "coding", {"pt_name": "Rash"}, "ann", "rash", "2026-03-11", "by the book", "29.0"),
    ]
    dropped = e2b_r3.write([case], said, tmp_path / "b.xml", "29.0")
    assert dropped == {
        "PT by its name": 1,
        "code without an LLT": 1,
        "guideline of an annotation": 1,
        "language of a case": 1,
        "outcome that is none of E.i.7": 1,
        "serious without a criterion, written as other": 1,
        "source of a case": 1,
        "time of an annotation, other than that of the message": 1,
    }
    (found,) = read(tmp_path / "b.xml").annotations
    assert found.time == "2026-03-10T00:00:00"
    unknown = [name for name in CRITERIA if name != "other"]
    assert found.value == {"serious": True, "criteria": ["other"], "unknown": unknown}


def test_no_earlier_version_of_a_nullified_report_stays(tmp_path: Path) -> None:
    cases = [Case("A-1", "A bad rash."), Case("A-2", "Well again.")]
    e2b_r3.write(cases, [], tmp_path / "b.xml", "29.0")
    text = (tmp_path / "b.xml").read_text("utf-8")
    last = text[text.rindex("<PORR_IN049016UV>") : text.rindex("</PORR_IN049016UV>")]
    said = '<investigationCharacteristic><code code="3"/><value code="1"/></investigationCharacteristic>'
    again = last.replace("</investigationEvent>", f"<subjectOf2>{said}</subjectOf2></investigationEvent>")
    found = read(text.replace(last, f"{last}</PORR_IN049016UV>{again}").encode(), name="b")
    assert [case.case_id for case in found.cases] == ["A-1"] and found.nullified == ("A-2",)
    alone = text[: text.index("<PORR_IN049016UV>")] + again + text[text.rindex("</PORR_IN049016UV>") :]
    only = read(alone.encode(), name="b")
    assert not only.cases and not only.annotations and only.nullified == ("A-2",)
    assert (
        found.dropped["earlier version of a nullified case"]
        == found.dropped["nullified case (C.1.11.1)"]
        == 1
    )
