"""A dictionary as the generator changes it: plain mappings by code, and their way to and from tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from pvcore.meddra.release import Dictionary
from pvcore.meddra.tables import TABLES

FIRST_CODE = 90_000_001
"""Invented codes start here; those of MedDRA start with 1 and 2."""


class Term(NamedTuple):
    """A PT: name and primary SOC."""

    name: str
    soc: str


@dataclass
class Model:
    """Everything of a release. `paths` is PT -> its HLTs; the first one under the primary SOC is primary.

    llt: code -> (name, PT, currency); smq: code -> (name, level, description, status, algorithm);
    smq_content: (SMQ, term) -> (level, scope, status, added in, changed in).
    """

    next_code: int = FIRST_CODE
    llt: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    pt: dict[str, Term] = field(default_factory=dict)
    hlt: dict[str, str] = field(default_factory=dict)
    hlgt: dict[str, str] = field(default_factory=dict)
    soc: dict[str, tuple[str, str]] = field(default_factory=dict)
    paths: dict[str, list[str]] = field(default_factory=dict)
    hlgt_hlt: list[tuple[str, str]] = field(default_factory=list)
    soc_hlgt: list[tuple[str, str]] = field(default_factory=list)
    smq: dict[str, tuple[str, str, str, str, str]] = field(default_factory=dict)
    smq_content: dict[tuple[str, str], tuple[str, str, str, str, str]] = field(default_factory=dict)

    def code(self) -> str:
        """The next free code."""
        self.next_code += 1
        return str(self.next_code - 1)

    def hlgt_of(self, hlt: str) -> str:
        return next(upper for upper, lower in self.hlgt_hlt if lower == hlt)

    def soc_of_hlt(self, hlt: str) -> str:
        hlgt = self.hlgt_of(hlt)
        return next(upper for upper, lower in self.soc_hlgt if lower == hlgt)


def to_tables(model: Model, version: str, language: str) -> dict[str, pd.DataFrame]:
    """The tables of a release, rows in order of their codes."""
    rows: dict[str, list[dict[str, str]]] = {
        "llt": [
            {"llt_code": code, "llt_name": name, "pt_code": pt, "llt_currency": current}
            for code, (name, pt, current) in model.llt.items()
        ],
        "pt": [{"pt_code": c, "pt_name": t.name, "pt_soc_code": t.soc} for c, t in model.pt.items()],
        "hlt": [{"hlt_code": code, "hlt_name": name} for code, name in model.hlt.items()],
        "hlgt": [{"hlgt_code": code, "hlgt_name": name} for code, name in model.hlgt.items()],
        "soc": [{"soc_code": c, "soc_name": n, "soc_abbrev": a} for c, (n, a) in model.soc.items()],
        "hlt_pt": [{"hlt_code": hlt, "pt_code": pt} for pt, hlts in model.paths.items() for hlt in hlts],
        "hlgt_hlt": [{"hlgt_code": upper, "hlt_code": lower} for upper, lower in model.hlgt_hlt],
        "soc_hlgt": [{"soc_code": upper, "hlgt_code": lower} for upper, lower in model.soc_hlgt],
        "mdhier": _hierarchy(model),
        "intl_ord": [{"intl_ord_code": str(i), "soc_code": code} for i, code in enumerate(model.soc, 1)],
        "smq_list": [
            {
                "smq_code": code, "smq_name": name, "smq_level": level, "smq_description": description,
                "smq_source": "generated", "MedDRA_version": version, "status": status,
                "smq_algorithm": algorithm,
            }
            for code, (name, level, description, status, algorithm) in model.smq.items()
        ],
        "smq_content": [
            {
                "smq_code": smq, "term_code": term, "term_level": level, "term_scope": scope,
                "term_category": "A", "term_weight": "0", "term_status": status,
                "term_addition_version": added, "term_last_modified_version": modified,
            }
            for (smq, term), (level, scope, status, added, modified) in model.smq_content.items()
        ],
        "meddra_release": [{"version": version, "language": language}],
    }  # fmt: skip
    return {name: _frame(name, rows[name]) for name in TABLES}


def _frame(name: str, rows: list[dict[str, str]]) -> pd.DataFrame:
    columns = list(TABLES[name].columns)
    values = [[row.get(column, "") for column in columns] for row in rows]
    if name not in ("intl_ord", "meddra_release"):
        values.sort()
    return pd.DataFrame(values, columns=columns, dtype="str")


def _hierarchy(model: Model) -> list[dict[str, str]]:
    hlgt_of = {lower: upper for upper, lower in model.hlgt_hlt}
    soc_of = {lower: upper for upper, lower in model.soc_hlgt}
    rows = []
    for pt, hlts in model.paths.items():
        primary = ""
        for hlt in hlts:
            hlgt = hlgt_of[hlt]
            soc = soc_of[hlgt]
            if not primary and soc == model.pt[pt].soc:
                primary = hlt
            rows.append({
                "pt_code": pt, "hlt_code": hlt, "hlgt_code": hlgt, "soc_code": soc,
                "pt_name": model.pt[pt].name, "hlt_name": model.hlt[hlt], "hlgt_name": model.hlgt[hlgt],
                "soc_name": model.soc[soc][0], "soc_abbrev": model.soc[soc][1],
                "pt_soc_code": model.pt[pt].soc, "primary_soc_fg": "Y" if primary == hlt else "N",
            })  # fmt: skip
    return rows


def from_dictionary(dictionary: Dictionary) -> Model:
    """The model of a release that `to_tables` wrote; the first HLT of each PT is its primary one."""
    t = dictionary.tables
    model = Model()
    model.llt = {r.llt_code: (r.llt_name, r.pt_code, r.llt_currency) for r in t["llt"].itertuples()}
    model.pt = {r.pt_code: Term(r.pt_name, r.pt_soc_code) for r in t["pt"].itertuples()}
    model.hlt = dict(zip(t["hlt"]["hlt_code"], t["hlt"]["hlt_name"], strict=True))
    model.hlgt = dict(zip(t["hlgt"]["hlgt_code"], t["hlgt"]["hlgt_name"], strict=True))
    order = t["intl_ord"]["soc_code"].tolist() if "intl_ord" in t else t["soc"]["soc_code"].tolist()
    names = {r.soc_code: (r.soc_name, r.soc_abbrev) for r in t["soc"].itertuples()}
    model.soc = {code: names[code] for code in order}
    hierarchy = t["mdhier"].sort_values(
        ["pt_code", "primary_soc_fg", "hlt_code"], ascending=[True, False, True]
    )
    for pt, hlt in zip(hierarchy["pt_code"], hierarchy["hlt_code"], strict=True):
        model.paths.setdefault(pt, []).append(hlt)
    model.hlgt_hlt = list(zip(t["hlgt_hlt"]["hlgt_code"], t["hlgt_hlt"]["hlt_code"], strict=True))
    model.soc_hlgt = list(zip(t["soc_hlgt"]["soc_code"], t["soc_hlgt"]["hlgt_code"], strict=True))
    if "smq_list" in t:
        for r in t["smq_list"].itertuples():
            model.smq[r.smq_code] = (r.smq_name, r.smq_level, r.smq_description, r.status, r.smq_algorithm)
    if "smq_content" in t:
        for r in t["smq_content"].itertuples():
            model.smq_content[r.smq_code, r.term_code] = (
                r.term_level, r.term_scope, r.term_status,
                r.term_addition_version, r.term_last_modified_version,
            )  # fmt: skip
    terms = (*model.llt, *model.hlt, *model.hlgt, *model.soc)
    model.next_code = max(int(code) for code in terms) + 1
    return model
