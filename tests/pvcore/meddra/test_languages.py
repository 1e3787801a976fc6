"""Another language joined to the English release by code, and faults where the codes differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pvcore.errors import ConfigError, ReleaseError
from pvcore.meddra.diff import diff
from pvcore.meddra.generate import Size, Truth, generate
from pvcore.meddra.languages import LEVELS, join
from pvcore.meddra.release import Dictionary, content_digest, read
from pvcore.meddra.tables import TABLES, serialise
from pvcore.meddra.translate import translated

Write = Callable[..., Path]


def _translated(english: Dictionary, language: str = "German", **changed: pd.DataFrame) -> Dictionary:
    """The release in another language; `changed` take the place of tables."""
    made = translated({**english.tables, **changed}, language)
    return replace(english, language=language, tables=made, digest=content_digest(made))


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    """28.1 of the seed of `first`."""
    folder = tmp_path_factory.mktemp("german")
    return generate(folder, version="28.1", seed=3, size=Size.small(), language="German")


def test_a_generated_release_in_another_language_has_the_codes_of_the_english_one(
    old: Dictionary, german: Truth
) -> None:
    assert german.archive.name == "MedDRA_28_1_German.zip"
    found = read(german.archive)
    assert (found.language, found.digest) == ("German", german.dictionary.digest)
    joined = join(old, [found])
    assert joined.names.notna().all().all()
    english, other = joined.names["English"], joined.names["German"]
    assert (english != other).all()
    for level in ("PT", "HLT", "HLGT", "SOC", "SMQ"):
        assert other.loc[level].nunique() == english.loc[level].nunique(), level
    code = old.tables["smq_list"]["smq_code"].iloc[0]
    assert joined.name("SMQ", code)["English"].endswith("query 1 (SMQ)")
    assert joined.name("SMQ", code)["German"].endswith(" 1 (SMQ)")
    assert any(ord(letter) > 127 for letter in "".join(other))


def test_the_next_version_of_a_translation_changes_where_the_english_one_does(
    first: Truth, second: Truth, german: Truth, tmp_path: Path
) -> None:
    made = generate(
        tmp_path, version="29.0", seed=3, size=Size.small(), previous=first.dictionary, language="German"
    )
    assert made.changes.equals(second.changes)
    assert len(join(second.dictionary, [read(made.archive)]).names) > 1000
    kinds = [
        diff(*pair).changes["kind"].value_counts().to_dict()
        for pair in ((first.dictionary, second.dictionary), (german.dictionary, made.dictionary))
    ]
    assert kinds[0] == kinds[1]
    with pytest.raises(ConfigError, match="previous release is in German"):
        generate(tmp_path, version="29.0", seed=3, size=Size.small(), previous=german.dictionary)


def test_names_by_language_and_code(old: Dictionary, german: Truth, write: Write) -> None:
    files = {
        f"{name}.asc": serialise(TABLES[name], frame) for name, frame in german.dictionary.tables.items()
    }
    joined = join(old, [read(write(files)), _translated(old, "French")])
    assert joined.languages == ("English", "German", "French")
    code = old.tables["llt"]["llt_code"].iloc[5]
    name = old.llt_name(code)
    assert joined.name("LLT", code) == {
        "English": name,
        "German": german.dictionary.llt_name(code),
        "French": _translated(old, "French").llt_name(code),
    }
    assert len(joined.names) == sum(len(old.tables[table]) for table, *_ in LEVELS.values())
    assert joined.names.notna().all().all()
    assert join(old, []).languages == ("English",)
    with pytest.raises(KeyError):
        joined.name("LLT", "99999999")


def test_codes_that_differ_are_all_named(old: Dictionary) -> None:
    llt, pt, links = (old.tables[name] for name in ("llt", "pt", "hlt_pt"))
    stranger = llt.iloc[[0]].assign(llt_code="99999999")
    fewer = pd.concat([llt.iloc[1:], stranger], ignore_index=True)
    socs = pt.assign(pt_soc_code=pt["pt_soc_code"].where(pt.index != 3, "90000002"))
    with pytest.raises(ReleaseError) as caught:
        join(old, [_translated(old, llt=fewer, pt=socs, hlt_pt=links.iloc[1:])])
    said = [str(fault) for fault in caught.value.faults]
    assert len(said) == 4
    assert f"has no LLT {llt['llt_code'].iloc[0]}" in said[0] and "has LLT 99999999" in said[1]
    assert f"PT {pt['pt_code'].iloc[3]}: pt_soc_code 90000002" in said[2] and "has no link" in said[3]


def test_smqs_that_differ_are_named_or_missing_as_a_whole(old: Dictionary) -> None:
    smqs, content = old.tables["smq_list"], old.tables["smq_content"]
    with pytest.raises(ReleaseError) as caught:
        join(old, [_translated(old, smq_list=smqs.iloc[1:], smq_content=content.iloc[1:])])
    smq, term = content.iloc[0][["smq_code", "term_code"]]
    assert [fault.what for fault in caught.value.faults] == [
        f"has no SMQ {smqs['smq_code'].iloc[0]}, which English has", f"has no link {smq} to {term}",
    ]  # fmt: skip
    without = {name: frame for name, frame in old.tables.items() if not name.startswith("smq")}
    bare = replace(old, tables=without)
    with pytest.raises(ReleaseError, match=r"German smq_list\.asc: is missing, English has it"):
        join(old, [_translated(bare)])
    with pytest.raises(ReleaseError, match=r"German smq_content\.asc: is there, English has none"):
        join(bare, [_translated(old)])
    assert "SMQ" not in join(bare, [_translated(bare)]).names.index.get_level_values("level")


def test_versions_and_languages_that_cannot_be_joined(old: Dictionary, new: Dictionary) -> None:
    with pytest.raises(ReleaseError, match=r"is of version 29\.0, expected 28\.1"):
        join(old, [_translated(new)])
    with pytest.raises(ReleaseError, match="is there twice"):
        join(old, [_translated(old), _translated(old)])
    with pytest.raises(ReleaseError, match="is in German, expected English"):
        join(_translated(old), [old])
