"""LoRA matrices on a quantised base: new ones, or those of the parent; and their folder on disk."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pvcore.errors import TrainingError
from pvcore.inference.base import complete, file_digest
from pvcore.inference.card import FILE as CARD
from pvcore.inference.card import Card
from pvcore.inference.check import layers_named, linear_layers
from pvcore.inference.guardrails import FILE as VECTORS
from pvcore.inference.heads import HEADS
from pvcore.inference.model import keep_training_layout, load_adapter, quiet
from pvcore.inference.word_weights import FILE as WORD_WEIGHTS
from pvcore.inference.word_weights import WordWeights
from pvcore.inference.word_weights import save as save_words
from pvcore.inference.wordings import FILE as WORDINGS
from pvcore.inference.wordings import Wordings
from pvcore.inference.wordings import save as save_wordings
from pvcore.records import digest
from pvcore.training.labels import Origins, move_head
from pvcore.training.settings import Lora

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
NO_TARGETS = "dummy-target-modules"
"""PEFT's own name for an adapter without matrices (peft.utils.constants)."""


def require_targets(model: Any, targets: Sequence[str]) -> None:
    """Raises TrainingError for a target that no layer is called: PEFT does so only where none has a layer."""
    if lost := [name for name in targets if not layers_named(model, name)]:
        raise TrainingError(
            f"lora.targets: no layer is called {', '.join(lost)}. The base has {', '.join(linear_layers(model))}"
        )


def attach(model: Any, lora: Lora, head: str, *, method: str = "lora") -> Any:
    """New LoRA matrices (and a trainable head) on every layer of `lora.targets`. Draws from torch's random state.

    With method "full" there are no matrices: PEFT trains and stores every weight whole, as it does a
    head's, so that full fine-tuning goes through the same door to training, registry and prediction.
    """
    from peft import LoraConfig, get_peft_model

    whole = sorted(
        {name.rpartition(".")[2] for name, m in model.named_modules() if list(m.parameters(False))}
    )
    config = LoraConfig(
        task_type=HEADS[head].task,
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets) if method == "lora" else NO_TARGETS,
        modules_to_save=whole if method == "full" else None,
        # Nothing here (see load_base), but a layer on the base of whoever loads the folder with PEFT alone.
        exclude_modules=r".*pooler.*" if HEADS[head].pooling and method == "lora" else None,
        bias="none",
    )
    try:
        with quiet():
            made = get_peft_model(model, config)
    except ValueError as error:
        raise TrainingError(
            f"lora.targets {', '.join(lora.targets)} do not fit this base: {error}"
        ) from error
    return keep_training_layout(made)


def continue_from(
    model: Any,
    parent: Path,
    lora: Lora,
    card: Card,
    *,
    method: str = "lora",
    origins: Origins = MappingProxyType({}),
) -> Any:
    """The parent's matrices, trainable, with a row of its head for each of the card's labels.

    `origins` says which labels a new one takes over (see pvcore.training.labels). Raises TrainingError
    where parent and recipe are not of one shape.
    """
    before = Card.read(parent)
    changed = [
        f"{name}: parent {getattr(before, name)!r}, recipe {getattr(card, name)!r}"
        for name in ("problem", "family", "head", "criteria", "base_digest", "base_files", "pooling")
        if getattr(before, name) != getattr(card, name)
    ]
    config = json.loads((parent / CONFIG).read_text("utf-8"))
    targets = config["target_modules"]
    for name, ours, theirs in (
        ("training.method", method, "full" if targets == NO_TARGETS else "lora"),
        ("lora.rank", lora.rank, config["r"]),
        ("lora.alpha", lora.alpha, config["lora_alpha"]),
        ("lora.targets", sorted(lora.targets), sorted(targets)),
    ):
        if ours != theirs and (method == "lora" or name == "training.method"):
            changed.append(f"{name}: parent {theirs!r}, recipe {ours!r}")
    if changed:
        raise TrainingError(
            "the parent's adapter cannot be continued under this recipe:\n  "
            + "\n  ".join(changed)
            + "\nStart from the base instead (retrain with scratch), or restore the recipe."
        )
    with tempfile.TemporaryDirectory(prefix="pv-labels-") as place:
        moved = _with_labels(parent, Path(place), before, card, origins)
        loaded = load_adapter(model, moved, trainable=True)
    for module in loaded.modules():  # the rate is a matter of training, so the recipe's counts
        for name, layer in getattr(module, "lora_dropout", {}).items():
            if hasattr(layer, "p"):
                layer.p = lora.dropout
            elif lora.dropout:
                import torch

                module.lora_dropout[name] = torch.nn.Dropout(lora.dropout)
    return loaded


