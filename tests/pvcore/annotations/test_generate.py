"""Generated cases: deterministic, plausible in length, with the answer in the text but not in its words."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pvcore.annotations.agreement import kappa
from pvcore.annotations.generate import generate_cases
from pvcore.annotations.wording import words
from pvcore.evaluation.baseline import tfidf
from pvcore.meddra.generate import Truth
from pvcore.records import CRITERIA


def test_the_same_seed_gives_the_same_records(truth: Truth, generated) -> None:
    assert generate_cases(truth.dictionary, n=120, seed=1, prefix="T") == generated
    assert generate_cases(truth.dictionary, n=120, seed=2, prefix="T") != generated
    # more cases do not change those that were there
    more, _ = generate_cases(truth.dictionary, n=140, seed=1, prefix="T")
    assert more[:120] == generated[0]


def test_narratives(generated) -> None:
    cases, _ = generated
    lengths = [len(case.narrative.split()) for case in cases]
    assert min(lengths) >= 38 and np.percentile(lengths, 95) <= 115
    for case in cases:
        assert not re.search(r"[{}]|\bNone\b", case.narrative), case.narrative
        assert all(reaction.verbatim in case.narrative for reaction in case.reactions)
    assert len({case.narrative for case in cases}) == len(cases)


def test_labels(truth: Truth, generated) -> None:
    cases, said = generated
    assert {a.annotator for a in said} == {"annotator-a", "annotator-b"}
    current = set(truth.dictionary.current_llts()["llt_code"])
    for a in said:
        if a.problem == "coding":
            assert a.value["llt_code"] in current and a.meddra_version == "29.0"
        else:
            assert a.value["serious"] == bool(a.value["criteria"])
            assert set(a.value["criteria"]) <= set(CRITERIA)
    values = [a.value["serious"] for a in said if a.problem == "seriousness"]
    assert 0.2 < np.mean(values) < 0.5
    verbatims = {(c.case_id, r.verbatim) for c in cases for r in c.reactions}
    assert {(a.case_id, a.target) for a in said if a.problem == "coding"} == verbatims


def test_annotators_disagree_as_often_as_asked(truth: Truth) -> None:
    _, said = generate_cases(truth.dictionary, n=600, seed=3, prefix="D", disagreement=0.2)
    by_case: dict[str, set[bool]] = {}
    for a in said:
        if a.problem == "seriousness":
            by_case.setdefault(a.case_id, set()).add(a.value["serious"])
    assert np.mean([len(v) > 1 for v in by_case.values()]) == pytest.approx(0.2, abs=0.05)
    _, agreed = generate_cases(truth.dictionary, n=100, seed=3, prefix="D", disagreement=0)
    assert all(k == pytest.approx(1) for pairs in kappa(agreed).values() for k, _ in pairs.values())


def test_favoured_terms_are_used(truth: Truth) -> None:
    codes = truth.dictionary.current_llts()["llt_code"].tolist()[:5]
    _, said = generate_cases(truth.dictionary, n=100, seed=4, prefix="N", terms=codes, disagreement=0)
    used = [a.value["llt_code"] for a in said if a.problem == "coding"]
    assert np.mean([code in codes for code in used]) > 0.35


def test_a_verbatim_in_the_words_of_a_term_has_its_code(truth: Truth) -> None:
    table = truth.dictionary.current_llts()
    by_name = dict(zip(table["llt_name"].str.lower(), table["llt_code"], strict=True))
    _, said = generate_cases(truth.dictionary, n=600, seed=6, prefix="V", disagreement=0)
    direct = [a for a in said if a.problem == "coding" and a.target.lower() in by_name]
    assert len(direct) > 20
    assert all(a.value["llt_code"] == by_name[a.target.lower()] for a in direct)


def test_grave_words_stand_in_both_kinds_of_case(generated) -> None:
    """What the generator is for: a fact is told of serious and of other cases in the same words."""
    cases, said = generated
    serious = {
        a.case_id: a.value["serious"]
        for a in said
        if a.problem == "seriousness" and a.annotator == "annotator-a"
    }
    facts = [f.happened.split("{")[0].strip() for f in words().facts["hospitalisation"]]
    holds = {c.case_id: any(fact in c.narrative for fact in facts) for c in cases}
    rates = [np.mean([holds[c] for c in holds if serious[c] is kind]) for kind in (True, False)]
    assert min(rates) > 0.25


@pytest.mark.slow
@pytest.mark.parametrize(("brief", "most"), [(False, 0.92), (True, 0.84)])
def test_a_word_list_does_not_solve_it(truth: Truth, brief: bool, most: float) -> None:
    """TF-IDF with logistic regression, as the demonstration prints it: better than chance, far from perfect."""
    cases, said = generate_cases(
        truth.dictionary, n=1500, seed=1, prefix="D", disagreement=0, duplicates=0, brief=brief
    )
    truths = {a.case_id: a.value["serious"] for a in said if a.problem == "seriousness"}
    texts, labels = [c.narrative for c in cases], [str(truths[c.case_id]) for c in cases]
    scores = tfidf(texts[:1000], labels[:1000], texts[1000:], positive="True")
    assert 0.65 < roc_auc_score([label == "True" for label in labels[1000:]], scores) < most


def test_a_fact_of_somebody_else_is_theirs(truth: Truth) -> None:
    """A patient who tells the own story must not tell a brother's with "my": "my brother lost my life"."""
    cases, _ = generate_cases(truth.dictionary, n=800, seed=5, prefix="R", brief=True)
    about = [
        s
        for c in cases
        for s in c.narrative.split(". ")
        if re.match(r"(My|His|Her) \w+ (lost|took|breathed)", s)
    ]
    assert about and not [s for s in about if re.search(r"(lost|took|breathed) (my|his|her) ", s)]


@pytest.mark.parametrize(("brief", "most"), [(False, 2), (True, 1)])
def test_what_is_true_of_a_case_is_told(truth: Truth, brief: bool, most: int) -> None:
    _, said = generate_cases(truth.dictionary, n=400, seed=7, prefix="Q", brief=brief, disagreement=0)
    assert max(len(a.value.get("criteria", ())) for a in said) == most  # a brief narrative has room for one


@pytest.mark.parametrize("brief", [False, True])
def test_the_dead_do_not_report(truth: Truth, brief: bool) -> None:
    cases, said = generate_cases(truth.dictionary, n=400, seed=7, prefix="Q", brief=brief, disagreement=0)
    dead = {a.case_id for a in said if "death" in a.value.get("criteria", ())}
    told = [c.narrative for c in cases if c.case_id in dead]
    assert len(told) > 8 and not [text for text in told if re.match(r"I (am|was|started)\b", text)]
