"""`pv history PROBLEM --at`: who was champion then, by which signatures, and what is no answer."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pvcore.config import Workspace, init_workspace, open_workspace
from pvcore.cycle.past import champions_at
from pvcore.errors import ConfigError, NotFound


@pytest.fixture
def workspace(registry: Any, tmp_path: Path) -> Workspace:
    root = tmp_path / "team"
    init_workspace(root)
    (root / "pv.yaml").write_text(f"store: {tmp_path / 'store'}\n", "utf-8")
    shutil.copy(registry.allowed_signers, root / "allowed_signers")
    return open_workspace(root)


def test_the_champion_of_each_moment(
    registry: Any, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pvcore.cli import main

    one, two = registry.champion("one"), registry.champion("two")
    back = registry.request(one, "rollback", occasion="again")
    registry.answer(back, "max@example.org")
    registry.promote(back)
    first, second, third = registry.ledger.state().history("seriousness")

    def told(at: str) -> list[str]:
        return [row["version"] for row in champions_at(workspace, "seriousness", at)]

    just_before = (second.moment - timedelta(milliseconds=1)).isoformat()
    assert told(first.time) == told(just_before) == [one.name]
    assert told(second.time) == [two.name]
    assert told(third.time) == told("2999-01-01") == told("2999-01-01T00:00:00+02:00") == [one.name]
    day = first.time[:10]
    assert told(day) == ([one.name, two.name, one.name] if third.time[:10] == day else told(day))
    week = "{}-W{:02}-{}".format(*first.moment.isocalendar())
    assert told(day.replace("-", "")) == told(week) == told(day)  # as ISO 8601 writes a day, too
    assert told("9999-12-31") == [one.name]
    for at, error, said in (
        ("2020-01-01", NotFound, f"had no champion at 2020-01-01, the first one since {first.time}"),
        ("yesterday", ConfigError, "is no time: write 2026-03-01"),
        ("0001-01-01T00:00:00+05:00", ConfigError, "is no time"),
    ):
        with pytest.raises(error, match=said):
            told(at)
    assert champions_at(workspace, "", second.time) == champions_at(workspace, "seriousness", second.time)
    with pytest.raises(NotFound, match="no problem had a champion at 2020-01-01"):
        champions_at(workspace, "", "2020-01-01")
    with pytest.raises(NotFound, match="It knows: seriousness"):
        champions_at(workspace, "coding", day)

    monkeypatch.setattr(
        sys,
        "argv",
        ["pv", "history", "seriousness", "--at", second.time, "--json", "-w", str(workspace.root)],
    )
    main()
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["version"], row["since"], row["until"]) == (two.name, second.time, third.time)
    assert row["signed"] == "yes" and row["digest"] == two.digest and row["switch"] == second.digest
    (signature,) = row["signatures"]
    assert signature["name"] == "Dr Jane Roe" and signature["meaning"].startswith(
        f"Dr Jane Roe approves the request to promote {two.name}"
    )
    assert signature["time"] < second.time and signature["reason"] == "fine"

    (workspace.root / "allowed_signers").write_text("# nobody any more\n")
    assert champions_at(workspace, "seriousness", day)[0]["signed"].startswith("no: ")
    monkeypatch.setattr(sys, "argv", ["pv", "history", "seriousness", "--at", day, "-w", str(workspace.root)])
    main()
    assert "signatures" in capsys.readouterr().out


def test_registered_and_never_promoted(registry: Any, workspace: Workspace) -> None:
    registry.version("one")
    with pytest.raises(NotFound, match="and has none yet"):
        champions_at(workspace, "seriousness", "2999-01-01")
