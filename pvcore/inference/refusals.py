"""What a folder of a base or of an adapter must not hold, looked for before any of it is loaded.

The digest of a base is that of its weights. What stands beside them comes from the same stranger, and the
libraries that load it follow what it says: another model's weights, modules to import, sizes without a bound.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pvcore.errors import Fault, TrainingError

ADAPTED = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin")
"""transformers puts an adapter that lies in a base's folder onto the base, whatever weights are pinned."""
BOUNDS: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"layers?$|blocks$"), 1_000),
    (re.compile(r"^num_|^n_|_size$|_dim$|_rank$|^d_|heads$|embeddings$|positions$"), 2**24),
)
"""Of the numbers in a configuration; the largest published models stay far below. The first that fits counts."""
COMPUTED = ("eager", "sdpa")
"""Ways to compute that are transformers' own. Any other may name a repository whose code would be fetched and run."""
ADAPTER = "adapter_config.json"
FREE = frozenset({
    "task_type", "r", "lora_alpha", "lora_dropout", "target_modules", "modules_to_save", "exclude_modules", "bias",
    "base_model_name_or_path", "inference_mode", "revision", "peft_version",
})  # fmt: skip
"""Keys of a LoRA configuration that may differ from PEFT's defaults. Others import modules, read files, or
compute new weights from what is there."""


def of_base(folder: Path) -> list[Fault]:
    """Every reason not to load the base in a folder."""
    faults = [
        Fault(
            name, "an adapter in the folder of a base would be put onto it unnoticed", "move it out of there"
        )
        for name in ADAPTED
        if (folder / name).exists()
    ]
    for path, value in _values(_read(folder / "config.json"), ""):
        if path.endswith("_implementation") and value is not None and value not in COMPUTED:
            advice = f"remove it, or write {' or '.join(COMPUTED)}"
            faults.append(Fault(f"config.json, {path}", f"{value!r:.80} could be code of its own", advice))
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        most = next((bound for name, bound in BOUNDS if name.search(path.rpartition(".")[2])), None)
        if most is not None and not 0 <= value <= most:
            faults.append(Fault(f"config.json, {path}", f"{value:.15g}, between 0 and {most} is expected"))
    return faults


def of_adapter(folder: Path) -> list[Fault]:
    """Every reason not to load the adapter in a folder: PEFT's plain LoRA and nothing else."""
    from peft import LoraConfig

    found = _read(folder / ADAPTER)
    if found.get("peft_type") != "LORA":
        return [Fault(ADAPTER, f"peft_type {found.get('peft_type')!r:.60}, only LORA is loaded")]
    plain = json.loads(json.dumps(LoraConfig().to_dict(), default=str))
    return [
        Fault(f"{ADAPTER}, {key}", f"{value!r:.80} is no setting of plain LoRA")
        for key, value in sorted(found.items())
        # What is off asks for nothing, whichever version of PEFT wrote it down.
        if key not in FREE and value and value != plain.get(key)
    ]


def require(what: str, faults: list[Fault]) -> None:
    """Raise TrainingError with all faults, if there are any."""
    if faults:
        raise TrainingError(f"{what} is not loaded:\n  " + "\n  ".join(map(str, faults)))


def _read(file: Path) -> Mapping[str, Any]:
    """The object in a JSON file; {} for any other, which whoever loads it refuses with its own words."""
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _values(value: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        if isinstance(inner, dict) and not key.endswith("_implementation"):
            yield from _values(inner, f"{path}{key}.")
        else:
            yield f"{path}{key}", inner
