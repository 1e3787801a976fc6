"""Settings, recipes and policy: where a value comes from, and what a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvcore.config import SECRETS, Recipe, Settings, init_workspace, open_workspace
from pvcore.errors import ConfigError, NotFound

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PV_WORKSPACE", raising=False)
    init_workspace(tmp_path)
    return tmp_path


def test_a_fresh_workspace_opens_with_every_recipe_and_the_policy(root: Path) -> None:
    opened = open_workspace(root)
    assert set(opened.recipes()) == {"seriousness", "coding"}
    policy = opened.policy()
    assert set(policy.gate.problems) == {"seriousness", "coding"}
    assert policy.approval.roles and len(policy.digest) == 64


def test_init_overwrites_nothing(root: Path) -> None:
    (root / "pv.yaml").write_text("threads: 3\n")
    assert init_workspace(root) == []
    assert open_workspace(root).settings.threads == 3


def test_flags_before_environment_before_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "pv.yaml").write_text("threads: 3\nmeddra_policy: 2\nseed: 5\n")
    monkeypatch.setenv("PV_MEDDRA_POLICY", "4")
    monkeypatch.setenv("PV_SEED", "6")
    found = open_workspace(root, seed=7).settings
    assert (found.threads, found.meddra_policy, found.seed) == (3, 4, 7)


def test_a_secret_in_a_file_is_refused_and_never_shown(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "pv.yaml").write_text("meddra_password: hunter2\n")
    with pytest.raises(ConfigError, match="PV_MEDDRA_PASSWORD") as refused:
        open_workspace(root)
    assert "hunter2" not in str(refused.value)
    (root / "pv.yaml").write_text("")
    monkeypatch.setenv("PV_MEDDRA_PASSWORD", "hunter2")
    assert "hunter2" not in repr(open_workspace(root))


def test_all_mistakes_are_told_at_once(root: Path) -> None:
    (root / "pv.yaml").write_text("thread: 3\nmeddra_policy: 9\n")
    with pytest.raises(ConfigError) as refused:
        open_workspace(root)
    assert "thread" in str(refused.value) and "meddra_policy" in str(refused.value)


def test_a_recipe_for_another_problem_is_refused(root: Path) -> None:
    recipe = root / "recipes" / "coding.yaml"
    recipe.write_text(recipe.read_text().replace("problem: coding", "problem: seriousness"))
    with pytest.raises(ConfigError, match="is a recipe for 'seriousness'"):
        open_workspace(root).recipes()


def test_what_guardrails_do_is_read_from_the_policy(root: Path) -> None:
    file = root / "recipes" / "policy.yaml"
    assert open_workspace(root).policy().guardrails.abstain_below == {"coding": 0.2}
    file.write_text(file.read_text().replace("unlike: warn", "unlike: shrug"))
    with pytest.raises(ConfigError, match="unlike"):
        open_workspace(root).policy()


def test_a_policy_with_an_unknown_section_is_refused(root: Path) -> None:
    policy = root / "recipes" / "policy.yaml"
    policy.write_text(policy.read_text() + "\nleniency: {}\n")
    with pytest.raises(ConfigError, match="leniency"):
        open_workspace(root).policy()


def test_no_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="pv init"):
        open_workspace(tmp_path)


def test_the_specification_holds_what_decides_the_bytes_and_nothing_else(root: Path) -> None:
    recipe = open_workspace(root).recipe("coding")
    assert set(Recipe.model_fields) - set(recipe.trained_by()) == {"problem", "family", "policy", "seed"}


def test_the_reference_names_every_setting() -> None:
    text = (ROOT / "docs" / "reference" / "settings.md").read_text()
    assert all(f"`{name}`" in text for name in Settings.model_fields)
    assert all(f"`{name}` (environment only)" in text for name in SECRETS)
