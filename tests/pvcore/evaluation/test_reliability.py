from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pvcore.dossier.failures import shown
from pvcore.evaluation import metrics as m
from pvcore.evaluation import reliability as r
from pvcore.evaluation.compare import changed_answers, evaluate, frame
from pvcore.evaluation.report import Report
from pvcore.records import Example, Guardrail, Prediction

NAMES = ("non-serious", "serious")


def answered(rows=200, seed=1):
    """Examples and answers whose confidence is right about how often they are right; unsure ones are withheld."""
    chance = random.Random(seed)
    examples, predictions = [], []
    for n in range(rows):
        sure = 0.5 + chance.random() / 2
        label = chance.choice(NAMES)
        said = label if chance.random() < sure else NAMES[label == NAMES[0]]
        held = sure < 0.6
        check = Guardrail("confidence", sure, 0.6, "withhold" if held else "pass")
        examples.append(Example(f"e{n:03}", f"c{n}", "", label, f"k{n}"))
        predictions.append(
            Prediction(
                f"e{n:03}", "" if held else said, sure, ((said, sure),), confidence=sure,
                guardrails=(check,), withheld=said if held else "",
            )
        )  # fmt: skip
    return examples, predictions


def test_a_withheld_answer_is_no_answer_in_any_metric():
    cases = [Example(f"e{n}", f"c{n}", "", NAMES[n < 2], f"k{n}") for n in range(4)]
    given = [
        Prediction(f"e{n}", "", 0.9 if n < 2 else 0.1, (("serious", 0.9),), withheld=NAMES[n < 2])
        for n in range(4)
    ]
    rows = frame(cases, given)
    assert m.accuracy()(rows) == m.recall("serious")(rows) == m.specificity("serious")(rows) == 0
    assert m.accuracy_at(5)(rows) == 0 and math.isnan(m.precision("serious")(rows))
    assert r.coverage()(rows) == 0 and math.isnan(r.selective_accuracy()(rows))
    assert list(rows["said"]) == [NAMES[1], NAMES[1], NAMES[0], NAMES[0]]
    assert m.roc_auc("serious")(rows) == 1  # how cases are ranked is known all the same
    found = changed_answers(rows)
    assert (found["wrong"], found["withheld"], found["rows"]) == (0, 4, [])


def test_an_empty_set_is_an_answer_and_one_that_was_stopped_is_none():
    held = (Guardrail("confidence", 0.2, 0.6, "withhold"),)
    cases = [Example(f"e{n}", f"c{n}", "", "90000002", f"k{n}") for n in range(3)]
    given = [
        Prediction("e0", "90000002", 0.9),
        Prediction("e1", "", 0.1, (("90000002", 0.1),)),  # no term, and no guardrail was raised
        Prediction("e2", "", 0.1, (("90000002", 0.1),), guardrails=held),  # no term, and stopped
    ]
    assert [p.stopped for p in given] == [False, False, True]
    rows = frame(cases, given)
    assert r.coverage()(rows) == pytest.approx(2 / 3) and r.selective_accuracy()(rows) == 0.5
    assert list(rows["ranked"])[1:] == [("90000002",), ("",)]
    found = changed_answers(rows, rows)
    assert (found["wrong"], found["withheld"]) == (1, 1)
    assert [(row["example_id"], row["champion"]) for row in found["rows"]] == [("e1", "")]
    assert shown(found, {}, 0)["rows"][0]["candidate"] == "none"


def test_risk_and_coverage_by_hand():
    covered, risk = r.risk_coverage(np.array([0.9, 0.5, 0.5, 0.8]), np.array([True, False, True, True]))
    assert covered.tolist() == [0.25, 0.5, 0.75, 1.0]
    # Of the two answers at 0.5 one is wrong; which of them comes first is nobody's choice.
    assert risk.tolist() == pytest.approx([0, 0, 0.5 / 3, 0.25])


def test_equal_confidences_give_one_curve_in_any_order():
    sure = np.array([0.7] * 6 + [0.2] * 4)
    right = np.array([True, False] * 5)
    order = np.random.default_rng(0).permutation(10)
    one, two = r.risk_coverage(sure, right), r.risk_coverage(sure[order], right[order])
    assert one[1].tolist() == pytest.approx(two[1].tolist())


def test_the_calibration_error_is_the_gap():
    rows = pd.DataFrame({"label": ["a"] * 10, "said": ["a"] * 6 + ["b"] * 4, "confidence": [0.95] * 10})
    assert r.calibration_error()(rows) == pytest.approx(0.35)
    rows.loc[3, "confidence"] = math.nan
    assert math.isnan(r.calibration_error()(rows))
    weights = np.random.default_rng(1).integers(0, 3, size=(4, 200)).astype(float)
    honest = frame(*answered())
    metric = r.calibration_error()
    repeated = [metric(honest.loc[honest.index.repeat(row.astype(int))]) for row in weights]
    assert metric.weighted(honest)(weights) == pytest.approx(repeated)


def test_what_a_report_keeps(policy):
    cases, given = answered()
    rows = frame(cases, given)
    found = r.reliability(rows)
    assert found.coverage == sum(bool(p.answer) for p in given) / 200
    assert found.risk == pytest.approx(1 - r.selective_accuracy()(rows))
    assert found.calibration_error < 0.12 and found.area < 1 - m.accuracy()(rows.assign(answer=rows["said"]))
    assert sum(count for *_, count in found.bins) == 200
    assert found.raised == {"confidence": {"withhold": sum(not p.answer for p in given)}}
    assert len(found.curve) == r.POINTS and found.curve[-1][0] == 1
    report = evaluate("seriousness", [m.accuracy(), *r.METRICS.values()], rows, None, policy(), 1)
    assert report.reliability == found
    assert Report.from_json(json.loads(json.dumps(report.to_json()))) == report
    turned = frame(cases[::-1], given[::-1])
    assert r.reliability(turned) == found


def test_a_report_from_before_guardrails_is_read(policy, examples, answers, metrics):
    report = evaluate("seriousness", metrics, frame(examples("ssnn"), answers("ssnn")), None, policy(), 1)
    old = report.to_json()
    assert old.pop("reliability") is None
    assert Report.from_json(old) == report


def test_answers_without_a_confidence_have_no_reliability(examples, answers, policy):
    rows = frame(examples("ssnn"), answers("ssnn"))
    assert r.reliability(rows) is None
    report = evaluate("seriousness", r.METRICS, rows, rows, policy(), 1)
    assert report.overall.results["calibration_error"].candidate.value is None
    assert report.overall.results["coverage"].candidate.value == 1


def test_the_policy_that_is_shipped_names_every_action():
    import yaml

    from pvcore.inference.guardrails import GuardrailPolicy

    file = Path(__file__).parents[3] / "pvcore" / "recipes" / "policy.yaml"
    written = yaml.safe_load(file.read_text())["guardrails"]
    assert set(written) == set(GuardrailPolicy.model_fields)
    assert GuardrailPolicy.model_validate(written).unsupported == "withhold"
