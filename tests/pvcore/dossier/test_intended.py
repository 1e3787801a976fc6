from __future__ import annotations

from pathlib import Path

import pytest

from pvcore.config import init_workspace
from pvcore.dossier.intended import FOLDER, IntendedUse, intended_use
from pvcore.errors import ConfigError
from pvcore.problems import PROBLEMS


def test_every_problem_has_generic_text_that_says_so(tmp_path: Path) -> None:
    init_workspace(tmp_path)
    optional = {"stated_by", "stated_on", "licence"}
    for problem in PROBLEMS:
        found = intended_use(tmp_path, problem)
        assert found == intended_use(tmp_path / "elsewhere", problem)
        assert "nobody who answers" in found.origin
        assert all(value for name, value in found.model_dump().items() if name not in optional), problem
    assert intended_use(tmp_path, "a-sixth") == IntendedUse()


def test_a_company_states_its_own_with_a_name_and_a_day(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "coding.yaml").write_text(
        "stated_by: Dr Jane Roe\nstated_on: 2026-02-01\npurpose: Ours."
    )
    found = intended_use(tmp_path, "coding")
    assert found.origin == "Stated by Dr Jane Roe on 2026-02-01." and found.purpose == "Ours."


def test_all_faults_of_a_file_come_together(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "coding.yaml").write_text("purpos: x\nusers: everybody")
    with pytest.raises(ConfigError, match=r"coding\.yaml: 2 setting") as caught:
        intended_use(tmp_path, "coding")
    assert "purpos" in str(caught.value) and "users" in str(caught.value)
    (tmp_path / FOLDER / "coding.yaml").write_text("stated_by: Dr Jane Roe")
    with pytest.raises(ConfigError, match="since when"):
        intended_use(tmp_path, "coding")
