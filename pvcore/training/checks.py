"""What is refused before anything is trained: rows that teach nothing, rows that leak, a parent that is another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pvcore.errors import LeakageError, TrainingError
from pvcore.inference.card import Card
from pvcore.inference.heads.classification import CLASSIFICATION
from pvcore.inference.heads.embedding import EMBEDDING
from pvcore.problems import Problem
from pvcore.problems.coding import parse
from pvcore.records import Example
from pvcore.training import qlora
from pvcore.training.settings import Sections
from pvcore.training.specification import Specification


def known_rows(settings: Sections, card: Card, rows: Sequence[Example]) -> list[Example]:
    """The rows whose wordings or words are kept. Raises TrainingError where the model has no use for them."""
    if settings.training.word_weights and card.head != CLASSIFICATION.name:
        raise TrainingError(
            "training.word_weights is for problems of classes by an encoder, and this is "
            f"{card.problem}, {card.family}: write false"
        )
    if not settings.training.wordings:
        return list(rows) if settings.training.word_weights else []
    if card.head != EMBEDDING.name:
        raise TrainingError(
            f"training.wordings is for coding by an encoder, and this is {card.problem}, {card.family}: write false"
        )
    for row in rows:
        try:
            parse(row.label)
        except ValueError as error:
            raise TrainingError(f"{row.example_id}: {error}. Or write training.wordings: false") from None
    return list(rows)


def check(
    specification: Specification,
    task: Problem,
    card: Card,
    rows: Sequence[Example],
    tune: Sequence[Example],
    parent: Path | None,
    known: Sequence[Example],
) -> None:
    """Raises TrainingError, and LeakageError where train and tune share a cluster."""
    if not rows:
        raise TrainingError(f"{task.name}: there is no row to train on")
    classes = task.kind == "classification"
    foreign = sorted({row.label for row in (*rows, *tune, *known)} - set(task.labels)) if classes else []
    if foreign:
        raise TrainingError(f"{task.name}: labels {', '.join(foreign)} are none of {', '.join(task.labels)}")
    # An update may be of one class, as a follow-up of one case is: what its parent learned is there already.
    if classes and parent is None and len({row.label for row in rows}) < 2:
        raise TrainingError(
            f"{task.name}: all {len(rows)} rows are {rows[0].label}: nothing can be learned from them"
        )
    of_train, of_tune = ({row.cluster: row.case_id for row in part} for part in ((*rows, *known), tune))
    shared = sorted(of_train.keys() & of_tune.keys())
    if shared:
        pairs = ", ".join(f"{of_train[name]} and {of_tune[name]}" for name in shared[:5])
        raise LeakageError(
            f"{len(shared)} clusters stand in train and tune ({pairs}): split by cluster again"
        )
    if (parent is None) != (specification.parent is None):
        raise TrainingError("the specification and the call disagree about whether there is a parent")
    if parent is not None and specification.parent_files is not None:
        found = qlora.adapter_files(parent)
        wrong = sorted(name for name, value in found.items() if specification.parent_files.get(name) != value)
        if wrong:
            raise TrainingError(
                f"{parent}: {', '.join(wrong)} differ from the parent that the specification names"
            )
