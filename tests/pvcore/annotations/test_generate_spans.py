"""Invented reports with marked words: deterministic, every mark on its words, and one who misses some."""

from __future__ import annotations

from pvcore.annotations.agreement import consensus
from pvcore.annotations.generate_spans import generate_spans
from pvcore.meddra.generate import Truth


def test_the_same_arguments_give_the_same_records(truth: Truth) -> None:
    made = generate_spans(truth.dictionary, n=40, seed=1, prefix="S")
    assert made == generate_spans(truth.dictionary, n=40, seed=1, prefix="S")
    assert made != generate_spans(truth.dictionary, n=40, seed=2, prefix="S")


def test_what_is_marked_is_a_drug_or_a_reaction_of_the_case(truth: Truth) -> None:
    cases, said = generate_spans(
        truth.dictionary, n=100, seed=1, prefix="S", annotators=("a",), disagreement=0.0
    )
    by_case = {a.case_id: a.value["spans"] for a in said}
    for case in cases:
        marked = {
            (span["label"], case.narrative[span["start"] : span["end"]].lower())
            for span in by_case.get(case.case_id, [])
        }
        drugs = {("Drug", d.name.lower()) for d in case.drugs if d.name in case.narrative}
        assert drugs <= marked and marked - drugs <= {
            ("Reaction", r.verbatim.lower()) for r in case.reactions
        }
    assert len(by_case) > 95


def test_one_annotator_misses_a_span_now_and_then(truth: Truth) -> None:
    _, said = generate_spans(truth.dictionary, n=200, seed=1, prefix="S", disagreement=0.2)
    differ = consensus(said).disagreements
    assert 20 < len(differ) < 60
