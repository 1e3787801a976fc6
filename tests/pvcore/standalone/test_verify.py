"""The files that an outsider gets: each stands alone; what they make of a real export is tested there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from pvcore.standalone import recount, verify

FILES = [Path(str(module.__file__)) for module in (verify, recount)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_it_is_one_file_that_an_auditor_can_read_and_an_old_python_run(file: Path) -> None:
    text = file.read_text("utf-8")
    assert len(text.splitlines()) <= 500
    tree = ast.parse(text, feature_version=(3, 9))
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in named} <= sys.stdlib_module_names
    assert "strict=" not in text  # zip takes it from Python 3.10 on


def test_it_runs_with_nothing_installed_and_tells_what_it_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", str(FILES[0])]
    told = subprocess.run([*command, "--help"], capture_output=True, text=True, env={}, check=True).stdout
    assert "--allowed-signers FILE" in told and "kept elsewhere" in told
    empty = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, env={})
    assert empty.returncode == 1 and empty.stdout.startswith("DOES NOT HOLD  files: their digests")
    assert not empty.stderr
    again = subprocess.run(
        [*command[:-1], str(FILES[1]), str(tmp_path)], capture_output=True, text=True, env={}
    )
    assert again.returncode == 1 and again.stdout.startswith("DOES NOT HOLD  the folder") and not again.stderr
