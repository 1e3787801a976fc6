"""The report says by whom, when and where annotators differ, and the policy says when that is too much."""

from __future__ import annotations

import dataclasses
import json

import pytest

from pvcore.annotations.agreement import judgements
from pvcore.annotations.consistency import PAIRS, AnnotationPolicy, Consistency, measure, too_low
from pvcore.annotations.consistency_tables import markdown, tables
from pvcore.annotations.contradictions import cluster_names
from pvcore.annotations.span_agreement import Span, span_agreement, spans_of
from pvcore.meddra.generate import Truth
from pvcore.records import Annotation, Case


def serious(case: str, name: str, yes: bool, time: str = "2026-02-03T10:00:00Z", **more: str) -> Annotation:
    return Annotation(case, "seriousness", {"serious": yes, "criteria": []}, name, time=time, **more)


def both(
    number: int, one: bool, other: bool, *, start: int = 0, time: str = "2026-02-03T10:00:00Z"
) -> list[Annotation]:
    return [
        serious(f"c{i:03d}", name, yes, time)
        for i in range(start, start + number)
        for name, yes in (("ann", one), ("bob", other))
    ]


@pytest.fixture
def said() -> list[Annotation]:
    """Cohen 1960: kappa 0.4; 15 disagreements of 50, all in the second month."""
    return [
        *both(20, True, True),
        *both(15, False, False, start=20),
        *both(10, True, False, start=35, time="2026-04-01T10:00:00Z"),
        *both(5, False, True, start=45, time="2026-04-01T10:00:00Z"),
    ]


def rows(report: Consistency, by: str) -> dict[str, object]:
    return {row.name: row for row in report.agreement if row.by == by}


def test_agreement_by_label_pair_and_time(said: list[Annotation]) -> None:
    report = measure("batch x", said, period="quarter")
    (pair,) = rows(report, "annotators").values()
    assert (pair.name, pair.things) == ("ann and bob", 50) and pair.cohen == pytest.approx(0.4)
    assert pair.observed == pytest.approx(0.7)
    assert set(rows(report, "label")) == {"serious", "not serious"}
    quarters = rows(report, "quarter")
    assert {name: row.observed for name, row in quarters.items()} == {"2026 Q1": 1.0, "2026 Q2": 0.0}
    early = measure(
        "a batch of before", [dataclasses.replace(a, time="3/10/2026") for a in said], period="quarter"
    )
    assert rows(early, "quarter") == {}
    assert set(rows(measure("x", said), "month")) == {"2026-02", "2026-04"}


def test_three_annotators_have_a_row_a_pair_and_one_together(said: list[Annotation]) -> None:
    third = [serious(f"c{i:03d}", "cat", i < 20) for i in range(30)]
    report = measure("x", [*said, *third])
    assert set(rows(report, "annotators")) == {"ann and bob", "ann and cat", "bob and cat"}
    (together,) = rows(report, "all").values()
    assert together.cohen is None and together.alpha is not None and together.things == 50


def test_adjudications_and_who_contradicts_himself_do_not_count(said: list[Annotation]) -> None:
    plain = measure("x", said)
    odd = [serious("c000", "chief", False, guideline="adjudication"), *both(1, True, False, start=90)]
    odd.append(serious("c090", "bob", True))
    assert measure("x", [*said, *odd]).agreement == plain.agreement


def test_the_pairs_to_talk_about_are_those_that_nobody_settled(said: list[Annotation]) -> None:
    report = measure("x", [*said, *both(30, True, False, start=100)])
    assert report.disagreements == 45 and len(report.pairs) == PAIRS
    assert report.pairs[0].answers == (("ann", "serious"), ("bob", "not serious"))
    settled = serious(report.pairs[0].case_id, "chief", True, guideline="adjudication")
    after = measure("x", [*said, *both(30, True, False, start=100), settled])
    assert after.disagreements == 44 and settled.case_id not in {p.case_id for p in after.pairs}


def test_a_batch_is_held_for_its_own_answers_only(said: list[Annotation]) -> None:
    policy = AnnotationPolicy(minimum_kappa={"seriousness": 0.6}, minimum_pairs=30)
    judged = judgements(said)
    own = {(thing, name) for thing, people in judged["seriousness"].items() for name in people}
    of_bob = {(thing, name) for thing, name in own if name == "bob"}
    (reason,) = too_low(judged, of_bob, policy)
    assert reason == "kappa 0.40 below 0.6 on seriousness (ann and bob, 50 judged by both)"
    assert too_low(judged, set(), policy) == []
    few = {(thing, name) for thing, name in own if thing[1] >= "c035"}
    assert too_low(judged, few, policy) == []  # 15 are too few to tell
    assert too_low(judged, own, AnnotationPolicy(minimum_kappa={"seriousness": 0.3})) == []
    assert too_low(judged, own, AnnotationPolicy()) == []


