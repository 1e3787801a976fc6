"""PT names through two updates: a VAERS year of a MedDRA version that nobody has, and a table with verbatims."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pvcore.annotations import dataset as stored
from pvcore.annotations.batch import read
from pvcore.config import Workspace, init_workspace, open_workspace
from pvcore.cycle import admission, building, data, datasets, dictionaries, inbox, migration, releases
from pvcore.meddra.generate import Size, generate
from pvcore.meddra.mapping import Migration
from pvcore.registry.blobs import get_blob

NOWHERE = "Quite unheard of"


def vaers(names: list[str]) -> bytes:
    """A year in which every report has one term, each in MedDRA 8.1."""
    pairs = ",".join(f"SYMPTOM{i},SYMPTOMVERSION{i}" for i in range(1, 6))
    tables = {
        "DATA": ["VAERS_ID,RECVDATE,STATE,AGE_YRS,SEX,SYMPTOM_TEXT,DIED,L_THREAT,HOSPITAL,X_STAY,DISABLE"],
        "SYMPTOMS": [f"VAERS_ID,{pairs}"],
        "VAX": ["VAERS_ID,VAX_NAME"],
    }
    for number, name in enumerate(names):
        tables["DATA"].append(f"{number},01/02/1999,OH,3,F,Report {number} of one event,,,,,")
        tables["SYMPTOMS"].append(f'{number},"{name}",8.10,,,,,,,,')
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for table, lines in tables.items():
            archive.writestr(f"1999VAERS{table}.csv", "\n".join(lines) + "\n")
    return buffer.getvalue()


class Town:
    """A workspace that two releases and two batches come to; `names` are those of the VAERS reports.

    `built` are its datasets, in order.
    """

    built: tuple[str, ...] = ()

    def __init__(self, root: Path) -> None:
        init_workspace(root)
        (root / "pv.yaml").write_text("settle_seconds: 0\nthreads: 1\n")
        self.ws: Workspace = open_workspace(root)
        self.arrivals = root / "arrivals"
        self.arrivals.mkdir()
        size = Size(4, 8, 24, 150, 500, 3)
        self.old = generate(self.arrivals, version="90.0", seed=5, size=size)
        self.new = generate(self.arrivals, version="90.1", seed=5, size=size, previous=self.old.dictionary)
        self.names = [*self.old.dictionary.tables["pt"]["pt_name"].tolist()[:140], NOWHERE]
        self.names += [self.name(kind) for kind in ("demotions", "name_changes")]
        (self.arrivals / "1999VAERSData.zip").write_bytes(vaers(self.names))
        table = [
            ("T-1", "It was some event.", "fell over", self.name("demotions"), "8.1"),
            ("T-2", "It was another event.", "turned blue", self.name("name_changes"), "90.0"),
            ("T-3", "It was a third event.", "unheard", NOWHERE, "8.1"),
        ]
        columns = ["case_id", "narrative", "verbatim", "pt_name", "meddra_version"]
        pd.DataFrame(table, columns=columns).assign(annotator="coder").to_csv(
            self.arrivals / "table.csv", index=False
        )

    def code(self, kind: str) -> str:
        """The first PT of 90.0 that meets a change of this kind."""
        pts = set(self.old.dictionary.tables["pt"]["pt_code"])
        found = self.new.changes.query("kind == @kind and level == 'PT'")["code"]
        return str(next(code for code in found if code in pts))

    def name(self, kind: str) -> str:
        return self.old.dictionary.pt_name(self.code(kind))

    def after(self, kind: str) -> str:
        """The name of the PT that this one leads to in 90.1."""
        new = self.new.dictionary
        return new.pt_name(new.pt_of(self.code(kind)))

    def arrive(self, box: Any, *files: Path) -> None:
        inbox.put(self.ws, box, list(files))
        for found in inbox.look(self.ws, box):
            if box == "meddra":
                admission.admit_release(self.ws, found, inbox.read_release(self.ws, found), b"{}")
            else:
                admission.admit_batch(self.ws, found, inbox.read_batch(self.ws, found), b"{}")

    def update(self, version: str) -> str:
        moved = migration.migrate(self.ws, version)
        releases.adopt(self.ws, version, moved.mappings)
        built = building.build_dataset(self.ws, version, moved.mappings)
        assert built
        return built.digest

    def reactions(self, dataset: str) -> list[tuple[str, str]]:
        """PT name and version of the reaction of every VAERS report, in order of their numbers."""
        cases = stored.cases_of(self.ws.store, stored.load(self.ws.store, dataset))
        found = {c.case_id: c.reactions[0] for c in cases if c.case_id.startswith("VAERS")}
        return [
            (str(r.pt_name), str(r.meddra_version))
            for r in (found[f"VAERS-{number}"] for number in range(len(self.names)))
        ]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Town:
    """VAERS reports before any release, then a table with 90.0, then the update to 90.1."""
    town = Town(tmp_path_factory.mktemp("names") / "town")
    town.arrive("annotations", town.arrivals / "1999VAERSData.zip")
    first = building.build_dataset(town.ws, None, [])
    assert first
    town.arrive("meddra", town.old.archive)
    town.arrive("annotations", town.arrivals / "table.csv")
    second = town.update("90.0")
    town.arrive("meddra", town.new.archive)
    third = town.update("90.1")
    town.built = (first.digest, second, third)
    return town


def test_reactions_follow_their_pts(town: Town) -> None:
    first, second, third = town.built
    assert town.reactions(first) == [(name, "8.1") for name in town.names]
    expected = [(name, "8.1" if name == NOWHERE else "90.0") for name in town.names]
    assert town.reactions(second) == expected
    after = town.reactions(third)
    assert after[-3:] == [
        (NOWHERE, "8.1"), (town.after("demotions"), "90.1"), (town.after("name_changes"), "90.1"),
    ]  # fmt: skip
    known = set(town.new.dictionary.tables["pt"]["pt_name"])
    assert {name for name, _ in after} - known == {NOWHERE}
    assert town.after("demotions") != town.name("demotions")
    assert town.after("name_changes") != town.name("name_changes")


def test_every_row_is_in_one_class_of_a_mapping_that_goes_back(town: Town) -> None:
    entries = [e.body for e in town.ws.ledger.entries() if e.kind == "Migrated"]
    assert [(e["from"], e["to"], e["label"]) for e in entries] == [
        ("8.1", "90.0", "pt_name"), ("8.1", "90.1", "pt_name"), ("90.0", "90.1", "pt_name"),
    ]  # fmt: skip
    waiting = 2
    assert [e["rows"] for e in entries] == [len(town.names) + 2, waiting, len(town.names) - 1 + 2]
    for entry in entries:
        moved = Migration.from_json(get_blob(town.ws.store, entry["mapping"]))
        assert sum(entry["counts"].values()) == entry["rows"] == len(moved.rows)
        rows = moved.rows[["row_id", "old_name"]].rename(columns={"old_name": "pt_name"})
        there = moved.apply(rows)
        back = rows[rows["row_id"].isin(there["row_id"])].reset_index(drop=True)
        assert moved.revert(there).equals(back)
    shown = datasets.page(town.ws, town.built[2])["migrations"]
    assert {row["coded by"] for row in shown} == {"PT name"} and len(shown) == 3


def test_labels_and_their_examples_are_on_the_new_pts(town: Town) -> None:
    labels = stored.load(town.ws.store, town.built[2]).labels
    said = labels[labels["problem"] == "coding"].set_index("target")["value"].to_dict()
    assert said == {
        "fell over": f'{{"pt_name":"{town.after("demotions")}"}}',
        "turned blue": f'{{"pt_name":"{town.after("name_changes")}"}}',
    }
    found = data.examples(town.ws, "coding", town.built[2])
    new = town.new.dictionary
    assert {e.text: e.label for split in found.values() for e in split} == {
        "fell over": new.pt_of(town.code("demotions")), "turned blue": town.code("name_changes"),
    }  # fmt: skip


def test_the_pts_of_a_report_are_its_set_in_the_new_release(town: Town) -> None:
    def sets(dataset: str) -> dict[str, str]:
        found = data.examples(town.ws, "pts", dataset)
        return {e.case_id: e.label for split in found.values() for e in split}

    before, after = sets(town.built[1]), sets(town.built[2])
    number = {name: f"VAERS-{place}" for place, name in enumerate(town.names)}
    demoted, renamed = town.code("demotions"), town.code("name_changes")
    report = number[town.name("demotions")]
    assert (before[report], after[report]) == (demoted, town.new.dictionary.pt_of(demoted))
    assert before[number[town.name("name_changes")]] == after[number[town.name("name_changes")]] == renamed
    assert number[NOWHERE] not in before and number[NOWHERE] not in after, "it waits for a person"
    known = {f"VAERS-{place}" for place, name in enumerate(town.names) if name != NOWHERE}
    assert {case for case in after if case.startswith("VAERS")} == known
    assert sets(town.built[0]) == {}, "without a release nobody knows the codes"


def test_what_has_no_name_any_more_is_put_before_a_person_until_somebody_answers(town: Town) -> None:
    file = town.arrivals / "work.csv"
    found, _ = datasets.write_work_list(town.ws, town.built[2], file)
    assert len(found.ranked) == 2 and all(1 <= len(codes) <= 5 for codes in found.ranked.values())
    work = pd.read_csv(file, dtype="str", keep_default_na=False)
    assert sorted(work["verbatim"]) == [NOWHERE, "unheard"] and set(work["meddra_version"]) == {"90.1"}
    assert work["reason"].str.contains(f"needs_review: MedDRA 8.1 {NOWHERE} in 90.1").all()
    pts = set(town.new.dictionary.tables["pt"]["pt_code"])
    assert set(work["llt_code"]) <= pts
    answers = work.drop(columns=["reason", "serious", "criteria"]).assign(annotator="reviewer")
    answers.to_csv(town.arrivals / "answers.csv", index=False)
    batch = read(town.arrivals / "answers.csv")
    settings = {"split": town.ws.settings.split, "seed": town.ws.settings.seed}
    info = stored.build(
        town.ws.store, batches=[batch], mappings=data.dataset_entry(town.ws, town.built[2]).body["mappings"],
        meddra_version="90.1", base=town.built[2], **settings,
    )  # fmt: skip
    assert info.counts["open"] == 0 and info.counts["labels"]["coding"] == 4


def test_the_difference_names_every_reaction(town: Town) -> None:
    first, second, third = town.built
    told = datasets.difference(town.ws, second, third)
    assert told.counts()["cases"] == dict.fromkeys(told.counts()["cases"], 0)
    moved = {change.target: change for change in told.reactions}
    assert sum(told.counts()["reactions"].values()) == len(town.names) - 1
    assert moved[town.name("demotions")].reason.endswith("recoded (demoted)")
    assert moved[town.name("demotions")].after == f"{town.after('demotions')} MedDRA 90.1"
    whole = datasets.difference(town.ws, first, third)
    (waits,) = [change for change in whole.reactions if change.change == "waits"]
    assert (waits.target, waits.before, waits.after) == (NOWHERE, f"{NOWHERE} MedDRA 8.1", "")
    assert whole.counts()["cases"]["filled"] == 0
    assert [c.change for c in told.labels] == ["changed", "changed"]


def test_again_writes_nothing_and_coded_rows_are_listed(town: Town) -> None:
    before = len(town.ws.ledger.entries())
    assert town.update("90.1") == town.built[2]
    assert len(town.ws.ledger.entries()) == before
    rows = migration.coded_labels(town.ws, "90.1")
    assert rows is not None and len(rows) == len(town.names) + 2 and rows["row_id"].is_unique
    assert rows["meddra_version"].value_counts().to_dict() == {"90.1": len(rows) - 1, "8.1": 1}
    assert not rows["llt_code"].any() and rows["pt_name"].all()


def test_each_release_is_read_once(tmp_path: Path, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of two versions that are not at hand come together, after a release between was missed."""
    late = Town(tmp_path / "late")
    late.arrive("meddra", late.old.archive, late.new.archive)
    late.arrive("annotations", late.arrivals / "1999VAERSData.zip", late.arrivals / "table.csv")
    loaded: list[str] = []

    def load(ws: Workspace, version: str) -> Any:
        loaded.append(version)
        return dictionaries.load_dictionary(ws, version)

    monkeypatch.setattr(migration, "load_dictionary", load)
    moved = migration.migrate(late.ws, "90.1")
    assert sorted(loaded) == ["90.0", "90.1"]
    assert [(c["from"], c["label"]) for c in moved.classes[::6]] == [("8.1", "pt_name"), ("90.0", "pt_name")]
    built = building.build_dataset(late.ws, "90.1", moved.mappings)
    assert built
    assert late.reactions(built.digest) == town.reactions(town.built[2]), "as the updates in time had it"


def test_only_codes_wait_for_their_release(tmp_path: Path, town: Town) -> None:
    file = tmp_path / "codes.csv"
    text = (
        "case_id,narrative,annotator,verbatim,llt_code,meddra_version\nW-1,A long story.,coder,rash,{},8.1\n"
    )
    file.write_text(text.format(town.code("demotions")))
    ws = town.ws
    inbox.put(ws, "annotations", [file])
    (found,) = inbox.look(ws, "annotations")
    batch = inbox.read_batch(ws, found)
    admission.admit_batch(ws, found, batch, b"{}")
    built = building.build_dataset(ws, "90.1", [])
    assert (
        built and built.digest == town.built[2] and "Waits for its MedDRA update: codes.csv" in built.markdown
    )
