"""Label Studio: round trip with several annotators, what exports leave out, all faults together."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from pvcore.annotations import label_studio
from pvcore.annotations.agreement import consensus
from pvcore.annotations.batch import read
from pvcore.errors import BatchError
from pvcore.records import Annotation

TEXT = "After the jab a bad rash came up. He was kept in hospital."
START = TEXT.index("bad rash")


def region(code: str | None = "90000001", **changes: Any) -> list[dict[str, Any]]:
    span = {"start": START, "end": START + 8, **changes}
    made = [{"id": "r1", "from_name": "reaction", "to_name": "text", "type": "labels",
             "value": {**span, "labels": ["Reaction"]}}]  # fmt: skip
    if code is not None:
        made.append({"id": "r1", "from_name": "llt", "to_name": "text", "type": "textarea",
                     "value": {**span, "text": [code]}})  # fmt: skip
    return made


def choice(control: str, *values: str) -> dict[str, Any]:
    return {
        "id": "c",
        "from_name": control,
        "to_name": "text",
        "type": "choices",
        "value": {"choices": list(values)},
    }


def task(*results: dict[str, Any], **said: Any) -> dict[str, Any]:
    annotation = {"id": 5, "completed_by": 3, "was_cancelled": False, "result": list(results), **said}
    return {
        "id": 1,
        "data": {"case_id": "A-1", "text": TEXT, "received": "2026-03-01"},
        "annotations": [annotation],
    }


def batch(*tasks: dict[str, Any], version: str | None = "29.0") -> Any:
    return read(json.dumps(tasks).encode(), name="b.json", meddra_version=version)


def test_a_task_as_the_tool_exports_it() -> None:
    found = batch(
        task(*region(), choice("seriousness", "serious"), choice("criteria", "other", "hospitalisation"),
             updated_at="2026-03-02T10:00:00Z")
    )  # fmt: skip
    assert found.annotations == (
        Annotation("A-1", "coding", {"llt_code": "90000001"}, "label-studio-3", "bad rash", "2026-03-02T10:00:00Z",
                   meddra_version="29.0"),
        Annotation("A-1", "seriousness", {"serious": True, "criteria": ["hospitalisation", "other"]},
                   "label-studio-3", time="2026-03-02T10:00:00Z"),
    )  # fmt: skip
    assert [r.verbatim for r in found.cases[0].reactions] == ["bad rash"]
    assert found.cases[0].received == "2026-03-01"


def test_round_trip(generated, tmp_path: Path) -> None:
    cases, said = generated
    label_studio.write(cases, said, tmp_path / "b.json")
    found = read(tmp_path / "b.json")  # the version travels with the task

    def facts(items: Any) -> list[tuple[str, ...]]:
        return sorted(
            (a.case_id, a.problem, a.target, str(a.value), a.annotator, str(a.meddra_version)) for a in items
        )

    assert facts(found.annotations) == facts(said)
    assert found.cases == cases


def test_cancelled_and_empty_annotations_are_counted() -> None:
    found = batch(
        task(choice("seriousness", "serious"), was_cancelled=True),
        {**task(), "data": {"case_id": "A-2", "text": TEXT}},
        {**task(*region(code=None)), "data": {"case_id": "A-3", "text": TEXT}},
        {**task({"from_name": "mood", "value": {}}), "data": {"case_id": "A-4", "text": TEXT}},
    )
    assert found.annotations == ()
    assert found.dropped == {
        "annotation that says nothing": 3, "cancelled annotation": 1, "region without a code": 1,
        "result of control 'mood'": 1,
    }  # fmt: skip


def test_taxonomy_and_user_objects() -> None:
    item = task(*region(code=None), completed_by={"id": 4, "email": "ann@example.org"})
    leaf = {"id": "r1", "from_name": "llt", "type": "taxonomy",
            "value": {"start": START, "end": START + 8, "text": "bad rash",
                      "taxonomy": [["Skin", "90000007 Rash"]]}}  # fmt: skip
    item["annotations"][0]["result"].append(leaf)
    said = batch(item).annotations
    assert [(a.annotator, a.value) for a in said] == [("ann@example.org", {"llt_code": "90000007"})]


def test_ground_truth_is_an_adjudication() -> None:
    assert (
        batch(task(choice("seriousness", "serious"), ground_truth=True)).annotations[0].guideline
        == "adjudication"
    )


def test_codes_need_a_version() -> None:
    with pytest.raises(BatchError, match=r"1 codes, and no MedDRA version"):
        batch(task(*region()), version=None)
    assert len(batch(task(choice("seriousness", "serious")), version=None).annotations) == 1


@pytest.mark.parametrize("stated", ["29.0", "29", 29, 29.0])
def test_a_version_and_an_id_that_are_numbers(stated: Any) -> None:
    item = task(*region())
    item["data"] |= {"meddra_version": stated, "case_id": 0}
    (said,) = batch(item).annotations
    assert (said.case_id, said.meddra_version) == ("0", "29.0")


def test_two_tasks_of_one_case() -> None:
    first = task(*region("90000001"), updated_at="2026-03-01T10:00:00Z")
    again = task(*region("90000002"), updated_at="2026-03-02T10:00:00Z")
    found = batch(first, again)
    assert [case.case_id for case in found.cases] == ["A-1"]
    (label,) = consensus(found.annotations).resolved
    assert label.value == {"llt_code": "90000002"}  # what somebody says again takes the place of what he said
    again["data"]["text"] += " He died."
    with pytest.raises(BatchError, match="differs from an earlier one on this case"):
        batch(first, again)


def test_a_version_that_the_task_contradicts() -> None:
    item = task(*region())
    item["data"]["meddra_version"] = "28.1"
    with pytest.raises(BatchError, match=r"MedDRA 28.1, expected 29.0"):
        batch(item)


FOLDED = "He had a bad  rash\r\nall over \U0001f62e and fever."


@pytest.mark.parametrize(
    ("start", "copy", "words"),
    [
        (FOLDED.index("bad"), "bad rash", "bad  rash"),  # as a browser shows it, and so the tool copies it
        (FOLDED.index("rash"), r"rash\n\nall", "rash\r\nall"),
        (FOLDED.index("rash"), "rashall", "rash\r\nall"),
        (FOLDED.index("fever"), "fever", "fever"),
        (FOLDED.index("fever") + 1, "fever", "fever"),  # older versions count an emoji twice
    ],
)
def test_words_as_versions_of_the_tool_copy_and_count_them(start: int, copy: str, words: str) -> None:
    place = {"start": start, "end": start + len(words), "text": copy}
    item = task(
        *region(**place), {"from_name": "spans", "type": "labels", "value": {**place, "labels": ["Reaction"]}}
    )
    item["data"]["text"] = FOLDED
    coded, marked = batch(item).annotations
    assert coded.target == words
    (span,) = marked.value["spans"]
    assert FOLDED[span["start"] : span["end"]] == words


FAULTY = {
    "choice": (task(choice("seriousness", "maybe")), "seriousness maybe"),
    "two choices": (task(choice("seriousness", "serious", "not serious")), "seriousness serious, not serious"),
    "criteria alone": (task(choice("criteria", "death")), "no choice of `seriousness`"),
    "criteria of not serious": (
        task(choice("seriousness", "not serious"), choice("criteria", "death")), "not serious, but with criteria",
    ),
    "unknown criterion": (task(choice("seriousness", "serious"), choice("criteria", "sad")), "criteria sad"),
    "short code": (task(*region("9000")), "is coded '9000'"),
    "outside": (task(*region(end=999)), "lies outside the text"),
    "changed text": (task(*region(text="good rash")), "changed after the annotation"),
    "nobody": (task(choice("seriousness", "serious"), completed_by=None), "does not say who"),
    "no data": ({"id": 1}, "has no `data`"),
    "no id": ({"data": {"text": "x"}, "annotations": []}, "no `case_id`"),
    "no text": ({"data": {"case_id": "1"}, "annotations": []}, "no narrative"),
    "bad date": ({"data": {"case_id": "1", "text": "x", "received": "1/2/2026"}, "annotations": []}, "not of the form"),
    "annotations of another type": ({"data": {"case_id": "1", "text": "x"}, "annotations": True}, "is True, no list"),
    "no annotations": ({"data": {"case_id": "1", "text": "x"}}, "no `annotations`"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTY)
def test_faults(name: str) -> None:
    item, message = FAULTY[name]
    with pytest.raises(BatchError, match=message.replace("(", r"\(")):
        batch(item)


def test_all_faults_come_together() -> None:
    items = []
    for number, (item, _) in enumerate(FAULTY.values()):
        item = copy.deepcopy(item)
        if "case_id" in item.get("data", {}):
            item["data"]["case_id"] = f"C-{number}"
        items.append(item)
    with pytest.raises(BatchError) as caught:
        batch(*items)
    assert len(caught.value.faults) >= len(FAULTY)


@pytest.mark.parametrize("data", [b"[" * 100_000, b'[{"a": NaN}]', b'[{"data": ', b"[\xff]", b'{"a": 1}'])
def test_broken_json(data: bytes) -> None:
    with pytest.raises(BatchError):
        read(data, name="b.json")


def test_work_list_comes_back(generated, tmp_path: Path) -> None:
    cases, said = generated
    config = label_studio.write_tasks(
        cases[:5], tmp_path / "work.json", suggestions=said, reasons={"T-00001": "why"}
    )
    tasks = json.loads((tmp_path / "work.json").read_text())
    assert tasks[0]["data"]["reason"] == "why" and len(tasks[0]["predictions"]) == 2
    # suggestions are no annotations: a work list that nobody worked on says nothing
    assert read(tmp_path / "work.json").annotations == ()
    # accept the first suggestion of each
    for item in tasks:
        item["annotations"] = [{"completed_by": 1, "result": item["predictions"][0]["result"]}]
    found = read(json.dumps(tasks).encode(), name="b", meddra_version="29.0")
    expected = {
        (a.case_id, a.target, str(a.value))
        for a in said
        if a.annotator == "annotator-a" and a.case_id <= "T-00005"
    }
    assert {(a.case_id, a.target, str(a.value)) for a in found.annotations} == expected
    controls = {node.get("name") for node in ElementTree.parse(config).getroot().iter() if node.get("name")}
    assert {"seriousness", "criteria", "reaction", "llt"} <= controls
