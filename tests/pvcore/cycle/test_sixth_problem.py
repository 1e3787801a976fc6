"""A sixth problem is one file and one line: the file of the how-to page, from a batch to a decision."""

from __future__ import annotations

import doctest
import importlib.util
import random
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from expectations import validate_batch, validate_training_set
from pvcore.annotations import table
from pvcore.config import open_workspace
from pvcore.cycle import admission, building, candidate, data, inbox, judging, registration
from pvcore.problems import PROBLEMS
from pvcore.records import Annotation, Case

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "add-a-problem.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@pytest.fixture
def causality(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The page's file as a module, and its line in the table."""
    file = tmp_path / "causality.py"
    file.write_text(blocks("python")[0], "utf-8")
    spec = importlib.util.spec_from_file_location("pvcore.problems.causality", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "pvcore.problems.causality", module)
    spec.loader.exec_module(module)
    monkeypatch.setitem(PROBLEMS, "causality", module.CAUSALITY)  # type: ignore[arg-type]
    return module


def reports(number: int) -> tuple[list[Case], list[Annotation]]:
    chance = random.Random(1)
    cases, said = [], []
    for n in range(number):
        related = chance.random() < 0.5
        word = " ".join(chance.choices(["rash", "fever", "cough", "itch", "pain", "fatigue", "thirst"], k=4))
        end = (
            "It came back when the drug was given again."
            if related
            else "It had begun before the drug was given."
        )
        cases.append(Case(f"US-{n}", f"Patient {n} had {word} on day {n % 17}. {end}"))
        value = {"causality": "related" if related else "not related"}
        said.append(Annotation(f"US-{n}", "causality", value, "jane"))
    return cases, said


def test_the_page_holds_a_worked_example(causality: Any) -> None:
    found = doctest.testmod(causality)
    assert found.attempted == 3 and not found.failed


def test_from_a_batch_to_a_decision(
    causality: Any, tiny_base: Path, town_module: Any, tmp_path: Path
) -> None:
    town = town_module.found_town(tmp_path / "town", tiny_base, ("seriousness",))
    recipes = town.workspace.root / "recipes"
    recipe = yaml.safe_load((recipes / "seriousness.yaml").read_text())
    (recipes / "causality.yaml").write_text(yaml.safe_dump(recipe | {"problem": "causality"}))
    policy = yaml.safe_load((recipes / "policy.yaml").read_text())
    policy["problems"] |= yaml.safe_load(blocks("yaml")[0])["problems"]
    (recipes / "policy.yaml").write_text(yaml.safe_dump(policy))
    ws = open_workspace(town.workspace.root)
    town.arrivals.mkdir(parents=True)
    table.write(*reports(300), town.arrivals / "batch.csv")
    town.drop("annotations", town.arrivals / "batch.csv")
    (found,) = inbox.look(ws, "annotations")
    batch = inbox.read_batch(ws, found)
    checked = validate_batch(batch)
    checked.require()
    admission.admit_batch(ws, found, batch, checked.to_json())
    built = building.build_dataset(ws, None, [])
    assert built
    cases, labels, examples, _ = data.training_set(ws, "causality", built.digest)
    validate_training_set(cases, labels, examples, problem="causality").require()
    specification = candidate.specify(ws, "causality", built.digest)
    assert specification and candidate.specify(ws, "seriousness", built.digest) is None
    trained = candidate.train(ws, specification)
    assert trained["rows"] == len(examples["train"]) > 100
    judged = judging.evaluation(ws, judging.evaluate(ws, specification))
    assert {"average_precision", "recall", "accuracy"} <= set(judged.report.overall.results)
    assert judged.report.slices["rechallenge"].rows > 20
    assert registration.register(ws, specification, judged.entry.key) == "causality@1"
