"""What becomes an example of extraction, and a causal model's quotations."""

from __future__ import annotations

import doctest
import json

import pandas as pd
import pytest

from pvcore.annotations.spans import find
from pvcore.errors import InputError
from pvcore.evaluation.spans import Marked, Span, read, words
from pvcore.problems import extraction, quoting
from pvcore.problems.extraction import AS_BEFORE, EXTRACTION
from pvcore.problems.quoting import complete, grammar, located, quoted
from pvcore.records import Case, Drug, Reaction

DRUGS = [{"name": n, "role": r} for n, r in (("aspirin", "suspect"), ("heparin", "concomitant"), ("x", None))]
TEXT = "After aspirin a bad itchy rash came up. Rash under heparin, no pain."


@pytest.mark.parametrize("module", [extraction, quoting])
def test_the_worked_examples(module):
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def mark(words: str, label: str, text: str = TEXT) -> dict:
    start = text.index(words)
    return {"start": start, "end": start + len(words), "label": label}


def tables(*values: tuple[str, str, str, object]) -> tuple[pd.DataFrame, pd.DataFrame]:
    cases = pd.DataFrame(
        {
            "case_id": ["a", "b"],
            "narrative": [TEXT, "Warfarin."],
            "cluster": ["1", "2"],
            "split": ["train", "test"],
            "drugs": [json.dumps(DRUGS), "[]"],
            "reactions": [json.dumps([{"verbatim": "itchy rash"}, {"verbatim": ""}]), "[]"],
        }
    )
    made = [(case, problem, target, json.dumps(value)) for case, problem, target, value in values]
    return cases, pd.DataFrame(made, columns=["case_id", "problem", "target", "value"])


def test_examples_have_the_two_labels_whatever_a_tool_calls_them():
    spans = [mark("aspirin", "drug"), mark("rash", "Adverse_Event"), mark("came", "Time")]
    value = {"spans": spans, "relations": [[0, 1], [0, 2]]}
    made = EXTRACTION.examples(
        *tables(("a", "extraction", "", value), ("b", "extraction", "", {"spans": []}))
    )
    assert [len(made[split]) for split in ("train", "tune", "test")] == [1, 0, 1]
    example = made["train"][0]
    assert example.example_id == "a#extraction"
    marked = read(example.label)
    assert {(TEXT[s.parts[0][0] : s.parts[0][1]], s.label) for s in marked.spans} == {
        ("aspirin", "Drug"), ("rash", "Reaction"),
    }  # fmt: skip
    assert len(marked.pairs) == 1
    assert example.slices == ("negation",)
    assert example.given == ("aspirin", "itchy rash") and made["test"][0].given == ()
    assert EXTRACTION.parse(example.label) == example.label


def test_a_coded_verbatim_that_nobody_marked_is_a_reaction():
    rows = [
        ("a", "extraction", "", {"spans": [mark("aspirin", "Drug")]}),
        ("a", "coding", "bad rash", {"llt_code": "90000001"}),
        ("a", "coding", "not in it", {"llt_code": "90000001"}),
    ]
    marked = read(EXTRACTION.examples(*tables(*rows))["train"][0].label)
    start = TEXT.index("bad")
    assert Span(((start, start + 3), (start + 10, start + 14)), "Reaction") in marked.spans
    rows[0][3]["spans"].append(mark("itchy rash", "Reaction"))
    assert len(read(EXTRACTION.examples(*tables(*rows))["train"][0].label).spans) == 2


def test_a_coded_verbatim_is_found_as_whole_words():
    """It was marked in the first word that holds its letters; what runs of before made of that stays as it was."""
    cases, labels = tables(
        ("a", "extraction", "", {"spans": [mark("aspirin", "Drug")]}),
        ("a", "coding", "ill", {"llt_code": "90000001"}),
    )
    text = "After aspirin she had chills and felt ill."
    cases.loc[cases["case_id"] == "a", "narrative"] = text
    for problem, place in ((EXTRACTION, text.index("ill.")), (AS_BEFORE, text.index("ills"))):
        (example,) = problem.examples(cases, labels)["train"]
        assert Span(((place, place + 3),), "Reaction") in read(example.label).spans
    assert find("熱", "高熱でした。熱") == ((6, 7),) and find("熱", "高熱でした。") == ((1, 2),)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            ("a", "extraction", "", {"spans": [{"start": 0, "end": 900, "label": "Drug"}]}),
            "ends at 900, the narrative",
        ),
        (("a", "extraction", "", {"spans": [{"start": 0, "end": 4, "label": "Dose"}]}), "only Dose"),
        (("a", "extraction", "", {"span": []}), "expected"),
        (("x", "extraction", "", {"spans": []}), "no such case"),
    ],
)
def test_labels_that_cannot_be_used_are_named(row, message):
    with pytest.raises(InputError, match=message):
        EXTRACTION.examples(*tables(row))


def test_slices():
    drug, other = Span(((6, 13),), "Drug"), Span(((51, 58),), "Drug")
    torn = Span(((16, 19), (26, 30)), "Reaction")
    found = EXTRACTION.slices(TEXT, Marked.of([drug, other, torn, torn._replace(parts=((20, 30),))]))
    assert found == ("discontinuous", "negation", "overlapping", "several_drugs")
    assert EXTRACTION.slices("A history of gout.") == ("history",)


def test_parse_and_questions():
    assert EXTRACTION.parse(' {"spans": []} ') == '{"spans":[]}'
    for wrong in ("", "none", "[]", '{"spans":[{"start":0,"end":4,"label":"Dose"}]}'):
        with pytest.raises(ValueError):
            EXTRACTION.parse(wrong)
    drugs = tuple(Drug(item["name"], item["role"]) for item in DRUGS)
    case = Case(
        "a", "Rash.", drugs=(*drugs, Drug("y", "interacting")), reactions=(Reaction("rash"), Reaction())
    )
    assert EXTRACTION.questions([case]) == [("a#extraction", "Rash.", ("aspirin", "y", "rash"))]


def test_quotations_come_back_to_their_places():
    second = TEXT.index("Rash")
    marked = Marked.of(
        [Span(((6, 13),), "Drug"), Span(((26, 30),), "Reaction"), Span(((second, second + 4),), "Reaction")]
    )
    assert located(TEXT, quoted(TEXT, marked)) == (marked, 0)
    twice = located("rash, rash", '[["Reaction","rash"],["Reaction","rash"],["Reaction","rash"]]')
    assert [s.parts for s in sorted(twice[0].spans)] == [((0, 4),), ((6, 10),)] and twice[1] == 1
    assert located("in the arm pain", '[["Reaction","pain","arm"]]') == (Marked.of([]), 1)
    # A part that ends inside a word is quoted as whole words; white space as one space.
    assert (
        quoted("neuro-toxicity\n seen", Marked.of([Span(((6, 17),), "Reaction")]))
        == '[["Reaction","toxicity seen"]]'
    )
    for wrong in ("{}", '[["Drug"]]', "[[1,2]]", "["):
        with pytest.raises(ValueError):
            located(TEXT, wrong)


def test_an_answer_that_was_cut_off_keeps_its_whole_quotations():
    whole = '[["Drug","a"],["Reaction","b \\" ]","c"]]'
    assert complete(whole) == whole
    assert complete(whole[:-1]) == whole
    assert {complete(whole[:cut]) for cut in range(len(whole) - 1)} == {"[]", '[["Drug","a"]]'}


def test_an_empty_text_allows_only_an_empty_list():
    assert grammar(" \n", ("Drug",)) == 'start: " []"'
    assert words(" \n") == []
