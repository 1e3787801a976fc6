"""The set of PTs of a case: from labels of coding and from its source's own codes, never with a hole."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from pvcore.errors import InputError
from pvcore.problems import PROBLEMS, pts

PTS = PROBLEMS["pts"]


def reaction(verbatim: str = "", name: str | None = None, version: str | None = None) -> dict[str, Any]:
    return {"verbatim": verbatim, "llt_code": None, "meddra_version": version, "pt_name": name}


def cases(**reactions: list[dict[str, Any]]) -> pd.DataFrame:
    """Cases a (train), b (tune) and c (test) with these reactions."""
    return pd.DataFrame(
        {
            "case_id": ["a", "b", "c"],
            "narrative": ["Not admitted.", "She died.", "Rash."],
            "age_years": [80.0, None, 30.0],
            "cluster": ["1", "2", "3"],
            "split": ["train", "tune", "test"],
            "reactions": [json.dumps(reactions.get(name, [])) for name in "abc"],
        }
    )


def labels(*rows: tuple[str, str, dict[str, Any]]) -> pd.DataFrame:
    made = [(case, "coding", target, json.dumps(value)) for case, target, value in rows]
    return pd.DataFrame(made, columns=["case_id", "problem", "target", "value"])


@pytest.fixture
def dictionary() -> Any:
    llts = pd.DataFrame(
        [("90000001", "Rash", "90000001"), ("90000002", "Skin eruption", "90000001")],
        columns=["llt_code", "llt_name", "pt_code"],
    )
    named = pd.DataFrame({"pt_code": ["90000009", "90000001"], "pt_name": ["Pain", "Rash"]})
    return SimpleNamespace(version="29.1", tables={"llt": llts, "pt": named})


def made(found: dict[str, list[Any]]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(e.case_id, e.label, e.slices) for rows in found.values() for e in rows]


def test_a_set_is_made_of_the_codings_of_a_case(dictionary: Any) -> None:
    table = labels(
        ("a", "spots", {"llt_code": "90000002"}),
        ("c", "ache", {"pt_name": "Pain"}),
        ("c", "red skin", {"pt_name": "Rash"}),
        ("c", "rash", {"llt_code": "90000001"}),
    )
    told = cases(a=[reaction("spots")], c=[reaction("ache"), reaction("red skin"), reaction("rash")])
    assert made(pts.sets_of(told, table, dictionary, new_terms={"90000009"})) == [
        ("a", "90000001", ("elderly", "negation")),
        ("c", "90000001 90000009", ("new_terms", "several_reactions", "unseen_terms")),
    ]
    assert not any(pts.sets_of(told, table).values()), "PTs are of a dictionary"


def test_a_source_that_names_pts_labels_its_own_cases(dictionary: Any) -> None:
    told = cases(
        a=[reaction(name="Rash", version="29.1"), reaction(name="Pain", version="29.1")],
        b=[reaction(name="Pain", version="8.1")],
        c=[reaction(name="Cutaneous event", version="8.1"), reaction(name="Rash", version="29.1")],
    )
    assert [row[:2] for row in made(pts.sets_of(told, labels(), dictionary))] == [("a", "90000001 90000009")]
    settled = labels(("c", "Cutaneous event", {"llt_code": "90000001"}))  # somebody answered the work list
    assert made(pts.sets_of(told, settled, dictionary))[1][:2] == ("c", "90000001")


def test_an_open_reaction_leaves_its_case_out_until_it_is_settled(dictionary: Any) -> None:
    told = cases(a=[reaction("spots"), reaction("ache")])
    one = ("a", "spots", {"llt_code": "90000002"})
    assert made(pts.sets_of(told, labels(one), dictionary)) == []
    both = labels(one, ("a", "ache", {"pt_name": "Pain"}))
    assert [row[1] for row in made(pts.sets_of(told, both, dictionary))] == ["90000001 90000009"]


def test_a_label_off_the_dictionary_is_named(dictionary: Any) -> None:
    wrong = labels(("a", "x", {"llt_code": "90000005"}), ("x", "y", {"llt_code": "90000001"}))
    with pytest.raises(InputError, match="run the migration") as caught:
        pts.sets_of(cases(), wrong, dictionary)
    assert [fault.where for fault in caught.value.faults] == ["case a, 'x'", "case x, 'y'"]


def test_too_few_cases_are_no_fault_and_no_examples(dictionary: Any) -> None:
    def found(train: int, test: int) -> int:
        names = [f"c{number}" for number in range(train + test)]
        told = pd.DataFrame(
            {
                "case_id": names,
                "narrative": "A rash.",
                "cluster": names,
                "split": ["train"] * train + ["test"] * test,
                "reactions": json.dumps([reaction(name="Rash", version="29.1")]),
            }
        )
        return sum(map(len, PTS.examples(told, labels(), dictionary).values()))

    assert (found(pts.LEAST, 1), found(pts.LEAST - 1, 1), found(pts.LEAST, 0)) == (pts.LEAST + 1, 0, 0)


def test_an_answer_is_sorted_codes_each_once() -> None:
    assert PTS.parse("90000001 90000002") == "90000001 90000002"
    for answer in ("90000002 90000001", "90000001 90000001", "rash"):
        with pytest.raises(ValueError, match="expected"):
            PTS.parse(answer)


def test_an_annotation_that_nothing_would_read_is_refused() -> None:
    assert "annotate the reactions for coding" in str(PTS.fault({"pts": ["90000001"]}, "Rash."))


def test_the_terms_are_the_pts_by_their_own_names(dictionary: Any) -> None:
    assert pts.terms(dictionary).to_numpy().tolist() == [
        ["90000001", "Rash", "90000001"],
        ["90000009", "Pain", "90000009"],
    ]
