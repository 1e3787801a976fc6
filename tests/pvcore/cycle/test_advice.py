"""`pv advise`, `curve`, `failures`, `next`, `bases`, `drift`, asked of a town after two updates."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pvcore.annotations import batch as batches
from pvcore.cli import app
from pvcore.config import open_workspace
from pvcore.cycle import (
    admission,
    building,
    candidate,
    claims,
    compared,
    curves,
    data,
    dictionaries,
    drift_pages,
    drifting,
    inbox,
    judging,
    lineage,
    recounted,
    registration,
    samples,
    scoring,
    trials,
)
from pvcore.dossier.finding import markdown
from pvcore.errors import ConfigError, GateError, NotFound, PvError, RegistryError, TrainingError
from pvcore.records import Drug, canonical
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.names import resolve

pytestmark = pytest.mark.long

SIZES = "40,80,120"


def pv(*arguments: Any, typed: str | None = None) -> str:
    """What a command prints; its error is raised."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], input=typed)
    if done.exception:
        raise done.exception
    return done.stdout


def flat(text: str) -> str:
    return " ".join(text.split())


class NoTest(dict[str, Any]):
    """Examples by split, of which nobody may look at those of the test split."""

    def __getitem__(self, split: str) -> Any:
        assert split != "test"
        return super().__getitem__(split)

    def get(self, split: str, default: Any = None) -> Any:
        assert split != "test"
        return super().get(split, default)


