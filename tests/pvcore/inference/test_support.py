from __future__ import annotations

import doctest

import pytest

from pvcore.inference import support
from pvcore.inference.support import alike, lost, unsupported

SOURCE = "A 54-year-old man took Co-trimoxazole and developed severe oedema, headaches and Stevens-Johnson syndrome."


def test_the_worked_examples():
    found = doctest.testmod(support)
    assert found.attempted and not found.failed


@pytest.mark.parametrize(
    "term", ["edema", "Oedema", "headache", "co trimoxazole", "STEVENS-JOHNSON SYNDROME", "severe edema"]
)
def test_a_term_in_another_spelling_is_supported(term):
    assert unsupported(SOURCE, [term], [term]) == []


def test_what_nobody_reported_is_named_once_and_in_order():
    assert unsupported(SOURCE, ["penicillin"], ["rash", "edema", "rash"]) == ["penicillin", "rash"]
    # Words that stand apart are no term, and half a word is none.
    said = ["severe headache", "head", ""]
    assert unsupported(SOURCE, said, []) == unsupported(SOURCE, [], said) == said


@pytest.mark.parametrize(
    "source",
    [
        "She had no rash.", "No rashes were seen", "He denied any rash; fever came", "without signs of a rash",
        "The patient did not develop rash", "Nausea (no history of rash)", "no rash, and again no RASH",
    ],
)  # fmt: skip
def test_an_event_that_is_only_denied_is_not_reported(source):
    assert unsupported(source, [], ["rash"]) == ["rash"]
    assert unsupported(source, ["rash"], []) == []
    assert lost(source, ["rash"], []) == []


@pytest.mark.parametrize(
    "source",
    [
        "no fever, rash on both arms", "No: rash.", "not only rash but fever", "no doubt a rash", "rash, no fever",
        "no rash at first, a rash on day 3", "not treated and a rash came", "no longer rash", "nose rash",
    ],
)  # fmt: skip
def test_where_a_doubt_is_left_an_event_counts_as_reported(source):
    assert unsupported(source, [], ["rash"]) == []
    assert lost(source, ["rash"], ["fever"]) == ["rash"]


def test_what_was_reported_must_stay():
    assert lost(SOURCE, ["co-trimoxazole", "aspirin"], ["edema"]) == ["co-trimoxazole"]
    assert lost(SOURCE, ["oedema"], ["Edema of the legs"]) == []
    assert lost(SOURCE, ["severe oedema"], ["edema"]) == []
    assert lost(SOURCE, ["severe oedema"], [""]) == ["severe oedema"]


def test_letters_in_common():
    assert alike("Headache", "headaches") == 1.0
    assert 0.2 < alike("Abdominal pain", "pain in the abdomen") < 0.9
    assert alike("Rash", "vomited twice") == 0.0 and alike("", "rash") == 0.0
