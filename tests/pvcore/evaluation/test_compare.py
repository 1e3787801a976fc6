from __future__ import annotations

import dataclasses
import json
import random

import pandas as pd
import pytest

from pvcore.errors import GateError
from pvcore.evaluation import metrics as m
from pvcore.evaluation.compare import changed_answers, evaluate, frame, held_out_digest
from pvcore.evaluation.report import Report
from pvcore.records import Example, Prediction


def test_the_frame_joins_by_id_whatever_the_order(examples, answers):
    cases, given = examples("snns"), answers("ssnn")
    rows = frame(cases, given)
    assert list(rows["example_id"]) == ["e0000", "e0001", "e0002", "e0003"]
    assert list(rows["answer"]) == ["serious", "serious", "non-serious", "non-serious"]
    assert rows["ranked"][0] == ("serious",)
    pd.testing.assert_frame_equal(rows, frame(cases[::-1], given[::-1]))


def test_the_frame_keeps_rankings_as_labels():
    example = Example("e", "c", "head ache", "10", "k")
    answer = Prediction("e", "11", 0.9, ranked=(("11", 0.9), ("10", 0.8)))
    assert frame([example], [answer])["ranked"][0] == ("11", "10")
    # a set may be empty and ranked all the same; what was withheld is not shown by its ranking either
    for withheld, ranked in (("", ("11", "10")), ("11", ("",))):
        empty = dataclasses.replace(answer, answer="", withheld=withheld)
        assert frame([example], [empty])["ranked"][0] == ranked


def test_answers_that_do_not_fit_are_all_named(examples, answers):
    given = [*answers("ssn")[1:], *answers("ssn")[2:], Prediction("stranger", "serious", 1.0)]
    with pytest.raises(GateError) as raised:
        frame(examples("ssn"), given)
    for part in (
        "without an answer: 1 (e0000)",
        "without an example: 1 (stranger)",
        "given twice: 1 (e0002)",
    ):
        assert part in str(raised.value)


def test_values_and_counts_of_a_small_evaluation(examples, answers, metrics, policy):
    cases = examples("s" * 40 + "n" * 60, {"negation": range(30, 60)})
    candidate = frame(cases, answers("s" * 36 + "n" * 64))
    champion = frame(cases, answers("n" * 8 + "s" * 32 + "n" * 60))
    report = evaluate("seriousness", metrics, candidate, champion, policy(), 1)
    recall = report.overall.results["recall"]
    assert recall.candidate.value == 0.9
    assert recall.support == 40
    assert recall.against["champion"].reference.value == 0.8
    assert recall.against["champion"].difference.value == pytest.approx(0.1)
    assert (recall.against["champion"].candidate_better, recall.against["champion"].reference_better) == (
        8,
        4,
    )
    assert recall.candidate.low < 0.9 < recall.candidate.high
    assert report.overall.labels == {"non-serious": 60, "serious": 40}
    assert report.slices["negation"].rows == 30
    assert report.slices["negation"].results["recall"].support == 10
    assert report.slices["negation"].results["recall"].candidate.value == pytest.approx(0.6)
    assert report.references == ("champion",)


def test_perfect_answers_are_no_certainty(examples, answers, metrics, policy):
    rows = frame(examples("sn" * 20), answers("sn" * 20))
    accuracy = evaluate("seriousness", metrics, rows, rows, policy(), 1).overall.results["accuracy"]
    assert accuracy.candidate.value == 1.0
    assert accuracy.candidate.low == pytest.approx(0.912, abs=0.001)
    assert accuracy.against["champion"].difference.low == pytest.approx(-0.0876, abs=0.001)


def test_one_row_that_differs_in_large_clusters_is_no_proof(examples, answers, metrics, policy):
    cases = [dataclasses.replace(e, cluster=f"k{n // 33}") for n, e in enumerate(examples("s" * 990))]
    rows = [frame(cases, answers("n" * wrong + "s" * (990 - wrong))) for wrong in (0, 1)]
    chosen = [m.accuracy()]
    none, one = (
        evaluate("seriousness", chosen, r, rows[0], policy(), 1).overall.results["accuracy"] for r in rows
    )
    assert none.against["champion"].difference.low == pytest.approx(-0.1135, abs=1e-4)
    assert one.against["champion"].difference.low < none.against["champion"].difference.low
    assert one.candidate.low < none.candidate.low < 0.9
    # A report of before is counted as it was.
    before = evaluate("seriousness", chosen, rows[1], rows[0], policy(), 1, edition=1)
    assert before.edition == 1
    assert before.overall.results["accuracy"].against["champion"].difference.low == pytest.approx(
        -0.0057, abs=1e-4
    )


def test_the_report_is_the_same_for_any_order_of_rows_and_survives_json(examples, answers, metrics, policy):
    cases = examples("sn" * 50, {"negation": range(20)})
    candidate, champion = frame(cases, answers("ssnn" * 25)), frame(cases, answers("nnss" * 25))
    report = evaluate("seriousness", metrics, candidate, champion, policy(), 7, baselines={"tfidf": champion})
    order = list(range(100))
    random.Random(0).shuffle(order)
    again = evaluate(
        "seriousness",
        metrics.values(),
        candidate.iloc[order],
        champion.iloc[order[::-1]],
        policy(),
        7,
        baselines={"tfidf": champion.iloc[order]},
    )
    assert again == report
    assert Report.from_json(json.loads(json.dumps(report.to_json(), allow_nan=False))) == report
    assert evaluate("seriousness", metrics, candidate, champion, policy(), 8) != report


def test_what_is_not_defined_is_none(examples, answers, policy):
    rows = frame(examples("n" * 40), answers("n" * 40))
    report = evaluate("seriousness", [m.recall("serious"), m.roc_auc("serious")], rows, rows, policy(), 1)
    for result in report.overall.results.values():
        assert result.candidate.value is None
        assert result.support == 0


def test_frames_of_other_examples_or_labels_are_refused(examples, answers, metrics, policy):
    rows = frame(examples("ssn"), answers("ssn"))
    with pytest.raises(GateError, match=r"only the candidate: 1 \(e0002\)"):
        evaluate("seriousness", metrics, rows, frame(examples("ss"), answers("ss")), policy(), 1)
    with pytest.raises(GateError, match=r"different labels or clusters.*\n.*e0001"):
        evaluate("seriousness", metrics, rows, frame(examples("snn"), answers("ssn")), policy(), 1)
    with pytest.raises(GateError, match="no held-out examples"):
        evaluate("seriousness", metrics, rows.iloc[:0], None, policy(), 1)


def test_the_held_out_set_is_named_by_its_rows_not_by_the_answers(examples, answers):
    one = frame(examples("ssn"), answers("ssn"))
    assert held_out_digest(one) == held_out_digest(frame(examples("ssn"), answers("nnn")).iloc[::-1])
    assert held_out_digest(one) != held_out_digest(frame(examples("snn"), answers("ssn")))


def test_changed_answers_show_missed_cases_first(examples, answers):
    cases = examples("nsss")
    candidate, champion = frame(cases, answers("snns")), frame(cases, answers("nsnn"))
    found = changed_answers(candidate, champion, positive="serious")
    assert (found["wrong"], found["newly_wrong"], found["newly_right"]) == (3, 2, 1)
    # e0001 was missed anew, e0000 is a new false alarm, e0002 was missed before too.
    assert [row["case_id"] for row in found["rows"]] == ["c1", "c0", "c2"]
    assert [row["case_id"] for row in changed_answers(candidate, limit=1)["rows"]] == ["c0"]
    assert changed_answers(candidate)["newly_wrong"] == 0
