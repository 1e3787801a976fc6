"""What problems with one label a case have in common: examples, questions and the reading of an answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pvcore.errors import Fault, InputError
from pvcore.problems.problem import SPLITS, cases_by_id, example_id, value_of
from pvcore.records import Case, Example, Question

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.meddra.release import Dictionary

Pose = Callable[[Mapping[str, Any], Mapping[str, Any]], tuple[str, str, tuple[str, ...]]]
"""An annotation's value and the fields of its case -> text, label and slices of the example."""
FaultOf = Callable[[Mapping[str, Any], str], str | None]
"""An annotation's value and the case's narrative -> what is wrong, None for nothing."""


def case_examples(
    name: str,
    pose: Pose,
    fault: FaultOf,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    dictionary: Dictionary | None = None,
    *,
    new_terms: Collection[str] = (),
) -> dict[str, list[Example]]:
    """One example a label of problem `name`, in the order of case and target; its slices sorted.

    `cases` and `labels` are the tables of a dataset. Raises InputError naming every label that cannot be used.
    """
    known = cases_by_id(cases)
    made: dict[str, list[Example]] = {split: [] for split in SPLITS}
    faults = []
    for row in labels[labels["problem"] == name].sort_values(["case_id", "target"]).itertuples():
        value = value_of(row)
        case = known.get(row.case_id)
        wrong = "no such case" if case is None else fault(value, case["narrative"])
        if case is None or wrong is not None:
            faults.append(Fault(f"case {row.case_id}", str(wrong)))
            continue
        text, label, slices = pose(value, case)
        identity, cluster = example_id(row.case_id, name, row.target), str(case["cluster"])
        example = Example(identity, row.case_id, text, label, cluster, tuple(sorted(set(slices))))
        made[case["split"]].append(example)
    if faults:
        raise InputError(f"labels of {name}", faults)
    return made


def case_questions(
    name: str, cases: Sequence[Case], text: Callable[[Case], str] = lambda case: case.narrative
) -> list[Question]:
    """One question a case: its narrative, or what `text` makes of it."""
    return [Question(example_id(case.case_id, name), text(case)) for case in cases]


def one_of(labels: Sequence[str], answer: str) -> str:
    """The label that an answer says. ValueError for anything but a label, whatever the case."""
    found = answer.strip().lower()
    if found not in labels:
        raise ValueError(f"expected one of {', '.join(labels)}, found {answer!r}")
    return found
