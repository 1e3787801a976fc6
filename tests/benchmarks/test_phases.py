"""The page of benchmarks/phases.py: differences from chance are paired by draw, and it says where random wins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import phases_page as pages

from pvcore.evaluation import metrics

LABELS = ["a", "b"] * 100


def phase(size: int, wrong: int) -> Any:
    """Answers to 200 rows, the first `wrong` of them wrong."""
    answers = [("b" if label == "a" else "a") if n < wrong else label for n, label in enumerate(LABELS)]
    table = pd.DataFrame({"label": LABELS, "answer": answers, "score": 0.5})
    return pages.Phase(size, 1 - wrong / 200, 2.0, 0.25, 100.0, table)


def run(way: str, seed: int, wrong: list[int]) -> Any:
    mode = {"mode": "negation", "kind": "slice", "rows": 30, "rest": 0.1, "wrong_before": 9, "right_now": 6,
            "closed": True, "example": {"label": "a", "answer": "b", "text": "not ill"}}  # fmt: skip
    return pages.Run(way, seed, [phase(500 + 250 * n, count) for n, count in enumerate(wrong)], [mode])


def test_a_way_is_held_against_the_same_draws_of_random() -> None:
    runs = [
        run("random", 0, [60, 40]), run("random", 1, [60, 20]), run("mixed", 0, [60, 10]), run("failures", 0, [60, 90])
    ]  # fmt: skip
    lines = pages.page("vaers", metrics.accuracy(), runs, np.arange(200), 200)
    assert any(line.startswith("| random | 2 | 0.700") and "| 0.850 [" in line for line in lines)
    # Against draw 0 of random (0.8), not against the mean of both (0.85).
    assert any(line.startswith("| mixed less random | 1 | +0.150 [") for line in lines)
    assert "- mixed: +0.150, better than random, beyond chance" in lines
    assert "- failures: -0.250, worse: random wins, beyond chance" in lines
    assert any("| negation | 9 | 30 | 10% | 6 mended, closed |" in line for line in lines)


def test_the_plot_has_a_panel_for_each_data_set(tmp_path: Path) -> None:
    series = [["random", 0, [[500, 0.5], [750, 0.6]]], ["mixed", 0, [[500, 0.5], [750, 0.7]]]]
    for name in ("vaers", "phee"):
        (tmp_path / f"series-{name}.json").write_text(json.dumps({"metric": "AP", "series": series}))
    assert pages.plot(tmp_path) == pages.plot(tmp_path) and pages.plot(tmp_path).count(b'id="axes_') == 2
