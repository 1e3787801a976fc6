"""What must hold in every release, checked over whole columns: verify(dictionary) -> all faults.

The invariants are those of the distribution's own documentation; each is one function below. They
find a release that was truncated, mixed from two versions or edited, because every term stands in
several tables. Rows that are lost without trace (a synonym LLT that nothing else names) cannot be
found in the tables; the checksum of the zip and the digest in the ledger are for that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pvcore.errors import Fault
from pvcore.meddra.columns import is_in, looked_up, places

if TYPE_CHECKING:
    from pvcore.meddra.release import Dictionary

Tables = Mapping[str, pd.DataFrame]
_KEYS = {"llt": "llt_code", "pt": "pt_code", "hlt": "hlt_code", "hlgt": "hlgt_code", "soc": "soc_code"}
_LINKS = {
    "hlt_pt": (("hlt_code", "hlt"), ("pt_code", "pt")),
    "hlgt_hlt": (("hlgt_code", "hlgt"), ("hlt_code", "hlt")),
    "soc_hlgt": (("soc_code", "soc"), ("hlgt_code", "hlgt")),
    "mdhier": (
        ("pt_code", "pt"),
        ("hlt_code", "hlt"),
        ("hlgt_code", "hlgt"),
        ("soc_code", "soc"),
        ("pt_soc_code", "soc"),
    ),
    "llt": (("pt_code", "pt"),),
    "pt": (("pt_soc_code", "soc"),),
    "intl_ord": (("soc_code", "soc"),),
    "smq_content": (("smq_code", "smq_list"),),
}
SMQ_TERMS = ((list("0123"), "smq_list", "smq_code"), (["4"], "pt", "pt_code"), (["5"], "llt", "llt_code"))
"""term_level of smq_content (0 to 3 name a sub-SMQ) -> the table and column that term_code stands in."""


def verify(dictionary: Dictionary) -> list[Fault]:
    """Every fault of a release, in the order of the tables and rows; an empty list if it holds."""
    tables = dictionary.tables
    faults: list[Fault] = []
    for check in _CHECKS:
        faults += check(tables)
    return faults + _smq_version(tables, dictionary.version)


def _at(
    table: str,
    frame: pd.DataFrame,
    wrong: pd.Series | np.ndarray,
    what: str,
    advice: str = "",
    expected: pd.Series | None = None,
) -> list[Fault]:
    """A fault for every row where `wrong`; `what` is a template over the row's columns and `expected`.

    Row numbers are line numbers of the file.
    """
    if not wrong.any():
        return []
    rows = frame[wrong]
    if expected is not None:
        rows = rows.assign(expected=expected[wrong])
    return [
        Fault(f"{table}.asc, row {int(index) + 1}", what.format(**row), advice)
        for index, row in zip(rows.index, rows.to_dict(orient="records"), strict=True)
    ]


def _codes(tables: Tables) -> list[Fault]:
    """Codes are eight digits and unique within a level."""
    faults: list[Fault] = []
    for table, key in {**_KEYS, "smq_list": "smq_code"}.items():
        if table not in tables:
            continue
        frame = tables[table]
        malformed = ~frame[key].str.fullmatch(r"[0-9]{8}")
        faults += _at(table, frame, malformed, f"{key} {{{key}!r}}, expected 8 digits")
        faults += _at(table, frame, frame[key].duplicated(), f"{key} {{{key}}} is there twice, expected once")
    return faults


def _names(tables: Tables) -> list[Fault]:
    """Every term has a name."""
    faults: list[Fault] = []
    for table, key in {**_KEYS, "smq_list": "smq_code"}.items():
        if table in tables:
            empty = tables[table][key.replace("_code", "_name")].str.strip() == ""
            faults += _at(table, tables[table], empty, f"{key} {{{key}}} has no name")
    return faults


def _flags(tables: Tables) -> list[Fault]:
    """Currency and the primary flag are Y or N."""
    faults: list[Fault] = []
    for table, column, key in (("llt", "llt_currency", "llt_code"), ("mdhier", "primary_soc_fg", "pt_code")):
        wrong = ~tables[table][column].isin(["Y", "N"])
        faults += _at(
            table, tables[table], wrong, f"{key} {{{key}}}: {column} {{{column}!r}}, expected Y or N"
        )
    return faults


def _links(tables: Tables) -> list[Fault]:
    """Links name existing codes at both ends, and each stands once."""
    faults: list[Fault] = []
    cut = "the table may be cut, or from another version"
    for table, ends in _LINKS.items():
        if table not in tables:
            continue
        frame = tables[table]
        for column, target in ends:
            if target not in tables:
                faults.append(Fault(f"{table}.asc", f"names codes of {target}.asc, which is missing"))
                continue
            unknown = ~is_in(frame[column], tables[target][_KEYS.get(target, "smq_code")])
            first = frame.columns[0]
            what = f"{first} {{{first}}}: {column} {{{column}!r}}, expected a code of {target}.asc"
            faults += _at(table, frame, unknown, what, cut)
        if table in ("hlt_pt", "hlgt_hlt", "soc_hlgt"):
            upper, lower = frame.columns
            faults += _at(table, frame, frame.duplicated(), f"link {{{upper}}} to {{{lower}}} is there twice")
    return faults


def _own_llt(tables: Tables) -> list[Fault]:
    """Every PT also stands as a current LLT with its code that belongs to itself."""
    pt = tables["pt"]
    own = looked_up(pt["pt_code"], tables["llt"], "llt_code", "llt_name", "pt_code", "llt_currency")
    there = own["pt_code"].notna()
    faults = _at("pt", pt, ~there, "pt_code {pt_code}: expected an LLT with the same code")
    faults += _at(
        "pt",
        pt,
        there & (own["pt_code"] != pt["pt_code"]),
        "pt_code {pt_code}: its LLT belongs to PT {expected}, expected itself",
        expected=own["pt_code"],
    )
    stale = there & (own["llt_currency"] == "N")
    faults += _at("pt", pt, stale, "pt_code {pt_code}: its LLT is not current, expected Y")
    if tables["meddra_release"]["language"].str.strip().str.lower().eq("english").all():
        faults += _at(  # a translation may write the two differently
            "pt",
            pt,
            there & (own["llt_name"] != pt["pt_name"]),
            "pt_code {pt_code}: name {pt_name!r}, expected {expected!r} as in llt.asc",
            "the tables may be of two versions",
            own["llt_name"],
        )
    return faults


def _paths(tables: Tables) -> list[Fault]:
    """Every PT has an HLT, and exactly one primary path, which ends in its primary SOC."""
    pt, hierarchy = tables["pt"], tables["mdhier"]
    homeless = ~is_in(pt["pt_code"], tables["hlt_pt"]["pt_code"])
    faults = _at("pt", pt, homeless, "pt_code {pt_code} has no HLT in hlt_pt.asc, expected one or more")
    primary = hierarchy[hierarchy["primary_soc_fg"] == "Y"]
    own, held = places(pt["pt_code"], pt["pt_code"]), places(primary["pt_code"], pt["pt_code"])
    count = pd.Series(np.bincount(held[held >= 0], minlength=len(pt))[own], index=pt.index)
    what = "pt_code {pt_code} has {expected} primary paths in mdhier.asc, expected one"
    faults += _at("pt", pt, count != 1, what, expected=count)
    faults += _at(
        "mdhier",
        primary,
        primary["soc_code"] != primary["pt_soc_code"],
        "pt_code {pt_code}: primary path through SOC {soc_code}, expected {pt_soc_code}",
    )
    soc = looked_up(hierarchy["pt_code"], pt, "pt_code", "pt_soc_code")["pt_soc_code"]
    return faults + _at(
        "mdhier",
        hierarchy,
        soc.notna() & (soc != hierarchy["pt_soc_code"]),
        "pt_code {pt_code}: pt_soc_code {pt_soc_code!r}, expected {expected} as in pt.asc",
        expected=soc,
    )


def _hierarchy(tables: Tables) -> list[Fault]:
    """mdhier agrees with the tables it is joined from: names, and a link for every step."""
    hierarchy = tables["mdhier"]
    faults: list[Fault] = []
    for level, column in (("pt", "pt_name"), ("hlt", "hlt_name"), ("hlgt", "hlgt_name"),
                          ("soc", "soc_name"), ("soc", "soc_abbrev")):  # fmt: skip
        expected = looked_up(hierarchy[f"{level}_code"], tables[level], f"{level}_code", column)[column]
        faults += _at(
            "mdhier",
            hierarchy,
            expected.notna() & (expected != hierarchy[column]),
            f"pt_code {{pt_code}}: {column} {{{column}!r}}, expected {{expected!r}} as in {level}.asc",
            "the tables may be of two versions",
            expected,
        )
    for table in ("hlt_pt", "hlgt_hlt", "soc_hlgt"):
        upper, lower = tables[table].columns
        links = tables[table][upper] + "$" + tables[table][lower]
        steps = hierarchy[upper] + "$" + hierarchy[lower]
        what = f"pt_code {{pt_code}}: {upper} {{{upper}}} over {{{lower}}}, expected this link in {table}.asc"
        faults += _at("mdhier", hierarchy, ~is_in(steps, links), what)
        if table == "hlt_pt":
            what = "pt_code {pt_code} under hlt_code {hlt_code}, expected a path in mdhier.asc"
            faults += _at(table, tables[table], ~is_in(links, steps), what, "mdhier.asc may be truncated")
    return faults


def _smq(tables: Tables) -> list[Fault]:
    """An SMQ names terms that exist, the active ones at the level it says."""
    if "smq_content" not in tables:
        return []
    content = tables["smq_content"]
    what = "smq_code {smq_code}: term_code {term_code} has term_level {term_level!r}, expected 0 to 5"
    faults = _at("smq_content", content, ~content["term_level"].isin(list("012345")), what)
    for levels, table, key in SMQ_TERMS:
        if table in tables:
            unknown = content["term_level"].isin(levels) & ~is_in(content["term_code"], tables[table][key])
            # an inactive row may keep the level that its term had before a demotion
            unknown &= ~(
                content["term_status"].eq("I") & is_in(content["term_code"], tables["llt"]["llt_code"])
            )
            what = f"smq_code {{smq_code}}: term_code {{term_code!r}}, expected a code of {table}.asc"
            faults += _at("smq_content", content, unknown, what)
    return faults


def _smq_version(tables: Tables, version: str) -> list[Fault]:
    """No SMQ is newer than the release, and they are not all of one other version."""
    if "smq_list" not in tables:
        return []
    frame = tables["smq_list"]
    stated = frame["MedDRA_version"].str.strip()
    newer = stated.map({text: _number(text) > _number(version) for text in stated.unique()}).astype(bool)
    if stated.nunique() == 1 and stated.iloc[0] != version:
        newer[:] = True
    return _at(
        "smq_list",
        frame,
        newer,
        f"smq_code {{smq_code}}: MedDRA_version {{MedDRA_version!r}}, expected {version}",
        "the tables may be of two versions",
    )


def _number(version: str) -> tuple[int, ...]:
    """A version as numbers; what is none counts as newer than any."""
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else (10**6,)


_CHECKS: tuple[Callable[[Tables], list[Fault]], ...] = (
    _codes,
    _names,
    _flags,
    _links,
    _own_llt,
    _paths,
    _hierarchy,
    _smq,
)
