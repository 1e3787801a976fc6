"""Causal models that quote: the loss stands on the answer's tokens alone, never on the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pvcore.evaluation.spans import Marked, read
from pvcore.inference.heads.generation import SHARE, encode_prompt, moved, passages
from pvcore.inference.heads.label_tokens import completion
from pvcore.inference.text import pad
from pvcore.problems import Problem
from pvcore.problems.quoting import quoted
from pvcore.records import Example
from pvcore.training.objectives.objective import Given, Objective, content_digest, plan_by_length

if TYPE_CHECKING:
    import torch

Item = tuple[tuple[int, ...], tuple[int, ...]]
"""The tokens of a prompt, and those of its answer with the end of the text."""


def generation(task: Problem, rows: Sequence[Example], given: Given) -> Objective:
    """The mean over an answer's tokens of -log P(token | prompt, answer so far); the mean over passages."""
    import torch

    tokenizer, training = given.tokenizer, given.settings.training
    parts = [items(task, row, given) for row in rows]
    made, of = [item for own in parts for item in own], [n for n, own in enumerate(parts) for _ in own]
    sequences = [(*prompt, *answer) for prompt, answer in made]

    def loss(network: Any, numbers: Sequence[int]) -> torch.Tensor:
        device = next(network.parameters()).device
        chosen = [sequences[i] for i in numbers]
        width = -(-max(map(len, chosen)) // 8) * 8
        padded, known = pad(chosen, width=width, rows=len(chosen), pad_id=tokenizer.pad_token_id, left=True)
        ids, mask = torch.tensor(padded, device=device), torch.tensor(known, device=device)
        counts = torch.tensor([len(made[i][1]) for i in numbers], device=device)
        longest = int(counts.max())
        # The output head runs on the answers' positions only.
        logits = (
            network(
                input_ids=ids,
                attention_mask=mask,
                position_ids=(mask.cumsum(1) - 1).clamp(min=0),
                logits_to_keep=longest + 1,
                use_cache=False,
            )
            .logits[:, :-1]
            .float()
        )
        wanted = ids[:, -longest:]
        losses = torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), wanted.reshape(-1), reduction="none"
        ).reshape(wanted.shape)
        answered = torch.arange(longest, device=device) >= (longest - counts).unsqueeze(1)
        return ((losses * answered).sum(1) / counts).mean()

    lengths = [len(sequence) for sequence in sequences]
    plan = plan_by_length(lengths, epochs=training.epochs, batch=training.batch, seed=given.seed)
    return Objective(plan, loss, content_digest(made), of=of)


def items(task: Problem, row: Example, given: Given) -> list[Item]:
    """The passages of a row with their answers; a passage is halved until its answer has room, too."""
    tokenizer, most = given.tokenizer, given.settings.text.max_tokens
    room = most // SHARE
    spans = read(row.label).spans

    def answer(start: int, end: int) -> tuple[int, ...]:
        inside = [span for span in spans if start <= span.parts[0][0] and span.parts[-1][1] <= end]
        marked = Marked.of(moved(span, -start) for span in inside)
        return completion(tokenizer, quoted(row.text[start:end], marked))

    cut = passages(
        tokenizer, row.text, task.prompt, most - room, lambda start, end: len(answer(start, end)) <= room
    )
    return [
        (encode_prompt(tokenizer, task.prompt, row.text[start:end]).ids, answer(start, end))
        for start, end in cut
    ]
