"""The encoder's benchmark has both sides do the same work."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.mark.slow
def test_the_trainer_in_our_order_shows_our_losses(shared, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("encoder_step", FOLDER / "encoder_step.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    options = argparse.Namespace(steps=3, threads=1, folder=shared / "data" / "vaers")
    ours, theirs = (module.measured((order, 16, "float32"), options) for order in ("ours", "our order"))
    assert theirs["losses"] == pytest.approx(ours["losses"], abs=2e-4)
    (mine, padded), (same, more) = ours["tokens"], theirs["tokens"]
    assert mine == same and padded < more  # the same texts; ours go in parts of similar length
    assert ours["losses"][2] != pytest.approx(ours["losses"][0], abs=1e-3)
