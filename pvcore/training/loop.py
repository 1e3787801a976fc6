"""The training loop: one step after another, each a function of the run's state and its own number.

Nothing leaks from step to step but weights and optimiser. Looking at the tune split, resuming, or
being watched therefore cannot change the adapter. Several processes share out the rows of a step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvcore.errors import TrainingError
from pvcore.inference import backend
from pvcore.inference.heads import NEW_HEADS
from pvcore.records import digest
from pvcore.training import checkpoint
from pvcore.training.checkpoint import State
from pvcore.training.objectives.objective import Objective, parts_by_length
from pvcore.training.qlora import trainable
from pvcore.training.settings import TrainingSettings
from pvcore.training.several import ALONE, Processes

HEAD = tuple(f".{name}.modules_to_save." for name in NEW_HEADS)
"""Part of the names of a new head's weights."""
Progress = Callable[[int, int, float], None]
Look = Callable[[], dict[str, float]]


@dataclass(frozen=True)
class Run:
    """What a finished loop leaves: (step, loss) of every step, looks at the tune split, where it resumed.

    `read` are the items that were handed out in batches. Those of the steps before a checkpoint stand in the
    plan, which is the same: a checkpoint of other items is refused.
    """

    curve: tuple[tuple[int, float], ...]
    looks: tuple[tuple[int, dict[str, float]], ...]
    resumed_from: int
    read: frozenset[int]


def seed_of(seed: int, what: int | str) -> int:
    """A seed of 63 bits for one step or purpose of a run."""
    return int(digest([seed, what])[:16], 16) >> 1


def rate_at(step: int, total: int, warmup: float) -> float:
    """The share of the learning rate in step 1..total: linearly up over the warm-up, then linearly down."""
    rising = max(1, round(warmup * total))
    return step / rising if step <= rising else (total - step + 1) / (total - rising + 1)


def run(
    network: Any,
    objective: Objective,
    settings: TrainingSettings,
    *,
    seed: int,
    checkpoints: Path,
    progress: Progress | None = None,
    look: Look | None = None,
    prepare: Callable[[], None] | None = None,
    processes: Processes = ALONE,
) -> Run:
    """Train `network` in place through the objective's plan, from the last checkpoint on.

    `prepare` is called first where there is no checkpoint. `look` is asked every `evaluate_every` steps. With
    several `processes` the first prepares, looks, keeps the checkpoints and reports progress. Raises
    TrainingError when the loss is no number.
    """
    import torch

    weights = trainable(network)
    # Fused AdamW: one pass over all matrices, and on a CPU far ahead of 8-bit variants.
    # A new head starts from noise and the base does not: it learns at a rate of its own.
    is_head = {name: any(part in name for part in HEAD) for name in weights}
    optimiser = torch.optim.AdamW(
        [
            {"params": [w for n, w in weights.items() if is_head[n] == head], "scale": scale}
            for head, scale in ((False, 1.0), (True, settings.head_rate))
            if head in is_head.values()
        ],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    state = processes.once(lambda: checkpoint.latest(checkpoints, objective.content))
    if state is None:
        if prepare is not None:
            processes.once(prepare)
        state = State(0, [], [], {}, {})
    else:
        _restore(weights, optimiser, state)
    processes.spread(weights)
    # Rows that are each other's negatives are not shared out: every process computes all of them.
    sharing = processes if objective.divisible else ALONE
    resumed, total = state.step, len(objective.plan)
    read = {item for items in objective.plan[:resumed] for item in items}
    network.train()
    for step in range(resumed + 1, total + 1):
        # Each process draws dropout of its own; the first one's is that of a process alone.
        torch.manual_seed(seed_of(seed, step if sharing.first else f"{step}:{sharing.rank}"))
        items = objective.plan[step - 1]
        loss = sharing.add(weights, _step(network, objective, settings, items, sharing))
        read.update(items)
        if not loss < float("inf"):
            raise TrainingError(f"step {step} of {total}: the loss is {loss}. Lower training.learning_rate.")
        torch.nn.utils.clip_grad_norm_(weights.values(), settings.clip)
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * group["scale"] * rate_at(step, total, settings.warmup)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        state.step = step
        state.curve.append((step, loss))
        if look is not None and settings.evaluate_every and step % settings.evaluate_every == 0:
            state.looks.append((step, processes.once(look)))
        if step % settings.checkpoint_every == 0 or step == total:
            state.weights = {name: weight.detach().cpu() for name, weight in weights.items()}
            state.optimiser = optimiser.state_dict()
            processes.once(lambda: checkpoint.save(checkpoints, state, objective.content))
        if progress is not None and processes.first:
            progress(step, total, loss)
    return Run(tuple(map(_pair, state.curve)), tuple(map(_pair, state.looks)), resumed, frozenset(read))


def _step(
    network: Any,
    objective: Objective,
    settings: TrainingSettings,
    items: Sequence[int],
    processes: Processes = ALONE,
) -> float:
    """Leave this process's part of the gradient of the mean loss over `items` in the network; returns its loss."""
    size = settings.micro_batch or len(items)
    if not objective.divisible:
        size = len(items)
    total, own = 0.0, processes.share(items)
    if not own:
        return total
    with objective.step(network):
        for part in _parts(objective, own, size):
            loss = objective.loss(network, part) * (len(part) / len(items))
            loss.backward()
            total += loss.item()
    return total


def _parts(objective: Objective, items: Sequence[int], most: int) -> list[Sequence[int]]:
    """The rows of a step as they go through the network: at most so many at once, and of similar length on a CPU.

    On a GPU short passes waste more than padding does.
    """
    if objective.lengths is not None and backend.device().type == "cpu":
        return [*parts_by_length(items, objective.lengths, most)]
    return [items[start : start + most] for start in range(0, len(items), most)]


def _restore(weights: dict[str, Any], optimiser: Any, state: State) -> None:
    import torch

    if set(weights) != set(state.weights):
        raise TrainingError(
            "a checkpoint of this specification has other weights: remove its folder and train again"
        )
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(state.weights[name])
    optimiser.load_state_dict(state.optimiser)


def _pair(value: Sequence[Any]) -> tuple[Any, Any]:
    return value[0], value[1]
