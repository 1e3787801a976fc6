"""The pages say what the finding says, and text of the input stays text."""

from __future__ import annotations

import json

import pytest

from expectations.pages import SHOWN
from expectations.validation import RuleResult, Validation
from pvcore.errors import BatchError, Fault, InputError, ReleaseError

EVIL = "a|b <script>alert(1)</script>\n# [x](http://y) `*_"


def finding(suite: str = "batch", number: int = 1) -> Validation:
    return Validation(
        suite=suite,
        subject=EVIL,
        rules=(
            RuleResult("cases", "case-has-id", "critical", 10, number),
            RuleResult("cases", "age-in-range", "warning", 10, 1),
            RuleResult("cases", "received-is-a-date", "critical", 0, 0),
        ),
        expected=3,
        failures=tuple(Fault(f"case {i}", EVIL, "look") for i in range(number)),
        warnings=(Fault("case 3", "odd"),),
        skipped=("coding: needs a dictionary",),
        statistics={"cases": 10},
    )


def test_markdown_says_it_all_and_keeps_its_table() -> None:
    page = finding().markdown()
    assert "refused" in page and "3 of 3 rules evaluated over 10 cases: 1 faults, 1 warnings." in page
    assert "| cases | received-is-a-date | critical | 0 | 0 | nothing to look at |" in page
    assert "Not applied: coding: needs a dictionary." in page
    assert "<script>" not in page and "[x]" not in page.replace("\\[x\\]", "")
    row = next(line for line in page.splitlines() if line.startswith("| case 0"))
    assert row.replace("\\|", "").count("|") == 4


def test_markdown_is_cut_and_says_so_while_json_and_html_are_whole() -> None:
    many = finding(number=SHOWN + 7)
    assert "... and 7 more" in many.markdown()
    assert len(json.loads(many.to_json())["failures"]) == SHOWN + 7
    assert many.to_html().count("<tr><td>case ") == SHOWN + 8


def test_html_is_one_page_that_escapes_its_input() -> None:
    page = finding().to_html()
    assert page.startswith("<!doctype html>") and "<script" not in page and "&lt;script&gt;" in page
    assert "http" not in page.replace("http://y", "")
    assert "refused" in page and "fit for use" in finding(number=0).to_html()


@pytest.mark.parametrize(
    ("suite", "error"), [("batch", BatchError), ("release", ReleaseError), ("training_set", InputError)]
)
def test_require_raises_the_error_of_the_input(suite: str, error: type[InputError]) -> None:
    with pytest.raises(error) as caught:
        finding(suite).require()
    assert type(caught.value) is error and len(caught.value.faults) == 1
    finding(suite, number=0).require()  # a warning refuses nothing
