"""Each rule of the suite `batch` finds what it is there for, and nothing else."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from expectations import Validation, validate_batch
from expectations.suites import load
from pvcore.annotations.batch import read
from pvcore.annotations.generate import generate_cases
from pvcore.annotations.personal_data import PersonalDataPolicy
from pvcore.annotations.spans import EXTRACTION
from pvcore.errors import BatchError
from pvcore.records import Annotation, Case, Drug, Reaction

Change = Callable[[Any], Any]


def case(**changes: Any) -> Change:
    return lambda b: dataclasses.replace(b, cases=(dataclasses.replace(b.cases[0], **changes), *b.cases[1:]))


def said(index: int, **changes: Any) -> Change:
    """Change an annotation; 0 is a seriousness of US-0 by ann, 1 a coding of it."""

    def change(b: Any) -> Any:
        items = list(b.annotations)
        items[index] = dataclasses.replace(items[index], **changes)
        return dataclasses.replace(b, annotations=tuple(items))

    return change


def failed(validation: Validation) -> set[str]:
    return {result.rule for result in validation.rules if result.failed}


BROKEN: list[tuple[str, Change, str]] = [
    ("case-has-id", case(case_id=" "), "case number 1"),
    ("case-id-unique", case(case_id="US-1"), "case US-1"),
    ("labelled-case-has-narrative", case(narrative=" \n"), "case US-0"),
    ("narrative-length", case(narrative="x" * 100_001), "case US-0"),
    ("no-direct-identifier", case(narrative="Mail jane@example.org."), "case US-0, narrative, characters 5 to 21"),
    ("received-is-a-date", case(received="2023-02-29"), "case US-0"),
    ("received-is-a-date", case(received="31.12.2023"), "case US-0"),
    ("received-in-range", case(received="1023-01-31"), "case US-0"),
    ("reaction-code-shape", case(reactions=(Reaction("x", "1", "29.0"),)), "case US-0, reaction 1"),
    ("reaction-version-shape", case(reactions=(Reaction("x", None, "29"),)), "case US-0, reaction 1"),
    ("reaction-criteria-known", case(reactions=(Reaction(seriousness={"dead": True}),)), "case US-0, reaction 1"),
    ("annotation-case-known", said(0, case_id="US-9"), "case US-9, seriousness by ann"),
    ("annotation-problem-known", said(0, problem="seriosness"), "case US-0, seriosness by ann"),
    ("annotator-named", said(0, annotator=" "), "case US-0, seriousness by  "),
    ("serious-is-yes-or-no", said(0, value={"serious": "yes"}), "case US-0, seriousness by ann"),
    ("serious-is-yes-or-no", said(0, value={"serious": 1}), "case US-0, seriousness by ann"),
    ("serious-is-yes-or-no", said(0, value={}), "case US-0, seriousness by ann"),
    ("criteria-known", said(0, value={"serious": True, "criteria": ["dead"]}), "case US-0, seriousness by ann"),
    ("value-usable", said(0, value={"serious": True, "criteria": 7}), "case US-0, seriousness by ann"),
    ("value-usable", said(0, value={"serious": True, "criteria": "death"}), "case US-0, seriousness by ann"),
    ("value-usable", said(0, value={"serious": True, "criteria": None}), "case US-0, seriousness by ann"),
    ("value-usable", said(0, value={"serious": True, "unknown": ["deth"]}), "case US-0, seriousness by ann"),
    ("value-usable", said(0, value={"serious": True, "unknown": None}), "case US-0, seriousness by ann"),
    ("value-usable", said(0, value={"serious": True, "critera": ["death"]}), "case US-0, seriousness by ann"),
    ("criteria-fit-label", said(0, value={"serious": False, "criteria": ["death"]}), "case US-0, seriousness by ann"),
    ("code-shape", said(1, value={"llt_code": "9000001"}), "case US-0, coding by ann"),
    ("code-shape", said(1, value={"llt_code": 90000001}), "case US-0, coding by ann"),
    ("coding-has-code", said(1, value={"llt": "90000001"}), "case US-0, coding by ann"),
    ("coding-has-verbatim", said(1, target=" "), "case US-0, coding by ann"),
    ("coding-version-known", said(1, meddra_version=None), "case US-0, coding by ann"),
]  # fmt: skip


def test_a_good_batch_is_fit_and_every_rule_looked_at_it(batch: Any, releases: Any) -> None:
    validation = validate_batch(batch, dictionaries=[releases[0]])
    assert validation.success and not validation.warnings and not validation.skipped
    assert validation.evaluated == validation.expected == sum(len(t.rules) for t in load("batch").tables)
    assert validation.statistics == {
        "cases": 3, "texts": 3, "reactions": 3, "annotations": 12, "coding": 6
    }  # fmt: skip
    assert all(result.rows for result in validation.rules if not result.rule.endswith("readable"))
    validation.require()


@pytest.mark.parametrize(
    ("rule", "change", "where"), BROKEN, ids=[f"{r}-{i}" for i, (r, _, _) in enumerate(BROKEN)]
)
def test_what_is_broken_is_found_and_named(
    batch: Any, alone: Callable[[str, str], None], rule: str, change: Change, where: str
) -> None:
    alone("batch", rule)
    validation = validate_batch(change(batch))
    assert rule in failed(validation)
    # A blank narrative is a tiny one too; an answer that was changed may contradict another.
    assert failed(validation) - {rule} <= {"narrative-not-tiny", "annotator-agrees-with-self"}
    assert where in {fault.where for fault in validation.failures}
    with pytest.raises(BatchError) as caught:
        validation.require()
    assert caught.value.faults == validation.failures


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("narrative-not-tiny", case(narrative="short")),
        ("age-in-range", case(age_years=130.0)),
        ("no-likely-identifier", case(narrative="A woman, born 3/14/1980, had a mild rash.")),
        ("language-is-a-code", case(language="English!")),
        ("received-not-in-future", case(received="2024-03-04")),
        ("reaction-version-known", case(reactions=(Reaction(pt_name="Pain"),))),
        ("annotation-time-readable", said(0, time="never")),
        ("annotator-agrees-with-self", lambda b: dataclasses.replace(b, annotations=(
            *b.annotations, dataclasses.replace(b.annotations[0], value={"serious": False})))),
        ("batch-has-annotations", lambda b: dataclasses.replace(b, annotations=())),
    ],
)  # fmt: skip
def test_what_is_odd_is_shown_and_admitted(
    batch: Any, alone: Callable[[str, str], None], rule: str, change: Change
) -> None:
    alone("batch", rule)
    validation = validate_batch(change(batch), today=datetime.date(2024, 3, 2))
    assert failed(validation) == {rule}
    assert validation.success and validation.warnings and not validation.failures
    validation.require()


def test_the_policy_decides_which_identifiers_refuse(batch: Any, alone: Callable[[str, str], None]) -> None:
    alone("batch", "no-direct-identifier")
    changed = case(narrative="Dr Okonkwo saw the girl (DOB 3/14/1998); call 202-555-0143.")(batch)
    policy = PersonalDataPolicy(titled_name="ignore", date_of_birth="quarantine", phone="warn")
    validation = validate_batch(changed, personal_data=policy)
    assert [fault.what for fault in validation.failures] == [
        "looks like a person's date of birth (DOB 9/9/9)"
    ]
    assert [fault.what for fault in validation.warnings] == ["looks like a person's phone (9-9-9)"]
    for page in (validation.to_json().decode(), validation.markdown(), validation.to_html()):
        assert "3/14" not in page and "0143" not in page and "Okonkwo" not in page


def test_an_identifier_is_found_in_every_free_text_and_its_field_is_named(batch: Any) -> None:
    call = "call 202-555-0143"
    changed = case(
        source=call,
        drugs=(Drug("Aspirin"), Drug(f"own cream, {call}"), Drug("OMEPRAZOLE DR CAPSULES")),
        reactions=(Reaction(f"rash; {call}"),),
    )(batch)
    name = changed.cases[0].case_id
    comment = {"spans": [{"start": 0, "end": 4, "label": "x", "comment": f"Mrs Okonkwo, {call}"}]}
    note = Annotation(name, "extraction", comment, "ann", time="2024-03-01T00:00:00Z")
    changed = dataclasses.replace(changed, annotations=(*changed.annotations, note))
    said = 1 + sum(a.case_id == name for a in batch.annotations)
    faults = [f for f in validate_batch(changed).failures if f.what.startswith("looks like")]
    where = [fault.where.removeprefix(f"case {name}, ") for fault in faults]
    assert [place.rpartition(", characters ")[0] for place in where] == [
        "source", "reaction 1", "drug 2",
        *[f"annotation {said} (extraction), value.spans[0].comment"] * 2,
    ]  # fmt: skip
    assert where[1] == "reaction 1, characters 11 to 23"


def test_a_case_of_today_in_another_time_zone_is_no_warning(batch: Any) -> None:
    tomorrow = case(received="2024-03-03")(batch)
    assert not validate_batch(tomorrow, today=datetime.date(2024, 3, 2)).warnings


def test_all_faults_come_together_and_show_no_narrative(batch: Any) -> None:
    secret = "Jane Doe of Springfield " * 5000
    for change in (case(narrative=secret, received="soon"), said(1, value={}), said(2, annotator="")):
        batch = change(batch)
    validation = validate_batch(batch)
    assert failed(validation) == {
        "narrative-length",
        "received-is-a-date",
        "coding-has-code",
        "annotator-named",
    }
    assert "Jane" not in validation.to_json().decode() + validation.markdown() + validation.to_html()


def test_an_empty_batch_is_refused(batch: Any) -> None:
    validation = validate_batch(dataclasses.replace(batch, cases=(), annotations=()))
    assert [fault.what for fault in validation.failures] == ["the batch has no case and takes none back"]


def test_a_batch_may_do_no_more_than_take_cases_back(batch: Any) -> None:
    validation = validate_batch(dataclasses.replace(batch, cases=(), annotations=(), nullified=("GB-X-1",)))
    assert not validation.failures and not validation.warnings
    assert "1 nullified cases" in validation.markdown()


def test_codes_must_exist_and_be_current_in_their_own_version(batch: Any, releases: Any) -> None:
    llt = releases[0].tables["llt"]
    stale = llt.loc[llt["llt_currency"] == "N", "llt_code"].iloc[0]
    for change in (said(1, value={"llt_code": "99999999"}), said(3, value={"llt_code": stale}),
                   said(5, value={"pt_name": "No such term"})):  # fmt: skip
        batch = change(batch)
    validation = validate_batch(batch, dictionaries=[releases[0]])
    assert [(fault.where, fault.what) for fault in validation.failures] == [
        ("case US-0, coding by ann", "'belly ache': MedDRA 29.0 has no LLT 99999999"),
        ("case US-1, coding by ann", "'belly ache': MedDRA 29.0 has no PT 'No such term'"),
        ("case US-0, coding by bob", f"'belly ache': LLT {stale} is not current in MedDRA 29.0"),
    ]
    other = validate_batch(batch, dictionaries=[releases[1]])  # 29.0 is left to the migration
    assert other.success and other.skipped == (
        "coding: needs a dictionary of the version that the batch is coded in",
    )


def test_the_generated_batch_of_the_demonstration_is_fit(releases: Any, batch: Any) -> None:
    cases, annotations = generate_cases(releases[0], n=60, seed=5, prefix="demo")
    made = dataclasses.replace(batch, cases=cases, annotations=annotations)
    validate_batch(made, dictionaries=[releases[0]]).require()


def test_a_large_batch_names_every_row_that_fails(batch: Any) -> None:
    cases = tuple(Case(f"US-{i}", "x" * 30, received="2024-13-01" if i % 2 else None) for i in range(1000))
    validation = validate_batch(dataclasses.replace(batch, cases=cases, annotations=()))
    assert [fault.where for fault in validation.failures] == [f"case US-{i}" for i in range(1, 1000, 2)]


def test_real_reports_are_fit(shared: Path) -> None:
    reports = sorted((shared / "data" / "e2b_r3").glob("*.xml"))
    for file in (*reports[::4], shared / "data" / "vaers" / "1990VAERSData.zip"):
        validate_batch(read(file)).require()


def test_marked_spans_are_a_known_problem(batch: Any) -> None:
    assert _with_spans(batch, {"spans": []}).success


@pytest.mark.parametrize(
    "value",
    [
        {"span": []},
        {"spans": "rash"},
        {"spans": [{"from": 1, "to": 2, "label": "Drug"}]},
        {"spans": [{"start": 1, "end": 100_000, "label": "Drug"}]},
    ],
)
def test_marked_spans_that_cannot_be_used_refuse_the_batch(batch: Any, value: dict[str, Any]) -> None:
    assert failed(_with_spans(batch, value)) == {"value-usable"}


def _with_spans(batch: Any, value: dict[str, Any]) -> Validation:
    found = Annotation(batch.cases[0].case_id, EXTRACTION, value, "ann")
    return validate_batch(dataclasses.replace(batch, annotations=(*batch.annotations, found)))
