"""Where a version fails, and which cases to annotate next.

Failures are those of the tune split, so that the test split stays fresh for the gate.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pvcore.advice import choosing
from pvcore.advice.choosing import Way
from pvcore.advice.failures import Answered, Mode, failure_modes
from pvcore.advice.sufficiency import labels_of
from pvcore.advice.vectors import vectors
from pvcore.annotations.batch import Batch
from pvcore.config import Workspace
from pvcore.cycle import candidate, data, samples, scoring
from pvcore.cycle.learned import told
from pvcore.cycle.lineage import trained_on, unseen
from pvcore.errors import ConfigError
from pvcore.evaluation.paired import wilson_interval
from pvcore.problems import PROBLEMS
from pvcore.records import Case, Example, Prediction
from pvcore.registry.names import resolve
from pvcore.registry.version import Version
from pvcore.training.specification import Specification


@dataclass(frozen=True)
class Told:
    """What an adapter answers to the tune rows that it did not learn from. It learned from `size` rows, in its run or
    one that it continued; `learned`: what a label counts as -> how many of them.
    """

    rows: tuple[Answered, ...]
    predictions: tuple[Prediction, ...]
    learned: Mapping[str, int]
    size: int


@dataclass(frozen=True)
class Failures:
    """A version's answers to the tune rows, and the modes of its errors."""

    version: str
    told: Told
    modes: tuple[Mode, ...]

    @property
    def rows(self) -> tuple[Answered, ...]:
        """The tune rows, right or not."""
        return self.told.rows

    @property
    def errors(self) -> int:
        """Number of wrong answers."""
        return sum(not row.right for row in self.rows)


def failures(workspace: Workspace, name: str) -> Failures:
    """The failure modes of a version. Raises NotFound; ConfigError where it has no tune row left."""
    version = resolve(workspace.store, workspace.ledger, name)
    asked = candidate.load_specification(workspace, version.manifest.specification)
    told = asked_tune(workspace, asked, version.manifest.adapter["files"])
    if not told.rows:
        raise ConfigError(f"{name}: its dataset has no row of the split tune that it did not learn from.")
    return Failures(version.name, told, tuple(failure_modes(told.rows, told.learned)))


def asked_tune(workspace: Workspace, asked: Specification, files: Mapping[str, Any]) -> Told:
    """The tune rows of a specification's dataset, put to the adapter that it trained."""
    examples = data.examples(workspace, asked.problem, asked.dataset, asked.settings)
    tune = unseen(workspace, asked.dataset, examples.get("tune", []), [asked.digest])
    answered = candidate.predict(
        workspace, files, asked.settings["base"], tune, data.terms(workspace, asked),
        workspace.policy(workspace.recipe(asked.problem).policy).guardrails,
    ) if tune else []  # fmt: skip
    known = trained_on(workspace, asked.digest)
    learned = [example for example in examples["train"] if known(example)]
    kind = PROBLEMS[asked.problem].kind
    counts = Counter(name for example in learned for name in labels_of(example.label, kind))
    return Told(tuple(judged(asked.problem, tune, answered)), tuple(answered), counts, len(learned))


def judged(problem: str, examples: Sequence[Example], predictions: Sequence[Prediction]) -> list[Answered]:
    """Each example with its answer, right or not; a withheld answer counts as what was said."""
    said, posed = {p.example_id: p for p in predictions}, PROBLEMS[problem]
    rows = []
    for example in examples:
        found = said[example.example_id]
        right = posed.judged(example.label, found.said) == example.label
        counted = tuple(labels_of(example.label, posed.kind))
        rows.append(Answered(example, found.said, right, found.confidence, counted))
    return rows


@dataclass(frozen=True)
class Chosen:
    """Cases to annotate next, in the order of choice, with what the version says of them and why each was chosen."""

    version: str
    cases: tuple[Case, ...]
    predictions: tuple[Prediction, ...]
    reasons: dict[str, str]
    known: int


def next_cases(
    workspace: Workspace,
    name: str,
    pool: Batch,
    size: int,
    *,
    how: Way = "mixed",
    seed: int = 0,
    found: Failures | None = None,
) -> Chosen:
    """Choose `size` cases of a pool for people to annotate.

    `known`: cases of the pool that were asked of the problem already, by the newest dataset, or that their sender
    took back.

    `found` are the version's failures, if they are known already.

    Raises ConfigError where nothing is left to choose from; see `choosing` for the ways.
    """
    version, predictions = scoring.score(workspace, name, pool)
    have = data.known_cases(workspace, version.problem, samples.latest(workspace))
    by_case: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        by_case.setdefault(case_of(prediction), []).append(prediction)
    cases = [case for case in pool.cases if case.case_id in by_case and case.case_id not in have]
    if not cases:
        raise ConfigError(
            f"none of the {len(pool.cases)} cases is new and can be asked of {version.problem}."
        )
    wrong = [row for row in (found or failures(workspace, name)).rows if not row.right]
    seen = vectors([*(case.narrative for case in cases), *(row.example.text for row in wrong)])
    doubt = np.array([max(unsure(p) for p in by_case[case.case_id]) for case in cases])
    like = seen[len(cases) :] if wrong or how == "failures" else None
    places = choosing.choose(
        seen[: len(cases)], size, how=how, unsure=doubt, failing=like, seed=seed
    ).tolist()
    chosen = [cases[place] for place in places]
    return Chosen(
        version.name,
        tuple(chosen),
        tuple(p for case in chosen for p in by_case[case.case_id]),
        {cases[place].case_id: f"{how}: the model is {1 - doubt[place]:.0%} sure" for place in places},
        len(pool.cases) - len(cases),
    )


def unsure(prediction: Prediction) -> float:
    """How little sure an answer is, 0 to 1: 1 - confidence; without one, how near the two best labels are."""
    if prediction.confidence is not None:
        return 1 - prediction.confidence
    if len(prediction.ranked) > 1:
        return 1 - (prediction.ranked[0][1] - prediction.ranked[1][1])
    return 1 - prediction.score


def case_of(prediction: Prediction) -> str:
    """The case that an answer is about."""
    return prediction.example_id.rpartition("#")[0]


def mode_rows(found: Failures) -> list[dict[str, Any]]:
    """The modes as rows of a table."""
    return [
        {
            "mode": mode.name,
            "wrong": mode.errors,
            "of": mode.rows if mode.kind == "slice" else None,
            "error_rate": told(_rate(mode)) if mode.kind == "slice" else None,
            "elsewhere": mode.rest,
            "p": mode.p,
        }
        for mode in found.modes
    ]


def version_of(workspace: Workspace, problem: str) -> Version:
    """The champion, else the newest version. Raises NotFound without any."""
    return candidate.champion_of(workspace, problem) or resolve(
        workspace.store, workspace.ledger, f"{problem}@latest"
    )


def as_json(found: Failures) -> dict[str, Any]:
    """JSON values only, with the examples of each mode."""
    return {
        "version": found.version,
        "rows": len(found.rows),
        "errors": found.errors,
        "modes": [
            {**dataclasses.asdict(mode), "rate": _rate(mode) if mode.kind == "slice" else None}
            for mode in found.modes
        ],
    }


def _rate(mode: Mode) -> dict[str, float]:
    """The error rate of a mode with its 95% interval."""
    low, high = wilson_interval(mode.errors, mode.rows, 0.95)
    return {"value": mode.rate, "low": low, "high": high}
