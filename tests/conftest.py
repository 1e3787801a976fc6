"""Fixtures that more than one room needs."""

from __future__ import annotations

import importlib.util
import os
import sys
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
    """A tiny BERT: trains in seconds, knows nothing."""
    made: Path = _module("tiny").make_tiny_bert(tmp_path_factory.mktemp("tiny-bert"))
    return made


@pytest.fixture(scope="session")
def town_module() -> Any:
    """tests/town.py, which tests of several folders build their workspace with."""
    return _module("town")


def _module(name: str) -> Any:
    """A module beside this file: tests are no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