@pytest.fixture(scope="module")
def town(told: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A copy of the town, in which a curve of seriousness was measured from the command line, without a test row."""
    root = tmp_path_factory.mktemp("advice") / "town"
    shutil.copytree(told.workspace.root, root)
    with pytest.raises(GateError, match=r"24 rows to score on .split tune., 50 are needed"):
        pv("curve", "seriousness", "--sizes", SIZES, "-w", root)
    examples = data.examples
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "TUNE", 20)  # a town as small as this has no more
        patch.setattr(data, "examples", lambda *arguments: NoTest(examples(*arguments)))
        pv("curve", "seriousness", "--sizes", SIZES, "--seeds", 1, "--target", 0.99, "-w", root)
        patch.setattr(data, "examples", examples)
        yield open_workspace(root)


# --- curve ------------------------------------------------------------------------------------------------------


def test_a_curve_is_measured_once_and_read_again(town: Any, tmp_path: Path) -> None:
    points = [e for e in town.ledger.entries() if e.kind == curves.POINT]
    assert [(e.body["size"], e.body["seed"]) for e in points] == [(40, 17), (80, 17), (120, 17)]
    plot = tmp_path / "curve.svg"
    told = pv("curve", "seriousness", "--sizes", SIZES, "--seeds", 1, "--out", plot, "-w", town.root)
    assert "40 rows, seed 17" in told and "500 more annotations" in told
    assert len([e for e in town.ledger.entries() if e.kind == curves.POINT]) == len(points)
    assert plot.read_text().startswith("<?xml")
    found = json.loads(pv("curve", "seriousness", "--measured", "--json", "-w", town.root))
    assert len(found["points"]) == len(found["baseline"]["points"]) == 3 and found["metric"] == "accuracy"
    for shown in (found["now"], found["gain"], *found["predicted"].values(), *found["labels"].values()):
        assert shown["low"] <= shown["value"] <= shown["high"]
    assert set(found["labels"]) == {"non-serious"}  # nine serious rows are too few for a curve of their own
    assert any("3 sizes were measured" in doubt for doubt in found["doubts"])
    by_label = pv("curve", "seriousness", "--measured", "--metric", "recall of non-serious", "-w", town.root)
    assert "recall of non-serious is" in flat(by_label)


def test_the_dossier_of_who_is_judged_afterwards_shows_the_curve(town: Any) -> None:
    before = resolve(town.store, town.ledger, "seriousness@champion")
    assert "Not measured when this version was judged" in _page(town, before)
    run = curves.plan(town, "seriousness", sizes=[40, 80, 120], seeds=1)[-1]  # trained already
    entry = judging.evaluation(town, judging.evaluate(town, run.specification)).entry
    version = resolve(town.store, town.ledger, registration.register(town, run.specification, entry.key))
    page = _page(town, version)
    assert "3 runs from the base on 40, 80, 120 rows" in page
    assert "With 120 rows the accuracy is" in page and "Not measured" not in page
    assert claims.dossier(town, version) == "the same bytes, written again"
    assert "numbers from" in recounted.report(town, entry)
    kept = json.loads(get_blob(town.store, entry.body["learning"]))
    kept["points"][0][2] += 0.01
    forged = {**entry.body, "learning": put_blob(town.store, canonical(kept))}
    with pytest.raises(RegistryError, match="learning curve is not the one that was measured: points"):
        recounted.report(town, dataclasses.replace(entry, body=forged))
    without = {name: value for name, value in entry.body.items() if name != "learning"}
    with pytest.raises(RegistryError, match="learning curve is not the one that was measured"):
        recounted.report(town, dataclasses.replace(entry, body=without))


def _page(town: Any, version: Any) -> str:
    return str(get_blob(town.store, version.manifest.dossier).decode())


def test_samples_are_nested_and_every_seed_has_its_own(town: Any) -> None:
    runs = curves.plan(town, "seriousness", sizes=[40, 80, 120], seeds=2)
    assert [(run.size, run.seed) for run in runs] == [(n, seed) for n in (40, 80, 120) for seed in (17, 18)]
    assert len({run.specification for run in runs}) == 6
    read = [lineage.consumed(town, run.specification) for run in runs if run.seed == 17]
    assert [len(part) for part in read] == [40, 80, 120]
    assert len(read[0] - read[1]) <= 2 and len(read[1] - read[2]) <= 2  # a row a stratum, by rounding
    assert town.recipe("seriousness").training.word_weights is True  # and no word of another row is weighed


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (("--sizes", "40,many"), ConfigError, "many: a size is a number of rows"),
        (("--sizes", "0,40,99999"), GateError, "99999 rows are asked for.*found 0"),
        (("--sizes", "40,80"), GateError, "2 sizes, 3 are needed"),
        (("--measured", "--metric", "beauty"), GateError, "no beauty. It has: .*accuracy"),
    ],
)
def test_a_curve_that_cannot_be_is_refused(
    town: Any, arguments: Any, error: type[PvError], says: str
) -> None:
    with pytest.raises(error, match=re.compile(says, re.DOTALL)):
        pv("curve", "seriousness", *arguments, "-w", town.root)


def test_a_problem_without_a_curve_says_how_to_get_one(town: Any) -> None:
    with pytest.raises(NotFound, match="pv curve coding"):
        pv("curve", "coding", "--measured", "-w", town.root)


# --- advise -----------------------------------------------------------------------------------------------------

FACTS = """
cases_per_month: 20000
guideline: true
target: 0.6
data_may_leave: false
audited: true
prices: {api_in: 3.0, api_out: 15.0, machine_per_hour: 1.2, person_per_hour: 45}
"""


def test_advice_rests_on_the_data_the_curve_and_the_prices(town: Any, tmp_path: Path) -> None:
    facts, page = tmp_path / "facts.yaml", tmp_path / "advice.html"
    facts.write_text(FACTS)
    found = json.loads(
        pv("advise", "seriousness", "--facts", facts, "--out", page, "--json", "-w", town.root)
    )
    assert found["outcome"] == "annotate first" and found["path"][-1]["name"] == "examples"
    assert any(c["step"] == "examples" and c["outcome"] == "fine-tune" for c in found["changes"])
    assert found["curve"]["metric"] == "accuracy" and found["facts"]["kappa"] > 0.6
    assert {label["name"] for label in found["data"]["labels"]} == {"serious", "non-serious"}
    assert set(found["agreement"]) == {"serious", "non-serious"}
    assert found["prices"]["cases_per_hour"] > 0 and found["costs"]["break_even"] is not None
    html = page.read_text()
    assert "Annotate first" in html and html.count("data:image/svg+xml;base64,") == 2
    assert not re.search(r"(src|href)=\"(?!data:)|@import|<script", html)  # nothing is loaded from elsewhere
    told = flat(pv("advise", "seriousness", "--facts", facts, "-w", town.root))
    assert "costs over 24 months" in told and "cases a month." in told and "non-serious" in told


def test_without_a_word_everything_unknown_is_said_to_be(town: Any) -> None:
    told = flat(pv("advise", "coding", "-w", town.root))
    assert "The volume is not known" in told and told.startswith("coding: ")
    assert all(share in told for share in ("50%", "80%", "95%")) and "costs over" not in told


def test_what_the_file_leaves_out_is_asked_for(town: Any, tmp_path: Path) -> None:
    facts = tmp_path / "facts.yaml"
    facts.write_text("cases_per_month: 20\n")
    told = pv("advise", "seriousness", "--facts", facts, "--ask", "-w", town.root, typed="6\ny\n\n\n\n\n\n")
    assert "Cases a month" not in told and "Minutes a person needs" in told
    assert "seriousness: leave it to people" in told  # 20 cases at 6 minutes are two hours
    with pytest.raises(ConfigError, match="cases_per_month: Input should be a valid number"):
        pv("advise", "seriousness", "--ask", "-w", town.root, typed="many\n\n\n\n\n\n\n\n")
    with pytest.raises(ConfigError, match="guideline: Input should be a valid boolean"):
        pv("advise", "seriousness", "--ask", "-w", town.root, typed="\n\nmaybe\n\n\n\n\n\n")
    typed = "20000\n2\ny\n\nn\n\n\n3\n15\n1.2\n\n45\n"
    assert "costs over 24 months" in flat(pv("advise", "seriousness", "--ask", "-w", town.root, typed=typed))


def test_a_wrong_file_is_refused_with_every_fault(town: Any, tmp_path: Path) -> None:
    facts = tmp_path / "facts.yaml"
    facts.write_text("cases_per_month: none\ntarget: 7\nvolume: 3\nminutes_per_case: .inf\n")
    with pytest.raises(ConfigError) as refused:
        pv("advise", "seriousness", "--facts", facts, "-w", town.root)
    names = ("cases_per_month", "target", "volume", "minutes_per_case")
    assert all(name in str(refused.value) for name in names)
    facts.write_text("- a list\n")
    with pytest.raises(ConfigError, match="expected a mapping"):
        pv("advise", "seriousness", "--facts", facts, "-w", town.root)
    facts.write_text("prices: {api_in: -1, gold: 2}\n")
    with pytest.raises(ConfigError) as refused:
        pv("advise", "seriousness", "--facts", facts, "-w", town.root)
    assert all(name in str(refused.value) for name in ("api_in", "gold", "api_out"))


# --- failures, next ---------------------------------------------------------------------------------------------


def test_failures_are_of_tune_rows_that_were_not_learned(town: Any) -> None:
    found = json.loads(pv("failures", "coding@champion", "--json", "-w", town.root))
    assert 0 < found["errors"] <= found["rows"] and found["modes"]
    for mode in (mode for mode in found["modes"] if mode["kind"] == "slice"):
        assert mode["rate"]["low"] < mode["rate"]["value"] <= mode["rate"]["high"]
    assert "tune rows wrong" in pv("failures", "coding@champion", "-w", town.root)


def test_chosen_cases_come_back_through_the_inbox(
    told: Any, town: Any, town_module: Any, tmp_path: Path
) -> None:
    from pvcore.cycle.dictionaries import load_dictionary

    xml, _ = town_module.write_batch(tmp_path, load_dictionary(town, "90.1"), name="pool", n=30, seed=7)
    tasks = tmp_path / "tasks.json"
    row = json.loads(pv("next", "seriousness@champion", xml, tasks, "--size", 8, "--json", "-w", town.root))
    assert row[0]["cases"] == 8 and row[0]["known"] == 0
    chosen = json.loads(tasks.read_text())
    assert len(chosen) == 8 and all(task["predictions"] for task in chosen)
    for task in chosen:  # what an annotator does: take the suggestion over
        task["annotations"] = [
            {
                "id": 1,
                "completed_by": {"email": "ann@example.org"},
                "result": task["predictions"][0]["result"],
            }
        ]
    tasks.write_text(json.dumps(chosen))
    back = batches.read(tasks, meddra_version="90.1")
    said = [a for a in back.annotations if a.problem == "seriousness"]
    assert len(said) == 8 and {a.annotator for a in said} == {"ann@example.org"}
    inbox.put(town, "annotations", [tasks], "90.1")
    assert any(found.name.startswith("tasks") for found in inbox.look(town, "annotations"))
    with pytest.raises(ConfigError, match="'luck' is no way to choose"):
        pv("next", "seriousness@champion", xml, tasks, "--how", "luck", "-w", town.root)


# --- bases ------------------------------------------------------------------------------------------------------


def test_bases_share_the_budget_and_are_held_against_the_first(
    town: Any, tiny_base: Path, tmp_path: Path
) -> None:
    other, broken = tmp_path / "other", tmp_path / "broken"
    _another(tiny_base, other)
    broken.mkdir()
    first = town.recipe("seriousness").base.source  # trained by the curve already
    names = [first, str(other), str(broken)]
    planned = trials.plan(town, "seriousness", names, sizes=[80, 120])
    for run in planned[1].runs:  # as the workers do; the command gives each run a process of its own
        candidate.train(town, run.specification)
    asked = [
        candidate.load_specification(town, run.specification) for trial in planned[:2] for run in trial.runs
    ]
    settings = [json.dumps({**a.settings, "base": 0}) for a in asked]
    assert settings[:2] == settings[2:]
    assert len({a.seed for a in asked}) == 1
    command = ["bases", "seriousness", *names, "--sizes", "80,120", "-w", town.root]
    rows = json.loads(pv(*command, "--json"))
    assert [(row["base"], row.get("rows")) for row in rows] == [
        (names[0], 80), (names[0], 120), (names[1], 80), (names[1], 120), (names[2], None),
    ]  # fmt: skip
    assert rows[0]["less_first"] is None and rows[0]["licence"] == "" and rows[2]["licence"] == "mit"
    gap = rows[3]["less_first"]
    assert gap["low"] <= gap["value"] <= gap["high"]
    assert gap["value"] == pytest.approx(rows[3]["score"]["value"] - rows[1]["score"]["value"])
    assert len({row["digest"] for row in rows[:4]}) == 2 and all(row["peak_bytes"] > 1e7 for row in rows[:4])
    assert "config.json" in " ".join(rows[4]["unusable"])
    plot, advice = tmp_path / "bases.svg", tmp_path / "advice.html"
    told = flat(pv(*command, "--out", plot))
    assert "cannot be used" in told and plot.read_text().startswith("<?xml")
    found = json.loads(pv("advise", "seriousness", "--out", advice, "--json", "-w", town.root))
    assert found["bases"] == rows and found["drift"] is None and not found["phases"]
    html = advice.read_text()
    assert html.count("data:image/svg+xml;base64,") == 3 and "<code>pv drift seriousness</code>" in html
    assert len([e for e in town.ledger.entries() if e.kind == compared.COMPARED]) == 1
    page = markdown(compared.finding("seriousness", rows))
    assert "\n| base | rows | accuracy |" in page and page.count("\n| ") == 6 and "cannot be used" in page


def _another(base: Path, folder: Path) -> None:
    """The same shape with other weights, and a model card."""
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(base, folder)
    weights = load_file(folder / "model.safetensors")
    torch.manual_seed(3)
    save_file(
        {name: value + 0.05 * torch.randn_like(value) for name, value in weights.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    (folder / "README.md").write_text("---\ntags: [x]\nlicense: mit\n---\n# Another\nlicense: none of this\n")


def test_a_trial_needs_two_bases_and_a_run_that_ends(town: Any, tiny_base: Path) -> None:
    with pytest.raises(ConfigError, match="two different bases"):
        pv("bases", "seriousness", tiny_base, tiny_base, "-w", town.root)
    with pytest.raises(TrainingError, match=r"training did not end: .*abcdef"):
        trials.run_alone(town, "abcdef" * 10 + "abcd")


def test_a_shipped_recipe_brings_its_own_layers_and_nothing_else(town: Any) -> None:
    own, found = town.recipe("seriousness"), trials.recipe_with(town, "seriousness", "phi-3.5-mini")
    assert (found.family, found.problem, found.text) == ("causal", "seriousness", own.text)
    assert found.lora != own.lora and found.seed == own.seed
    assert found.training == own.training.model_copy(update={"word_weights": False})  # which it would refuse
    assert town.recipe("coding").training.wordings
    assert not trials.recipe_with(town, "coding", "phi-3.5-mini").training.wordings
    assert trials.recipe_with(town, "seriousness", "sapbert").training == own.training


# --- drift ------------------------------------------------------------------------------------------------------


def _arrive(told: Any, folder: Path, name: str, n: int, seed: int, **changes: Any) -> str:
    """Admit a batch of new cases, changed as said, with seriousness labels; returns its digest."""
    from pvcore.annotations import e2b_r3
    from pvcore.annotations.generate import generate_cases

    ws = told.workspace
    dictionary = dictionaries.load_dictionary(ws, "90.1")
    cases, said = generate_cases(dictionary, n=n, seed=seed, prefix=name, year=2025)
    cases = [dataclasses.replace(case, **changes) for case in cases]
    first = min(a.annotator for a in said)
    labels = [a for a in said if a.problem == "seriousness" and a.annotator == first]
    e2b_r3.write(cases, labels, folder / f"{name}.xml", "90.1", sender=first)
    told.town.drop("annotations", folder / f"{name}.xml")
    (found,) = inbox.look(ws, "annotations")
    return admission.admit_batch(ws, found, inbox.read_batch(ws, found), b"{}").digest


def test_drift_of_what_was_scored_since_the_promotion(own: Any, tmp_path: Path) -> None:
    ws = own.workspace
    asked = ("drift", "seriousness", "--json", "-w", ws.root)
    with pytest.raises(NotFound, match="has scored no batch"):
        pv(*asked)
    assert drifting.scored_problems(ws) == []
    scoring.score_batch(ws, "seriousness@champion", _arrive(own, tmp_path, "like", 40, 9))
    assert drifting.scored_problems(ws) == ["seriousness"]
    quiet = json.loads(pv(*asked))
    assert quiet["cases"] == 40 and not quiet["drifted"] and quiet["proposal"]["action"] == "nothing"
    before = len(ws.ledger.entries())
    assert json.loads(pv(*asked)) == quiet and len(ws.ledger.entries()) == before

    new = _arrive(own, tmp_path, "unlike", 40, 10, drugs=(Drug("Zzzumab", "suspect"),))
    scoring.score_batch(ws, "seriousness@champion", new)
    loud = json.loads(pv(*asked))
    assert loud["cases"] == 80 and loud["unseen"][0] == ["zzzumab", 40]
    assert [s["name"] for s in loud["signals"] if s["drifted"]] == ["unseen names"]
    assert loud["proposal"] == {
        "action": "retrain", "new_rows": 0, "waiting_batches": 2, "gain": None,
        "last_training": loud["proposal"]["last_training"],
    }  # fmt: skip
    plot = tmp_path / "drift.svg"
    told = flat(pv("drift", "seriousness", "--out", plot, "-w", ws.root))
    assert plot.read_text().startswith("<?xml")
    assert "zzzumab (40)" in told and "2 batches wait" in told and "pv curve seriousness" in told
    assert markdown(drift_pages.finding(loud)).startswith("## seriousness@2: drift in 80 cases")

    built = building.build_dataset(ws, "90.1", [])  # the labels come back
    assert built
    after = json.loads(pv(*asked))
    assert after["proposal"]["new_rows"] > 40 and after["proposal"]["waiting_batches"] == 0
    right = next(s for s in after["signals"] if s["name"] == "right answers")
    tested = {e.case_id for e in data.examples(ws, "seriousness", built.digest)["test"]}
    assert f"of {80 - len([c for c in tested if c.startswith(('like', 'unlike'))])} now" in right["words"]
    assert [e.kind for e in ws.ledger.entries()].count("DriftChecked") == 3


def test_drift_is_of_a_champion(told: Any) -> None:
    with pytest.raises(NotFound, match="ddi has no champion yet"):
        pv("drift", "ddi", "-w", told.workspace.root)


# --- tasks ------------------------------------------------------------------------------------------------------


def test_the_tasks_of_the_flows_show_what_was_found(
    town: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tasks import advice, bases, drift, findings

    shown: dict[str, str] = {}
    monkeypatch.setattr(findings, "show", lambda key, page, description: shown.update({key: page}))
    monkeypatch.setattr(
        findings.Artifact, "create", lambda self: shown.update({self.key: json.dumps(self.data)})
    )
    monkeypatch.setenv("PV_WORKSPACE", str(town.root))
    runs = advice.plan_curve.fn("seriousness", SIZES, 1)
    assert [advice.measure_point.fn(run.specification)["accuracy"] >= 0 for run in runs] == [True] * 3
    assert any("500 more annotations" in line for line in advice.fit_curve.fn("seriousness", "", 0.9))
    assert "data:image/svg+xml" in shown["learning-curve-seriousness"]
    assert "\n| rows | accuracy |" in shown["learning-curve-seriousness"]
    assert json.loads(shown["learning-curve-seriousness-json"])["gain"]["more"] == 500
    first = town.recipe("seriousness").base.source
    planned = bases.plan_trials.fn("seriousness", f"{first}, {tmp_path}/absent", "80,120", 1)
    for run in planned[0].runs:
        bases.measure_trial.fn(run.specification)
    rows = bases.compare_bases.fn("seriousness", planned, "")
    assert [row.get("rows") for row in rows] == [80, 120, None]
    assert "cannot be used here" in shown["bases-seriousness"] and "image/svg" in shown["bases-seriousness"]
    assert json.loads(shown["bases-seriousness-json"]) == rows
    assert drift.scored_problems.fn("") == []  # a week without scoring: nothing to look at
    assert drift.scored_problems.fn("ddi") == ["ddi"]
