"""A base that is at hand only as a GGUF file (llama.cpp's format), made into a folder of safetensors.

The weights of a GGUF file are mostly quantised. They are written as the numbers that they stand for, so the
base is the quantised model: a little worse than the one that it was made of, and with another digest.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

from pvcore.errors import TrainingError
from pvcore.inference.base import base_digest, complete, file_digest
from pvcore.inference.model import quiet
from pvcore.records import canonical

ORIGIN = "gguf.json"
"""What the folder was made of: the file's name and its SHA-256."""
MAGIC = b"GGUF"
NEEDED = "GGUF is read by the package gguf. Run: pip install 'pv-retrain[gguf]'"


def convert(
    file: Path, output: Path, *, dtype: Literal["bfloat16", "float16", "float32"] = "bfloat16"
) -> str:
    """Write the causal model and the tokenizer of a GGUF file into the new folder `output`; returns its digest.

    The same file makes the same bytes. Raises TrainingError without the package gguf, for another kind of
    file, an architecture that transformers does not read from GGUF, a folder that holds something
    already; nothing is left behind then.
    """
    if output.exists() and any(output.iterdir() if output.is_dir() else [output]):
        raise TrainingError(f"{output} is there already. Choose a folder that is not.")
    with file.open("rb") as opened:
        if opened.read(len(MAGIC)) != MAGIC:
            raise TrainingError(f"{file} is no GGUF file: it does not begin with {MAGIC.decode()}.")
    try:
        import gguf  # noqa: F401
    except ImportError:
        raise TrainingError(f"{file}: {NEEDED}") from None
    try:
        model, tokenizer = _read(file, dtype)
    except Exception as error:  # the tokenizers library raises Exception itself
        raise TrainingError(f"{file} cannot be read: {type(error).__name__}: {error}") from error

    def fill(folder: Path) -> None:
        with quiet():
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        (folder / ORIGIN).write_bytes(canonical({"file": file.name, "sha256": file_digest(file)}))

    return base_digest(complete(output, fill))


def _read(file: Path, dtype: str) -> tuple[Any, Any]:
    """Model and tokenizer as transformers reads them from GGUF, the model as one that was never quantised."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model: Any = AutoModelForCausalLM.from_pretrained(
            str(file.parent), dtype=getattr(torch, dtype), **options
        )
        tokenizer = AutoTokenizer.from_pretrained(str(file.parent), **options)
    # transformers keeps the mark of a quantised model, which it then refuses to save.
    del model.config.quantization_config
    model.hf_quantizer, model.is_quantized = None, False
    return model, tokenizer
