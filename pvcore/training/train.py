"""A specification and its rows -> an adapter: one path for every family and every start.

    result = train(specification, {"train": rows, "tune": held}, base=base, workdir=work, output=folder)

On one machine the same specification and rows give the same bytes: run again, resumed after a
kill, on one or two threads, watched or not. Other machines, GPUs and numbers of processes may round
differently. Under torchrun each process makes this same call (see pvcore.training.several).
"""

from __future__ import annotations

import dataclasses
import math
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvcore.errors import TrainingError
from pvcore.evaluation.compare import frame
from pvcore.inference import backend, kept
from pvcore.inference.base import beside_digests
from pvcore.inference.card import Card
from pvcore.inference.heads import head_for
from pvcore.inference.heads.embedding import wordings
from pvcore.inference.model import load_base, load_tokenizer
from pvcore.inference.predict import Model
from pvcore.inference.prefix import keep_cache_when_recomputing
from pvcore.problems import Problem, problem
from pvcore.records import Example
from pvcore.training import loop, memory, qlora, several, word_weights
from pvcore.training.checks import check, known_rows
from pvcore.training.guarding import calibrated
from pvcore.training.objectives import FOLLOW, OBJECTIVES, PREPARE, Given
from pvcore.training.settings import Sections, sections
from pvcore.training.specification import Specification
from pvcore.training.thresholds import best_threshold, learnable, with_thresholds

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = (
    "torch", "transformers", "peft", "bitsandbytes", "tokenizers", "safetensors", "numpy", "scipy", "scikit-learn",
)  # fmt: skip
"""Those that decide bytes of an adapter: scipy and scikit-learn fit its calibration and the words beside it."""


@dataclass(frozen=True)
class TrainResult:
    """A trained adapter: its folder, files {name: SHA-256} and digest, and how it came about.

    `curve` is (step, loss) of every step, `tune` the metrics on the tune split with the threshold
    chosen there, `looks` those on the way (without wordings and words). `resumed_from` is 0 for a run that was not
    cut off. `consumed` are the cases whose rows were handed out in batches or whose words are weighed, `fitted` those
    that head, words, thresholds, calibration and guardrails were fitted with the rows of, in whole or in part, or whose
    wordings are kept; both sorted. `peak_bytes` is the most memory that the process held (of several the first one's).
    `word_share` is the share of the words beside the network in an answer, `criteria_share` that in what it says of
    criteria, 0 without any.
    """

    adapter: Path
    digest: str
    files: Mapping[str, str]
    curve: tuple[tuple[int, float], ...]
    tune: Mapping[str, float]
    looks: tuple[tuple[int, Mapping[str, float]], ...]
    seconds: float
    resumed_from: int
    environment: Mapping[str, str]
    consumed: tuple[str, ...]
    fitted: tuple[str, ...]
    peak_bytes: int
    word_share: float = 0.0
    criteria_share: float = 0.0


