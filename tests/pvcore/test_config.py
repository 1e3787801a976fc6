"""Settings, recipes and policy: where a value comes from, and what a mistake is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pvcore.config import SECRETS, Recipe, Settings, init_workspace, open_workspace, set_by_flag
from pvcore.errors import ConfigError, NotFound
from pvcore.problems import PROBLEMS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PV_WORKSPACE", raising=False)
    init_workspace(tmp_path)
    return tmp_path


def test_a_fresh_workspace_opens_with_every_recipe_and_the_policy(root: Path) -> None:
    opened = open_workspace(root)
    assert set(opened.recipes()) == set(PROBLEMS)
    policy = opened.policy()
    assert set(policy.gate.problems) == set(PROBLEMS)
    assert policy.approval.roles and len(policy.digest) == 64


def test_init_overwrites_nothing(root: Path) -> None:
    (root / "pv.yaml").write_text("threads: 3\n")
    assert init_workspace(root) == []
    assert open_workspace(root).settings.threads == 3


def test_any_lines_of_a_fresh_pv_yaml_can_be_uncommented_together(root: Path) -> None:
    file, default = root / "pv.yaml", open_workspace(root).settings
    said = [
        line.removeprefix("# ") if re.match(r"# ( |[a-z0-9_]+:( |$))", line) else line
        for line in file.read_text().splitlines()
    ]
    file.write_text("\n".join(said))
    assert open_workspace(root).settings.model_dump() == default.model_dump()
    for name in set(Settings.model_fields) - set(SECRETS):
        assert f"\n{name}:" in file.read_text()


def test_flags_before_environment_before_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "pv.yaml").write_text("threads: 3\nmeddra_policy: 2\nseed: 5\n")
    monkeypatch.setenv("PV_MEDDRA_POLICY", "4")
    monkeypatch.setenv("PV_SEED", "6")
    found = open_workspace(root, seed=7).settings
    assert (found.threads, found.meddra_policy, found.seed) == (3, 4, 7)


def test_a_variable_that_is_empty_says_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`PV_STORE=$UNSET` made the workspace's own folder the store."""
    (root / "pv.yaml").write_text("threads: 3\n")
    for name in ("STORE", "THREADS", "UI_PORT"):
        monkeypatch.setenv(f"PV_{name}", "")
    opened = open_workspace(root)
    assert opened.settings.threads == 3 and opened.store.url == (root / ".pv" / "store").as_uri()
    with pytest.raises(ConfigError, match="expected NAME=VALUE"):
        set_by_flag(["store="])
    (root / "pv.yaml").write_text('store: ""\n')
    with pytest.raises(ConfigError, match="store: String should have at least 1 character"):
        open_workspace(root)


