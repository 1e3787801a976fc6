"""Loading a base in NF4 and an adapter on it: the one way for training and for prediction."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from pvcore.errors import TrainingError
from pvcore.inference import backend, refusals
from pvcore.inference.heads import HEADS, NEW_HEADS

ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout")
"""Set to 0: with it torch leaves the fused attention, whose result is the same on any number of threads."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
LOAD_ERRORS = (
    OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, ImportError, StrictDataclassError,
    SafetensorError,
)  # fmt: skip
"""What transformers raises for a folder that is no model, or whose files are cut off or of another model."""


def load_tokenizer(base: Path) -> Any:
    """The base's own tokenizer; one that can say which characters a token came from.

    A control token that a text spells out ("[PAD]" where something was blacked out, "<|end|>") is text like any
    other: only what the platform itself puts around a text is one.
    """
    from transformers import AutoTokenizer

    if not any((base / name).is_file() for name in TOKENIZERS):
        # Some classes of transformers start with an empty vocabulary then, without a word.
        raise TrainingError(f"base {base}: it has no tokenizer (none of {', '.join(TOKENIZERS)})")
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(
                str(base), trust_remote_code=False, local_files_only=True, split_special_tokens=True
            )
    except Exception as error:  # the tokenizers library raises Exception itself
        raise TrainingError(f"base {base}: its tokenizer cannot be loaded: {error}") from error
    if not tokenizer.is_fast:
        raise TrainingError(
            f"base {base}: it has no fast tokenizer (tokenizer.json); convert it once and save it"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def load_base(base: Path, *, head: str, labels: tuple[str, ...], bits: int, compute: str) -> Any:
    """The frozen base with the head a problem needs, on the CUDA device where there is one.

    An encoder's unquantised parameters and a new head stay float32 whatever `compute` is: a head in
    bfloat16 loses the resolution of its scores. A causal model keeps embeddings and output head in
    `compute`, and nothing is copied up to float32 (about 2 GB on an 8B model). A new head is drawn
    from torch's random state: seed before. Raises TrainingError.
    """
    import torch
    import transformers

    refusals.require(f"base {base}", refusals.of_base(base))
    chosen, dtype = HEADS[head], getattr(torch, compute)
    if not chosen.causal and bits == 16 and dtype != torch.float32:
        raise TrainingError("an unquantised encoder computes in float32: write compute: float32, or bits: 4")
    options: dict[str, Any] = {
        "dtype": dtype if chosen.causal else torch.float32,
        "device_map": {"": str(backend.device())},
        "trust_remote_code": False,
        "local_files_only": True,
        "use_safetensors": True,
    }
    if bits == 4:
        backend.bitsandbytes()
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
            # None lets transformers skip the output head; a list replaces that, so only for new heads.
            llm_int8_skip_modules=list(NEW_HEADS) if chosen.layer else None,
        )
    if chosen.layer:
        outputs = chosen.outputs(labels)
        options |= {"num_labels": len(outputs), "id2label": dict(enumerate(outputs))}
        options["label2id"] = {output: number for number, output in enumerate(outputs)}
    try:
        with quiet():
            config = transformers.AutoConfig.from_pretrained(
                str(base), trust_remote_code=False, local_files_only=True
            )
            model, found = getattr(transformers, chosen.auto).from_pretrained(
                str(base),
                output_loading_info=True,
                **options,
                **{n: 0.0 for n in ATTENTION_DROPOUT if getattr(config, n, None)},
            )
    except LOAD_ERRORS as error:
        raise TrainingError(f"base {base} cannot be loaded: {error}") from error
    if wrong := misfits(model, found, new_head=chosen.layer):
        raise TrainingError(f"base {base}: {'; '.join(wrong)}. Is config.json that of these weights?")
    if chosen.pooling:
        # Nothing reads it, and one that the base came without is left in a state that bitsandbytes cannot run.
        model.base_model.pooler = torch.nn.Identity()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return keep_training_layout(model)


def misfits(model: Any, found: Mapping[str, Any], *, new_head: bool) -> list[str]:
    """What of a base's weights does not fit its configuration, from transformers' loading info.

    A weight that is missing would be drawn at random, a layer too many left out, both without a word.
    What stands on the base as a new head is always missing, a pooler where the base was trained without one.
    """
    within = f"{model.base_model_prefix}." if new_head else ""
    drawn = [k for k in found["missing_keys"] if k.startswith(within) and "pooler" not in k.split(".")]
    left = [key for key in found["unexpected_keys"] if re.search(r"\.\d+\.", key)]
    other = [str(key[0]) for key in found["mismatched_keys"]]
    return [
        f"{len(keys)} weights {words} ({', '.join(sorted(keys)[:3])}{', ...' if len(keys) > 3 else ''})"
        for keys, words in (
            (drawn, "are missing"),
            (left, "of layers that the configuration lacks"),
            (other, "have another shape than the configuration says"),
        )
        if keys
    ]


def keep_training_layout(model: Any) -> Any:
    """Forbid bitsandbytes to repack 4-bit weights for inference.

    On CPUs with AVX512-BF16 a forward pass in eval mode repacks them, `train()` does not undo it,
    and every gradient after it is wrong without an exception.
    """
    bnb = backend.bitsandbytes()
    for module in model.modules():
        if isinstance(module, bnb.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False
    return model


def load_adapter(model: Any, folder: Path, *, trainable: bool = False) -> Any:
    """A base with the adapter of `folder` on it. Raises TrainingError for an adapter that does not fit."""
    from peft import PeftModel

    if not (folder / "adapter_model.safetensors").is_file():
        raise TrainingError(f"{folder} holds no adapter_model.safetensors")
    refusals.require(f"the adapter {folder}", refusals.of_adapter(folder))
    try:
        with quiet():
            loaded = PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"the adapter {folder} does not fit its base: {error}") from error
    keep_training_layout(loaded)
    return loaded.train(trainable)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no remarks of transformers, put back at the end."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # peft 0.21 asks transformers 5 by a name that transformers is about to change.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
