"""A base of a known shape and random weights, for figures of speed and memory where no weights are at hand.

    python benchmarks/random_base.py FOLDER --like mistral-7b|llama-3.1-8b     [--device cuda]

What it answers is noise; a step costs what it costs with the real weights. The shapes are those of the models'
published configurations; the tokenizer knows the benchmark's few words.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from engine import tokenizer_of

SHAPES = {
    "mistral-7b": {"vocab_size": 32768, "intermediate_size": 14336},
    "llama-3.1-8b": {"vocab_size": 128256, "intermediate_size": 14336},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--like", choices=SHAPES, default="mistral-7b")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer_of().save_pretrained(options.folder)
    config = LlamaConfig(
        hidden_size=4096, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8,
        max_position_embeddings=32768, pad_token_id=0, bos_token_id=None, eos_token_id=1,
        dtype=torch.bfloat16, **SHAPES[options.like],
    )  # fmt: skip
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(options.device):
        model = LlamaForCausalLM(config)
    model.save_pretrained(options.folder)
    print(f"{options.folder}: {sum(p.numel() for p in model.parameters()) / 1e9:.2f}e9 parameters")


if __name__ == "__main__":
    main()
