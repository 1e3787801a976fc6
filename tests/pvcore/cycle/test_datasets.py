"""Which versions learnt from which dataset, and a dataset by the version that learnt from it."""

from __future__ import annotations

from typing import Any

from pvcore.cycle import consistency, datasets, dictionaries


def test_versions_and_datasets_name_each_other(told: Any) -> None:
    ws = told.workspace
    first, second = [e.body["dataset"] for e in ws.ledger.entries() if e.kind == "DatasetBuilt"]
    assert [v["version"] for v in datasets.page(ws, first)["versions"]] == ["coding@1", "seriousness@1"]
    assert [v["version"] for v in datasets.page(ws, second)["versions"]] == ["coding@2", "seriousness@2"]
    assert datasets.find(ws, "seriousness@1") == first
    assert datasets.find(ws, "coding@2") == datasets.find(ws, "latest") == second


def test_recoded_labels_name_their_migration_and_rule(told: Any) -> None:
    ws = told.workspace
    found = datasets.difference(ws, datasets.find(ws, "coding@1"), datasets.find(ws, "coding@2"))
    (migrated,) = [e.body for e in ws.ledger.entries() if e.kind == "Migrated"]
    moved = [c for c in found.labels if c.reason.startswith(f"migration {migrated['mapping'][:12]}: ")]
    assert any(c.change == "changed" and ": recoded (" in c.reason for c in moved)
    assert any(c.change == "carried" for c in moved)
    assert found.counts()["cases"]["added"] == 120


def test_doubtful_codes_of_a_dataset_and_of_a_batch_with_what_fits_better(told: Any) -> None:
    ws = told.workspace
    dictionary = dictionaries.load_dictionary(ws, "90.1")
    rows = consistency.doubtful(ws, "coding")
    assert rows and [row["doubt"] for row in rows] == sorted((row["doubt"] for row in rows), reverse=True)
    for row in rows:
        given, suggested = (row[name].partition(" ")[0] for name in ("given", "suggested"))
        assert dictionary.pt_of(given) != dictionary.pt_of(suggested) and dictionary.is_current(suggested)
    assert {row["case"].partition("-")[0] for row in rows} == {"first", "second"}
    of_batch = consistency.doubtful(ws, "coding", "second.xml")
    assert {row["case"].partition("-")[0] for row in of_batch} == {"second"}
