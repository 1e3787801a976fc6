"""The suite `release`: the tables of a dictionary, seen as a whole and against the release before it.

`pvcore.meddra.verify` refuses what breaks the format's invariants while reading. This suite looks
again, with another engine, at what everything later rests on, adds bounds on the counts, and keeps the
finding as a document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pandas as pd

from expectations.run import evaluate
from expectations.suites import load
from expectations.validation import Validation
from pvcore.errors import Fault, ReleaseError

REQUIRED = ("llt", "pt", "hlt", "hlgt", "soc", "hlt_pt", "hlgt_hlt", "soc_hlgt", "mdhier", "meddra_release")
LEVELS = ("llt", "pt", "hlt", "hlgt", "soc")
LINKS = {"hlt_pt": ("hlt", "pt"), "hlgt_hlt": ("hlgt", "hlt"), "soc_hlgt": ("soc", "hlgt")}
Tables = Mapping[str, pd.DataFrame]


class DictionaryLike(Protocol):
    """What the suite looks at; pvcore.meddra.release.Dictionary has it."""

    @property
    def version(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def tables(self) -> Tables: ...


def validate_release(dictionary: DictionaryLike, *, previous: DictionaryLike | None = None) -> Validation:
    """Judge a dictionary by the suite `release`.

    With `previous`, the release before it, every LLT of that one must still be there: codes are never
    deleted, they become non-current. Raises ReleaseError for a missing table, ConfigError if a rule
    was not evaluated.
    """
    subject = f"MedDRA {dictionary.version} {dictionary.language}"
    if missing := [name for name in REQUIRED if name not in dictionary.tables]:
        raise ReleaseError(subject, [Fault(f"{name}.asc", "the table is missing") for name in missing])
    frames = release_rows(dictionary.tables, previous.tables if previous is not None else None)
    return evaluate(load("release"), subject, frames)


def release_rows(tables: Tables, before: Tables | None = None) -> dict[str, pd.DataFrame]:
    """The rows that the suite judges, by its table; columns named `unknown_...` are empty where all is well."""
    frames = {
        "meddra_release": tables["meddra_release"],
        "counts": pd.DataFrame([{level: len(tables[level]) for level in LEVELS}]),
        "llt": _llts(tables),
        "pt": _pts(tables),
        **{level: tables[level] for level in ("hlt", "hlgt", "soc")},
        **{name: _links(tables, name) for name in LINKS},
        "mdhier": _hierarchy(tables),
    }
    if "smq_list" in tables and "smq_content" in tables:
        content = tables["smq_content"]
        frames["smq_list"] = tables["smq_list"]
        frames["smq_content"] = content.assign(
            unknown_smq=_unknown(content["smq_code"], tables["smq_list"]["smq_code"])
        )
    if before is not None:
        llt = before["llt"][["llt_code", "llt_name"]]
        frames["carried_over"] = llt.assign(lost=_unknown(llt["llt_code"], tables["llt"]["llt_code"]))
    return frames


def _llts(tables: Tables) -> pd.DataFrame:
    llt = tables["llt"]
    return llt[["llt_code", "llt_name", "pt_code", "llt_currency"]].assign(
        unknown_pt=_unknown(llt["pt_code"], tables["pt"]["pt_code"]),
        is_current=(llt["llt_currency"] == "Y").astype(float),
    )


def _pts(tables: Tables) -> pd.DataFrame:
    pt, hierarchy = tables["pt"], tables["mdhier"]
    primary = hierarchy.loc[hierarchy["primary_soc_fg"] == "Y", "pt_code"].value_counts()
    return pt[["pt_code", "pt_name", "pt_soc_code"]].assign(
        without_llt=_unknown(pt["pt_code"], tables["llt"]["llt_code"]),
        without_hlt=_unknown(pt["pt_code"], tables["hlt_pt"]["pt_code"]),
        unknown_soc=_unknown(pt["pt_soc_code"], tables["soc"]["soc_code"]),
        primary_paths=pt["pt_code"].map(primary).fillna(0).astype(int),
    )


def _links(tables: Tables, name: str) -> pd.DataFrame:
    upper, lower = LINKS[name]
    frame = tables[name]
    return pd.DataFrame(
        {
            "upper": frame[f"{upper}_code"],
            "lower": frame[f"{lower}_code"],
            "unknown_upper": _unknown(frame[f"{upper}_code"], tables[upper][f"{upper}_code"]),
            "unknown_lower": _unknown(frame[f"{lower}_code"], tables[lower][f"{lower}_code"]),
        }
    )


def _hierarchy(tables: Tables) -> pd.DataFrame:
    hierarchy = tables["mdhier"]
    columns = ["pt_code", "hlt_code", "hlgt_code", "soc_code", "pt_soc_code", "primary_soc_fg"]
    unknown = {
        f"unknown_{level}": _unknown(hierarchy[f"{level}_code"], tables[level][f"{level}_code"])
        for level in ("pt", "hlt", "hlgt", "soc")
    }
    off = (hierarchy["primary_soc_fg"] == "Y") & (hierarchy["soc_code"] != hierarchy["pt_soc_code"])
    return hierarchy[columns].assign(off_primary=hierarchy["soc_code"].where(off), **unknown)


def _unknown(codes: pd.Series, known: pd.Series) -> pd.Series:
    """The codes that are not in `known`; missing elsewhere."""
    return codes.where(~codes.isin(known))
