from __future__ import annotations

import pytest

from pvcore.inference.support import alike, lost, unsupported

SOURCE = "A 54-year-old man took Co-trimoxazole and developed severe oedema, headaches and Stevens-Johnson syndrome."


@pytest.mark.parametrize(
    "term", ["edema", "Oedema", "headache", "co trimoxazole", "STEVENS-JOHNSON SYNDROME", "severe edema"]
)
def test_a_term_in_another_spelling_is_supported(term):
    assert unsupported(SOURCE, [term]) == []


def test_what_nobody_reported_is_named_once_and_in_order():
    assert unsupported(SOURCE, ["rash", "edema", "penicillin", "rash"]) == ["rash", "penicillin"]
    # Words that stand apart are no term, and half a word is none.
    assert unsupported(SOURCE, ["severe headache", "head", ""]) == ["severe headache", "head", ""]


def test_other_names_of_a_term_support_it():
    names = {"trimethoprim/sulfamethoxazole": ("co-trimoxazole", "Bactrim")}
    assert unsupported(SOURCE, ["trimethoprim/sulfamethoxazole"], names) == []
    assert unsupported(SOURCE, ["trimethoprim/sulfamethoxazole"]) == ["trimethoprim/sulfamethoxazole"]


def test_what_was_reported_must_stay():
    assert lost(SOURCE, ["co-trimoxazole", "aspirin"], ["edema"]) == ["co-trimoxazole"]
    assert lost(SOURCE, ["oedema"], ["Edema of the legs"]) == []


def test_letters_in_common():
    assert alike("Headache", "headaches") == 1.0
    assert 0.2 < alike("Abdominal pain", "pain in the abdomen") < 0.9
    assert alike("Rash", "vomited twice") == 0.0 and alike("", "rash") == 0.0
