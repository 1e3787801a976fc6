"""Whether a base can be trained under a recipe: every fault at once, and no weight is read.

The network is built on torch's meta device, where parameters have shapes and no numbers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvcore.errors import Fault, TrainingError
from pvcore.inference import refusals
from pvcore.inference.base import weight_files
from pvcore.inference.heads import HEADS
from pvcore.inference.model import LOAD_ERRORS, NEW_HEADS, load_tokenizer, misfits, quiet

NF4_BITS = 4 + 8 / 64 + 32 / (64 * 256)
"""Bits a weight: 4, one byte a block of 64, one float32 for 256 blocks (QLoRA, Dettmers et al. 2023, section 3)."""
TRAINED = 16
"""Bytes a parameter of the adapter: float32 weight, gradient and AdamW's two moments."""


@dataclass(frozen=True)
class BaseCheck:
    """What a base is and what is wrong with it. `layers` are the names that lora.targets can have.

    `weights` and `adapter` are bytes of memory, computed from the shapes: the frozen base as it is
    loaded, and the LoRA matrices with gradients and optimiser. Activations come on top.
    """

    architecture: str = ""
    parameters: int = 0
    positions: int | None = None
    layers: tuple[str, ...] = ()
    weights: int = 0
    adapter: int = 0
    notes: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def trained(self) -> float:
        """The adapter's parameters as a share of the base's; a new head comes on top."""
        return self.adapter / TRAINED / self.parameters if self.parameters else 0.0


def check_base(
    folder: Path, *, head: str, targets: Sequence[str], rank: int, max_tokens: int, bits: int, compute: str
) -> BaseCheck:
    """Look at the base in `folder` for a head of that name. Nothing is raised for a bad base: see `faults`."""
    faults: list[Fault] = []
    notes: list[str] = []
    raw = _json(folder / "config.json", faults)
    if raw.get("auto_map"):
        notes.append("it comes with code of its own (auto_map), which is never run")
    refused = refusals.of_base(folder)
    faults += refused
    network = _network(folder, raw, head, faults) if raw and not refused else None
    if raw.get("quantization_config"):
        faults.append(
            Fault("config.json", "the weights are quantised already", "take the unquantised repository")
        )
    _check_weights(folder, head, network is not None, faults)
    vocabulary = _tokenizer_size(folder, faults)
    if network is None:
        return BaseCheck(notes=tuple(notes), faults=tuple(faults))
    inner = network.config.get_text_config()
    positions = getattr(inner, "max_position_embeddings", None)
    if positions and max_tokens > positions:
        faults.append(
            Fault("text.max_tokens", f"{max_tokens}, but the base reads {positions} tokens at most")
        )
    if vocabulary > inner.vocab_size:
        faults.append(
            Fault("tokenizer", f"{vocabulary} tokens, but the base has embeddings for {inner.vocab_size}")
        )
    layers = linear_layers(network)
    faults += [
        Fault("lora.targets", f"no layer is called {target}", f"it has {', '.join(layers)}")
        for target in targets
        if not layers_named(network, target)
    ]
    if left := [name for name in layers if name not in targets]:
        notes.append(f"linear layers that lora.targets leaves as they are: {', '.join(left)}")
    return BaseCheck(
        architecture=type(network).__name__,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        positions=positions,
        layers=layers,
        weights=_weight_bytes(network, HEADS[head].causal, bits, compute),
        adapter=TRAINED * rank * sum(sum(m.weight.shape) for t in targets for m in layers_named(network, t)),
        notes=tuple(notes),
        faults=tuple(faults),
    )


def _json(file: Path, faults: list[Fault]) -> dict[str, Any]:
    try:
        value = json.loads(file.read_text("utf-8"))
        if isinstance(value, dict):
            return value
        faults.append(Fault(file.name, "is no mapping"))
    except FileNotFoundError:
        faults.append(Fault(file.name, f"does not exist in {file.parent}", "is this the folder of a model?"))
    except (OSError, ValueError) as error:
        faults.append(Fault(file.name, f"cannot be read: {error}"))
    return {}


