"""Outcomes of guardrails from answers as heads give them.

The generated answers here are made up (`generated`): what heads themselves give is tested with each of them.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from pvcore.inference import guardrails
from pvcore.inference.guardrails import LOST, UNSUPPORTED, UNSURE, WORDING, GuardrailPolicy
from pvcore.inference.heads import Answer, Named
from pvcore.inference.text import Encoded
from pvcore.records import Question

SOURCE = "Patient took ibuprofen and had oedema, but no rash."


def model(**card):
    """What guardrails ask of a model, without a network."""
    values = {"problem": "extraction", "calibration": None, "unlike": None, "unsure": 0.4, **card}
    return SimpleNamespace(card=SimpleNamespace(**values), prototypes=None)


def generated(drugs=(), events=(), tokens=(0.9,)) -> Answer:
    """A made-up generated answer that names terms."""
    return Answer("{...}", 0.9, (), Encoded((1,), ""), (), tokens=tokens, named=Named(drugs, events))


def outcomes(answer, policy=None, names=None, given=(), **card):
    asked = [Question("a", SOURCE, given)]
    found = guardrails.checked(model(**card), asked, [answer], names or {}, policy or GuardrailPolicy())
    return {check.name: check for check in found[0][1]}


def test_a_term_that_the_source_does_not_name_is_hard():
    checks = outcomes(generated(("paracetamol",), ("edema", "rash")))
    assert checks[UNSUPPORTED].outcome == "withhold" and checks[UNSUPPORTED].value == 2
    assert checks[UNSUPPORTED].words.endswith(": paracetamol, rash")
    assert outcomes(generated(("Ibuprofen",), ("edema",)))[UNSUPPORTED].outcome == "pass"
    eased = outcomes(generated(("paracetamol",)), GuardrailPolicy(unsupported="warn"))
    assert eased[UNSUPPORTED].outcome == "warn"


def test_a_term_that_was_lost_is_hard():
    checks = outcomes(generated((), ("oedema",)), given=("ibuprofen", "oedema", "aspirin", "rash"))
    assert checks[LOST].outcome == "withhold" and checks[LOST].words.endswith(": ibuprofen")
    assert checks[UNSUPPORTED].outcome == "pass"
    assert LOST not in outcomes(generated())  # nothing is known of the case: there is nothing to lose


def test_the_least_sure_token_is_named():
    assert outcomes(generated(tokens=(0.9, 0.3)))[UNSURE].outcome == "warn"
    assert outcomes(generated(tokens=(0.9, 0.4)))[UNSURE].outcome == "pass"
    assert outcomes(generated(), unsure=None)[UNSURE].outcome == "warn"
    assert UNSURE not in outcomes(generated(tokens=()))


def test_a_coded_term_of_other_words_warns_only_where_the_answer_is_unsure():
    names = {"1": "Oedema", "2": "Vertigo"}
    sure = {"kind": "logistic", "weights": [0.0, 0.0], "offset": 3.0}
    unsure = {**sure, "offset": -3.0}

    def coded(code, calibration):
        answer = Answer(code, 0.5, ((code, 0.5),), Encoded((1,), ""), ())
        return outcomes(answer, names=names, calibration=calibration)[WORDING].outcome

    assert coded("1", unsure) == "pass" and coded("2", sure) == "pass"
    assert coded("2", unsure) == "warn" and coded("2", None) == "warn"


def test_a_policy_knows_its_words():
    with pytest.raises(ValidationError):
        GuardrailPolicy.model_validate({"unlike": "ignore"})
    with pytest.raises(ValidationError):
        GuardrailPolicy.model_validate({"abstain": {"coding": 0.5}})
