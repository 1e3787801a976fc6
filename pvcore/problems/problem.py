"""What a problem is: a drug-safety task with its labels, prompt, parser, metrics and slices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from pvcore.evaluation.metrics import Metric
from pvcore.records import Case, Example, digest

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.meddra.release import Dictionary

SPLITS = ("train", "tune", "test")


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
    them.
    `prompt` is the text put to a causal model, whose answer is " " + label; `parse` reads an answer
    back and raises ValueError for anything that is not exactly a label. `questions` are (id, text) of
    cases without labels, to be scored. `metrics` need nothing but an evaluation frame; `metrics_for`
    adds those that need the dictionary.
    """

    name: str
    kind: Literal["classification", "ranking", "set"]
    labels: tuple[str, ...]
    positive: str | None
    prompt: Callable[[str], str]
    parse: Callable[[str], str]
    examples: MakeExamples
    questions: Callable[[Sequence[Case]], list[tuple[str, str]]]
    slices: Callable[..., tuple[str, ...]]
    metrics: Mapping[str, Metric]
    with_dictionary: Callable[[Dictionary], Mapping[str, Metric]] = lambda dictionary: {}

    def metrics_for(self, dictionary: Dictionary | None) -> dict[str, Metric]:
        """All metrics by name; those over the dictionary only where there is one."""
        return {**self.metrics, **(self.with_dictionary(dictionary) if dictionary is not None else {})}


def example_id(case_id: str, problem: str, target: str = "") -> str:
    """The name of a question: stable across datasets, and without the report's own words.

    Two different pairs of case and target never share a name: case ids are kept whole and targets
    by 64 bits of their digest.
    """
    return f"{case_id}#{problem}" + (f":{digest(target)[:16]}" if target else "")
