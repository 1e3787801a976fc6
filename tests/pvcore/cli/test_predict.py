"""`pv predict` as a person and as a program read it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from pvcore.cli import registry
from pvcore.problems.problem import example_id
from pvcore.records import Guardrail, Prediction

FOUND = (
    Prediction("c1#seriousness", "serious", 0.9, confidence=0.87, guardrails=(Guardrail("unlike", 0.1, 0.2, "pass"),)),
    Prediction(
        "c2#seriousness", "", 0.4, confidence=0.52, withheld="non-serious",
        guardrails=(Guardrail("confidence", 0.52, 0.6, "withhold", "less sure than the policy's 0.6"),),
    ),
    Prediction("c3#pts", "", 0.1),
    Prediction(example_id("c4", "coding", "fever"), "90000001", 0.8),
)  # fmt: skip


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """What the command prints; the model is not asked here, the tests of the cycle do that."""
    (tmp_path / "pv.yaml").write_text("")
    rows = [dataclasses.asdict(prediction) for prediction in FOUND]
    monkeypatch.setattr("pvcore.cycle.scoring.score_cases", lambda *arguments: rows)
    (tmp_path / "x.csv").write_text(
        "case_id,narrative,verbatim\nc4,A rash came.,bad rash\nc4,A rash came.,fever\n"
    )

    def run(as_json: bool) -> str:
        registry.predict("seriousness@1", tmp_path / "x.csv", workspace=tmp_path, as_json=as_json)
        return capsys.readouterr().out

    return run


def test_a_table_says_what_was_withheld_and_why(asked) -> None:
    lines = " ".join(asked(False).split())
    assert "withheld" in lines and "less sure" in lines and "0.520" in lines
    assert "non-serious" not in lines and "c3#pts │ - │ none" in lines


def test_a_coding_is_shown_with_its_verbatim(asked) -> None:
    (row,) = [line for line in asked(False).splitlines() if "c4#coding" in line]
    assert [cell.strip() for cell in row.split("│")][2:4] == ["fever", "90000001"]


def test_json_has_everything(asked) -> None:
    first, second, *_ = json.loads(asked(True))
    assert (first["answer"], first["confidence"], first["guardrails"][0]["outcome"]) == (
        "serious",
        0.87,
        "pass",
    )
    assert (second["answer"], second["withheld"]) == ("", "non-serious")
    assert second["guardrails"][0]["words"].startswith("less sure")
