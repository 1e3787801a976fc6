"""Candidate bases side by side on the user's own data: the same rows, steps and seed, judged on the tune split.

What the bases do not share is what has to differ: the weights, and for one with a recipe of its own its family,
quantisation and the layers that LoRA sits on. All else is the problem's recipe.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvcore import yaml_text
from pvcore.config import Recipe, Workspace, bases, open_workspace, read_recipe
from pvcore.cycle import candidate, data, samples
from pvcore.cycle.bases import RECIPE_SUFFIXES, looked_at
from pvcore.cycle.predictions import lines
from pvcore.cycle.samples import Planned
from pvcore.errors import ConfigError, TrainingError
from pvcore.problems import problem as known_problem
from pvcore.registry.blobs import put_blob
from pvcore.training.settings import BaseModelSettings

TRIED = "BaseTried"
SIZES, SEEDS = 2, 1
"""Sizes by default (all rows, and half of them), and repetitions."""
TAKEN = ("family", "base", "quantisation", "lora")
"""Of a base's own recipe; text, training, mixture and seed are the problem's, so that the budget is the same."""
LICENCE = re.compile(r"^license(?:_name)?:[ \t]*[\"']?([^\"'\n]+)", re.MULTILINE)


@dataclass(frozen=True)
class Trial:
    """A base under its name: what is known of it, its runs, and why it cannot be used here, () if it can."""

    name: str
    family: str
    digest: str
    parameters: int
    licence: str
    runs: tuple[Planned, ...]
    faults: tuple[str, ...]


def plan(
    workspace: Workspace, problem: str, names: Sequence[str], *, sizes: Sequence[int] = (), seeds: int = SEEDS
) -> list[Trial]:
    """What is to be trained; nothing is yet. A base that cannot be used here is a trial without runs.

    A name is that of a shipped recipe (`pv base list`), a recipe's YAML file, or a base's source. Raises
    ConfigError where there are no two different bases or none can be used, NotFound, and GateError where the data has
    too few rows.
    """
    known_problem(problem)
    if len(set(names)) < max(2, len(names)):
        raise ConfigError("two different bases are needed, the first is what the others are held against.")
    dataset = samples.latest(workspace)
    rows = data.examples(workspace, problem, dataset)
    chosen = sorted({*sizes} or {len(rows.get("train", ())) >> n for n in range(SIZES)})
    samples.refuse(f"no trial of bases for {problem}", chosen, rows, least=1)
    trials = [_trial(workspace, problem, name, dataset, chosen, seeds) for name in names]
    if not any(trial.runs for trial in trials):
        told = "\n".join(f"  {trial.name}: {'; '.join(trial.faults)}" for trial in trials)
        raise ConfigError(f"none of these bases can be used here:\n{told}")
    return trials


def _trial(
    workspace: Workspace, problem: str, name: str, dataset: str, sizes: Sequence[int], seeds: int
) -> Trial:
    try:
        recipe = recipe_with(workspace, problem, name)
        page, found = looked_at(workspace, recipe)
    except (ConfigError, TrainingError) as error:
        return Trial(name, "", "", 0, "", (), (str(error),))
    licence = licence_of(recipe.base.source, Path(page["folder"]))
    faults = tuple(str(fault) for fault in found)
    runs: list[Planned] = []
    if not faults:
        base = recipe.base.model_copy(update={"digest": page["digest"]})
        pinned = recipe.model_copy(update={"base": base})
        runs = [
            Planned(size, seed, samples.specified(workspace, pinned, dataset, size=size, seed=seed))
            for size in sizes
            for seed in range(recipe.seed, recipe.seed + seeds)
        ]
    return Trial(name, recipe.family, page["digest"], page["parameters"], licence, tuple(runs), faults)


def recipe_with(workspace: Workspace, problem: str, name: str) -> Recipe:
    """The problem's recipe with another base in it. Raises ConfigError for a recipe that cannot be read."""
    from pvcore.inference.base import UNPINNED

    own, shipped = workspace.recipe(problem), bases()
    if name in shipped:
        other = Recipe.model_validate(yaml_text.load(shipped[name]))
    elif name.endswith(RECIPE_SUFFIXES):
        other = read_recipe(Path(name))
    else:
        source = str(Path(name).resolve()) if ":" not in name and Path(name).is_dir() else name
        return own.model_copy(update={"base": BaseModelSettings(source=source, digest=UNPINNED)})
    taken = {section: getattr(other, section) for section in TAKEN}
    return own.model_copy(update=taken | (_without_encoder(own) if other.family == "causal" else {}))


def _without_encoder(own: Recipe) -> dict[str, Any]:
    """The problem's sections without what a causal model refuses: what an encoder alone has beside it, and windows."""
    return {
        "text": own.text.model_copy(update={"long": "head_and_tail"}),
        "training": own.training.model_copy(update={"wordings": False, "word_weights": False}),
    }


def licence_of(source: str, folder: Path) -> str:
    """As the publisher states it: known here, or in the head of the folder's model card; "" where neither says."""
    from pvcore.dossier.described import BASES

    card = folder / "README.md"
    if (known := BASES.get(source.partition("@")[0])) or not card.is_file():
        return known[1] if known else ""
    text = card.read_text("utf-8", errors="replace")
    head = text.split("---", 2)[1] if text.startswith("---") and text.count("---") > 1 else ""
    stated = LICENCE.findall(head)
    return str(stated[-1]).strip() if stated else ""


def run_alone(workspace: Workspace, specification: str) -> None:
    """Train in a process of its own, whose memory is that of this base alone. Raises TrainingError."""
    if workspace.ledger.find("Trained", specification):
        return
    command = [sys.executable, "-m", "pvcore.cycle.trials", str(workspace.root), specification]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise TrainingError(f"training did not end: {said[:500]}")


def measure(workspace: Workspace, specification: str) -> None:
    """Ask what a run trained about the tune split; recorded once. Raises NotFound if it was not trained."""
    if workspace.ledger.find(TRIED, specification):
        return
    asked, trained, answered = samples.answers(workspace, specification)
    body = {
        "specification": specification,
        "problem": asked.problem,
        "dataset": asked.dataset,
        "base": asked.settings["base"]["digest"],
        "size": asked.settings["training"]["max_rows"],
        "seed": asked.seed,
        "predictions": put_blob(workspace.store, lines(answered)),
        "seconds": trained["seconds"],
        "peak_bytes": trained.get("peak_bytes"),  # a run of an earlier program did not record it
    }
    workspace.ledger.append(TRIED, body, actor="bases", key=specification)


def main(root: str, specification: str) -> None:
    """What the process of its own does."""
    candidate.train(open_workspace(root), specification)


if __name__ == "__main__":
    main(*sys.argv[1:])
