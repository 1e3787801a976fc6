"""Hand-built inputs that are fit for use; every test breaks one thing in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pandas as pd
import pytest

from expectations.suites import load
from pvcore.meddra.generate import Size, generate
from pvcore.meddra.release import Dictionary
from pvcore.problems import PROBLEMS
from pvcore.records import Annotation, Case, Example, Reaction

NARRATIVE = "A 34-year-old woman had abdominal pain two hours after the second dose and recovered at home."


@dataclass(frozen=True)
class Batch:
    """The least that a batch is."""

    cases: tuple[Case, ...]
    annotations: tuple[Annotation, ...]
    name: str = "batch.json"
    nullified: tuple[str, ...] = ()


@dataclass
class TrainingSet:
    """Arguments of validate_training_set."""

    cases: pd.DataFrame
    labels: pd.DataFrame
    problem: str
    dictionary: Dictionary | None = None
    examples: dict[str, list[Example]] = field(default_factory=dict)

    def pose(self) -> TrainingSet:
        """Make the examples of the tables."""
        self.examples = PROBLEMS[self.problem].examples(self.cases, self.labels, self.dictionary)
        return self


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dictionary, Dictionary]:
    """An invented release and the one after it."""
    folder = tmp_path_factory.mktemp("releases")
    first = generate(folder, version="29.0", seed=3, size=Size.small()).dictionary
    second = generate(folder, version="29.1", seed=3, size=Size.small(), previous=first).dictionary
    return first, second


@pytest.fixture
def batch(releases: tuple[Dictionary, Dictionary]) -> Batch:
    """Three cases, labelled by two annotators in MedDRA 29.0."""
    code = releases[0].current_llts()["llt_code"].iloc[0]
    cases, annotations = [], []
    for number in range(3):
        case_id = f"US-{number}"
        reaction = Reaction("belly ache", code, "29.0", seriousness={"death": False})
        cases.append(Case(case_id, NARRATIVE, received="2024-02-29", age_years=34.0, reactions=(reaction,)))
        for annotator in ("ann", "bob"):
            serious = {"serious": number == 0, "criteria": ["hospitalisation"] if number == 0 else []}
            annotations += [
                Annotation(case_id, "seriousness", serious, annotator, time="2024-03-01T10:00:00Z"),
                Annotation(
                    case_id, "coding", {"llt_code": code}, annotator, "belly ache", meddra_version="29.0"
                ),
            ]
    return Batch(tuple(cases), tuple(annotations))


def _tables(number: int, labels: list[dict[str, object]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    split = ["test" if i % 5 == 0 else "tune" if i % 5 == 1 else "train" for i in range(number)]
    cases = pd.DataFrame(
        {
            "case_id": [f"US-{i}" for i in range(number)],
            "narrative": NARRATIVE,
            "age_years": 34.0,
            "cluster": [i // 5 * 5 + {"test": 0, "tune": 1, "train": 2}[split[i]] for i in range(number)],
            "split": split,
        }
    )
    return cases, pd.DataFrame(labels)


@pytest.fixture
def seriousness() -> TrainingSet:
    """Forty cases, half of them serious; three of five, near-identical ones, are for training."""
    labels: list[dict[str, object]] = [
        {"case_id": f"US-{i}", "problem": "seriousness", "target": "", "annotators": ["ann"],
         "value": f'{{"criteria":[],"serious":{"true" if i // 5 % 2 else "false"}}}', "meddra_version": None}
        for i in range(40)
    ]  # fmt: skip
    return TrainingSet(*_tables(40, labels), "seriousness").pose()


@pytest.fixture
def coding(releases: tuple[Dictionary, Dictionary]) -> TrainingSet:
    """Forty verbatims coded in MedDRA 29.0."""
    codes = releases[0].current_llts()["llt_code"].tolist()
    labels: list[dict[str, object]] = [
        {"case_id": f"US-{i}", "problem": "coding", "target": "belly ache", "annotators": ["ann"],
         "value": f'{{"llt_code":"{codes[i]}"}}', "meddra_version": "29.0"}
        for i in range(40)
    ]  # fmt: skip
    return TrainingSet(*_tables(40, labels), "coding", releases[0]).pose()


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Reduce a suite to the table of one rule: the other tables cost most of a test's time."""

    def reduce(name: str, rule: str) -> None:
        suite = load(name)
        table = next(table for table in suite.tables if rule in {r.name for r in table.rules})
        monkeypatch.setattr(f"expectations.{name}.load", lambda _: replace(suite, tables=(table,)))

    return reduce
