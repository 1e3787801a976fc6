"""E2B(R2): what 1, 2 and an absent element mean, LLTs beside PTs, and its document type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pvcore.annotations import e2b_r2, e2b_r2_write
from pvcore.annotations.batch import read
from pvcore.annotations.reading import Source
from pvcore.errors import BatchError
from pvcore.records import Reaction

REPORT = """
  <safetyreport>
    <safetyreportid> GB-X-1
    </safetyreportid>
    <primarysourcecountry>GB</primarysourcecountry>
    <serious>1</serious>
    <seriousnessdeath>2</seriousnessdeath>
    <seriousnesshospitalization>1</seriousnesshospitalization>
    <receivedateformat>102</receivedateformat><receivedate>20040203</receivedate>
    <patient>
      <patientonsetage>6</patientonsetage><patientonsetageunit>802</patientonsetageunit>
      <patientsex>2</patientsex>
      <reaction>
        <primarysourcereaction>bad rash</primarysourcereaction>
        <reactionmeddraversionllt>29.0</reactionmeddraversionllt><reactionmeddrallt>90000001</reactionmeddrallt>
        <reactionmeddraversionpt>29.0</reactionmeddraversionpt><reactionmeddrapt>90000007</reactionmeddrapt>
        <reactionoutcome>6</reactionoutcome>
      </reaction>
      <drug><drugcharacterization>1</drugcharacterization><medicinalproduct>DRUG A</medicinalproduct></drug>
      <drug><drugcharacterization>3</drugcharacterization><medicinalproduct>DRUG B</medicinalproduct></drug>
      <summary><narrativeincludeclinical>A bad rash came up &amp; stayed.</narrativeincludeclinical></summary>
    </patient>
  </safetyreport>"""
HOSPITAL = {
    "serious": True, "criteria": ["hospitalisation"],
    "unknown": ["life_threatening", "disabling", "congenital_anomaly", "other"],
}  # fmt: skip
HEADER = """<ichicsrmessageheader><messagetype>ichicsr</messagetype>
    <messagesenderidentifier>COMPANY</messagesenderidentifier><messagedate>20040204101112</messagedate>
  </ichicsrmessageheader>"""


def message(*reports: str, before: str = "") -> bytes:
    body = f'<ichicsr lang="en">{HEADER}{"".join(reports)}</ichicsr>'
    return f'<?xml version="1.0" encoding="UTF-8"?>{before}\n{body}'.encode()


def seriousness(report: str) -> Any:
    batch = read(message(report), name="b")
    return next((a.value for a in batch.annotations if a.problem == "seriousness"), None)


def test_a_report() -> None:
    batch = read(message(REPORT, REPORT.replace("GB-X-1", "GB-X-2")), name="b")
    first = batch.cases[0]
    assert batch.format == "e2b_r2" and [c.case_id for c in batch.cases] == ["GB-X-1", "GB-X-2"]
    assert (first.narrative, first.received, first.age_years, first.sex, first.country) == (
        "A bad rash came up & stayed.", "2004-02-03", 0.5, "F", "GB",
    )  # fmt: skip
    assert [(d.name, d.role) for d in first.drugs] == [("DRUG A", "suspect"), ("DRUG B", "interacting")]
    assert first.reactions == (Reaction("bad rash", "90000001", "29.0", outcome="unknown"),)
    said = {a.problem: a for a in batch.annotations if a.case_id == "GB-X-1"}
    assert said["seriousness"].value == HOSPITAL
    assert (said["coding"].target, said["coding"].value) == ("bad rash", {"llt_code": "90000001"})
    assert {(a.annotator, a.time) for a in batch.annotations} == {("COMPANY", "2004-02-04T10:11:12")}


def test_what_is_not_known_stays_so_when_written(tmp_path: Path) -> None:
    batch = read(message(REPORT), name="b")
    e2b_r2_write.write(batch.cases, batch.annotations, tmp_path / "b.xml", "29.0")
    written = (tmp_path / "b.xml").read_text()
    assert "seriousnessdeath" in written and "seriousnessdisabling" not in written
    again = {a.problem: a.value for a in read(tmp_path / "b.xml").annotations}
    assert again["seriousness"] == HOSPITAL


def test_absent_is_not_known() -> None:
    silent = REPORT.replace("<serious>1</serious>", "")
    assert seriousness(silent) == HOSPITAL
    silent = silent.replace("<seriousnesshospitalization>1</seriousnesshospitalization>", "")
    assert seriousness(silent) is None  # one criterion denied, five not known
    assert read(message(silent), name="b").dropped == {"case whose seriousness is not known": 1}
    denied = REPORT.replace("<serious>1", "<serious>2").replace("ization>1<", "ization>2<")
    assert seriousness(denied) == {"serious": False, "criteria": []}
    assert seriousness(REPORT.replace("ization>1<", "ization>2<")) == {"serious": True, "criteria": []}


@pytest.mark.parametrize(
    ("old", "new", "message_"),
    [
        ("<serious>1", "<serious>2", "not serious (A.1.5.1), but hospitalisation"),
        ("<serious>1", "<serious>Y", "serious (A.1.5) is 'Y'"),
        ("GB-X-1", "", "no case id (A.1.0.1"),
        (
            ">29.0</reactionmeddraversionllt>",
            ">29</reactionmeddraversionllt>",
            "MedDRA version (B.2.i.1.a) '29'",
        ),
        (">90000001<", ">9001<", "not of 8 digits"),
        (">802<", ">899<", "age (B.1.2.2) '6' '899'"),
        ("20040203", "3 Feb", "date of receipt (A.1.6) '3 Feb'"),
        ("A bad rash came up &amp; stayed.", "", "no narrative (B.5.1"),
    ],
)
def test_faults(old: str, new: str, message_: str) -> None:
    assert old in REPORT
    with pytest.raises(BatchError) as caught:
        read(message(REPORT.replace(old, new)), name="b")
    assert message_ in str(caught.value)


def test_a_code_at_the_level_of_pt_is_kept_and_named() -> None:
    bare = REPORT.replace(
        "<reactionmeddraversionllt>29.0</reactionmeddraversionllt><reactionmeddrallt>90000001</reactionmeddrallt>",
        "",
    )
    batch = read(message(bare), name="b")
    assert batch.cases[0].reactions[0].llt_code == "90000007"
    assert batch.dropped == {"reaction coded at the level of PT only, taken as the LLT of the same code": 1}
    named = read(message(bare.replace("90000007", "Rash")), name="b")
    assert (named.cases[0].reactions[0].llt_code, named.cases[0].reactions[0].pt_name) == (None, "Rash")
    assert [a.problem for a in named.annotations] == ["seriousness"]


def test_the_external_document_type_is_accepted_and_never_loaded() -> None:
    named = '<!DOCTYPE ichicsr SYSTEM "file:///no/such/icsr21xml.dtd">'
    assert read(message(REPORT, before=named), name="b").digest == read(message(REPORT), name="b").digest
    with pytest.raises(BatchError, match="&who; is defined nowhere"):
        read(message(REPORT.replace("&amp;", "&who;"), before=named), name="b")
    for defines in (
        '<!DOCTYPE ichicsr [<!ENTITY who "x">]>',
        '<!DOCTYPE ichicsr SYSTEM "x.dtd" [<!ENTITY a "b">]>',
    ):
        with pytest.raises(BatchError, match="DOCTYPE is not accepted"):
            read(message(REPORT, before=defines), name="b")


def test_what_is_not_read_changes_nothing_and_the_first_of_two_counts() -> None:
    plain = read(message(REPORT), name="b")
    more = REPORT.replace(
        "<patient>", "<companynumb>9</companynumb><sender><serious>2</serious></sender><patient>"
    )
    more = more.replace("</patientsex>", "</patientsex><patientsex>1</patientsex>")
    more = more.replace("<serious>", "<serious> </serious><serious/><serious>")
    nested = "<activesubstance><medicinalproduct>X</medicinalproduct></activesubstance>"
    more = more.replace("</medicinalproduct>", f"</medicinalproduct>{nested}")
    assert more.count("medicinalproduct") > REPORT.count("medicinalproduct")
    assert read(message(more), name="b").digest == plain.digest
    country = REPORT.replace("<serious>1", "<occurcountry>FR</occurcountry><serious>1")
    assert read(message(country), name="b").cases[0].country == "FR"


def test_nullified_reports_are_counted() -> None:
    gone = REPORT.replace("GB-X-1", "GB-X-2").replace(
        "<serious>1", "<casenullification>1</casenullification><serious>1"
    )
    assert read(message(REPORT, gone), name="b").dropped == {"nullified case (A.1.13)": 1}


def test_a_file_of_nullifications_alone_is_a_batch() -> None:
    gone = [
        f"<safetyreport><safetyreportid>GB-X-{n}</safetyreportid><casenullification>1</casenullification></safetyreport>"
        for n in (2, 1, 2)
    ]
    found = read(message(*gone), name="b")
    assert (found.cases, found.annotations, found.nullified) == ((), (), ("GB-X-1", "GB-X-2"))
    amended = REPORT.replace("<serious>1", "<casenullification>2</casenullification><serious>1")
    assert read(message(amended), name="b").digest == read(message(REPORT), name="b").digest


def test_no_earlier_version_of_a_nullified_report_stays() -> None:
    other = REPORT.replace("GB-X-1", "GB-X-2")
    gone = other.replace("<serious>1", "<casenullification>1</casenullification><serious>1")
    found = read(message(REPORT, other, gone), name="b")
    assert found.cases == read(message(REPORT), name="b").cases and found.nullified == ("GB-X-2",)
    assert found.dropped == {"earlier version of a nullified case": 1, "nullified case (A.1.13)": 1}


@pytest.mark.parametrize(
    "before",
    [
        b"<!-- <ichicsr> --><?pi <a> ?>\n",
        b'<!DOCTYPE ichicsr SYSTEM "icsr21xml.dtd">',
        b'<!DOCTYPE ichicsr SYSTEM "x" [<!ENTITY a "b>">]>',
        "<?xml version='1.0' encoding='UTF-16'?>".encode("utf-16"),
    ],
)
def test_the_first_element_tells_the_format(before: bytes) -> None:
    def found(element: str) -> bool:
        end = element.encode("utf-16")[2:] if before[:2] == b"\xff\xfe" else element.encode()
        return e2b_r2.detect(Source.of(before + end))

    assert found("<ichicsr lang='en'>") and found("<ichicsr>")
    assert not found("<MCCI_IN200100UV01><ichicsr>") and not found("<ichicsrx>") and not found("")
