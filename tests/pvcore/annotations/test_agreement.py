"""What agrees becomes a label; what does not goes to the work list, with everything that was said."""

from __future__ import annotations

from typing import Any

import pytest

from pvcore.annotations.agreement import consensus, kappa
from pvcore.problems.seriousness import judged
from pvcore.records import CRITERIA, Annotation


def says(name: str, serious: bool = True, *criteria: str, **more: str) -> Annotation:
    return Annotation("c", "seriousness", {"serious": serious, "criteria": list(criteria)}, name, **more)


def codes(name: str, code: str, version: str = "29.0", case: str = "c") -> Annotation:
    return Annotation(case, "coding", {"llt_code": code}, name, target="rash", meddra_version=version)


def test_agreement_on_the_answer_is_enough() -> None:
    found = consensus([says("b", True, "other", "death"), says("a", True, "death")])
    (label,) = found.resolved
    assert label.value == {"serious": True, "criteria": ["death"], "unknown": ["other"]}
    assert label.annotators == ("a", "b")
    assert "unknown" not in consensus([says("b", True, "death"), says("a", True, "death")]).resolved[0].value
    assert not found.disagreements


@pytest.mark.parametrize("nothing", [None, "death", 5, [None]])
def test_a_value_of_before_the_door_that_lists_nothing_names_nothing(nothing: Any) -> None:
    """It is in batches that were admitted, and stopped every dataset from being built."""
    said = [Annotation("c", "seriousness", {"serious": True, "criteria": nothing, "unknown": nothing}, "a")]
    (label,) = consensus(said).resolved
    assert label.value["criteria"] == [] and judged(label.value) == {}
    (label,) = consensus([*said, says("b", True, "death")]).resolved
    assert label.value["criteria"] == [] and label.value["unknown"] == ["death"]
    assert judged({"serious": False, "criteria": nothing, "unknown": nothing}) == dict.fromkeys(
        CRITERIA, False
    )


def test_disagreement_is_not_decided() -> None:
    found = consensus([says("a", True, "death"), says("b", False)])
    assert not found.resolved
    assert {a.annotator for a in found.disagreements[0].annotations} == {"a", "b"}
    assert found.disagreements[0].reason == "a: serious, b: not serious"
    assert found.counts() == {"seriousness": {"one annotator": 0, "agreed": 0, "disagreed": 1}}


def test_three_decide_by_majority_and_an_adjudication_by_itself() -> None:
    two = [says("a", True), says("b", False)]
    assert consensus([*two, says("c", False)]).resolved[0].annotators == ("b", "c")
    settled = consensus([*two, says("chief", True, guideline="adjudication")])
    assert settled.resolved[0].value["serious"] is True and settled.resolved[0].annotators == ("chief",)
    assert consensus([*two, says("c", True), says("d", False)]).disagreements


def test_of_one_annotator_the_latest_counts() -> None:
    early, late = says("a", True, time="2026-01-01T00:00:00Z"), says("a", False, time="2026-01-02T00:00:00Z")
    assert consensus([late, early]).resolved[0].value["serious"] is False
    found = consensus([says("a", True), says("a", False)])
    assert found.disagreements[0].reason == "an annotator contradicts himself"
    # one who says both is no majority together with one who says one of them
    assert consensus([says("a", True), says("a", False), says("b", True)]).disagreements


def test_codes_of_other_versions_do_not_agree() -> None:
    assert consensus([codes("a", "90000001"), codes("b", "90000001")]).resolved[0].meddra_version == "29.0"
    found = consensus([codes("a", "90000001"), codes("b", "90000001", "28.1")])
    assert found.disagreements[0].reason == "codes of different MedDRA versions"


def test_targets_and_problems_are_apart() -> None:
    found = consensus([says("a"), codes("a", "90000001"), codes("b", "90000002", case="d")])
    assert [(label.case_id, label.problem) for label in found.resolved] == [
        ("c", "coding"), ("c", "seriousness"), ("d", "coding"),
    ]  # fmt: skip


def test_kappa() -> None:
    said = [
        Annotation(f"c{i}", "seriousness", {"serious": one}, name)
        for i, pair in enumerate([(1, 1)] * 20 + [(0, 0)] * 15 + [(1, 0)] * 10 + [(0, 1)] * 5)
        for name, one in zip("ab", map(bool, pair), strict=True)
    ]
    # Cohen 1960: observed 0.7, by chance 0.6 * 0.5 + 0.4 * 0.5 = 0.5
    assert kappa(said)["seriousness"]["a", "b"] == (pytest.approx(0.4), 50)
    assert kappa([says("a"), says("b")])["seriousness"]["a", "b"] == (None, 1)
    assert kappa([says("a")]) == {}
