"""The cycle with a causal base, problem by problem: admitted, learned, judged, registered, promoted and asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pvcore.annotations import label_studio, pair_files, table
from pvcore.annotations.generate import generate_cases
from pvcore.annotations.generate_pairs import generate_pairs
from pvcore.annotations.generate_spans import generate_spans
from pvcore.annotations.generate_triage import generate_triage
from pvcore.config import open_workspace
from pvcore.cycle import candidate, judging
from pvcore.cycle.scoring import read_cases, score_cases
from pvcore.inference.base import base_digest
from pvcore.meddra.generate import Size, generate

METRICS = {
    "seriousness": "accuracy",
    "triage": "accuracy",
    "ddi": "accuracy",
    "extraction": "span_f1",
    "coding": "accuracy_at_5",
}
"""Problem -> what its policy asks for: nothing of it, for the weights are random."""

CASES = {"seriousness": 30, "triage": 40, "ddi": 60, "extraction": 20, "coding": 30}
"""Problem -> how many arrive: few, but enough that some are held out."""


def causal(town: Any, problem: str, base: Path) -> Any:
    """The town with a recipe of this problem alone, for a causal base."""
    root = town.workspace.root
    file = root / "recipes" / f"{problem}.yaml"
    recipe = yaml.safe_load(file.read_text())
    recipe |= {"family": "causal", "base": {"source": str(base), "digest": base_digest(base)}}
    recipe["training"] = {"epochs": 1, "batch": 8, "learning_rate": 0.001, "max_rows": 24}
    recipe["lora"] = {"rank": 4, "alpha": 8, "targets": ["qkv_proj", "o_proj"]}
    recipe["text"] = {"max_tokens": 512}
    file.write_text(yaml.safe_dump(recipe))
    policy = yaml.safe_load((root / "recipes" / "policy.yaml").read_text())
    policy["problems"] = {problem: {"floors": {METRICS[problem]: 0.0}}}
    policy["evaluation"]["minimum"] = 5
    (root / "recipes" / "policy.yaml").write_text(yaml.safe_dump(policy))
    if problem == "ddi":
        settings = root / "pv.yaml"
        settings.write_text(settings.read_text() + "split: {by: drug, test: 0.4, tune: 0.2}\n")
    town.workspace = open_workspace(root)
    return town


def written(town: Any, dictionary: Any, problem: str, name: str, n: int) -> Path:
    """A file with `n` cases of a problem, labelled by one annotator."""
    seed, who = len(name), ("annotator-a",)
    if problem == "ddi":
        file = town.arrivals / f"{name}.csv"
        pair_files.write(*generate_pairs(n=n, seed=seed, drugs=20), file)
    elif problem == "triage":
        file = town.arrivals / f"{name}.csv"
        table.write(*generate_triage(dictionary, n=n, seed=seed, prefix=name, annotators=who), file)
    else:
        file = town.arrivals / f"{name}.json"
        make = generate_spans if problem == "extraction" else generate_cases
        cases, said = make(dictionary, n=n, seed=seed, prefix=name, annotators=who)
        label_studio.write(cases, [a for a in said if a.problem == problem], file)
    return file


@pytest.mark.slow
@pytest.mark.parametrize("problem", METRICS)
def test_a_cycle_with_a_causal_base(
    problem: str, tiny_phi3: Path, town_module: Any, telling: Any, tmp_path: Path
) -> None:
    town = causal(town_module.found_town(tmp_path / "town", tiny_phi3, (problem,)), problem, tiny_phi3)
    town.arrivals.mkdir(parents=True)
    release = generate(town.arrivals, version="90.0", seed=1, size=Size.small())
    town.drop("meddra", release.archive)
    file = written(town, release.dictionary, problem, "first", CASES[problem])
    town.drop("annotations", file, "90.0" if file.suffix == ".json" else None)
    told = telling(town)
    told.admit()
    assert {outcome.kind for outcome in told.outcomes} == {"ReleaseAdmitted", "BatchAdmitted"}
    told.update()

    ws = town.workspace
    (trained,) = town.entries("Trained")
    assert candidate.load_specification(ws, trained.key).family == "causal"
    judged = judging.evaluation(ws, town.entries("Evaluated")[0].key)
    assert judged.decision.outcome == "pass", judged.decision.reasons
    assert 0.0 <= judged.report.overall.results[METRICS[problem]].candidate.value <= 1.0
    assert ws.ledger.state().champion(problem)
    answers = score_cases(
        ws, f"{problem}@1", read_cases(written(town, release.dictionary, problem, "new", 4))
    )
    assert answers and all(answer["ranked"] for answer in answers)