def train(
    specification: Specification,
    examples: Mapping[str, Sequence[Example]],
    *,
    base: Path,
    workdir: Path,
    output: Path,
    parent: Path | None = None,
    terms: pd.DataFrame | None = None,
    vectors: Path | None = None,
    progress: loop.Progress | None = None,
    threads: int | None = None,
) -> TrainResult:
    """Train, or go on from the last checkpoint below `workdir/<specification digest>`.

    `examples["train"]` is what is trained on (mixed already), `examples["tune"]` chooses the threshold. With
    `training.wordings` those of `examples["known"]`, all rows that might be trained on (default: those that are),
    become further names of their terms; with `training.word_weights` the words of all of them are weighed. `base` and
    `parent` are folders that were resolved and verified. `terms` (llt_code, llt_name, pt_code of the current LLTs) is
    needed for rankings. The adapter appears in `output` whole. The vectors of terms that the finished network makes on
    the way are left in the file `vectors` (pvcore.inference.kept). `progress` is called with (step, steps, loss).
    Raises TrainingError and LeakageError.
    """
    started = time.monotonic()
    settings, task = _settings(specification, parent), problem(specification.problem)
    card = _card(specification, settings, task, base)
    rows, tune = list(examples.get("train", ())), list(examples.get("tune", ()))
    known = known_rows(settings, card, examples.get("known", rows))
    check(specification, task, card, rows, tune, parent, known)
    card = learnable(card, rows, parent)
    with several.joined() as processes, backend.deterministic(threads):
        network, tokenizer = _network(specification, settings, card, base, parent)
        given = Given(tokenizer, settings, specification.seed, terms)
        objective = OBJECTIVES[card.head](task, rows, given)
        model = Model(card, network, tokenizer)
        run = loop.run(
            network,
            objective,
            settings.training,
            seed=specification.seed,
            checkpoints=workdir / specification.digest,
            progress=progress,
            look=(lambda: _look(model, task, tune, terms, threads)) if tune else None,
            prepare=lambda: _prepare(network, card, task, rows, given, parent),
            processes=processes,
        )

        def finish() -> tuple[dict[str, str], dict[str, float], tuple[float, float]]:
            model.kept.clear()  # the network has changed since the last look
            with model.remembering():
                if settings.training.wordings:
                    model.wordings = wordings(model, known)
                if settings.training.word_weights:
                    word_weights.add(model, known, tune)
                model.card = _with_threshold(model, tune, terms)
                model.card = with_thresholds(model, tune)
                model.card, prototypes = calibrated(model, rows, tune, terms, specification.seed)
                files = qlora.save(
                    network, output, model.card, prototypes, model.wordings, model.word_weights
                )
                measured = _measure(model, task, tune, terms, threads) if tune else {}
                if vectors is not None and model.head.vectors and model.kept:
                    kept.write(vectors, model.kept)
                return files, measured, (model.card.word_share, model.card.criteria_share)

        files, measured, shares = processes.once(finish)
    return TrainResult(
        adapter=output,
        digest=qlora.adapter_digest(files),
        files=files,
        curve=run.curve,
        tune=measured,
        looks=run.looks,
        seconds=time.monotonic() - started,
        resumed_from=run.resumed_from,
        environment=environment(threads, processes.count),
        consumed=_cases(
            [
                *(rows[number] for number in objective.rows(run.read) if number < len(rows)),
                *(known if settings.training.word_weights else ()),
            ]
        ),
        fitted=_cases([*rows, *tune, *known]),
        peak_bytes=memory.peak(),
        word_share=shares[0],
        criteria_share=shares[1],
    )


def _cases(rows: Iterable[Example]) -> tuple[str, ...]:
    return tuple(sorted({row.case_id for row in rows}))


def environment(threads: int | None = None, processes: int = 1) -> dict[str, str]:
    """What a rebuild on another machine would have to match: versions, processor, threads, processes."""
    import torch

    device = backend.device()
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else torch.backends.cpu.get_cpu_capability()
    )
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": f"{device.type} {name}",
        "threads": str(threads or torch.get_num_threads()),
        "processes": str(processes),
        **{package: version(package) for package in PACKAGES},
    }


def _settings(specification: Specification, parent: Path | None) -> Sections:
    """The recipe's sections. An update learns more slowly, because it has more to lose than a start, and sees fewer of
    the dictionary's pairs, of which its parent saw others.
    """
    found = sections(specification.settings)
    if parent is None:
        return found
    update = {
        "learning_rate": found.training.learning_rate * found.mixture.rate,
        "dictionary_pairs": round(found.training.dictionary_pairs * found.mixture.pairs),
    }
    return found.model_copy(update={"training": found.training.model_copy(update=update)})


