"""`pv loaded` as a person and as a program read it; what the check does stands in the tests of the cycle."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from pvcore.cli import conduct

BODY = {
    "name": "coding@1",
    "outcome": "pass",
    "answers": 48,
    "first": "4ff6e354" * 8,
    "champion": None,
    "reasons": [],
}


@pytest.mark.parametrize("as_json", [False, True])
def test_the_check_of_a_version_is_one_field_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    (tmp_path / "pv.yaml").write_text("")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("pvcore.cycle.loaded.check", lambda *_, **__: SimpleNamespace(body=BODY))
    conduct.loaded("coding@1", workspace=tmp_path, as_json=as_json)
    said = capsys.readouterr().out
    if as_json:
        assert json.loads(said) == [BODY]
    else:
        assert f"first           {BODY['first']}\n" in said and "champion        -\n" in said
