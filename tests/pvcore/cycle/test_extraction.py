"""A cycle of extraction: marked spans arrive, a candidate is trained, judged beside the word list, and scores."""

from __future__ import annotations

import json
import random
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from expectations import validate_batch
from expectations.training_set import validate_training_set
from pvcore.cycle import admission, building, candidate, data, dictionaries, inbox, judging, registration
from pvcore.cycle.scoring import read_cases, score_cases
from pvcore.evaluation.spans import read


def prodigy(path: Path, count: int, seed: int) -> Path:
    """An export of Prodigy with drugs and reactions of invented reports, as one annotator marks them."""
    chance = random.Random(seed)
    lines = []
    for n in range(count):
        drug, event = (
            chance.choice(["aspirin", "heparin", "lithium"]),
            chance.choice(["rash", "nausea", "tremor"]),
        )
        age, day, dose = chance.randint(18, 90), chance.randint(1, 300), chance.randint(1, 4000)
        text = f"A patient of {age} years took {drug} {dose} mg. {event.title()} began on day {day}, without fever."
        spans = [
            {"start": text.index(word), "end": text.index(word) + len(word), "label": label}
            for word, label in ((drug, "Drug"), (event.title(), "Reaction"))
        ]
        lines.append(
            {"text": text, "meta": {"case_id": f"{path.stem}-{n}"}, "spans": spans, "answer": "accept",
             "_task_hash": n, "_annotator_id": "ann"}
        )  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.fixture(scope="module")
def town(tiny_base: Path, town_module: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = town_module.found_town(tmp_path_factory.mktemp("spans"), tiny_base)
    folder = made.workspace.root / "recipes"
    recipe = yaml.safe_load((resources.files("pvcore.recipes") / "extraction.yaml").read_text("utf-8"))
    recipe["base"] = yaml.safe_load((folder / "seriousness.yaml").read_text())["base"]
    for name in ("seriousness", "coding"):
        (folder / f"{name}.yaml").unlink()
    recipe["text"] = {"max_tokens": 16}
    recipe["training"] |= {"epochs": 10, "learning_rate": 0.005}
    (folder / "extraction.yaml").write_text(yaml.safe_dump(recipe))
    policy = yaml.safe_load((folder / "policy.yaml").read_text())
    policy["problems"] = {
        "extraction": {"floors": {"span_f1": 0.01}, "against": {"lexicon": {"span_f1": {"margin": 0.99}}}}
    }
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    made.arrivals.mkdir(parents=True)
    return made


def test_a_cycle_of_extraction(town: Any) -> None:
    ws = town.workspace
    town.drop("annotations", prodigy(town.arrivals / "first.jsonl", 120, 1))
    (found,) = inbox.look(ws, "annotations")
    batch = inbox.read_batch(ws, found)
    checked = validate_batch(batch, dictionaries=dictionaries.of_batch(ws, batch))
    checked.require()
    admission.admit_batch(ws, found, batch, checked.to_json())
    built = building.build_dataset(ws, None, [])
    assert built
    cases, labels, made, dictionary = data.training_set(ws, "extraction", built.digest)
    validate_training_set(cases, labels, made, problem="extraction", dictionary=dictionary).require()

    specification = candidate.specify(ws, "extraction", built.digest)
    assert specification
    trained = candidate.train(ws, specification)
    assert trained["tune"]["span_f1"] > 0.3
    key = judging.evaluate(ws, specification)
    judged = judging.evaluation(ws, key)
    result = judged.report.overall.results["span_f1"]
    assert list(result.against) == ["lexicon"]
    assert result.against["lexicon"].reference.value == 1.0  # this language has six words to mark
    # Nobody marked relations, every answer has some: an answer is judged by what its label says.
    assert judged.report.overall.results["selective_accuracy"].candidate.value > 0.3
    assert judged.report.reliability.bins[-1][0] > 0.3
    assert "negation" not in judged.report.slices  # every row is one: the overall numbers say it
    assert judged.decision.outcome == "pass", judged.decision.reasons
    name = registration.register(ws, specification, key)
    assert name == "extraction@1"
    assert candidate.specify(ws, "extraction", built.digest) == specification

    answers = score_cases(ws, name, read_cases(prodigy(town.arrivals / "new.jsonl", 5, 9)))
    assert [a["example_id"] for a in answers] == [f"new-{n}#extraction" for n in range(5)]
    assert any(read(a["answer"]).spans for a in answers)
    assert any("windows" in note for a in answers for note in a["notes"])