def test_a_misspelled_variable_is_refused_and_a_foreign_one_is_not(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With PV_STROE the command worked on another store, without a word."""
    for name in ("PV_LONG", "PV_SHARED", "PV_CHROMIUM", "PV_PLATFORM", "PV_SERVICE_HOST", "PV_SERVICE_PORT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PV_SEDE", "")  # says nothing
    assert open_workspace(root).settings.seed == 17
    monkeypatch.setenv("PV_STROE", "s3://bucket")
    monkeypatch.setenv("PV_MEDDRA_PASWORD", "hunter2")
    with pytest.raises(
        ConfigError, match=r"PV_MEDDRA_PASSWORD meant.*PV_STROE \(is PV_STORE meant"
    ) as caught:
        open_workspace(root)
    assert "hunter2" not in str(caught.value)


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


def test_the_faults_of_a_policy_are_told_together_each_with_its_section(root: Path) -> None:
    file = root / "recipes" / "policy.yaml"
    text = file.read_text().replace("  roles: []  ", "  roles: archivist  ")
    text = text.replace("  valid_days: 14", "  valid_days: soon").replace(
        "roles: [safety-physician]}", "role: x}"
    )
    file.write_text(text.replace("cases: 16", "cases: 0").replace("confidence: 0.95", "confidence: 2"))
    with pytest.raises(ConfigError) as told:
        open_workspace(root).policy()
    for place in (
        "retention.roles",
        "approval.valid_days",
        "signers.0.role",
        "loaded.cases",
        "evaluation.confidence",
    ):
        assert f"\n  {place}: " in str(told.value)


def test_a_misspelled_problem_holds_no_batch_and_is_refused(root: Path) -> None:
    policy = root / "recipes" / "policy.yaml"
    policy.write_text(
        policy.read_text().replace("minimum_kappa: {seriousness:", "minimum_kappa: {seriosness:")
    )
    with pytest.raises(ConfigError, match=r"minimum_kappa knows no seriosness\. There are .*seriousness"):
        open_workspace(root).policy()
    stored = open_workspace(root).policy(stored={"annotations": {"minimum_kappa": {"former": 0.6}},
                                                 "approval": {"roles": ["physician"]}})  # fmt: skip
    assert stored.annotations.minimum_kappa == {"former": 0.6}


def test_a_key_that_stands_twice_is_refused_with_both_lines(root: Path) -> None:
    policy = root / "recipes" / "policy.yaml"
    lines = policy.read_text().splitlines()
    first = lines.index(
        "    floors:                         # first promotion: the lower end of the interval must reach these"
    )
    policy.write_text("\n".join([*lines, "seed: 1", "seed: 1"]).replace(
        "      roc_auc: 0.65", "      roc_auc: 0.65\n    floors: {average_precision: 0.01}"))  # fmt: skip
    with pytest.raises(ConfigError) as refused:
        open_workspace(root).policy()
    end = len(lines) + 3
    assert str(refused.value) == (
        f"{policy}: problems.seriousness.floors stands in line {first + 1} and again in line {first + 4}; "
        f"seed stands in line {end - 1} and again in line {end}. Which one is meant? Remove the other."
    )
    (root / "recipes" / "coding.yaml").write_text("seed: 1\nproblem: coding\nseed: 2\n")
    (root / "pv.yaml").write_text("threads: 1\nthreads: 2\n")
    with pytest.raises(ConfigError, match=r"pv\.yaml: threads stands in line 1 and again in line 2"):
        open_workspace(root)
    (root / "pv.yaml").write_text("")
    with pytest.raises(ConfigError, match=r"coding\.yaml: seed stands in line 1 and again in line 3"):
        open_workspace(root).recipe("coding")


def test_personal_data_follows_the_strictest_policy_that_a_recipe_names(root: Path) -> None:
    recipes = root / "recipes"
    for name in set(PROBLEMS) - {"seriousness", "coding"}:
        (recipes / f"{name}.yaml").unlink(missing_ok=True)
    for name, action in (("seriousness", "warn"), ("coding", "quarantine")):
        (recipes / f"{name}-policy.yaml").write_text(
            f"personal_data: {{phone: {action}, email: warn}}\napproval: {{roles: [physician]}}\n"
        )
        file = recipes / f"{name}.yaml"
        file.write_text(file.read_text().replace("policy: policy.yaml", f"policy: {name}-policy.yaml"))
    (recipes / "policy.yaml").unlink()
    found = open_workspace(root).personal_data()
    assert (found.phone, found.email, found.address) == ("quarantine", "warn", "quarantine")
    for name in ("seriousness", "coding"):
        (recipes / f"{name}.yaml").unlink()
        (recipes / f"{name}-policy.yaml").unlink()
    (recipes / "policy.yaml").write_text("personal_data: {phone: ignore}\napproval: {roles: [physician]}\n")
    assert open_workspace(root).personal_data().phone == "ignore"


@pytest.mark.parametrize("name", ["seriousness-old", "seriosness"])
def test_a_recipe_of_no_problem_is_named(root: Path, name: str) -> None:
    """An update ended with KeyError, or with words that named no file."""
    text = (root / "recipes" / "seriousness.yaml").read_text()
    (root / "recipes" / f"{name}.yaml").write_text(text.replace("problem: seriousness", f"problem: {name}"))
    with pytest.raises(ConfigError, match=rf"{name}\.yaml: a recipe is called as its problem is"):
        open_workspace(root).recipes()


def test_no_workspace_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="pv init"):
        open_workspace(tmp_path)


def test_the_specification_holds_what_decides_the_bytes_and_nothing_else(root: Path) -> None:
    recipe = open_workspace(root).recipe("triage")
    assert set(Recipe.model_fields) - set(recipe.trained_by()) == {"problem", "family", "policy", "seed"}
    # a table that is empty is no part of it, so that specifications of before it have the digest that they had
    assert "table" not in open_workspace(root).recipe("coding").trained_by()


def test_the_reference_names_every_setting() -> None:
    text = (ROOT / "docs" / "reference" / "settings.md").read_text()
    assert all(f"`{name}`" in text for name in Settings.model_fields)
    assert all(f"`{name}` (environment only)" in text for name in SECRETS)
