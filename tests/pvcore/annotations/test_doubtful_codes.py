"""Codes that were made wrong on purpose come first, each with its reason."""

from __future__ import annotations

import dataclasses
import random

import pytest

from pvcore.annotations.agreement import Label, consensus
from pvcore.annotations.consistency import SHOWN, measure
from pvcore.annotations.doubtful_codes import doubtful_codes
from pvcore.annotations.generate import generate_cases
from pvcore.meddra.generate import Truth
from pvcore.meddra.release import Dictionary
from pvcore.records import Annotation


@pytest.fixture
def dictionary(truth: Truth) -> Dictionary:
    return truth.dictionary


def label(case: str, verbatim: str, code: str, version: str = "29.0", **value: str) -> Label:
    return Label(case, "coding", verbatim, {"llt_code": code, **value}, ("ann",), version)


def elsewhere(dictionary: Dictionary, code: str) -> str:
    """A current LLT of another SOC."""
    soc = lambda c: dictionary.primary_path(dictionary.pt_of(c))["soc_code"]  # noqa: E731
    return next(c for c in dictionary.current_llts()["llt_code"] if soc(c) != soc(code))


def test_planted_codes_come_first(dictionary: Dictionary) -> None:
    _, said = generate_cases(dictionary, n=400, seed=3, prefix="P")
    labels = [one for one in consensus(said).resolved if one.problem == "coding"]
    rng, codes = random.Random(3), dictionary.current_llts()["llt_code"].tolist()
    planted = rng.sample(range(len(labels)), 20)
    for i in planted:
        right = dictionary.pt_of(labels[i].value["llt_code"])
        code = next(c for c in rng.sample(codes, 50) if dictionary.pt_of(c) != right)
        labels[i] = dataclasses.replace(labels[i], value={"llt_code": code})
    found = doubtful_codes(labels, dictionary)
    names = {(labels[i].case_id, labels[i].target) for i in planted}
    assert len({(d.case_id, d.verbatim) for d in found[:20]} & names) >= 18
    assert [d.doubt for d in found] == sorted((d.doubt for d in found), reverse=True)
    assert found == doubtful_codes(labels[::-1], dictionary)
    # those least like their term are compared first, so that a limit loses little
    few = doubtful_codes(labels, dictionary, most=60)
    assert len(few) < len(found) and few[:18] == found[:18]


def test_the_name_of_another_term_whatever_its_spelling(dictionary: Dictionary) -> None:
    llt = dictionary.tables["llt"]
    stale = llt[llt["llt_currency"] == "N"].iloc[0]
    wrong = elsewhere(dictionary, stale["llt_code"])
    found = doubtful_codes([label("c1", stale["llt_name"].upper() + ".", wrong)], dictionary)
    (doubt,) = found
    assert (doubt.doubt, doubt.reason, doubt.likely) == (1.0, f"is the name of {stale['llt_name']}", True)
    assert doubt.suggested == stale["pt_code"]  # the name's own term is not current
    assert doubtful_codes([label("c1", stale["llt_name"], stale["pt_code"])], dictionary) == []


def test_what_most_others_say_of_the_same_words(dictionary: Dictionary) -> None:
    code = dictionary.current_llts()["llt_code"].iloc[0]
    wrong = elsewhere(dictionary, code)
    labels = [label(f"c{i}", "qqqq", code) for i in range(3)] + [label("c9", "QQQQ", wrong)]
    (doubt,) = doubtful_codes(labels, dictionary)
    assert (doubt.case_id, doubt.suggested, doubt.doubt) == ("c9", code, 0.75)
    assert doubt.reason == "so in 3 of 4 cases with these words"
    assert doubtful_codes(labels[2:], dictionary) == []  # one against one says nothing


def test_likeness_counts_less_where_others_say_the_same(dictionary: Dictionary) -> None:
    llts = dictionary.current_llts()
    name, code = llts.iloc[0]["llt_name"], llts.iloc[0]["llt_code"]
    said = f"zz {name} zz"
    wrong = elsewhere(dictionary, code)
    alone, *_ = doubtful_codes([label("c1", said, wrong)], dictionary)
    together = doubtful_codes([label(f"c{i}", said, wrong) for i in range(4)], dictionary)
    assert alone.reason.startswith("likeness") and len(together) == 4
    assert together[0].doubt == pytest.approx(alone.doubt / 4, abs=1e-5)


def test_other_versions_unknown_codes_and_other_problems_are_left_out(dictionary: Dictionary) -> None:
    name, code = dictionary.tables["llt"][["llt_name", "llt_code"]].iloc[0]
    wrong = elsewhere(dictionary, code)
    serious = Label("c1", "seriousness", "", {"serious": True}, ("ann",), "29.0")
    assert (
        doubtful_codes([label("c1", name, wrong, "28.0"), label("c2", name, "1"), serious], dictionary) == []
    )


def test_the_report_names_the_likely_ones(dictionary: Dictionary) -> None:
    llts = dictionary.current_llts().iloc[: SHOWN + 5]
    said = [
        Annotation(f"c{i:02d}", "coding", {"llt_code": elsewhere(dictionary, code)}, "ann", name, meddra_version="29.0")
        for i, (code, name) in enumerate(zip(llts["llt_code"], llts["llt_name"], strict=True))
    ]  # fmt: skip
    report = measure("batch x", said, dictionary=dictionary)
    assert report.doubtful == SHOWN + 5 and len(report.codes) == SHOWN
    page = report.markdown()
    assert f"{SHOWN + 5} doubtful code(s)" in page and "### Doubtful codes" in page
    assert f"is the name of {llts['llt_name'].iloc[0]}" in page
    assert measure("batch x", said).doubtful == 0
