"""What `pv` prints: no command to a terminal out of a case, no secret out of settings or the environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.table import Table
from typer.testing import CliRunner

from pvcore.cli import app
from pvcore.cli.output import console, emit, emit_json
from pvcore.config import load_settings, read_yaml, set_by_flag
from pvcore.errors import ConfigError, PvError
from pvcore.registry.store import open_store

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e:smile:[red]"


def test_a_case_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    emit([{"case": ESCAPES, "other": [ESCAPES]}], as_json=False, title="cases")
    console.print(ESCAPES, markup=False)
    shown = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\U0001f604"} & set(shown)
    assert "\\x1b]0;owned" in shown and ":smile:[red]" in shown
    emit_json({"case": ESCAPES})
    shown = capsys.readouterr().out
    assert "\x9b" not in shown and "\u202e" not in shown and json.loads(shown) == {"case": ESCAPES}


def test_a_table_of_its_own_is_clean_too(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table()
    table.add_column(ESCAPES)
    table.add_row(ESCAPES)
    console.print(table)
    assert "\x1b" not in capsys.readouterr().out


CANARY = "canary-5f1e"


@pytest.mark.parametrize(
    "text",
    [
        f"meddra_password: {CANARY}\n",
        f"PV_MEDDRA_PASSWORD: {CANARY}\n",
        f"aws_secret_access_key: {CANARY}\n",
        f"store: s3://key:{CANARY}@bucket/prefix\n",
        f"s3_endpoint: https://key:{CANARY}@minio:9000\n",
        f"threads: 2\n password: {CANARY}: x\n",
        f"password: [{CANARY}\n",
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_and_not_repeated(text: str, tmp_path: Path) -> None:
    (tmp_path / "pv.yaml").write_text(text)
    done = CliRunner().invoke(app, ["status", "-w", str(tmp_path)])
    assert isinstance(done.exception, ConfigError)
    assert CANARY not in str(done.exception) + done.output
    assert "pv.yaml" in str(done.exception)


def test_nor_from_flags_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pv.yaml").write_text("")
    with pytest.raises(ConfigError) as refused:
        set_by_flag([f"meddra_password={CANARY}"])
    assert CANARY not in str(refused.value)
    monkeypatch.setenv("PV_STORE", f"s3://key:{CANARY}@bucket")
    with pytest.raises(ConfigError) as refused:
        load_settings(tmp_path)
    assert CANARY not in str(refused.value)
    monkeypatch.setenv("PV_STORE", "s3://bucket")
    monkeypatch.setenv("PV_MEDDRA_PASSWORD", CANARY)
    assert CANARY not in repr(load_settings(tmp_path)) + load_settings(tmp_path).model_dump_json()


def test_a_store_that_fails_names_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    store = open_store("s3://bucket/prefix", endpoint="http://127.0.0.1:9")
    with pytest.raises(PvError) as refused:
        store.get("a")
    assert CANARY not in str(refused.value) + repr(store) + store.url


def test_words_of_a_yaml_fault_name_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\nb: [1\nc: 2\n")
    with pytest.raises(ConfigError, match="in line"):
        read_yaml(tmp_path / "a.yaml")
