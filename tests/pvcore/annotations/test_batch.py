"""Batches: recognised by content, the same content has one digest, all faults together."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest

from pvcore.annotations import batch as batches
from pvcore.annotations.batch import make_batch, read, read_stored, stored
from pvcore.annotations.batch_check import check
from pvcore.annotations.reading import Content
from pvcore.errors import BatchError
from pvcore.records import Annotation, Case, canonical, digest


def test_digest_is_of_content_not_of_name_or_order(generated) -> None:
    cases, said = generated
    one = make_batch("one", "x", cases, said)
    other = make_batch("other", "x", cases[::-1], said[::-1])
    assert one.digest == other.digest
    changed = (dataclasses.replace(cases[0], age_years=3.5), *cases[1:])
    assert make_batch("one", "x", changed, said).digest != one.digest


def test_bytes_and_back(generated) -> None:
    batch = make_batch("one", "x", *generated, {"reason": 2})
    data = b"".join(stored(batch))
    assert read_stored(io.BytesIO(data), name="one", format="x", dropped={"reason": 2}) == batch
    assert data == canonical(json.loads(data)) and digest(data) == batch.digest


@pytest.mark.parametrize("at_once", [1, 2, 10**6])
def test_bytes_are_the_same_however_many_records_are_written_together(
    generated, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_batch("one", "x", generated[0][:5], [a for a in generated[1] if a.case_id in {
        case.case_id for case in generated[0][:5]}])  # fmt: skip
    said = [dataclasses.asdict(a) for a in batch.annotations]
    whole = canonical(
        {"annotations": said, "batch": 2, "cases": [dataclasses.asdict(c) for c in batch.cases]}
    )
    monkeypatch.setattr(batches, "AT_ONCE", at_once)
    assert b"".join(stored(batch)) == whole
    empty = b'{"annotations":[],"batch":2,"cases":[]}'
    assert b"".join(stored(make_batch("none", "x", (), ()))) == empty


def test_annotations_that_differ_in_their_value_alone_are_in_one_order(generated) -> None:
    case = generated[0][0]
    yes, no = (Annotation(case.case_id, "p", {"serious": value}, "a") for value in (True, False))
    one, other = (make_batch("b", "x", [case], said) for said in ([yes, no], [no, yes]))
    assert one.annotations == other.annotations == (no, yes) and one.digest == other.digest


def test_digest_is_independent_of_format_and_of_what_was_dropped(generated) -> None:
    assert make_batch("1", "x", *generated).digest == make_batch("2", "y", *generated, {"reason": 2}).digest


def test_batches_of_format_1_are_read(generated) -> None:
    cases, said = generated
    value = json.loads(b"".join(stored(make_batch("one", "x", cases, said))))
    old = canonical({**value, "batch": 1, "format": "x", "dropped": {"reason": 2}})
    batch = read_stored(io.BytesIO(old))
    assert (batch.cases, batch.format, batch.dropped, batch.digest) == (
        cases,
        "x",
        {"reason": 2},
        digest(old),
    )


def test_what_a_batch_takes_back_is_part_of_it(generated) -> None:
    case, said = Case("A-1", "A rash."), Annotation("A-1", "p", {}, "a")
    one = make_batch("one", "x", [case], [said], nullified=["B-2", "B-1", "B-2"])
    data = b"".join(stored(one))
    assert data.endswith(b'],"nullified":["B-1","B-2"]}') and data == canonical(json.loads(data))
    assert digest(data) == one.digest != make_batch("one", "x", [case], [said]).digest
    assert read_stored(io.BytesIO(data), name="one", format="x") == one
    for odd in (b"3", b"true"):
        with pytest.raises(BatchError, match="not a stored batch"):
            read_stored(io.BytesIO(data.replace(b'["B-1","B-2"]', odd)))


def test_other_bytes_are_no_stored_batch() -> None:
    for data in (b"{}", b"\x00", b'{"batch": 99}', b'{"batch": 1, "cases": 3}'):
        with pytest.raises(BatchError, match="not a stored batch"):
            read_stored(io.BytesIO(data))


@pytest.mark.parametrize("data", [b"", b"  ", b"id,text\n1,2\n", b"%PDF-1.7"])
def test_unknown_formats_are_named(data: bytes) -> None:
    with pytest.raises(BatchError, match=r"e2b_r3 .*label_studio .*vaers"):
        read(data, name="file")


@pytest.mark.parametrize("text", ["case_id\tnarrative\n1\tA rash.\n", '{"text": "A rash.", "label": []}\n'])
def test_a_file_in_utf_16_is_called_so(text: str) -> None:
    with pytest.raises(BatchError, match=r"is UTF-16 \(save it as UTF-8\)"):
        read(text.encode("utf-16"), name="file")


def test_a_missing_file_is_a_batch_error(tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="cannot be read"):
        read(tmp_path / "none.xml")


def test_check_finds_everything() -> None:
    case = Case("a", "text")
    faults = check(Content((case, case, Case(" ", "x")), (Annotation("b", "p", {}, "x"),)))
    assert [str(f) for f in faults] == [
        "case 'a': stands in the batch 2 times (keep the latest version only)",
        "case ' ': has no id",
        "case 'b': is annotated but not in the batch",
    ]
    assert [f.what for f in check(Content((), ()))] == ["holds no case"]
    assert check(Content((), (), {}, ("a",))) == []
    assert [f.what for f in check(Content((), (), {}, ("a\x1b",)))] == ["holds control characters"]
    (nothing,) = check(Content((), (), {"nullified case (C.1.11.1)": 2}))
    assert str(nothing) == "batch: holds no case (left out: 2 x nullified case (C.1.11.1))"


def test_path_and_bytes_read_alike(tmp_path: Path) -> None:
    tasks = [{"data": {"case_id": "1", "text": "t"}, "annotations": []}]
    path = tmp_path / "b.json"
    path.write_text(json.dumps(tasks))
    path.chmod(0o400)  # a store's own file, which nothing may write to
    assert read(path).digest == read(path.read_bytes(), name="other").digest