def test_coders_agree_more_at_each_level_up(truth: Truth) -> None:
    dictionary = truth.dictionary
    llts = dictionary.current_llts()
    pt = next(group.iloc[:2].tolist() for _, group in llts.groupby("pt_code")["llt_code"] if len(group) > 1)
    other = next(c for c in llts["llt_code"] if dictionary.pt_of(c) != dictionary.pt_of(pt[0]))
    said = [
        Annotation(f"c{i}", "coding", {"llt_code": code}, name, "rash", meddra_version=dictionary.version)
        for i, codes in enumerate([(pt[0], pt[0]), (pt[0], pt[1]), (other, other)])
        for name, code in zip(("ann", "bob"), codes, strict=True)
    ]
    stranger = Annotation("c9", "coding", {"llt_code": "1"}, "ann", "x", meddra_version=dictionary.version)
    report = measure("x", [*said, stranger], dictionary=dictionary)
    found = {row.level: row.observed for row in report.coding}
    assert list(found) == ["LLT", "PT", "HLT", "SOC"]
    assert found["LLT"] == pytest.approx(2 / 3) and found["PT"] == found["SOC"] == 1.0
    assert {row.verbatims for row in report.coding} == {3}


def spans(case: str, name: str, *marks: tuple[int, int, str]) -> Annotation:
    value = {"spans": [{"start": s, "end": e, "label": label} for s, e, label in marks]}
    return Annotation(case, "extraction", value, name)


def test_spans_agree_exactly_or_by_overlap() -> None:
    said = [
        spans("c1", "ann", (0, 5, "drug"), (10, 20, "event"), (30, 35, "event")),
        spans("c1", "bob", (0, 5, "drug"), (12, 20, "event")),
        spans("c2", "ann"),
        spans("c2", "bob", (1, 4, "event")),
        spans("c3", "ann", (1, 4, "event")),
    ]
    found = {row.label: row for row in span_agreement(said)}
    assert found["all"].cases == 2 and found["all"].spans == (3, 3)
    assert found["all"].exact == pytest.approx(2 / 6) and found["all"].overlap == pytest.approx(4 / 6)
    assert found["drug"].exact == 1.0 and found["event"].exact == 0.0
    report = measure("x", said)
    assert report.spans and not report.agreement and not report.disagreements


def test_the_words_between_the_parts_of_a_span_are_not_marked() -> None:
    apart = {"start": 0, "end": 20, "label": "event", "parts": [[0, 5], [15, 20]]}
    said = [
        Annotation("c1", "extraction", {"spans": [apart]}, "ann"),
        spans("c1", "bob", (0, 20, "event")),
        spans("c1", "cat", (6, 12, "event")),
    ]
    found = {row.annotators: (row.exact, row.overlap) for row in span_agreement(said) if row.label == "all"}
    assert found == {("ann", "bob"): (0.0, 1.0), ("ann", "cat"): (0.0, 0.0), ("bob", "cat"): (0.0, 1.0)}


def test_of_what_somebody_marks_twice_the_latest_counts() -> None:
    wrong, right = spans("c1", "ann", (0, 5, "drug"), (7, 9, "drug")), spans("c1", "ann", (1, 4, "event"))
    said = [
        dataclasses.replace(right, time="2026-03-02"),
        dataclasses.replace(wrong, time="2026-03-01"),
        dataclasses.replace(right, annotator="bob"),
    ]
    (row,) = (row for row in span_agreement(said) if row.label == "all")
    assert (row.spans, row.exact) == ((1, 1), 1.0)


def test_a_value_is_one_span_a_list_of_them_or_none() -> None:
    assert spans_of({"start": 1, "end": 2, "label": "x"}) == {Span(1, 2, "x")}
    assert spans_of({"spans": []}) == frozenset()
    for other in ({"serious": True}, {"spans": 3}, {"spans": [{"start": "1", "end": 2, "label": "x"}]}):
        assert spans_of(other) is None


def test_contradictory_labels_on_nearly_the_same_text() -> None:
    text = "The patient had a mild rash on both arms two days after the second dose and was seen by her physician."
    cases = [Case(f"c{i}", text if i < 3 else f"Another story, number {i}.") for i in range(5)]
    said = [serious(case.case_id, "ann", case.case_id == "c1") for case in cases]
    report = measure("x", said, cluster_of=cluster_names(cases))
    (found,) = report.contradictions
    assert dict(found.answers) == {"not serious": 2, "serious": 1} and found.minority == 1
    assert found.cases == {"not serious": ["c0", "c2"], "serious": ["c1"]} and report.contradicting == 1


def test_the_report_is_the_same_from_its_bytes_and_text_stays_text() -> None:
    evil = "a|b <script> [x](http://y)"
    said = [
        Annotation("c1", "coding", {"llt_code": c}, n, evil, meddra_version="29.0") for n, c in ("a1", "b2")
    ]
    report = measure(evil, said)
    assert report.to_json() == measure(evil, reversed(said)).to_json()
    page = report.markdown()
    assert markdown(json.loads(report.to_json())) == page
    assert "<script>" not in page.replace("\\<script\\>", "") and "a\\|b" in page
    assert [table.title for table in tables(report)] == ["Agreement", "To talk about"]
