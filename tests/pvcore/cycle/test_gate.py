"""The gate over a registry: the anchor asked beside the champion, the safety slices, and what evaluations spend."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from pvcore.cycle import data, dictionaries, hearing, judging, overview
from pvcore.cycle.references import References, references_of
from pvcore.errors import ConfigError, NotFound
from pvcore.evaluation.policy import Policy
from pvcore.registry.names import resolve


def _with(
    told: Any, *, evaluation: dict[str, Any] | None = None, top: dict[str, Any] | None = None, **section: Any
) -> None:
    """Another policy for seriousness."""
    file = told.workspace.root / "recipes" / "policy.yaml"
    policy = yaml.safe_load(file.read_text())
    policy["problems"]["seriousness"] |= section
    policy["evaluation"] |= evaluation or {}
    file.write_text(yaml.safe_dump({**policy, **(top or {})}))


def _judged(told: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[judging.Evaluation, list[int]]:
    """The first version judged beside the second, which is champion, and how many questions each model was asked."""
    asked: list[int] = []
    real = hearing.predict

    def counted(*given: Any) -> Any:
        asked.append(len(given[3]))
        return real(*given)

    monkeypatch.setattr(hearing, "predict", counted)
    ws = told.workspace
    first = resolve(ws.store, ws.ledger, "seriousness@1").manifest.specification
    found = judging.evaluation(ws, judging.evaluate(ws, first))
    monkeypatch.setattr(hearing, "predict", real)
    return found, asked


def _anchor(version: str) -> dict[str, Any]:
    return {"version": version, "non_inferiority": {"accuracy": {"margin": 0.99}}}


def test_the_anchor_is_asked_the_same_cases_and_every_evaluation_spends(
    own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = own.workspace
    before = own.town.entries("Evaluated")
    limit = {"maximum_uses": 3}
    _with(own, anchor=_anchor("first"), evaluation=limit)
    found, models = _judged(own, monkeypatch)
    candidate, champion, anchor = models
    assert candidate == champion > anchor == found.report.overall.rows  # of the tests it is asked nothing
    assert {"champion", "anchor"} <= set(found.report.references)
    same = found.report.overall.results["accuracy"].against["anchor"].difference
    assert (same.value, found.decision.outcome) == (0.0, "pass")  # the candidate is the first champion itself
    # The first set was asked once before, the second update's set holds all of it: two uses, and this is the third.
    assert [entry.body["uses"] for entry in before if entry.body["problem"] == "seriousness"] == [1, 2]
    assert found.report.uses == found.entry.body["uses"] == 3
    assert "have now decided 3 of 3 times, 0 left" in found.decision.reasons[-1]

    _with(own, anchor=_anchor("seriousness@2"))
    found, models = _judged(own, monkeypatch)
    assert len(models) == 2  # the anchor is the champion: asked once
    against = found.report.overall.results["accuracy"].against
    assert against["anchor"] == against["champion"]
    assert found.report.uses == 4 and found.decision.outcome == "inconclusive"
    (reason,) = found.decision.reasons
    assert f"fresh cases are due, about {found.report.overall.clusters + 1} held-out clusters" in reason
    assert "use 4 of 3" in overview.history(ws, "seriousness")[-1]["what"]
    assert overview.version_page(ws, "seriousness@2")["held_out"] == "use 4 of 3 of its held-out cases"


def test_an_anchor_that_cannot_be_asked_fails_with_the_reason(
    own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with(own, anchor=_anchor("seriousness@9"))
    found, models = _judged(own, monkeypatch)
    assert len(models) == 2 and found.decision.outcome == "fail"
    reason = found.decision.reasons[0]
    assert reason.startswith("missing:") and "seriousness@9 does not exist" in reason


def test_an_anchor_of_another_problem_or_one_that_breaks_is_none(told: Any) -> None:
    ws = told.workspace
    champion, other = (resolve(ws.store, ws.ledger, name) for name in ("seriousness@2", "seriousness@1"))
    section = {"seriousness": {"anchor": _anchor("coding@1")}}
    found = references_of(
        ws, ws.ledger.state(), "seriousness", Policy.model_validate({"problems": section}), champion
    )
    assert list(found.versions) == ["champion"] and "is a version of coding" in found.unavailable["anchor"]

    def broken(version: Any) -> Any:
        if version is other:
            raise NotFound("its base is gone")
        return version.name

    frames, missing = References({"champion": champion, "anchor": other}).answered(broken)
    assert frames == {"champion": "seriousness@2"} and missing["anchor"].endswith("its base is gone")
    with pytest.raises(NotFound):  # without a champion to compare with there is nothing to decide
        References({"champion": other}).answered(broken)


def test_held_out_cases_are_grouped_by_what_matters_for_safety(told: Any) -> None:
    reports = {
        e.body["problem"]: judging.evaluation(told.workspace, e.key).report
        for e in told.town.entries("Evaluated")
    }
    assert {"death", "paediatric", "new_terms", "changed_terms"} <= set(reports["seriousness"].slices)
    assert {"death", "new_terms", "changed_terms"} <= set(reports["coding"].slices)
    # Every row is in English: what would say the same as all rows is measured only where the policy asks.
    assert not any(name.startswith("language:") for name in reports["coding"].slices)
    # None of these groups reaches the training, whose sampling looks at slices.
    for problem in reports:
        dataset = told.town.entries("DatasetBuilt")[-1].body["dataset"]
        trained = {
            name for e in data.examples(told.workspace, problem, dataset)["train"] for name in e.slices
        }
        assert not {"death", "changed_terms", "language:en"} & trained


def test_a_list_of_designated_events_has_to_name_terms(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = own.workspace
    term = dictionaries.load_dictionary(ws, "90.0").tables["pt"]["pt_name"].iloc[0]
    file = ws.root / "recipes" / "events.txt"
    file.write_text(f"# ours\n{term}  # grave\n\nNo such term\n99999999\n")
    _with(own, top={"designated_events": "events.txt"})
    digest = ws.policy().digest
    with pytest.raises(ConfigError, match=r"2 entries are no term .MedDRA 90\.0.: No such term, 99999999"):
        _judged(own, monkeypatch)
    file.write_text(f"{term}\n")
    assert ws.policy().digest != digest and ws.policy().gate.designated_events == (term,)
    file.unlink()
    with pytest.raises(ConfigError, match=r"designated_events: .*events\.txt cannot be read"):
        ws.policy()
