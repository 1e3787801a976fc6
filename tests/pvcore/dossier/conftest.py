"""A small evaluation with a slice, a champion and a baseline, judged by a policy."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest

from pvcore.evaluation import metrics as m
from pvcore.evaluation.compare import evaluate, frame
from pvcore.evaluation.gate import Decision, Policy, decide
from pvcore.evaluation.report import Report
from pvcore.records import Example, Prediction

NAMES = ("non-serious", "serious")


@dataclass(frozen=True)
class Judged:
    """Everything that a dossier is made from."""

    candidate: pd.DataFrame
    champion: pd.DataFrame | None
    report: Report
    decision: Decision
    policy: Policy


POLICY = Policy.model_validate(
    {
        "problems": {
            "seriousness": {
                "floors": {"recall": 0.75},
                "non_inferiority": {"recall": {"margin": 0.05}},
                "slices": {"negation": {"metric": "accuracy", "margin": 0.12}},
            }
        },
        "evaluation": {"resamples": 200},
    }
)


def judged(mistakes: range, *, first: bool = False) -> Judged:
    """200 cases, 100 of them serious; the champion errs on the first 10, the candidate on `mistakes`."""
    cases = [
        Example(f"e{n}", f"case-{n}", "", NAMES[n % 2], f"k{n}", ("negation",) if n < 60 else ())
        for n in range(200)
    ]

    def answered(wrong: range) -> pd.DataFrame:
        given = (NAMES[n % 2 ^ (n in wrong)] for n in range(200))
        return frame(
            cases, [Prediction(f"e{n}", name, float(name == NAMES[1])) for n, name in enumerate(given)]
        )

    candidate, champion = answered(mistakes), None if first else answered(range(10))
    chosen = [m.accuracy(), m.recall("serious"), m.specificity("serious"), m.average_precision("serious")]
    report = evaluate(
        "seriousness",
        chosen,
        candidate,
        champion,
        POLICY,
        1,
        baselines={"TF-IDF": answered(range(60))},
        uses=2,
    )
    return Judged(candidate, champion, report, decide(report, POLICY, first=first), POLICY)


@pytest.fixture(scope="session")
def passed() -> Judged:
    return judged(range(8))


@pytest.fixture(scope="session")
def failed() -> Judged:
    return judged(range(60))


@pytest.fixture(scope="session")
def first() -> Judged:
    return judged(range(8), first=True)
