from __future__ import annotations

import json

from pvcore.dossier.guardrails import count, guardrail_rows
from pvcore.evaluation.reliability import Reliability

MEASURED = Reliability((), (), 0.0, 0.0, 1.0, None, {"confidence": {"withhold": 2}})


def _line(*checks: tuple[str, float, str]) -> bytes:
    fields = ("name", "threshold", "outcome")
    return json.dumps({"guardrails": [dict(zip(fields, check, strict=True)) for check in checks]}).encode()


def test_every_guardrail_is_counted_with_what_it_was_held_against() -> None:
    found = count(
        [
            _line(("confidence", 0.2, "pass"), ("wording", 0.1, "warn")),
            _line(("confidence", 0.2, "withhold"), ("wording", 0.3, "pass")),
        ]
    )
    confidence, wording = guardrail_rows(MEASURED, found)
    assert [confidence[key] for key in ("threshold", "checked", "warned", "withheld")] == ["0.2", "2", 0, 1]
    assert [wording[key] for key in ("threshold", "checked", "warned", "withheld")] == ["", "2", 1, 0]


def test_a_report_alone_knows_those_that_were_raised() -> None:
    (row,) = guardrail_rows(MEASURED, {})
    assert (row["name"], row["withheld"], row["threshold"], row["checked"]) == ("confidence", 2, "", "")
