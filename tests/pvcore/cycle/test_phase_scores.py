"""What a phase says of its score: the same in any order of its rows, and of one metric only."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pvcore.advice.failures import Answered
from pvcore.cycle import phase_pages, phases
from pvcore.cycle.targeting import Failures, Told
from pvcore.records import Example, Prediction

CLUSTERS = ["one"] * 20 + ["two"] * 5 + [f"k{n}" for n in range(25)]


def failures(*, turned: bool) -> Failures:
    """50 rows, those of the first cluster wrong."""
    rows, said = [], []
    for number, cluster in enumerate(CLUSTERS):
        example = Example(
            f"e{number:02}", f"c{number:02}", "", ("serious", "non-serious")[number % 2], cluster
        )
        answer = example.label if cluster != "one" else ("non-serious", "serious")[number % 2]
        rows.append(Answered(example, answer, answer == example.label))
        said.append(Prediction(example.example_id, answer, float(answer == "serious")))
    return Failures("seriousness@1", Told(tuple(rows[::-1] if turned else rows), tuple(said), {}, 0), ())


def test_a_score_is_the_same_in_any_order_of_the_rows() -> None:
    asked: Any = SimpleNamespace(problem="seriousness", dictionary=None, seed=1)
    one, other = (
        phases._score(SimpleNamespace(), asked, "accuracy", failures(turned=turned))  # type: ignore[arg-type]
        for turned in (False, True)
    )
    assert one == other


def phase(number: int, metric: str, value: float) -> dict[str, Any]:
    return {
        "problem": "seriousness", "number": number, "name": f"seriousness@{number}", "metric": metric,
        "score": {"value": value, "low": 0.5, "high": 0.7}, "rows": 100 * number, "errors": 1, "tune": 50,
        "modes": [], "closed": [], "asked": 0, "stopped": "", "file": "x", "target": None,
    }  # fmt: skip


def test_the_plot_shows_phases_of_the_last_ones_metric() -> None:
    last = phase(2, "f1", 0.6)
    both, alone = (phase_pages.finding(found) for found in ([phase(1, "roc_auc", 0.6), last], [last]))
    assert both.plot == alone.plot and len(both.rows) == 2


def test_an_interval_of_resamples_that_lies_beside_its_value_is_drawn() -> None:
    assert b"<svg" in phase_pages.finding([phase(1, "macro_f1", 0.71)]).plot
