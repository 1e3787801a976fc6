"""What a problem is: a drug-safety task with its labels, prompt, parser, metrics and slices."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pvcore.errors import ConfigError
from pvcore.evaluation.metrics import Metric
from pvcore.records import Case, Example, Prediction, Question, digest

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.meddra.release import Dictionary

SPLITS = ("train", "tune", "test")
Table = Sequence[Mapping[str, Any]]
"""Rows of a policy table, as a recipe holds them."""
Baseline = Callable[[Sequence[Example], Sequence[Example]], list[Prediction]]
"""Answers to the second examples, made from the first."""


class MakeExamples(Protocol):
    """Turns the tables of a dataset into examples, split by split; every split is a key."""

    def __call__(
        self,
        cases: pd.DataFrame,
        labels: pd.DataFrame,
        dictionary: Dictionary | None = None,
        *,
        new_terms: Collection[str] = (),
    ) -> dict[str, list[Example]]: ...


@dataclass(frozen=True)
class Problem:
    """A drug-safety task.

    `labels` are the classes in the order of a classifier's outputs, () for a ranking over terms or a set of
    them, what a span may be for an extraction. `prompt` is the text put to a causal model, whose answer is
    " " + label (an extraction's: quotations); `parse` reads an answer back and raises ValueError for anything
    that is not exactly a label (an extraction's: the canonical JSON of spans). `questions` are those of
    cases without labels, to be scored. `metrics` need nothing but an evaluation frame; `metrics_for`
    adds those that need the dictionary. `terms` are those of a dictionary (llt_code, llt_name, pt_code) that an
    answer may name, None where answers are no terms. `criteria` are further findings beside the class, met or not, in
    their order: name -> what a causal model reads after the prompt before it says " yes" or " no".
    `baselines` are references of the problem's own, by name.
    `judged` is the part of an answer that a label can judge: an answer is right if that equals the label.
    `fault` says what is wrong with an annotation's value for a narrative, None for nothing: a batch with a
    fault is refused at the door. `with_table` is the problem with a recipe's policy table, where its labels
    follow from one, and `given` are those of the labels that this table gives.
    """

    name: str
    kind: Literal["classification", "ranking", "set", "extraction"]
    labels: tuple[str, ...]
    positive: str | None
    prompt: Callable[[str], str]
    parse: Callable[[str], str]
    examples: MakeExamples
    questions: Callable[[Sequence[Case]], list[Question]]
    slices: Callable[..., tuple[str, ...]]
    metrics: Mapping[str, Metric]
    with_dictionary: Callable[[Dictionary], Mapping[str, Metric]] = lambda dictionary: {}
    terms: Callable[[Dictionary], pd.DataFrame] | None = None
    criteria: Mapping[str, str] = field(default_factory=dict)
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    judged: Callable[[str, str], str] = lambda label, answer: answer
    fault: Callable[[Mapping[str, Any], str], str | None] = lambda value, narrative: None
    with_table: Callable[[Table], Problem] | None = None
    given: tuple[str, ...] = ()

    def metrics_for(self, dictionary: Dictionary | None) -> dict[str, Metric]:
        """All metrics by name; those over the dictionary only where there is one."""
        return {**self.metrics, **(self.with_dictionary(dictionary) if dictionary is not None else {})}


def by_table(problem: Problem, table: Table) -> Problem:
    """The problem with its recipe's policy table. Raises ConfigError for a table where none is asked for."""
    if problem.with_table is not None:
        return problem.with_table(table)
    if table:
        raise ConfigError(f"the recipe of {problem.name} has a table, and no label of it follows from one.")
    return problem


def cases_by_id(cases: pd.DataFrame) -> dict[str, dict[Any, Any]]:
    """The fields of every case by its id: a look-up in the table itself takes 0.1 ms, which 150,000 labels wait for."""
    return {row["case_id"]: row for row in cases.to_dict("records")}


def value_of(row: Any) -> Mapping[str, Any]:
    """The value of a label's row, which a stored table holds as JSON."""
    value: Mapping[str, Any] = json.loads(row.value) if isinstance(row.value, str) else row.value
    return value


def example_id(case_id: str, problem: str, target: str = "") -> str:
    """The name of a question: stable across datasets, and without the report's own words.

    Two different pairs of case and target never share a name: case ids are kept whole and targets
    by 64 bits of their digest.
    """
    return f"{case_id}#{problem}" + (f":{digest(target)[:16]}" if target else "")
