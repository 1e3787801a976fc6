"""Which cases a person is asked for next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pvcore.annotations import table
from pvcore.annotations.batch import make_batch
from pvcore.cli import app
from pvcore.cycle import building, migration, targeting
from pvcore.errors import ConfigError
from pvcore.records import Annotation, Case


def test_nobody_is_asked_again_for_what_was_annotated_since_the_version(own: Any, tmp_path: Path) -> None:
    ws = own.workspace
    words = ("rash", "fever", "cough", "itch", "thirst", "nausea", "pain")
    cases = [
        Case(f"new-{n}", f"A report of {words[n % 7]} and {words[n // 7]} on day {n}.") for n in range(12)
    ]
    said = [Annotation(c.case_id, "seriousness", {"serious": True}, "ann") for c in cases[:8]]
    differ = [Annotation(c.case_id, "seriousness", {"serious": False}, "bob") for c in cases[4:8]]
    table.write(cases[:8], [*said, *differ], tmp_path / "new.csv")
    own.town.drop("annotations", tmp_path / "new.csv")
    own.admit()
    assert building.build_dataset(ws, "90.1", migration.migrate(ws, "90.1").mappings)
    pool = make_batch("pool", "table", cases, [])
    chosen = targeting.next_cases(ws, "seriousness@champion", pool, 12, how="random")
    assert {case.case_id for case in chosen.cases} == {f"new-{n}" for n in range(8, 12)}
    assert chosen.known == 8


def test_a_way_that_there_is_not_is_told_before_anything_is_asked(own: Any, tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("no cases")  # which is looked at later
    where = ["seriousness@champion", str(tmp_path / "none.csv"), str(tmp_path / "out.json")]
    done = CliRunner().invoke(app, ["next", *where, "--how", "failure", "-w", str(own.workspace.root)])
    with pytest.raises(ConfigError, match="'failure' is no way to choose"):
        raise done.exception or AssertionError(done.stdout)
