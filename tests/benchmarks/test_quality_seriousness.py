"""The benchmark draws by time, trains once, and measures both sides on the same resampled cases."""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import quality_parts

from pvcore.evaluation.paired import Resamples
from pvcore.records import Example

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    import quality_seriousness

    return quality_seriousness


def reports(prefix: str, count: int) -> list[Example]:
    """Every third is serious, and says so."""
    made = []
    for number in range(count):
        serious, name = number % 3 == 0, f"{prefix}-{number}"
        text = f"patient {number % 7} was {'hospitalised' if serious else 'well'}"
        made.append(Example(name, name, text, ["non-serious", "serious"][serious], name))
    return made


def test_rows_come_from_the_newest_years_that_hold_enough(benchmark: ModuleType) -> None:
    years = {1999: reports("a", 30), 2000: reports("b", 20), 2001: reports("c", 10)}
    assert {row.case_id[0] for row in benchmark.draw(years, 10, 0)} == {"c"}
    assert {row.case_id[0] for row in benchmark.draw(years, 25, 0)} == {"b", "c"}
    assert len(benchmark.draw(years, None, 0)) == 60
    drawn = benchmark.draw(years, 8, 1)
    assert drawn == benchmark.draw(years, 8, 1) != benchmark.draw(years, 8, 2)
    assert len({row.case_id for row in drawn}) == 8


def test_a_recipe_is_changed_value_by_value(benchmark: ModuleType) -> None:
    recipe = {"training": {"epochs": 2, "batch": 16}, "lora": {"rank": 16}}
    found = benchmark.changed(recipe, ["training.epochs=3", "lora.targets=[query, value]"])
    assert found == {
        "training": {"epochs": 3, "batch": 16},
        "lora": {"rank": 16, "targets": ["query", "value"]},
    }
    assert recipe["training"]["epochs"] == 2


@pytest.mark.parametrize("words", [False, True])
def test_the_table_pairs_all_sides_on_the_same_cases(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: bool
) -> None:
    """A side that is always right beside TF-IDF trained on too little: seeds, difference and baseline of all rows."""
    monkeypatch.setattr(benchmark, "read_year", lambda folder, year, work: reports(str(year), 40))
    seeds = []

    def perfect(recipe: Any, train: Any, held: Any, *, seed: int, alone: bool, **others: Any) -> Any:
        seeds.append((seed, alone))
        return {split: [float(row.label == "serious") for row in rows] for split, rows in held.items()}

    monkeypatch.setattr(benchmark, "by_recipe", perfect)
    options = argparse.Namespace(
        folder=tmp_path, rows=[12], seeds=2, tune=30, test=None, threads=1, resamples=50, work=tmp_path
    )
    lines = benchmark.measure(options, {"training": {"word_weights": words}}, lambda line: None)
    assert seeds == ([(0, False), (0, True), (1, False), (1, True)] if words else [(0, False), (1, False)])
    assert lines[0].startswith("40 reports of 2003, 35.0% serious; threshold from 30 of 2002")
    named = {line.split("|")[1].strip(): line for line in lines[4:]}
    ours = "recipe, 12 rows"
    theirs = "TF-IDF, 12 rows"
    sides = {ours, "network, 12 rows"} if words else {ours}
    assert set(named) == {*sides, theirs, "TF-IDF, all rows"} | {f"{side} less {theirs}" for side in sides}
    assert named[ours].count("1.000 [1.000, 1.000] ±0.000") == 3


def test_intervals_are_by_case_and_hold_the_value(benchmark: ModuleType) -> None:
    chance = np.random.default_rng(0)
    truth = np.array(["non-serious", "serious"])[(chance.random(200) < 0.3).astype(int)]
    table = pd.DataFrame({"label": truth, "score": chance.random(200), "answer": truth})
    draws = Resamples(np.arange(200), 200, 200, seed=1)
    values, resampled = quality_parts.resampled([table], benchmark.METRICS[0], draws)
    low, high = np.quantile(resampled, [0.025, 0.975])
    assert low < values[0] < high and 0.1 < high - low < 0.3
    assert quality_parts.cell(values, resampled) == f"{values[0]:.3f} [{low:.3f}, {high:.3f}]"


def test_what_was_scored_is_not_trained_again(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pvcore.inference import predict
    from pvcore.training import train

    trained = []

    class Answer:
        score = 0.25

    class Model:
        def predict(self, rows: Any, threads: int) -> list[Answer]:
            return [Answer() for _ in rows]

    def training(asked: Any, rows: Any, *, base: Path, workdir: Path, output: Path, threads: int) -> None:
        trained.append(asked.seed)
        output.mkdir(parents=True)

    monkeypatch.setattr(train, "train", training)
    monkeypatch.setattr(predict, "load", lambda adapter, base: Model())
    recipe = benchmark.yaml.safe_load(benchmark.RECIPE.read_text("utf-8"))
    held = {"tune": reports("t", 3), "test": reports("u", 4)}
    for seed in (0, 0, 1):
        found = benchmark.by_recipe(recipe, reports("r", 6), held, seed=seed, threads=1, work=tmp_path)
        assert found == {"tune": [0.25] * 3, "test": [0.25] * 4}
    assert trained == [0, 1]
    benchmark.by_recipe(
        recipe, reports("r", 6), {**held, "test": reports("v", 4)}, seed=0, threads=1, work=tmp_path
    )
    assert trained == [0, 1]  # other questions to the same adapter
