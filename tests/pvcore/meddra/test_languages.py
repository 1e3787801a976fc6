"""Another language joined to the English release by code, and faults where the codes differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pvcore.errors import ReleaseError
from pvcore.meddra.languages import LEVELS, join
from pvcore.meddra.release import Dictionary, content_digest, read
from pvcore.meddra.tables import TABLES, serialise

Write = Callable[..., Path]


def _translated(english: Dictionary, language: str = "German", **tables: pd.DataFrame) -> Dictionary:
    """The release with "(German)" behind every name; `tables` take the place of tables."""
    made = {name: frame.copy() for name, frame in {**english.tables, **tables}.items()}
    for name, frame in made.items():
        for column in frame.columns:
            if column.endswith("_name") and not name.startswith("smq"):
                frame[column] = frame[column] + f" ({language})"
    made["meddra_release"]["language"] = language
    return replace(english, language=language, tables=made, digest=content_digest(made))


def test_names_by_language_and_code(old: Dictionary, write: Write) -> None:
    german = _translated(old)
    files = {f"{name}.asc": serialise(TABLES[name], frame) for name, frame in german.tables.items()}
    joined = join(old, [read(write(files)), _translated(old, "French")])
    assert joined.languages == ("English", "German", "French")
    code = old.tables["llt"]["llt_code"].iloc[5]
    name = old.llt_name(code)
    assert joined.name("LLT", code) == {
        "English": name, "German": f"{name} (German)", "French": f"{name} (French)",
    }  # fmt: skip
    assert len(joined.names) == sum(len(old.tables[table]) for table, _ in LEVELS.values())
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


def test_versions_and_languages_that_cannot_be_joined(old: Dictionary, new: Dictionary) -> None:
    with pytest.raises(ReleaseError, match=r"is of version 29\.0, expected 28\.1"):
        join(old, [_translated(new)])
    with pytest.raises(ReleaseError, match="is there twice"):
        join(old, [_translated(old), _translated(old)])
    with pytest.raises(ReleaseError, match="is in German, expected English"):
        join(_translated(old), [old])
