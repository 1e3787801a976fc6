"""Fixtures that more than one room needs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("busy machine", deadline=None)  # a slow example is the neighbours' doing
settings.load_profile("busy machine")

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless PV_LONG asks for it: `make test-long`."""
    if "PV_LONG" not in os.environ:
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes long: make test-long"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What shares a town or a platform runs on one worker, which makes it once."""

    class Rooms(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            return "told" if file.startswith("tests/pvcore/cycle/") else file

    return Rooms(config, log)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real cases beside the checkout (PV_SHARED overrides); skips without it."""
    folder = Path(os.environ.get("PV_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data at {folder}/data: set PV_SHARED to a folder that has data/")
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT: trains in seconds, knows nothing."""
    made: Path = tiny.make_tiny_bert(tmp_path_factory.mktemp("tiny-bert"))
    return made


@pytest.fixture(scope="session")
def tiny_phi3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Phi-3 of random weights (64 wide, 2 layers) with a tokenizer of bytes: any text is in its vocabulary."""
    made: Path = tiny.make_tiny_causal(tmp_path_factory.mktemp("tiny-phi3"), "phi3")
    return made


@pytest.fixture(scope="session")
def tiny_of(
    tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, tiny_phi3: Path
) -> Callable[[str], Path]:
    """A tiny base of a model type, made once: tiny_of("qwen2")."""
    made = {"bert": tiny_base, "phi3": tiny_phi3}

    def of(kind: str) -> Path:
        if kind not in made:
            folder = tmp_path_factory.mktemp(f"tiny-{kind}")
            made[kind] = tiny.make_tiny_causal(folder, kind)
        return made[kind]

    return of


@pytest.fixture(scope="session")
def causal_network() -> Callable[..., Any]:
    """A causal model of random weights, 32 wide: causal_network("mistral", sliding_window=12)."""

    def make(kind: str, **changes: Any) -> Any:
        import torch
        import transformers

        torch.manual_seed(0)
        shape = {
            "vocab_size": 258, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
            "num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.1, "pad_token_id": 0,
            "bos_token_id": None, "eos_token_id": 1,
        }  # fmt: skip
        config = transformers.AutoConfig.for_model(kind, **{**shape, **changes})
        return transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()

    return make


@pytest.fixture(scope="session")
def town_module() -> Any:
    """tests/support/town.py, which tests of several folders build their workspace with."""
    import town

    return town
