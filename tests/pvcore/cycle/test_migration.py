"""Labels through an update: what annotators settled stays settled, and no dataset goes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pvcore.annotations import dataset as stored
from pvcore.annotations.work_list import work_list
from pvcore.config import Workspace, init_workspace, open_workspace
from pvcore.cycle import admission, building, inbox, migration, releases
from pvcore.errors import RegistryError
from pvcore.meddra.generate import Size, Truth, generate
from pvcore.records import digest

COLUMNS = ["case_id", "narrative", "verbatim", "llt_code", "meddra_version", "annotator", "guideline"]


class Town:
    """A workspace in 90.0 with verbatims that several annotators coded; 90.1 waits outside."""

    def __init__(self, root: Path) -> None:
        init_workspace(root)
        (root / "pv.yaml").write_text("settle_seconds: 0\nthreads: 1\n")
        self.ws: Workspace = open_workspace(root)
        size = Size(4, 8, 24, 150, 500, 3)
        self.old = generate(root, version="90.0", seed=5, size=size)
        self.new = generate(root, version="90.1", seed=5, size=size, previous=self.old.dictionary)
        self.file = root / "table.csv"
        before, after = self.old.dictionary, self.new.dictionary
        changed = set(self.new.changes["code"])
        same = [c for c in before.current_llts()["llt_code"] if not changed & {c, before.pt_of(c)}]
        self.stays, self.other = same[0], same[-1]
        lost = [c for c in before.current_llts()["llt_code"] if not after.is_current(c)]
        self.review = next(c for c in lost if before.pt_of(c) != after.pt_of(c))

    def code(self, *said: tuple[str, str, str, str]) -> None:
        """Take in verbatims that were coded in 90.0: (case, annotator, code, guideline)."""
        rows = [
            (case, f"The story of {case}.", f"words of {case}", code, "90.0", who, guideline)
            for case, who, code, guideline in said
        ]
        pd.DataFrame(rows, columns=COLUMNS).to_csv(self.file, index=False)
        self._arrive("annotations", self.file)

    def update(self, release: Truth) -> dict[str, str]:
        """What meddra-update does up to the dataset; case -> code of its label."""
        self._arrive("meddra", release.archive)
        loaded = stored.load(self.ws.store, self.build(release.version))
        self.open = {
            (o.annotation.case_id, o.annotation.annotator)
            for o in stored.open_items(self.ws.store, loaded.info)
        }
        found = loaded.labels["value"].str.extract(r'"llt_code":"(\d+)"')[0]
        return dict(zip(loaded.labels["case_id"], found, strict=True))

    def build(self, version: str) -> str:
        """The dataset in `version` of all that was taken in."""
        moved = migration.migrate(self.ws, version)
        releases.adopt(self.ws, version, moved.mappings)
        built = building.build_dataset(self.ws, version, moved.mappings)
        assert built
        return built.digest

    def _arrive(self, box: Any, file: Path) -> None:
        inbox.put(self.ws, box, [file])
        for found in inbox.look(self.ws, box):
            if box == "meddra":
                admission.admit_release(self.ws, found, inbox.read_release(self.ws, found), b"{}")
            else:
                admission.admit_batch(self.ws, found, inbox.read_batch(self.ws, found), b"{}")


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path / "town")


def test_what_an_adjudication_or_most_annotators_settled_is_settled_after_an_update(town: Town) -> None:
    town.code(
        *(("majority", who, town.stays, "1") for who in ("ann", "bob")),
        ("majority", "cy", town.other, "1"),
        ("adjudicated", "ann", town.other, "1"),
        ("adjudicated", "dr", town.stays, "adjudication"),
        ("two of a kind", "ann", town.stays, "1"),
        ("two of a kind", "bob", town.other, "1"),
    )
    settled = dict.fromkeys(("adjudicated", "majority"), town.stays)
    assert town.update(town.old) == settled
    assert town.update(town.new) == settled
    assert town.open == {("two of a kind", "ann"), ("two of a kind", "bob")}


def test_an_overruled_code_that_a_person_would_have_to_choose_anew_keeps_no_label_back(town: Town) -> None:
    town.code(
        ("overruled", "ann", town.review, "1"),
        ("overruled", "dr", town.stays, "adjudication"),
        *(("outvoting", who, town.review, "1") for who in ("ann", "bob")),
        ("outvoting", "cy", town.stays, "1"),
    )
    town.update(town.old)
    assert town.update(town.new) == {"overruled": town.stays}
    assert town.open == {("outvoting", who) for who in ("ann", "bob", "cy")}  # nobody decides by being left


def test_a_run_that_an_update_overtook_makes_no_dataset_of_the_older_release(town: Town) -> None:
    town.code(("one", "ann", town.stays, "1"))
    town.update(town.old)
    town.update(town.new)
    before = len(town.ws.ledger.entries())
    with pytest.raises(RegistryError, match=r"in MedDRA 90\.1: labels do not go back to 90\.0"):
        building.build_dataset(town.ws, "90.0", [])
    assert len(town.ws.ledger.entries()) == before


def test_codes_that_their_own_release_does_not_allow_do_not_become_labels(town: Town) -> None:
    """A batch that came before its release was checked against none; one such code stopped every training."""
    old = town.old.dictionary
    stale = next(c for c in old.tables["llt"]["llt_code"] if not old.is_current(c))
    said = [
        ("no such", "ann", "12345678", "1"),
        ("stale", "ann", stale, "1"),
        ("right", "ann", town.stays, "1"),
    ]
    town.code(*said)
    labels = town.update(town.old)
    assert labels.pop("right") == town.stays and set(labels) <= {"stale"}
    assert all(old.is_current(code) and old.pt_of(code) == old.pt_of(stale) for code in labels.values())
    assert town.open == {("no such", "ann")}
    town.code(("late", "ann", town.stays, "1"))
    again = work_list(town.ws.store, town.build("90.0"))  # the next batch finds it as it was
    assert (
        list(again.reasons) == ["no such"]
        and "unknown_code: MedDRA 90.0 12345678" in again.reasons["no such"]
    )
    assert again.suggestions[0].value != {"llt_code": "12345678"}
    assert set(town.update(town.new)) == {"right", "stale", "late"}


def test_a_batch_that_comes_while_an_update_runs_is_carried_by_the_next_retraining(town: Town) -> None:
    """It is in the dataset and in no mapping; it waited for the release after."""
    town.code(("one", "ann", town.stays, "1"))
    town.update(town.old)
    town._arrive("meddra", town.new.archive)
    moved = migration.migrate(town.ws, "90.1")
    releases.adopt(town.ws, "90.1", moved.mappings)
    town.code(("late", "ann", town.stays, "1"))
    assert building.build_dataset(town.ws, "90.1", moved.mappings)
    town.code(("next", "ann", town.stays, "1"))
    labels = stored.load(town.ws.store, town.build("90.1")).labels
    assert labels["case_id"].tolist() == ["late", "next", "one"]
    counts = [e.body["rows"] for e in town.ws.ledger.entries() if e.kind == "Migrated"]
    assert counts == [1, 2]  # and what was carried is not carried again


def test_each_migration_of_a_dataset_is_read_once(town: Town) -> None:
    """After 26 weekly batches a work list read 351 of them, each with all rows, two seconds for 100,000."""
    town.code(("first", "ann", town.stays, "1"))
    town.update(town.old)
    town.update(town.new)
    for number in range(3):
        town.code((f"late {number}", "ann", town.stays, "1"))
        info = stored.load_info(town.ws.store, town.build("90.1"))
        made = [e.body["mapping"] for e in town.ws.ledger.entries() if e.kind == "Migrated"]
        assert (
            list(info.migrated_by)
            == made
            == [digest(data) for data in stored.migrations(town.ws.store, info)]
        )
