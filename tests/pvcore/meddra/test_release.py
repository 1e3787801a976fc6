"""A release reads the same from every form it comes in, and is refused whole when anything is wrong."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pvcore.errors import NotFound, ReleaseError
from pvcore.meddra.generate import Truth
from pvcore.meddra.release import Dictionary, content_digest, read

Write = Callable[..., Path]
Files = Mapping[str, bytes]


def test_a_zip_and_a_folder_are_the_same_dictionary(first: Truth, files: Files, write: Write) -> None:
    from_zip, from_folder = read(first.archive, version="28.1"), read(write(files))
    assert (from_zip.version, from_zip.language, from_zip.encoding) == ("28.1", "English", "UTF-8")
    assert from_zip.digest == from_folder.digest == first.dictionary.digest
    assert from_zip.tables["llt"].equals(from_folder.tables["llt"])


@pytest.mark.parametrize("folder", ["MedAscii", "ascii-281", "ASCII", "."])
def test_the_folder_may_have_any_name(folder: str, files: Files, write: Write) -> None:
    assert read(write(files, folder)).version == "28.1"


def test_a_folder_of_changes_with_the_same_file_names_is_not_read(files: Files, tmp_path: Path) -> None:
    for folder, content in (("ascii-281", files), ("seq-281", {"llt.asc": b"1$A$90000001$x$\r\n"})):
        (tmp_path / folder).mkdir()
        for name, data in content.items():
            (tmp_path / folder / name).write_bytes(data)
    assert read(tmp_path).version == "28.1"


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\r\n", b"\n"),
        lambda data: data.replace(b"$\r\n", b"\r\n"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.rstrip(b"\r\n"),
        lambda data: b"".join(reversed(data.splitlines(keepends=True))),
    ],
    ids=["LF", "no trailing $", "byte order mark", "no final newline", "other order of rows"],
)
def test_the_digest_is_of_the_content_not_of_the_writing(
    change: Callable[[bytes], bytes], first: Truth, files: Files, write: Write
) -> None:
    changed = {name: change(data) for name, data in files.items()}
    assert read(write(changed)).digest == first.dictionary.digest


def test_upper_case_file_names(first: Truth, files: Files, write: Write) -> None:
    assert read(write({name.upper(): data for name, data in files.items()})).digest == first.dictionary.digest


def test_latin_encoding_is_found_and_recorded(files: Files, write: Write) -> None:
    accented = {
        name: data.replace(b"Hepatic", "Hépatic €".encode("iso-8859-15")) for name, data in files.items()
    }
    dictionary = read(write(accented))
    assert dictionary.encoding == "ISO-8859-15"
    assert dictionary.tables["pt"]["pt_name"].str.contains("Hépatic €").any()


def test_a_language_that_latin_cannot_write_is_not_guessed(files: Files, write: Write) -> None:
    """Czech in ISO-8859-2 is bytes that ISO-8859-15 decodes, to other letters."""
    czech = {name: data.replace(b"Hepatic", "Jatérě".encode("iso-8859-2")) for name, data in files.items()}
    czech["meddra_release.asc"] = czech["meddra_release.asc"].replace(b"English", b"Czech")
    folder = write(czech)
    with pytest.raises(ReleaseError, match="language Czech, in an encoding that is not UTF-8"):
        read(folder)
    assert (
        read(folder, admitted=True).encoding == "ISO-8859-15"
    )  # what was let in before still has its digest


def test_encodings_are_not_mixed(files: Files, write: Write) -> None:
    mixed = dict(files)
    mixed["hlt.asc"] = mixed["hlt.asc"].replace(b"Hepatic", "Hépatic".encode("latin-1"))
    mixed["hlgt.asc"] = mixed["hlgt.asc"].replace(b"liver", "livér".encode())
    with pytest.raises(ReleaseError, match="not UTF-8, though other rows"):
        read(write(mixed))


def test_a_release_without_smqs_is_whole(files: Files, write: Write) -> None:
    without = {name: data for name, data in files.items() if not name.startswith("smq")}
    assert "smq_list" not in read(write(without)).tables


def test_the_version_asked_for(first: Truth, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"version 28\.1, expected 29\.0"):
        read(first.archive, version="29.0")
    other = tmp_path / "MedDRA_29_0_English.zip"
    other.write_bytes(first.archive.read_bytes())
    with pytest.raises(ReleaseError, match=r"the file name says 29\.0"):
        read(other)
    assert read(other, version="28.1").version == "28.1"


def test_the_questions_a_dictionary_answers(old: Dictionary) -> None:
    llt = old.tables["llt"]
    stale = llt[llt["llt_currency"] == "N"].iloc[0]
    assert stale["llt_code"] in old and "12345678" not in old
    assert not old.is_current(stale["llt_code"])
    assert old.llt_name(stale["llt_code"]) == stale["llt_name"]
    pt = old.pt_of(stale["llt_code"])
    assert old.pt_of(pt) == pt and old.is_current(pt) and old.pt_name(pt) == old.llt_name(pt)
    assert old.described(pt) == f"{pt} {old.pt_name(pt)}"
    name = old.llt_name(stale["llt_code"])
    assert old.described(stale["llt_code"]) == f"{stale['llt_code']} {name} (PT {pt} {old.pt_name(pt)})"
    path = old.primary_path(pt)
    assert set(path) == {
        f"{level}_{part}" for level in ("pt", "hlt", "hlgt", "soc") for part in ("code", "name")
    }
    assert path["soc_code"] == old.tables["pt"].set_index("pt_code").loc[pt, "pt_soc_code"]
    current = old.current_llts()
    assert list(current.columns) == ["llt_code", "llt_name", "pt_code"]
    assert set(current["llt_code"]) == set(llt.loc[llt["llt_currency"] == "Y", "llt_code"])


@pytest.mark.parametrize(
    "question", ["llt_name", "pt_of", "is_current", "pt_name", "primary_path", "described"]
)
def test_an_unknown_code_is_said_with_the_version(question: str, old: Dictionary) -> None:
    with pytest.raises(NotFound, match=r"MedDRA 28\.1 has no (LLT|PT) 12345678"):
        getattr(old, question)("12345678")


def test_what_a_caller_does_with_a_frame_does_not_change_the_dictionary(old: Dictionary) -> None:
    mine = old.current_llts()
    mine["llt_name"] = "x"
    old.primary_path(old.pt_of(old.current_llts()["llt_code"][0])).clear()
    assert "x" not in set(old.current_llts()["llt_name"])
    assert content_digest(old.tables) == old.digest


def test_all_faults_come_together(files: Files, write: Write) -> None:
    broken = dict(files)
    broken["pt.asc"] = broken["pt.asc"].replace(b"\r\n", b"$x\r\n", 2)
    broken["llt.asc"] = broken["llt.asc"][:-20]
    broken["soc.asc"] = b""
    with pytest.raises(ReleaseError) as caught:
        read(write(broken))
    where = [fault.where for fault in caught.value.faults]
    assert {"pt.asc, row 1", "pt.asc, row 2", "soc.asc"} <= set(where)
    assert f"llt.asc, row {len(files['llt.asc'].splitlines())}" in where


TABLES = [
    "llt.asc",
    "pt.asc",
    "hlt.asc",
    "hlgt.asc",
    "soc.asc",
    "hlt_pt.asc",
    "mdhier.asc",
    "meddra_release.asc",
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_file_is_read_or_refused_but_never_crashes(
    data: st.DataObject, files: Files, tmp_path: Path
) -> None:
    """Cuts, flipped bytes and strewn-in bytes; what is still accepted must answer its questions."""
    name = data.draw(st.sampled_from(TABLES))
    content = bytearray(files[name])
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, max(0, len(content) - 1)))
        kind = data.draw(st.sampled_from(["cut", "flip", "insert"]))
        if kind == "cut":
            del content[position : position + data.draw(st.integers(1, 400))]
        elif kind == "flip" and content:
            content[position] ^= data.draw(st.integers(1, 255))
        else:
            content[position:position] = data.draw(st.binary(min_size=1, max_size=12))
    folder = tmp_path / "mutated"
    folder.mkdir(exist_ok=True)
    for other, raw in files.items():
        (folder / other).write_bytes(bytes(content) if other == name else raw)
    try:
        dictionary = read(folder)
    except ReleaseError as error:
        assert error.faults and str(error)
        return
    for pt in dictionary.current_llts()["pt_code"].unique():
        assert dictionary.primary_path(pt)["soc_name"] and dictionary.pt_name(pt)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_zip_is_read_as_it_was_or_refused(
    data: st.DataObject, first: Truth, tmp_path: Path
) -> None:
    content = bytearray(first.archive.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "mutated.zip"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        assert read(path).digest in {first.dictionary.digest} | _without_smqs(first)
    except ReleaseError as error:
        assert error.faults


def _without_smqs(first: Truth) -> set[str]:
    """A damaged name in the zip's directory hides an optional table: the rest is still a whole release."""
    optional = ("smq_list", "smq_content", "intl_ord")
    tables = dict(first.dictionary.tables)
    found = set()
    for gone in (("smq_content",), ("smq_list", "smq_content"), ("intl_ord",), optional):
        found.add(content_digest({name: frame for name, frame in tables.items() if name not in gone}))
    return found


def _zip(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def test_a_zip_with_the_tables_at_its_root_or_deeper(files: Files, tmp_path: Path) -> None:
    for prefix in ("", "MedDRA 28.1/MedAscii/"):
        path = tmp_path / "release.zip"
        path.write_bytes(_zip({prefix + name: data for name, data in files.items()}))
        assert read(path).version == "28.1"
