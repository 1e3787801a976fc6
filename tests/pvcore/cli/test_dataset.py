"""`pv dataset`: two datasets of an invented dictionary, looked at, compared, exported, and put before a person."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from pvcore.annotations import label_studio
from pvcore.annotations.dataset import load, open_items
from pvcore.annotations.reading import Source
from pvcore.cli import app
from pvcore.config import Workspace, init_workspace, open_workspace
from pvcore.cycle import admission, building, datasets, dictionaries, inbox, migration, releases
from pvcore.errors import ConfigError, NotFound, PvError


def admit(ws: Workspace, *files: Path, box: str = "annotations", version: str | None = None) -> None:
    inbox.put(ws, box, list(files), version)
    for found in inbox.look(ws, box):
        if box == "meddra":
            admission.admit_release(ws, found, inbox.read_release(ws, found), b"{}")
        else:
            admission.admit_batch(ws, found, inbox.read_batch(ws, found), b"{}")


def update(ws: Workspace, version: str) -> str:
    migrated = migration.migrate(ws, version)
    releases.adopt(ws, version, migrated.mappings)
    built = building.build_dataset(ws, version, migrated.mappings)
    assert built
    return built.digest


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, town_module: Any) -> tuple[Workspace, str, str]:
    """A workspace with two datasets, in MedDRA 90.0 and 90.1; no model. By policy 1 nothing is recoded."""
    from pvcore.meddra.generate import Size, generate

    root = tmp_path_factory.mktemp("workspace")
    init_workspace(root)
    (root / "pv.yaml").write_text("settle_seconds: 0\nmeddra_policy: 1\n")
    ws, files = open_workspace(root), root / "files"
    files.mkdir()
    one = generate(files, version="90.0", seed=1, size=Size.small())
    xml, export = town_module.write_batch(files, one.dictionary, name="first", n=120, seed=1)
    admit(ws, one.archive, box="meddra")
    admit(ws, xml)
    admit(ws, export, version="90.0")
    first = update(ws, "90.0")
    two = generate(files, version="90.1", seed=1, size=Size.small(), previous=one.dictionary)
    xml, _ = town_module.write_batch(files, two.dictionary, name="second", n=40, seed=2)
    admit(ws, two.archive, box="meddra")
    admit(ws, xml)
    return ws, first, update(ws, "90.1")


def pv(ws: Workspace, *arguments: str) -> str:
    done = CliRunner().invoke(app, [*arguments, "-w", str(ws.root)])
    if done.exception and isinstance(done.exception, PvError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_datasets_are_found_by_name(built: tuple[Workspace, str, str]) -> None:
    ws, first, second = built
    assert datasets.find(ws, "latest") == datasets.find(ws, second[:8]) == second
    assert datasets.find(ws, first) == first
    for name in ("", "abc", "zzzz", "f" * 12, first[:8].upper() + "g"):
        with pytest.raises(NotFound, match="is no dataset"):
            datasets.find(ws, name)
    with pytest.raises(NotFound, match="no version"):
        datasets.find(ws, "seriousness@champion")


def test_a_prefix_of_two_datasets_is_refused(built, monkeypatch: pytest.MonkeyPatch) -> None:
    ws, first, second = built
    monkeypatch.setattr(datasets, "_PREFIX", datasets.re.compile(".*"))
    with pytest.raises(NotFound, match=f"fits {first[:16]}, {second[:16]}"):
        datasets.find(ws, "")


def test_disagreements_are_written_and_counted(built: tuple[Workspace, str, str], tmp_path: Path) -> None:
    ws, first, _ = built
    file = tmp_path / "pairs.csv"
    told = json.loads(pv(ws, "consistency", first, "--work-list", str(file), "--json"))
    assert json.loads(pv(ws, "consistency", "latest", "--json")) == json.loads(
        pv(ws, "consistency", "--json")
    )
    assert told["file"] == str(file) and 0 < told["disagreements"] < len(file.read_text().splitlines())


def test_show(built: tuple[Workspace, str, str]) -> None:
    ws, first, second = built
    found = json.loads(pv(ws, "dataset", "show", "--json"))
    info = load(ws.store, second).info
    assert (found["dataset"], found["parent"], found["meddra_version"]) == (second, first, "90.1")
    assert [row["batch"] for row in found["batches"]] == ["first.xml", "first.meddra-90.0.json", "second.xml"]
    assert sum(row["cases"] for row in found["splits"]) == info.counts["cases"] == 160
    by_problem = pd.DataFrame(found["labels"]).groupby("problem")["labels"].sum().to_dict()
    assert by_problem == info.counts["labels"]
    for row in found["labels"]:
        assert row["train"] + row["tune"] + row["test"] == row["labels"]
    assert {row["class"] for row in found["labels"] if row["problem"] == "seriousness"} == {
        "serious",
        "not serious",
    }
    assert sum(row["annotations"] for row in found["work_list"]) == info.counts["open"] > 0
    (migrated,) = found["migrations"]
    assert (migrated["from"], migrated["to"]) == ("90.0", "90.1") and migrated["needs_review"] > 0
    table = pv(ws, "dataset", "show", first[:6])
    assert "first.xml" in table and "disagreement" in table and "terms" in table


def test_diff(built: tuple[Workspace, str, str]) -> None:
    ws, first, second = built
    found = json.loads(pv(ws, "dataset", "diff", first[:10], "latest", "--json"))
    assert found["new_is_built_on_old"] and (found["old"], found["new"]) == (first, second)
    assert found["counts"]["cases"] == {
        "added": 40,
        "replaced": 0,
        "filled": 0,
        "moved": 0,
        "nullified": 0,
        "lost": 0,
    }
    reasons = {c["reason"] for c in found["labels"]}
    assert "batch second.xml" in reasons and any("needs_review (not_current)" in reason for reason in reasons)
    assert [r for r in reasons if not r.startswith(("batch second.xml", "migration "))] == []
    table = pv(ws, "dataset", "diff", first, second)
    assert "labels: added" in table and "batch second.xml" in table.replace("\n", " ")
    assert "is not built on" in pv(ws, "dataset", "diff", second, first)


def test_export_loads_with_hugging_face_datasets(
    built: tuple[Workspace, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("datasets")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    ws, _, second = built
    folder = tmp_path / "export"
    pv(ws, "dataset", "export", "latest", str(folder))
    loaded, cache = load(ws.store, second), str(tmp_path / "cache")
    splits = loaded.info.counts["splits"]
    files = {name: str(folder / "cases" / f"{name}.parquet") for name in splits}
    by_hand = hub.load_dataset("parquet", data_files=files, cache_dir=cache)
    assert {name: len(by_hand[name]) for name in splits} == splits
    by_card = hub.load_dataset(str(folder), "labels", cache_dir=cache)
    assert sum(len(rows) for rows in by_card.values()) == len(loaded.labels)
    train = set(loaded.cases.loc[loaded.cases["split"] == "train", "case_id"])
    assert set(by_hand["train"]["case_id"]) == train >= set(by_card["train"]["case_id"])
    assert by_card["train"][0]["annotators"] and json.loads(by_card["train"][0]["value"])
    again = tmp_path / "again"
    pv(ws, "dataset", "export", second, str(again))
    assert [p.read_bytes() for p in sorted(folder.rglob("*.*"))] == [
        p.read_bytes() for p in sorted(again.rglob("*.*"))
    ]
    with pytest.raises(ConfigError, match="not an empty folder"):
        pv(ws, "dataset", "export", "latest", str(folder))


def test_the_work_list_comes_back_as_a_batch_in_the_datasets_version(
    built: tuple[Workspace, str, str], tmp_path: Path
) -> None:
    ws, _, second = built
    file = tmp_path / "tasks.json"
    (row,) = json.loads(pv(ws, "dataset", "worklist", "latest", str(file), "--json"))
    tasks = json.loads(file.read_text("utf-8"))
    waiting = open_items(ws.store, load(ws.store, second).info)
    assert row["cases"] == len(tasks) == len({item.annotation.case_id for item in waiting}) > 0
    assert row["set_aside"] == 0 and Path(row["config"]).is_file()
    assert all(task["data"]["reason"] for task in tasks)
    review = [t for t in tasks if "needs_review" in t["data"]["reason"]]
    assert review and all(t["data"]["meddra_version"] == "90.1" for t in review)
    codes = load_current(ws)
    for task in review:
        named = [r["value"]["text"][0] for p in task["predictions"] if p["model_version"] == "suggested"
                 for r in p["result"] if r["from_name"] == "llt"]  # fmt: skip
        assert set(named) <= codes
        assert task["data"]["suggested"], "ranked terms to choose from"
    table = tmp_path / "tasks.csv"
    pv(ws, "dataset", "worklist", "latest", str(table))
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert {row["case_id"] for row in rows} == {task["data"]["case_id"] for task in tasks}
    assert any("9" in value for row in rows for name, value in row.items() if "suggest" in name)
    with pytest.raises(ConfigError, match=r"\.csv file or a \.json"):
        pv(ws, "dataset", "worklist", "latest", str(tmp_path / "tasks.txt"))
    # a person takes what is suggested: an export of these answers is a batch in MedDRA 90.1
    for number, task in enumerate(review):
        task["id"] = number
        task["annotations"] = [
            {"id": number, "completed_by": {"email": "chief"}, "was_cancelled": False, "result": p["result"]}
            for p in task["predictions"]
        ]
    back = label_studio.read(Source.of(json.dumps(review).encode(), "back"))
    assert {a.meddra_version for a in back.annotations if a.problem == "coding"} == {"90.1"}


def test_places_that_cannot_be_written(built: tuple[Workspace, str, str], tmp_path: Path) -> None:
    ws, _, _ = built
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="cannot be written"):
        pv(ws, "dataset", "export", "latest", str(tmp_path / "file" / "below"))
    with pytest.raises(ConfigError, match="cannot be written"):
        pv(ws, "dataset", "worklist", "latest", str(tmp_path / "file" / "below.json"))


def load_current(ws: Workspace) -> set[str]:
    return set(dictionaries.load_dictionary(ws, "90.1").current_llts()["llt_code"])


def test_an_empty_workspace_says_what_to_do(tmp_path: Path) -> None:
    init_workspace(tmp_path)
    with pytest.raises(NotFound, match="pv ingest"):
        pv(open_workspace(tmp_path), "dataset", "show", "latest")
