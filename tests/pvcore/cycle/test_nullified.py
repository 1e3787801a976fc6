"""A sender takes cases back: they leave the next dataset and what is made of it, with a record of which batch did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pvcore.annotations import dataset as datasets
from pvcore.annotations import label_studio
from pvcore.annotations.batch import make_batch
from pvcore.cli import app
from pvcore.config import Workspace, init_workspace, open_workspace
from pvcore.cycle import (
    admission,
    arrivals,
    bases,
    building,
    candidate,
    consistency,
    export,
    inbox,
    judging,
    lineage,
    migration,
    overview,
    registration,
    scoring,
    targeting,
    verification,
)
from pvcore.errors import ConfigError
from pvcore.records import Annotation, Case
from pvcore.standalone import verify as verifier

TAKES_BACK = (
    "<safetyreport><safetyreportid>{}</safetyreportid><casenullification>1</casenullification></safetyreport>"
)


def arrive(told: Any, name: str, content: str) -> Any:
    """What the watchers make of a file."""
    file = told.town.arrivals / name
    file.write_text(content)
    told.town.drop("annotations", file, "90.1" if file.suffix == ".json" else None)
    told.admit()
    return told.outcomes[-1]


def message(*cases: str) -> str:
    """E2B(R2) that takes cases back and says nothing else."""
    return f"<ichicsr lang='en'>{''.join(map(TAKES_BACK.format, cases))}</ichicsr>"


def rebuilt(ws: Any) -> datasets.Dataset:
    migrated = migration.migrate(ws, "90.1")
    built = building.build_dataset(ws, "90.1", migrated.mappings)
    assert built
    return datasets.load(ws.store, built.digest)


def pv(ws: Any, *arguments: str) -> Any:
    done = CliRunner().invoke(app, [*arguments, "-w", str(ws.root), "--json"], catch_exceptions=False)
    return json.loads(done.stdout)


def test_a_nullified_case_leaves_the_next_dataset_and_what_is_trained_on_it(own: Any, tmp_path: Path) -> None:
    ws = own.workspace
    before = datasets.load(ws.store, own.town.entries("DatasetBuilt")[-1].body["dataset"])
    split = before.cases.set_index("case_id")["split"]
    learned = set(lineage.consumed(ws, own.specifications["seriousness"]))
    waits = sorted({o.annotation.case_id for o in datasets.open_items(ws.store, before.info)})[0]
    gone = sorted({sorted(learned)[0], split.index[split == "test"][0], waits})

    admitted = arrive(own, "gone.xml", message(*gone))
    assert (admitted.kind, admitted.digest) == ("BatchAdmitted", own.town.entries("BatchAdmitted")[-1].key)
    assert f"0 cases, 0 annotations, {len(gone)} nullified cases" in admitted.line
    assert consistency.report(consistency.material(ws, "gone.xml")).pairs == ()
    for problem in ws.recipes():
        assert scoring.score(ws, f"{problem}@champion", arrivals.load_batch(ws, "gone.xml"))[1] == []

    # an export of an annotation tool that comes later has one of them still
    old = [case for case in datasets.cases_of(ws.store, before) if case.case_id in gone]
    said = [
        Annotation(case.case_id, "seriousness", {"serious": True, "criteria": []}, "late") for case in old
    ]
    label_studio.write(old, said, tmp_path / "late.json")
    arrive(own, "late.json", (tmp_path / "late.json").read_text())

    after = rebuilt(ws)
    assert set(before.cases["case_id"]) - set(after.cases["case_id"]) == set(gone)
    for frame in (after.cases, after.annotations, after.labels):
        assert not set(frame["case_id"]) & set(gone)
    assert not {o.annotation.case_id for o in datasets.open_items(ws.store, after.info)} & set(gone)
    assert datasets.nullified(ws.store, after.info) == dict.fromkeys(gone, admitted.digest)
    assert (
        after.info.counts["cases nullified"]
        == after.info.counts["cases that were nullified before"]
        == len(gone)
    )

    with pytest.raises(ConfigError, match="none of the"):  # its sender took it back
        targeting.next_cases(ws, "seriousness@champion", make_batch("pool", "x", old, []), 1)

    shown = pv(ws, "dataset", "show")
    assert shown["counts"]["cases nullified"] == len(gone)
    assert [row["nullified"] for row in shown["batches"] if row["batch"] == "gone.xml"] == [len(gone)]
    changed = pv(ws, "dataset", "diff", before.info.digest, "latest")
    told = {row["case_id"]: row["reason"] for row in changed["cases"] if row["change"] == "nullified"}
    assert told == dict.fromkeys(gone, "batch gone.xml")
    assert "nullified" in json.dumps(overview.history(ws))

    # nothing is new to the champion; a start from the base knows nothing of what was taken back
    for problem in ws.recipes():
        assert candidate.specify(ws, problem, after.info.digest) is None
    anew = candidate.specify(ws, "seriousness", after.info.digest, scratch=True)
    assert anew
    candidate.train(ws, anew)
    assert not lineage.read(ws, anew) & set(gone) and lineage.consumed(ws, anew) < learned | lineage.read(
        ws, anew
    )
    name = registration.register(ws, anew, judging.evaluate(ws, anew))
    assert {row["holds"] for row in verification.verify_version(ws, name, quick=True)} <= {
        "yes",
        "not checked",
    }
    folder = export.export(ws, name, tmp_path / "export", with_data=True)
    assert sorted(json.loads((folder / "data" / "nullified.json").read_text())) == gone
    assert verifier.verify(folder, Path(ws.keys.allowed_signers), None, []) == 0


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    """Seriousness alone, so that batches wait for no release."""
    init_workspace(tmp_path / "ws")
    for file in (tmp_path / "ws" / "recipes").glob("*.yaml"):
        if file.stem not in ("seriousness", "policy"):
            file.unlink()
    (tmp_path / "ws" / "pv.yaml").write_text("settle_seconds: 0\nmax_rows_per_batch: 2\n")
    return open_workspace(tmp_path / "ws")


def admit(ws: Workspace, name: str, content: str) -> None:
    (ws.root / name).write_text(content)
    inbox.put(ws, "annotations", [ws.root / name])
    for found in inbox.look(ws, "annotations"):
        admission.admit_batch(ws, found, inbox.read_batch(ws, found), b"{}")


def test_a_record_of_before_says_nothing_of_nullifications() -> None:
    assert arrivals.in_words({"cases": 3, "annotations": 4}) == "3 cases, 4 annotations"


def test_nullifications_wait_for_the_first_case(ws: Workspace) -> None:
    admit(ws, "gone.xml", message("A-1"))
    assert building.build_dataset(ws, None, []) is None
    assert [row["batch"] for row in overview.overview(ws)["waits_for_its_update"]] == ["gone.xml"]
    cases = [Case(f"A-{n}", f"Report {n} of its own kind.") for n in range(1, 4)]
    label_studio.write(cases, [], ws.root / "cases.json")
    admit(ws, "cases.json", (ws.root / "cases.json").read_text())
    built = building.build_dataset(ws, None, [])
    assert built and not arrivals.pending_batches(ws)
    assert "A-1" not in set(datasets.load(ws.store, built.digest).cases["case_id"])


def test_a_batch_that_is_cut_to_a_sample_takes_back_all_that_it_took_back(ws: Workspace) -> None:
    batch = make_batch("1", "x", [Case(f"A-{n}", "A rash.") for n in range(9)], [], nullified=["B-1", "B-2"])
    assert building.sampled(batch, 2).nullified == batch.nullified


def test_further_pretraining_reads_nothing_that_another_file_takes_back(tmp_path: Path) -> None:
    cases = [Case("A-1", "A rash."), Case("A-2", "Well again.")]
    label_studio.write(cases, [], tmp_path / "cases.json")
    (tmp_path / "gone.xml").write_text(message("A-1"))
    for files in (["gone.xml", "cases.json"], ["cases.json", "gone.xml"]):
        assert bases._narratives([tmp_path / file for file in files]) == {"A-2": "Well again."}
