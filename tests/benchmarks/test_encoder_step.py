"""The encoder's benchmark has both sides do the same work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
BOTH = """
import json, sys, encoder_step
asked = {"bits": 16, "compute": "float32", "autocast": False, "steps": 3, "threads": 1, "folder": sys.argv[1]}
print(json.dumps([encoder_step.side({**asked, "order": order}) for order in ("ours", "our order")]))
"""


@pytest.mark.long
def test_the_trainer_in_our_order_shows_our_losses(shared):
    command = [sys.executable, "-c", BOTH, str(shared / "data" / "vaers")]
    said = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True).stdout
    ours, theirs = json.loads(said.splitlines()[-1])
    assert theirs["losses"] == pytest.approx(ours["losses"], abs=2e-4)
    (mine, padded), (same, more) = ours["tokens"], theirs["tokens"]
    assert mine == same and padded < more  # the same texts; ours go in parts of similar length
    assert ours["losses"][2] != pytest.approx(ours["losses"][0], abs=1e-3)
