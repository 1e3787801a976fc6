"""A batch that arrives again, renamed or in another format, is recognised by its content."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvcore.annotations import label_studio, prodigy, table
from pvcore.config import Workspace, init_workspace, open_workspace
from pvcore.cycle import admission, arrivals, inbox
from pvcore.errors import NotFound
from pvcore.records import CRITERIA, Annotation, Case, Drug, Reaction

CASES = [
    Case("A-1", "A bad rash.", "hospital", "2026-02-03", 48.0, "F", "GB", "en", (Drug("X", "suspect"),),
         (Reaction("bad rash", seriousness=dict.fromkeys(CRITERIA, False)),)),
    Case("A-2", "He died."),
]  # fmt: skip
SAID = [
    Annotation(
        "A-1", "coding", {"llt_code": "90000001"}, "ann@example.org", "bad rash", meddra_version="29.0"
    ),
    Annotation("A-2", "seriousness", {"serious": True, "criteria": ["death"]}, "ann@example.org"),
]


def admit(workspace: Workspace, *files: Path) -> list[admission.Outcome]:
    inbox.put(workspace, "annotations", files)
    return [
        admission.admit_batch(workspace, found, inbox.read_batch(workspace, found), b"{}")
        for found in inbox.look(workspace, "annotations")
    ]


def test_another_format_or_name_is_already_admitted(tmp_path: Path) -> None:
    init_workspace(tmp_path / "ws")
    (tmp_path / "ws" / "pv.yaml").write_text("settle_seconds: 0\n")
    workspace = open_workspace(tmp_path / "ws")
    label_studio.write(CASES, SAID, tmp_path / "export.json")
    table.write(CASES, SAID, tmp_path / "export.csv")
    table.write(CASES[::-1], SAID[::-1], tmp_path / "another-name.parquet")
    prodigy.write(CASES, SAID, tmp_path / "export.jsonl")
    label_studio.write(CASES, SAID[:1], tmp_path / "less.json")
    (first,) = admit(workspace, tmp_path / "export.json")
    assert first.kind == "BatchAdmitted"
    again = admit(
        workspace, tmp_path / "export.csv", tmp_path / "another-name.parquet", tmp_path / "export.jsonl"
    )
    assert [(o.kind, o.digest) for o in again] == [("AlreadyAdmitted", first.digest)] * 3
    assert "has the content of inbox/annotations/export.json" in again[0].line
    assert [o.kind for o in admit(workspace, tmp_path / "less.json")] == ["BatchAdmitted"]
    kept = arrivals.load_batch(workspace, first.digest)
    assert (kept.digest, kept.format, kept.name, list(kept.cases)) == (
        first.digest,
        "label_studio",
        "export.json",
        CASES,
    )


def test_a_key_means_what_was_found_there_last(tmp_path: Path) -> None:
    init_workspace(tmp_path / "ws")
    (tmp_path / "ws" / "pv.yaml").write_text("settle_seconds: 0\n")
    workspace = open_workspace(tmp_path / "ws")
    box = tmp_path / "ws" / ".pv" / "store" / "inbox" / "annotations"
    place, cases = "inbox/annotations/weekly.csv", [[case] for case in CASES]

    def arrive(key: str, content: list[Case]) -> None:
        (box / key).parent.mkdir(parents=True, exist_ok=True)
        table.write(content, [], box / key)
        for found in inbox.look(workspace, "annotations"):
            admission.admit_batch(workspace, found, inbox.read_batch(workspace, found), b"{}")

    def said(name: str) -> list[str]:
        return [case.case_id for case in arrivals.load_batch(workspace, name).cases]

    arrive("weekly.csv", cases[0])
    arrive("weekly.csv", cases[1])  # written over, as exports into a folder are
    assert said(place) == said("weekly.csv") == ["A-2"]
    arrive("copy.csv", cases[0])  # admitted before, under another name
    assert said("copy.csv") == ["A-1"]
    arrive("may/weekly.csv", cases[0])
    assert said("inbox/annotations/may/weekly.csv") == ["A-1"]
    with pytest.raises(NotFound, match=r"2 batches are called weekly\.csv\. Say which: .*/may/weekly\.csv"):
        said("weekly.csv")
    with pytest.raises(NotFound, match="pv history"):
        said("absent.csv")
