"""Bad input to every reader: whatever the bytes are, a batch or one typed error with file, place and advice."""

from __future__ import annotations

import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pvcore.annotations import brat, doccano, e2b_r2, e2b_r3, label_studio, pair_files, prodigy, table
from pvcore.annotations.batch import READERS, Batch, read
from pvcore.annotations.generate_pairs import generate_pairs
from pvcore.errors import BatchError

FORMATS = (
    "e2b_r3", "e2b_r2", "label_studio", "prodigy", "doccano", "brat", "csv", "parquet", "mapped", "pairs", "chats",
)  # fmt: skip


def outcome(data: bytes | Path, version: str | None = "29.0") -> Batch | BatchError:
    """What `read` says: anything but these two fails the test."""
    try:
        return read(data, name="file", meddra_version=version)
    except BatchError as error:
        assert error.source == "file" and error.faults
        assert all(fault.where and fault.what for fault in error.faults)
        assert str(error).startswith("file: ")
        return error


@pytest.fixture(scope="module")
def files(generated: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small file of each format."""
    folder = tmp_path_factory.mktemp("formats")
    cases, said = generated[0][:4], [a for a in generated[1] if a.case_id <= generated[0][3].case_id]
    e2b_r3.write(cases, said, folder / "e2b_r3", "29.0")
    e2b_r2.write(cases, said, folder / "e2b_r2", "29.0")
    label_studio.write(cases, said, folder / "label_studio")
    prodigy.write(cases, said, folder / "prodigy")
    doccano.write(cases, said, folder / "doccano")
    brat.write(cases, said, folder / "brat")
    table.write(cases, said, folder / "csv")
    table.write(cases, said, folder / "table.parquet")
    (folder / "table.parquet").rename(folder / "parquet")
    columns = {
        name: name for name in ("case_id", "narrative", "serious", "annotator", "verbatim", "llt_code")
    }
    with zipfile.ZipFile(folder / "mapped", "w") as archive:
        archive.write(folder / "csv", "table.csv")
        archive.writestr("mapping.yaml", json.dumps({"columns": columns}))
    pair_files.write(*generate_pairs(n=4, seed=1, drugs=20), folder / "pairs")
    turns = [("user", "Drug1: a\nGenes targeted by drug1: x, y\n\nDrug2: b\n"), ("assistant", "interaction")]
    chat = {"messages": [{"role": role, "content": text} for role, text in turns]}
    (folder / "chats").write_text(json.dumps(chat) + "\n")
    return {name: (folder / name).read_bytes() for name in FORMATS}


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Cut, swap, repeat, flip and garble: what disks, editors and transfers do."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        changed = changed or bytearray(b" ")
        at = chance.randrange(len(changed))
        span = chance.randint(1, 40)
        kind = chance.randrange(6)
        if kind == 0:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del changed[at : at + span]
        elif kind == 2:
            changed[at:at] = changed[at : at + span]
        elif kind == 3:
            changed[at : at + span] = chance.randbytes(span)
        elif kind == 4:
            changed[at:at] = chance.choice(
                [b'"', b"<", b"&", b"\0", b"\xff", b"null", b"1e999", b"{}", b"\n", b"&x;"]
            )
        else:
            changed = changed[: max(at, 1)]
    return bytes(changed)


@pytest.mark.parametrize("name", FORMATS)
def test_mutated_files(name: str, files: dict[str, bytes]) -> None:
    chance = random.Random(name)
    assert isinstance(outcome(files[name]), Batch)
    found = [outcome(mutated(files[name], chance)) for _ in range(120)]
    assert any(isinstance(item, BatchError) for item in found)


@pytest.mark.parametrize("name", ["brat", "doccano", "mapped"])
def test_mutated_members_of_zips(name: str, files: dict[str, bytes]) -> None:
    """The checksums of a zip hide its members from the mutations above."""
    chance = random.Random(name)
    with zipfile.ZipFile(io.BytesIO(files[name])) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    for _ in range(120):
        chosen = chance.choice(sorted(members))
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for member, data in members.items():
                archive.writestr(member, mutated(data or b" ", chance) if member == chosen else data)
        outcome(buffer.getvalue())


def test_mutated_real_files(shared: Path) -> None:
    real = [
        p.read_bytes()
        for p in sorted((shared / "data" / "e2b_r3").glob("*.xml"))
        if p.stat().st_size < 100_000
    ]
    real.append((shared / "data" / "vaers" / "1990VAERSData.zip").read_bytes())
    chance = random.Random(1)
    found = [outcome(mutated(data, chance)) for data in real[:-1] for _ in range(12)]
    found += [outcome(mutated(real[-1], chance)) for _ in range(3)]
    assert any(isinstance(item, BatchError) for item in found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**10) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def replaced(value: Any, chance: random.Random, new: Any) -> Any:
    """The value with one of its parts, at any depth, replaced by `new`."""
    if not isinstance(value, dict | list) or not value or chance.random() < 0.15:
        return new
    key = chance.choice(sorted(value)) if isinstance(value, dict) else chance.randrange(len(value))
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[key] = replaced(copy[key], chance, new)
    return copy


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(JSON, st.integers(0, 2**32))
def test_json_with_any_value_anywhere(files: dict[str, bytes], new: Any, seed: int) -> None:
    chance = random.Random(seed)
    tasks = replaced(json.loads(files["label_studio"]), chance, new)
    outcome(json.dumps(tasks).encode())
    lines = [json.loads(line) for line in files["prodigy"].splitlines()]
    outcome(b"\n".join(json.dumps(replaced(line, chance, new)).encode() for line in lines))
    with zipfile.ZipFile(io.BytesIO(files["doccano"])) as archive:
        lines = [json.loads(line) for line in archive.read(archive.namelist()[0]).splitlines()]
    outcome(b"\n".join(json.dumps({"annotator": "a"} | (changed if isinstance(changed, dict) else {})).encode()
                       for changed in (replaced(line, chance, new) for line in lines)))  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
@example(b"PK\x05\x06" + b"\0" * 18)
@example(b"PAR1")
@example(b'case_id,narrative\n"x')
@example(b'<?xml version="1.0" encoding="no-such"?><ichicsr/>')
@example(b'<?xml version="1.0" encoding="shift_jis"?><ichicsr/>')
def test_any_bytes(data: bytes) -> None:
    outcome(data)
    for start in (b"<ichicsr>", b'{"text": ', b"case_id,narrative\n", b"PAR1", b"PK\x03\x04", b"["):
        outcome(start + data)


CELL = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    [
        "",
        "yes",
        "not serious",
        "maybe",
        "90000001",
        "29.0",
        "[",
        "[1]",
        '[{"name": 1}]',
        "{}",
        "death;sad",
        "-1",
        "nan",
        "1e9",
    ]
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(*[CELL] * 14), max_size=4))
def test_tables_with_any_cells(rows: list[tuple[str, ...]]) -> None:
    import csv

    names = ["case_id", "narrative", "received", "age_years", "drugs", "reactions", "annotator", "serious", "criteria",
             "verbatim", "llt_code", "meddra_version", "problem", "value"]  # fmt: skip
    buffer = io.StringIO()
    csv.writer(buffer).writerows([names, *rows])
    outcome(buffer.getvalue().encode())


@settings(max_examples=60, deadline=None)
@given(
    JSON
    | st.dictionaries(st.sampled_from(["columns", "constants", "values", "table", "delimiter", "x"]), JSON)
)
def test_any_mapping(value: Any) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mapping.yaml", json.dumps(value))
        archive.writestr("t.csv", "case_id,narrative\n1,text\n")
    outcome(buffer.getvalue())


def test_hostile_xml() -> None:
    deep = b"<a>" * 200_000
    for root in (b"<ichicsr>", b'<MCCI_IN200100UV01 xmlns="urn:hl7-org:v3">'):
        assert isinstance(outcome(root + deep), BatchError)
    laughs = b'<!DOCTYPE ichicsr [<!ENTITY a "lol"><!ENTITY b "&a;&a;">]><ichicsr>&b;</ichicsr>'
    assert "DOCTYPE is not accepted" in str(outcome(laughs))


def test_every_reader_is_fuzzed() -> None:
    same = {**dict.fromkeys(("csv", "parquet", "mapped"), "table"), "chats": "pairs"}
    tried = {same.get(name, name) for name in FORMATS} | {"vaers"}
    assert tried == {reader.NAME for reader in READERS}