def _card(specification: Specification, settings: Sections, task: Problem, base: Path) -> Card:
    head = head_for(specification.family, task)
    if settings.text.long == "windows" and head.causal:
        raise TrainingError("text.long: windows is for encoders. Write head_and_tail, or family: encoder")
    if settings.text.long == "windows" and task.kind == "set":
        raise TrainingError(
            f"text.long: windows needs one answer for all of a text, and a label of {task.name} says of no window "
            "which of its terms stand there. Write head_and_tail, with as many max_tokens as the base reads"
        )
    if settings.text.pool == "max" and task.positive is None:
        raise TrainingError(f"text.pool: max asks for a positive label, and {task.name} has none. Write mean")
    return Card(
        problem=task.name,
        family=specification.family,
        head=head.name,
        labels=task.labels,
        positive=task.positive,
        max_tokens=settings.text.max_tokens,
        long=settings.text.long,
        pool=settings.text.pool,
        base_source=settings.base.source,
        base_digest=settings.base.digest,
        base_files=beside_digests(base),
        bits=settings.quantisation.bits,
        compute=settings.quantisation.compute,
        specification=specification.unwatched,
        pooling=head.pooling,
        criteria=tuple(task.criteria),
    )


def _network(
    specification: Specification, settings: Sections, card: Card, base: Path, parent: Path | None
) -> tuple[Any, Any]:
    import torch

    # Before the head and the LoRA matrices are drawn: else the adapter depends on what ran before.
    torch.manual_seed(loop.seed_of(specification.seed, "weights"))
    network = load_base(base, head=card.head, labels=card.outputs, bits=card.bits, compute=card.compute)
    room = getattr(network.config, "max_position_embeddings", None)
    if room is not None and card.max_tokens > room:
        raise TrainingError(f"text.max_tokens {card.max_tokens}: this base reads {room} tokens at most")
    if settings.training.gradient_checkpointing:
        network.activation_checkpointing_enable({"use_reentrant": False})
        keep_cache_when_recomputing(network)
    tokenizer = load_tokenizer(base)
    method = settings.training.method
    if method == "lora":
        qlora.require_targets(network, settings.lora.targets)
    if parent is None:
        return qlora.attach(network, settings.lora, card.head, method=method), tokenizer
    continued = qlora.continue_from(
        network, parent, settings.lora, card, method=method, origins=settings.mixture.labels
    )
    return continued, tokenizer


def _prepare(
    network: Any, card: Card, task: Problem, rows: Sequence[Example], given: Given, parent: Path | None
) -> None:
    if parent is None and card.head in PREPARE:
        PREPARE[card.head](network, task, rows, given)
    elif parent is not None and card.head in FOLLOW:
        FOLLOW[card.head](network, task, rows, given, Card.read(parent).labels)


def _with_threshold(model: Model, tune: Sequence[Example], terms: pd.DataFrame | None) -> Card:
    card = model.card
    if model.head.threshold and tune:
        return dataclasses.replace(card, threshold=model.head.threshold(model, tune, terms))
    if card.positive is None or model.head.probabilities is None:
        return card
    scores, _ = model.head.probabilities(model, [row.text for row in tune])
    column = card.labels.index(card.positive)
    found = best_threshold(
        [float(row[column]) for row in scores], [row.label == card.positive for row in tune]
    )
    return dataclasses.replace(card, threshold=found)


def _look(
    model: Model, task: Problem, tune: Sequence[Example], terms: pd.DataFrame | None, threads: int | None
) -> dict[str, float]:
    """The metrics on the way: the network has changed since the last look."""
    model.kept.clear()
    return _measure(model, task, tune, terms, threads)


def _measure(
    model: Model, task: Problem, tune: Sequence[Example], terms: pd.DataFrame | None, threads: int | None
) -> dict[str, float]:
    """The problem's metrics on the tune split; one that its rows do not define is left out."""
    found = model.predict(tune, terms=terms, threads=threads)
    answered = frame(tune, found)
    values = {name: metric(answered) for name, metric in task.metrics.items()}
    return {name: value for name, value in values.items() if not math.isnan(value)}
