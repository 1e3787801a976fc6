"""An encoder that tags words: cross-entropy on each word's first token, for each label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pvcore.evaluation.spans import read
from pvcore.inference.heads.tagging import TAGS, tags_of, windows
from pvcore.inference.text import Encoded
from pvcore.problems import Problem
from pvcore.records import Example
from pvcore.training.objectives.objective import Given, Objective, batch, content_digest, plan_by_length

if TYPE_CHECKING:
    import torch

NOT_ASKED = -100
"""The target of a token that is no word's first (and of padding): cross_entropy leaves it out."""
Item = tuple[Encoded, list[list[int]]]
"""A window, and for each label a target for each of its tokens."""


def tagging(task: Problem, rows: Sequence[Example], given: Given) -> Objective:
    """The mean over words and labels of -log P(tag). An item is a window: a long text is several."""
    import torch

    tokenizer, training = given.tokenizer, given.settings.training
    parts = [items(task, row, given) for row in rows]
    made, of = [item for own in parts for item in own], [n for n, own in enumerate(parts) for _ in own]
    encoded, targets = [item for item, _ in made], [target for _, target in made]

    def loss(network: Any, numbers: Sequence[int]) -> torch.Tensor:
        ids, mask = batch(network, tokenizer, [encoded[i] for i in numbers])
        padded = [
            [[*column, *[NOT_ASKED] * (ids.shape[1] - len(column))] for column in targets[i]] for i in numbers
        ]
        wanted = torch.tensor(padded, device=ids.device)
        # In rows of tags: over an image of classes CUDA has no deterministic cross-entropy.
        logits = network(ids, mask).logits.float().unflatten(2, (-1, len(TAGS))).transpose(1, 2)
        losses = torch.nn.functional.cross_entropy(
            logits.reshape(-1, len(TAGS)), wanted.flatten(), ignore_index=NOT_ASKED, reduction="none"
        )
        counts = torch.tensor([sizes[i] for i in numbers], device=ids.device)
        return (losses.reshape(len(numbers), -1).sum(1) / counts.clamp(min=1)).mean()

    sizes = [sum(tag != NOT_ASKED for column in target for tag in column) for target in targets]
    lengths = [len(e.ids) for e in encoded]
    plan = plan_by_length(lengths, epochs=training.epochs, batch=training.batch, seed=given.seed)
    content = content_digest(list(task.labels), [e.ids for e in encoded], targets)
    return Objective(plan, loss, content, lengths=lengths, of=of)


def items(task: Problem, row: Example, given: Given) -> list[Item]:
    """The windows of a row with their targets."""
    places, found = windows(given.tokenizer, row.text, given.settings.text.max_tokens)
    spans = read(row.label).spans
    tags = [tags_of(places, spans, label) for label in task.labels]
    made = []
    for window in found:
        targets = [[NOT_ASKED] * len(window.encoded.ids) for _ in task.labels]
        for position, word in window.words:
            for column, of_label in zip(targets, tags, strict=True):
                column[position] = of_label[word]
        made.append((window.encoded, targets))
    return made
