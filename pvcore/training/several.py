"""Several processes train one adapter: each takes a share of a step's rows, and the gradients are added up.

    torchrun --nproc-per-node 2 your_script_that_calls_train.py

A process knows the others by the environment that torchrun and `accelerate launch` set. The plan, the seeds
and the loss of a step stay those of the whole step, so the adapter is that of one process up to the order
in which floats are added; dropout alone is drawn by each process for its own rows. Each process computes
the same update; what is read, measured or written is so by the first, and the others are told.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pvcore.errors import TrainingError

Found = TypeVar("Found")
NEEDED = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What a launcher sets beside WORLD_SIZE."""
PATIENCE = datetime.timedelta(days=1)
"""The others wait while the first looks at the tune split. A process that died is noticed at once all the same."""


class Ended(TrainingError):
    """Another process of the run has ended: the reason stands in its own message."""


@dataclass(frozen=True)
class Processes:
    """The processes of a run, seen from one of them: `rank` of `count`. One alone changes nothing."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, items: Sequence[int]) -> Sequence[int]:
        """The items of a step that this process computes; none where there are more processes than items.

        Every count-th one: a step stands in order of length, so each gets short and long ones.
        """
        return items[self.rank :: self.count]

    def add(self, weights: Mapping[str, Any], loss: float) -> float:
        """Replace the gradients by their sums over all processes; returns the sum of the losses.

        One reduction for all. A weight that has a gradient in no process keeps None, as with one process.
        """
        if self.count == 1:
            return loss
        import torch

        values = list(weights.values())
        known = [float(w.grad is not None) for w in values]
        parts = [torch.zeros_like(w) if w.grad is None else w.grad for w in values]
        sums = torch.cat([*(part.flatten() for part in parts), values[0].new_tensor([loss, *known])])
        with _told():
            torch.distributed.all_reduce(sums)
        *gradients, rest = sums.split([*(w.numel() for w in values), 1 + len(values)])
        total, *known = rest.tolist()
        for weight, gradient, by in zip(values, gradients, known, strict=True):
            weight.grad = gradient.view_as(weight) if by else None
        return total

    def spread(self, weights: Mapping[str, Any]) -> None:
        """Give every process the first one's weights."""
        if self.count == 1:
            return
        import torch

        values = [weight.detach() for weight in weights.values()]
        flat = torch.cat([value.flatten() for value in values])
        with _told():
            torch.distributed.broadcast(flat, 0)
        for value, part in zip(values, flat.split([v.numel() for v in values]), strict=True):
            value.copy_(part.view_as(value))

    def once(self, action: Callable[[], Found]) -> Found:
        """What `action` returns in the first process, in all of them. Where it raises there, all raise."""
        if self.count == 1:
            return action()
        import torch

        answer: list[Any] = [None, None]
        failed: Exception | None = None
        if self.first:
            try:
                answer[0] = action()
            except Exception as error:
                failed = error
                answer[1] = f"{type(error).__name__}: {error}"
        with _told():
            torch.distributed.broadcast_object_list(answer, 0)
        if failed is not None:
            raise failed
        if answer[1] is not None:
            raise Ended(f"the first process of the run: {answer[1]}")
        found: Found = answer[0]
        return found


ALONE = Processes()


@contextlib.contextmanager
def joined() -> Iterator[Processes]:
    """The processes that a launcher started, or ALONE; a group that is open already is used as it is.

    gloo on CPUs, NCCL on GPUs, where each process takes the device LOCAL_RANK. After an error the process
    must end: the group is left open, as closing it would wait for the others. Raises TrainingError.
    """
    if int(os.environ.get("WORLD_SIZE") or 1) == 1:
        yield ALONE
        return
    import torch

    # Defaults of its functions are the group that is open when it is first imported, as training does: they
    # would keep the group's threads alive after it is closed, and one of those aborts a process that ends
    # ("terminate called without an active exception"; measured with torch 2.13: 4 of 30 runs of two).
    import torch.distributed.nn
    from torch import distributed

    if distributed.is_initialized():
        yield Processes(distributed.get_rank(), distributed.get_world_size())
        return
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        raise TrainingError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but {', '.join(missing)} is not set. "
            "Start the run with torchrun or accelerate launch, or unset WORLD_SIZE."
        )
    if torch.cuda.is_available():
        local, devices = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= devices:
            raise TrainingError(f"process {local} of this machine has no GPU: it has {devices}. Start fewer.")
        torch.cuda.set_device(local)
    with _told():
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    yield Processes(distributed.get_rank(), distributed.get_world_size())
    distributed.destroy_process_group()


def wanted(processes: int | Literal["auto"]) -> int:
    """How many processes a machine is to train with: `auto` is one for each of its GPUs."""
    if processes != "auto":
        return processes
    import torch

    return max(1, torch.cuda.device_count())


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say what a broken connection means."""
    try:
        yield
    except RuntimeError as error:
        raise Ended(
            "another process of this run has ended (its own message says why), or cannot be reached: "
            f"{str(error).splitlines()[0]}. Run again: it goes on from its last checkpoint."
        ) from error
