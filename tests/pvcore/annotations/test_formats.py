"""Every format: what it can express comes back, what it cannot is counted, and no format is taken for another."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pvcore.annotations import brat, doccano, e2b_r2, e2b_r3, label_studio, prodigy, table
from pvcore.annotations.batch import Batch, read
from pvcore.records import CRITERIA, Annotation, Case, Drug, Reaction

Write = Callable[[Any, Any, Path], Any]
WHOLE: dict[str, tuple[Write, str]] = {
    "label_studio": (label_studio.write, "b.json"),
    "prodigy": (prodigy.write, "b.jsonl"),
    "doccano": (doccano.write, "b.zip"),
    "table": (table.write, "b.csv"),
    "parquet": (table.write, "b.parquet"),
}
"""Formats that express all of the generated cases."""


def facts(items: Any) -> list[tuple[str, ...]]:
    return sorted(
        (a.case_id, a.problem, a.target, str(a.value), a.annotator, str(a.meddra_version)) for a in items
    )


def marked(generated: Any) -> tuple[list[Case], list[Annotation]]:
    """The generated cases whose verbatims all stand in the narrative, as tools that mark words need them."""
    cases, said = generated
    kept = [c for c in cases if all(r.verbatim in c.narrative for r in c.reactions)]
    ids = {c.case_id for c in kept}
    assert len(kept) > 20
    return kept, [a for a in said if a.case_id in ids]


@pytest.mark.parametrize("name", WHOLE)
def test_the_same_content_is_the_same_batch_in_every_format(name: str, generated, tmp_path: Path) -> None:
    cases, said = marked(generated)
    said = [dataclasses.replace(a, guideline=None, time="2026-01-02T03:04:05Z") for a in said]
    write, file = WHOLE[name]
    dropped = write(cases, said, tmp_path / file)
    assert not dropped
    table.write(cases, said, tmp_path / "same.csv")
    found, same = read(tmp_path / file), read(tmp_path / "same.csv")
    assert found.format == ("table" if name == "parquet" else name)
    assert found.annotations == same.annotations and found.cases == same.cases == tuple(cases)
    assert found.digest == same.digest and found.dropped == {}
    assert facts(found.annotations) == facts(said)
    (tmp_path / "again").mkdir()
    write(cases, said, tmp_path / "again" / file)
    assert (tmp_path / "again" / file).read_bytes() == (tmp_path / file).read_bytes()


def test_brat_expresses_codings_and_counts_the_rest(generated, tmp_path: Path) -> None:
    cases, said = marked(generated)
    dropped = brat.write(cases, said, tmp_path / "b.zip")
    found = read(tmp_path / "b.zip", meddra_version="29.0")
    codings = [a for a in said if a.problem == "coding"]
    assert found.format == "brat" and facts(found.annotations) == facts(codings)
    assert [(c.case_id, c.narrative) for c in found.cases] == [(c.case_id, c.narrative) for c in cases]
    assert dropped["seriousness"] == len(said) - len(codings) and dropped["field sex of a case"] > 0


def test_e2b_r2_round_trip(generated, tmp_path: Path) -> None:
    cases, said = generated
    dropped = e2b_r2.write(cases, said, tmp_path / "b.xml", "29.0", sender="annotator-b")
    found = read(tmp_path / "b.xml")
    own = [a for a in said if a.annotator == "annotator-b"]
    assert found.format == "e2b_r2" and facts(found.annotations) == facts(own)
    assert dropped["annotation of another annotator"] == len(said) - len(own)
    for before, after in zip(cases, found.cases, strict=True):
        for name in ("case_id", "narrative", "received", "age_years", "sex", "country", "drugs"):
            assert getattr(before, name) == getattr(after, name)
        assert [r.verbatim for r in before.reactions] == [r.verbatim for r in after.reactions]
    e2b_r2.write(found.cases, found.annotations, tmp_path / "again" / "b.xml", "29.0")
    assert read(tmp_path / "again" / "b.xml").digest == found.digest


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp")), min_size=1, max_size=12
).map(str.strip).filter(lambda text: text and text != "not serious" and text[0] not in "[")  # fmt: skip


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[Case], list[Annotation]]:
    """Cases with everything that tables and tools can express, in words of any script."""
    cases, said = [], []
    for number in range(draw(st.integers(1, 3))):
        words = draw(st.lists(WORDS, min_size=1, max_size=4, unique=True))
        case_id = f"C {number}/{draw(WORDS)}"
        reactions = [
            Reaction(w, seriousness=draw(st.dictionaries(st.sampled_from(CRITERIA), st.booleans())))
            for w in words
        ]
        cases.append(
            Case(
                case_id, "It began. " + " then ".join(words), draw(st.sampled_from(["", "x"])),
                draw(st.sampled_from([None, "2026-02-03"])), draw(st.sampled_from([None, 0.25, 48.0])),
                draw(st.sampled_from([None, "F"])), draw(st.sampled_from([None, "GB"])), "en",
                tuple(Drug(name, "suspect") for name in draw(st.lists(WORDS, max_size=2))), tuple(reactions),
            )
        )  # fmt: skip
        for who in draw(st.lists(st.sampled_from(["ann@example.org", "bo"]), unique=True)):
            serious = draw(st.booleans())
            met = draw(st.lists(st.sampled_from(CRITERIA), unique=True)) if serious else []
            value = {"serious": serious, "criteria": [c for c in CRITERIA if c in met]}
            said.append(Annotation(case_id, "seriousness", value, who))
            said.append(
                Annotation(case_id, "coding", {"llt_code": "90000001"}, who, words[0], meddra_version="29.0")
            )
    return cases, said


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches())
def test_any_records_come_back_the_same_from_every_whole_format(tmp_path: Path, records: Any) -> None:
    cases, said = records
    found: dict[str, Batch] = {}
    for name, (write, file) in WHOLE.items():
        write(cases, said, tmp_path / file)
        found[name] = read(tmp_path / file, meddra_version="29.0" if said else None)
    for name, batch in found.items():
        assert batch.cases == tuple(sorted(cases, key=lambda c: c.case_id)), name
        assert batch.digest == found["table"].digest, name


@pytest.mark.parametrize("name", WHOLE)
def test_a_criterion_that_is_not_known_is_kept_or_counted(name: str, tmp_path: Path) -> None:
    write, file = WHOLE[name]
    value = {"serious": True, "criteria": ["death"], "unknown": ["disabling", "other"]}
    said = Annotation("c1", "seriousness", value, "ann")
    dropped = write([Case("c1", "A bad rash.")], [said], tmp_path / file)
    (found,) = read(tmp_path / file).annotations
    if name in ("table", "parquet"):
        assert found == said
    else:
        assert found.value == {"serious": True, "criteria": ["death"]}
        assert dropped == {"criterion that is not known": 2}


def test_files_of_one_tool_are_not_taken_for_those_of_another(generated, tmp_path: Path) -> None:
    cases, said = marked(generated)
    e2b_r3.write(cases, said, tmp_path / "r3", "29.0")
    e2b_r2.write(cases, said, tmp_path / "r2", "29.0")
    brat.write(cases, said, tmp_path / "brat")
    for name, (write, _) in WHOLE.items():
        if name != "parquet":
            write(cases, said, tmp_path / name)
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.write(tmp_path / "table", "table.csv")
        archive.writestr("mapping.yaml", "columns: {case_id: case_id, narrative: narrative}")
    expected = {"r3": "e2b_r3", "r2": "e2b_r2", "zip": "table"}
    for file in tmp_path.iterdir():  # none has an ending that would say it
        assert read(file, meddra_version="29.0").format == expected.get(file.name, file.name)