def _network(folder: Path, raw: dict[str, Any], head: str, faults: list[Fault]) -> Any:
    """The network without numbers, None where transformers itself does not know it."""
    import torch
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL

    kind, chosen = raw.get("model_type"), HEADS[head]
    if kind not in CONFIG_MAPPING_NAMES:
        why = (
            "it needs code of its own (auto_map), and code of a base is never run"
            if raw.get("auto_map")
            else "is the installed one too old?"
        )
        faults.append(
            Fault("config.json", f"transformers {transformers.__version__} has no model_type {kind!r}", why)
        )
        return None
    written = raw.get("architectures") or []
    if chosen.causal and not set(written) & set(CAUSAL.values()):
        faults.append(
            Fault(
                "family",
                f"causal, but the base is {', '.join(written) or 'of no stated architecture'}, "
                "which does not write text",
                "family: encoder, or another base",
            )
        )
    try:
        with quiet(), torch.device("meta"):
            config = transformers.AutoConfig.from_pretrained(
                str(folder), trust_remote_code=False, local_files_only=True
            )
            return getattr(transformers, chosen.auto).from_config(config, trust_remote_code=False)
    except LOAD_ERRORS as error:
        faults.append(Fault("config.json", f"no {chosen.auto} can be made of it: {_first(error)}"))
        return None


def _check_weights(folder: Path, head: str, known: bool, faults: list[Fault]) -> None:
    """Names and shapes of the weights' headers against the configuration, and that no file is cut off."""
    import transformers
    from safetensors import SafetensorError, safe_open

    try:
        files = weight_files(folder)
    except TrainingError as error:
        faults.append(Fault("weights", str(error).removeprefix(f"base {folder}: ")))
        return
    broken = []
    for file in files:
        try:
            with safe_open(file, "pt"):
                pass
        except (OSError, SafetensorError) as error:
            broken.append(Fault(file.name, f"is cut off or no safetensors file: {error}", "fetch it again"))
    faults += broken
    if broken or not known:
        return
    try:
        with quiet():
            model, found = getattr(transformers, HEADS[head].auto).from_pretrained(
                str(folder),
                device_map={"": "meta"},
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                trust_remote_code=False,
                local_files_only=True,
                use_safetensors=True,
            )
        wrong = misfits(model, found, new_head=HEADS[head].layer)
        faults += [Fault("weights", words, "is config.json that of these weights?") for words in wrong]
    except LOAD_ERRORS as error:
        faults.append(Fault("weights", f"cannot be loaded: {_first(error)}"))


def _tokenizer_size(folder: Path, faults: list[Fault]) -> int:
    try:
        return len(load_tokenizer(folder))
    except TrainingError as error:
        faults.append(Fault("tokenizer", str(error).removeprefix(f"base {folder}: ").partition("\n")[0]))
        return 0


def linear_layers(network: Any) -> tuple[str, ...]:
    """The last names of all linear layers that LoRA is meant for: not the output head, a new head or a pooler."""
    import torch

    outer = network.get_output_embeddings()
    return tuple(
        dict.fromkeys(
            name.rpartition(".")[2]
            for name, module in network.named_modules()
            if isinstance(module, torch.nn.Linear)
            and module is not outer
            and not {*NEW_HEADS, "pooler"} & set(name.split("."))
        )
    )


def layers_named(network: Any, target: str) -> list[Any]:
    """The layers that PEFT takes for a target: those of the name, or whose name ends in it."""
    return [
        module
        for name, module in network.named_modules()
        if (name == target or name.endswith(f".{target}")) and hasattr(module, "weight")
    ]


def _weight_bytes(network: Any, causal: bool, bits: int, compute: str) -> int:
    """Bytes of the frozen base as `load_base` loads it: linear layers in NF4, the rest as it computes."""
    import torch

    wide = 2 if causal and compute == "bfloat16" else 4
    outer = network.get_output_embeddings()
    packed = {
        id(module.weight)
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear)
        and module is not outer
        and name.rpartition(".")[2] not in NEW_HEADS
    }
    return round(
        sum(
            parameter.numel() * (NF4_BITS / 8 if bits == 4 and id(parameter) in packed else wide)
            for parameter in network.parameters()
        )
    )


def _first(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
