"""The safety slices of a held-out case, the same for every problem."""

from __future__ import annotations

import doctest
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from pvcore.problems import PROBLEMS, safety
from pvcore.problems.safety import Changes, Designated, known_of, pregnant, with_slices
from pvcore.records import Example, canonical


@pytest.fixture
def dictionary() -> Any:
    llts = pd.DataFrame(
        [
            ("90000001", "Rash", "90000001"),
            ("90000002", "Skin eruption", "90000001"),
            ("90000009", "Pain", "90000009"),
        ],
        columns=["llt_code", "llt_name", "pt_code"],
    )
    return SimpleNamespace(version="29.1", tables={"llt": llts})


def case(case_id: str, narrative: str = "Rash.", **more: Any) -> dict[str, Any]:
    return {
        "case_id": case_id,
        "narrative": narrative,
        "reactions": "[]",
        "language": "",
        "source": "",
        **more,
    }


def labels(*rows: tuple[str, str, dict[str, Any]]) -> pd.DataFrame:
    told = [(name, problem, canonical(value).decode()) for name, problem, value in rows]
    return pd.DataFrame(told, columns=["case_id", "problem", "value"])


def slices(
    found: dict[str, Any], *rows: tuple[str, dict[str, Any]], problem: str = "seriousness", **more: Any
):
    example = Example("e", found["case_id"], found["narrative"], more.pop("label", "serious"), "k", ("own",))
    table = labels(*((found["case_id"], name, value) for name, value in rows))
    (marked,) = with_slices([example], PROBLEMS[problem], pd.DataFrame([found]), table, **more)
    return set(marked.slices) - {"own"}


def test_the_example_of_the_module():
    assert doctest.testmod(safety).failed == 0 < doctest.testmod(safety).attempted


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (("seriousness", {"serious": True, "criteria": ["death", "other"]}), {"death"}),
        (("seriousness", {"serious": True, "criteria": ["life_threatening"]}), {"life_threatening"}),
        (("seriousness", {"serious": False, "criteria": []}), set()),
        (("seriousness", {"serious": True}), set()),  # which one is met, nobody said
        (("triage", {"criteria": ["death"], "special": ["pregnancy"]}), {"death", "pregnancy"}),
        (("triage", {"class": "non-expedited"}), set()),
    ],
)
def test_what_annotators_said_for_one_problem_groups_the_case_for_all(label, expected):
    assert slices(case("a"), label, problem="coding", label="90000001") == expected


def test_what_the_case_itself_says():
    told = '[{"seriousness": {"life_threatening": true, "death": false}, "outcome": "recovered"}]'
    assert slices(case("a", reactions=told)) == {"life_threatening"}
    assert slices(case("a", reactions='[{"outcome": "fatal"}]')) == {"death"}
    assert slices(case("a", age_years=17.9)) == {"paediatric"}
    assert slices(case("a", age_years=float("nan"))) == slices(case("a", age_years=18.0)) == set()
    assert slices(case("a", language="de", source="VAERS")) == {"language:de", "source:VAERS"}
    assert slices(case("a", reactions='[{"pt_name": "Foetal death"}]')) == {"pregnancy"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She was 20 weeks pregnant.", True),
        ("Exposure in utero.", True),
        ("She is not currently pregnant.", False),
        ("A non-pregnant woman; pregnancy test was negative.", False),
        ("She denied pregnancy.", False),
        ("Not pregnant now; her first pregnancy ended in miscarriage.", True),
        ("Impregnated gauze was used.", False),
    ],
)
def test_pregnancy_in_words(text, expected):
    assert pregnant(text) is expected


def test_new_and_changed_terms_by_the_label_or_by_all_that_the_case_is_coded_by(dictionary):
    changes = Changes(new={"90000002"}, changed={"90000001"})
    coded = [("coding", {"llt_code": "90000001"}), ("coding", {"llt_code": "90000002"})]
    both = {"changed_terms", "new_terms"}
    assert slices(case("a"), *coded, changes=changes, dictionary=dictionary) == both
    one = slices(
        case("a"), *coded, problem="coding", label="90000002", changes=changes, dictionary=dictionary
    )
    assert one == {"new_terms"}
    assert slices(case("a"), coded[0], problem="coding", label="90000001", changes=changes) == {
        "changed_terms"
    }


def test_designated_events_by_code_by_the_name_of_a_pt_and_in_words(dictionary):
    marked = {"designated_events"}
    for named in ("90000001", "Rash", "RASH"):
        designated, unknown = Designated.of([named], dictionary)
        assert not unknown and designated.codes == {"90000001", "90000002"}  # a PT takes its LLTs along
        assert (
            slices(case("a", "Ill."), ("coding", {"llt_code": "90000002"}), designated=designated) == marked
        )
        assert slices(case("a", "A skin eruption was seen."), designated=designated) == marked
        assert slices(case("a", "Ill."), problem="coding", label="90000002", designated=designated) == marked
        assert slices(case("a", "Rashly done."), designated=designated) == set()
        assert slices(case("a", "Ill."), ("coding", {"llt_code": "90000009"}), designated=designated) == set()
    assert Designated.of(["No such term", "99999999"], dictionary)[1] == ["No such term", "99999999"]
    alone, unknown = Designated.of(["Some event", "99999999"], None)
    assert unknown == ["99999999"] and slices(case("a", "some EVENT."), designated=alone) == {
        "designated_events"
    }


def test_the_names_of_coded_terms_are_known():
    rows = labels(("a", "coding", {"llt_code": "90000002"})).itertuples()
    assert known_of(case("a"), rows, {"90000002": "Skin eruption"}).names == {"Skin eruption"}
