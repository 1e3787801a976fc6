"""VAERS: the three tables of a year, real files where they are there, broken ones refused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from pvcore.annotations.batch import read
from pvcore.annotations.reading import Source, members
from pvcore.errors import BatchError

DATA = """VAERS_ID,RECVDATE,STATE,AGE_YRS,SEX,SYMPTOM_TEXT,DIED,L_THREAT,ER_VISIT,HOSPITAL,X_STAY,DISABLE,RECOVD
1,01/04/1999,OH,80.2,F,"Weak legs, and more",,,,Y,Y,,N
2,02/05/1999,FR,,U,Sore arm caf\xe9,,,Y,,,,Y
3,03/06/1999,MN,0.2,M,,Y,,,,,,
4,12/31/1999,MN,7,M,Death,Y,Y,,,,Y,U
"""
SYMPTOMS = f"""VAERS_ID,{",".join(f"SYMPTOM{i},SYMPTOMVERSION{i}" for i in range(1, 6))}
1,Paralysis,8.10,Pain,13.00,,,,,,
1,Fever,8.10,,,,,,,,
9,Rash,8.10,,,,,,,,
"""
VAX = """VAERS_ID,VAX_TYPE,VAX_NAME
1,FLU3,INFLUENZA (X)
1,FLU3,INFLUENZA (X)
2,TD,TETANUS (Y)
"""


def year(**changed: str | None) -> bytes:
    files = {"DATA": DATA, "SYMPTOMS": SYMPTOMS, "VAX": VAX, **changed}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            if text is not None:
                archive.writestr(f"1999VAERS{name}.csv", text.encode("latin-1"))
    return buffer.getvalue()


def test_a_year() -> None:
    batch = read(year(), name="1999")
    first, second, fourth = batch.cases
    assert (first.case_id, first.received, first.age_years, first.sex) == ("VAERS-1", "1999-01-04", 80.2, "F")
    assert [(r.pt_name, r.meddra_version, r.outcome) for r in first.reactions] == [
        ("Paralysis", "8.1", "not recovered"), ("Pain", "13.0", "not recovered"), ("Fever", "8.1", "not recovered"),
    ]  # fmt: skip
    assert [d.name for d in first.drugs] == ["INFLUENZA (X)"]
    assert (second.narrative, second.age_years, second.sex, second.country) == (
        "Sore arm caf\xe9",
        None,
        None,
        None,
    )
    values = {a.case_id: a.value for a in batch.annotations}
    assert values == {
        "VAERS-1": {"serious": True, "criteria": ["hospitalisation"]},
        "VAERS-2": {"serious": False, "criteria": []},  # an emergency visit alone is not serious
        "VAERS-4": {"serious": True, "criteria": ["death", "life_threatening", "disabling"]},
    }
    assert fourth.narrative == "Death"
    assert batch.dropped == {
        "report without a narrative": 1,
        "row of VAERSSYMPTOMS.csv without its report": 1,
    }


def test_of_the_versions_of_a_report_the_last_counts() -> None:
    def numbered(text: str, *numbers: int) -> str:
        head, *rows = text.splitlines()
        return "\n".join(f"{row},{n}" for row, n in zip([head, *rows], ("ORDER", *numbers), strict=True))

    later = "1,01/04/1999,OH,80.2,F,Weak legs; died in March,Y,,,Y,Y,,N\n"
    data = numbered(DATA + later, 1, 2, 1, 1, 10)
    symptoms = numbered(SYMPTOMS + f"1,Death,8.10{',' * 8}\n", 1, 9, 1, 10)
    found = read(year(DATA=data, SYMPTOMS=symptoms, VAX=numbered(VAX, 10, 1, 2)), name="1999")
    first, second, *_ = found.cases
    assert (first.narrative, [r.pt_name for r in first.reactions]) == ("Weak legs; died in March", ["Death"])
    assert [drug.name for case in (first, second) for drug in case.drugs] == ["INFLUENZA (X)", "TETANUS (Y)"]
    assert found.annotations[0].value == {"serious": True, "criteria": ["death", "hospitalisation"]}
    assert found.dropped["earlier version of a report"] == 1
    with pytest.raises(BatchError, match="ORDER 'x' is no number"):
        read(year(DATA=data.replace(",10", ",x")), name="1999")


def test_all_faults_come_together() -> None:
    data = DATA.replace("01/04/1999", "1999-01-04").replace("80.2", "old").replace("OH,", "OH,", 1)
    data = data.replace("2,02/05", "x,02/05").replace(",Y,Y,,N", ",Q,Y,,N")
    with pytest.raises(BatchError) as caught:
        read(year(DATA=data, SYMPTOMS=SYMPTOMS.replace("8.10", "eight")), name="1999")
    text = str(caught.value)
    for words in (
        "RECVDATE '1999-01-04'",
        "AGE_YRS 'old'",
        "HOSPITAL is 'Q'",
        "VAERS_ID 'x'",
        "SYMPTOMVERSION 'eight'",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"VAX": None}, r"0 files named <year>VAERSVAX.csv"),
        ({"DATA": DATA.replace("HOSPITAL", "HOSPITL")}, "no column HOSPITAL"),
        ({"DATA": ""}, "not a readable table"),
        ({"DATA": DATA + DATA.splitlines()[1] + "\n"}, "stands in the batch 2 times"),
        ({"DATA": DATA.splitlines()[0] + "\n", "SYMPTOMS": SYMPTOMS.splitlines()[0] + "\n"}, "holds no case"),
    ],
)
def test_broken_tables(changed: dict[str, str | None], message: str) -> None:
    with pytest.raises(BatchError, match=message):
        read(year(**changed), name="1999")


def test_truncated_and_damaged_zips() -> None:
    data = year()
    with pytest.raises(BatchError, match="not a complete zip"):
        read(data[:-100], name="1999")
    damaged = bytearray(data)
    damaged[60] ^= 0xFF
    with pytest.raises(BatchError, match="damaged"):
        read(bytes(damaged), name="1999")


def test_a_zip_bomb_is_not_unpacked() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1999VAERSDATA.csv", b"0" * 5_000_000)
    with pytest.raises(BatchError, match="too large"):
        members(Source.of(buffer.getvalue(), "bomb"))


def test_real_year(shared: Path) -> None:
    batch = read(shared / "data" / "vaers" / "1990VAERSData.zip")
    assert len(batch.cases) == 2102 and batch.dropped == {"report without a narrative": 4}
    assert 0.15 < sum(a.value["serious"] for a in batch.annotations) / 2102 < 0.25
    assert all(case.received and case.received.startswith("1990") for case in batch.cases)
    assert {r.meddra_version for case in batch.cases for r in case.reactions} == {"8.1"}