def _with_labels(parent: Path, place: Path, before: Card, card: Card, origins: Origins) -> Path:
    """The parent's folder, or a copy in `place` with a head for other labels."""
    from safetensors.torch import load_file, save_file

    if before.labels == card.labels:
        return parent
    shutil.copy(parent / CONFIG, place)
    tensors = move_head(
        load_file(parent / WEIGHTS), before.labels, card.labels, origins,
        criteria=len(card.criteria), tags=len(HEADS[card.head].tags) or 1,
    )  # fmt: skip
    save_file(tensors, place / WEIGHTS)
    return place


def trainable(model: Any) -> dict[str, Any]:
    """{name: parameter} of everything that is trained, by name; all in float32."""
    found = {
        name: parameter for name, parameter in sorted(model.named_parameters()) if parameter.requires_grad
    }
    half = [name for name, parameter in found.items() if str(parameter.dtype) != "torch.float32"]
    if not found or half:
        raise TrainingError(f"nothing to train, or trained in less than float32: {', '.join(half[:3])}")
    return found


def save(
    model: Any,
    folder: Path,
    card: Card,
    prototypes: Any = None,
    wordings: Wordings | None = None,
    word_weights: WordWeights | None = None,
) -> dict[str, str]:
    """Write a plain PEFT folder with pv.json, whole or not at all; returns {name: SHA-256}.

    `prototypes`, the vectors that guardrails measure from, `wordings`, further names of terms, and `word_weights` go
    into files of their own, named in the card.
    PEFT's own writer would leave a set in random order, a path of this machine and a README in it.
    """
    from peft import get_peft_model_state_dict
    from safetensors.numpy import save_file as save_vectors
    from safetensors.torch import save_file

    config = model.peft_config["default"].to_dict()
    config |= {"base_model_name_or_path": card.base_source, "inference_mode": True, "revision": None}
    if card.base_source.startswith("hub:"):
        name, _, config["revision"] = card.base_source.removeprefix("hub:").partition("@")
        config["base_model_name_or_path"] = name
    plain = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    plain = {key: getattr(value, "value", value) for key, value in plain.items()}
    with quiet():
        state = get_peft_model_state_dict(model, save_embedding_layers=False)

    def fill(work: Path) -> None:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(state.items())}
        save_file(tensors, work / WEIGHTS, metadata={"format": "pt"})
        (work / CONFIG).write_text(json.dumps(plain, indent=2, sort_keys=True) + "\n", "utf-8")
        named = card
        if prototypes is not None:
            save_vectors({"prototypes": prototypes}, work / VECTORS)
            named = dataclasses.replace(named, prototypes=file_digest(work / VECTORS))
        if wordings is not None:
            named = dataclasses.replace(named, wordings=save_wordings(wordings, work))
        if word_weights is not None:
            named = dataclasses.replace(named, word_weights=save_words(word_weights, work))
        named.write(work)

    return adapter_files(complete(folder, fill))


def adapter_files(folder: Path) -> dict[str, str]:
    """{name: SHA-256} of an adapter's files: three, and those of guardrails, wordings and words where it has some."""
    further = (name for name in (VECTORS, WORDINGS, WORD_WEIGHTS) if (folder / name).exists())
    return {name: file_digest(folder / name) for name in (CONFIG, WEIGHTS, CARD, *further)}


def adapter_digest(files: dict[str, str]) -> str:
    """The digest that names an adapter."""
    return digest(files)
