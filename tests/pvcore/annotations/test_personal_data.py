"""Likely identifiers are found as people write them, ordinary reports pass, and nothing is told on."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvcore.annotations.generate import generate_cases
from pvcore.annotations.personal_data import KINDS, PersonalDataPolicy, find, flags, shape, strictest, texts
from pvcore.meddra.generate import Truth
from pvcore.records import Annotation, Case, Drug, Reaction

# All invented; phone numbers are of the ranges kept for fiction.
PLANTED = [
    ("email", "Write to jane.roe@example.org for records.", "jane.roe@example.org"),
    ("phone", "Her number is (202) 555-0143, call after noon.", "(202) 555-0143"),
    ("phone", "call 202-555-0143.", "202-555-0143"),
    ("phone", "Reached at +44 20 7946 0018 in the evening", "+44 20 7946 0018"),
    ("phone", "Tel: 030 23125 014", "030 23125 014"),
    ("record_number", "SSN 078-05-1120 on file", "078-05-1120"),
    ("record_number", "MRN: 00482911, seen in clinic", "00482911"),
    ("record_number", "NHS number 943 476 5919", "943 476 5919"),
    ("record_number", "passport no. C01X00T47", None),
    ("record_number", "passport no. X1234567 was shown", "X1234567"),
    ("date_of_birth", "a girl (DOB 3/14/1998) with fever", "3/14/1998"),
    ("date_of_birth", "The infant was born on 02-FEB-1994.", "02-FEB-1994"),
    ("date_of_birth", "Date of birth: 1961-07-30", "1961-07-30"),
    ("date_of_birth", "born March 3rd, 1975 in Ohio", "March 3rd, 1975"),
    ("titled_name", "Seen by Dr. Okonkwo on the ward", "Okonkwo"),
    ("titled_name", "Mrs. Mary Llewellyn reported a rash", "Mary Llewellyn"),
    ("titled_name", "Mr O'Brien was admitted", "O'Brien"),
    ("titled_name", "per DR SANTIAGO the arm was red", "SANTIAGO"),
    ("titled_name", "mrs. okonkwo, 44, called", "okonkwo"),
    ("phone", "Please call 555-0143", "555-0143"),
    ("address", "lives at 12 Rose Hill Lane, Springfield, IL 62704", "12 Rose Hill Lane, Springfield, IL 62704"),
    ("address", "of 221 Baker Street, London NW1 6XE", "221 Baker Street, London NW1 6XE"),
]  # fmt: skip
ORDINARY = [
    "Seen by Dr. Labs were ordered. The doctor stated that the patient recovered.",
    "Saw Dr Monday; Dr. Prescribed Benadryl. Contacted family Dr. Spoke with the mother.",
    "Dr Office called. Per Dr the rash resolved. MR vax and ms relapse; miss school.",
    "Vaccinated on 3/14/1998, fever on 3/15/1998. Born at 40 weeks. Lot 0384-55-1201A, dose 0.5 ml.",
    "BP 120/80, HR 98, temp 101.5, CPK 1200-1500, WBC 12,000; 5 to 10 mg, 2002-2003.",
    "Contact the company at 1-800-555-0199 or (888) 555-0100. Reported by phone 05/02/2000 1:15 PM.",
    "Insurance was asked. The chart was 20 pages. Case 2002-123-4567 and report US-000123.",
    "Lives on a street with 5 dogs. Room 12 in ward 5 court.",
]


@pytest.mark.parametrize(("kind", "text", "identifier"), PLANTED, ids=[t for _, t, _ in PLANTED])
def test_what_is_planted_is_found_in_its_place(kind: str, text: str, identifier: str | None) -> None:
    found = [(k, text[start:end]) for k, start, end, _ in find(text)]
    assert found == ([(kind, identifier)] if identifier else [])


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_reports_pass(text: str) -> None:
    assert find(text) == []


def test_a_flag_shows_the_shape_and_never_the_identifier() -> None:
    (flag,) = flags(Case("c1", "a girl, DOB: 3/14/1998, with fever"))
    assert (flag.case_id, flag.field, flag.kind, flag.excerpt) == (
        "c1",
        "narrative",
        "date_of_birth",
        "DOB: 9/9/9",
    )
    for kind, text, identifier in PLANTED:
        shown = [f.excerpt for f in flags(Case("c", text))]
        assert all(identifier and identifier not in excerpt for excerpt in shown), kind


@given(st.text(st.characters(codec="latin-1"), max_size=30))
def test_a_shape_has_no_letter_and_no_digit_of_its_own(text: str) -> None:
    assert {c for c in shape(text) if c.isalpha() or c.isdecimal()} <= {"x", "9"}


@pytest.mark.parametrize("unit", ["1 a ", "a.", "a@", "1-", "+1 ", "Dr. ", "born 1/", "mrn no ", "(202) "])
def test_a_hostile_narrative_takes_no_time(unit: str) -> None:
    began = time.perf_counter()
    find(unit * (100_000 // len(unit)))
    assert time.perf_counter() - began < 3


def test_generated_cases_hold_none(truth: Truth) -> None:
    for brief in (False, True):
        cases, said = generate_cases(truth.dictionary, n=300, seed=5, prefix="G", brief=brief)
        assert not [f for case in cases for f in flags(case, [a for a in said if a.case_id == case.case_id])]


def test_a_text_that_is_said_again_is_searched_once_and_codes_are_not_the_annotators_words() -> None:
    case = Case("c1", "story", drugs=(Drug("aspirin"),), reactions=(Reaction("rash"), Reaction("")))
    said = [
        Annotation("c1", "coding", {"llt_code": "90000001"}, "jane@example.org", target="rash"),
        Annotation("c1", "triage", {"why": ["a", {"b": "c"}], "n": 3}, "ann", target="x"),
    ]
    assert texts(case, said) == {
        "narrative": "story", "reaction 1": "rash", "drug 1": "aspirin",
        "annotation 1 (coding), value.llt_code": "90000001", "annotation 2 (triage), target": "x",
        "annotation 2 (triage), value.why[0]": "a", "annotation 2 (triage), value.why[1].b": "c",
    }  # fmt: skip


def test_the_policy_has_a_line_for_every_kind() -> None:
    policy = PersonalDataPolicy(phone="warn")
    assert [policy.action(kind) for kind in KINDS][:2] == ["quarantine", "warn"]
    assert set(PersonalDataPolicy.model_fields) == {*KINDS, "excerpts"}
    loose = PersonalDataPolicy(excerpts=200)
    assert (
        policy.excerpts == 0
        and strictest([loose, policy]).excerpts == 0
        and strictest([loose]).excerpts == 200
    )
