"""The kinds of change, as the maintenance organisation's own report names them, found between two releases.

Each code of each level gets at most one kind of its own, so that counts can be reconciled:

- A PT stands in pt.asc and, with the same code, in llt.asc. Its name is reported once, at level PT;
  a new PT is a new PT, not a new LLT as well.
- A promotion or demotion moves the term to another PT; that move is part of it.
- `llt_primary_soc_changes` are LLTs whose PT is the same and has another primary SOC (the PT itself
  is in `pt_primary_soc_changes`). An LLT that moves to a PT of another SOC is a moved LLT.
- A name that leaves one code and appears at another is a code switch, for both codes that existed.
- Two or more of these at once are one complex change; `old` and `new` then list the parts.
- A PT under other HLTs, or with another primary HLT, in the same primary SOC is a hierarchy change,
  like all changes at HLT and above. An HLGT that moves takes its HLTs and PTs along; only the HLGT is
  listed.
- SMQ content is listed by "SMQ code/term code".

Only codes that a changed row speaks of are looked at: what no row says otherwise is as it was.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pvcore.meddra.columns import TEXT, is_in, joined, looked_up, to_array, to_frame
from pvcore.meddra.delta import Delta, touched
from pvcore.meddra.release import Dictionary

KINDS: dict[str, str] = {
    "new_llts": "New LLTs",
    "new_pts": "New PTs",
    "promotions": "Promotions (LLT becomes PT)",
    "demotions": "Demotions (PT becomes LLT)",
    "llts_moved": "LLTs moved to another PT",
    "llt_primary_soc_changes": "LLTs whose primary SOC changed",
    "pt_primary_soc_changes": "PTs whose primary SOC changed",
    "name_changes": "Name changes",
    "code_switches": "Code switches",
    "currency_changes": "Currency changes",
    "complex_changes": "Complex changes",
    "hierarchy_changes": "Hierarchy changes",
    "smq_changes": "SMQ changes at SMQ level",
    "smq_pt_changes": "SMQ changes at PT level",
    "smq_llt_changes": "SMQ changes at LLT level",
    "removed": "Codes that are gone (LLT or PT: against the rules)",
}
COLUMNS = ("level", "code", "name", "kind", "old", "new")
Frames = list[pd.DataFrame]
Mask = npt.NDArray[np.bool_]


def named(old: Dictionary, new: Dictionary, rows: Delta) -> pd.DataFrame:
    """All changes that `rows` (the delta of the two) make: COLUMNS, in order of level, code and kind."""
    frames = [*_terms(old, new, rows), *_hierarchy(old, new, rows), *_smq(old, new, rows)]
    none = pd.DataFrame(columns=list(COLUMNS), dtype="str")
    changes = pd.concat([frame for frame in frames if len(frame)] or [none], ignore_index=True)
    return changes[list(COLUMNS)].sort_values(["level", "code", "kind"], ignore_index=True)


def _of(dictionary: Dictionary, table: str, key: str, codes: pd.Index) -> pd.DataFrame:
    """The rows of a table that have one of the codes."""
    frame = dictionary.tables[table]
    return frame[is_in(frame[key], codes)]


def _rows(frame: pd.DataFrame, level: str, kind: str, name: str, old: str, new: str) -> pd.DataFrame:
    """Changes of one kind; `name`, `old` and `new` are columns of `frame`, "" for nothing."""
    empty = pd.Series("", index=frame.index, dtype="str")
    values = {
        key: frame[column] if column else empty
        for key, column in (("name", name), ("old", old), ("new", new))
    }
    table = pd.DataFrame({"level": level, "code": frame.index, "kind": kind, **values}, index=frame.index)
    return table.reset_index(drop=True).astype("str")


def _terms(old: Dictionary, new: Dictionary, rows: Delta) -> Frames:
    """Changes at LLT and PT level: of the LLTs whose own row changed, or one of their PT."""
    pts = touched(rows, "pt", "pt_code", "pt_soc_code").union(touched(rows, "hlt_pt", "pt_code"))
    pts = pts.union(touched(rows, "mdhier", "pt_code", "hlt_code", "primary_soc_fg"))
    below = _of(old, "llt", "pt_code", pts)["llt_code"]  # a new one has a changed row of its own
    codes = pts.union(below).union(touched(rows, "llt", "llt_code"))
    if codes.empty:
        return []
    both = _llts(old, codes).add_suffix("_old").join(_llts(new, codes).add_suffix("_new"), how="outer")
    was, now = both["name_old"].notna(), both["name_new"].notna()
    fresh, gone, kept = both[~was], both[was & ~now], both[was & now]
    new_pt, gone_pt = fresh["is_pt_new"].eq(True), gone["is_pt_old"].eq(True)
    frames = [
        _rows(fresh[new_pt], "PT", "new_pts", "name_new", "", "soc_new"),
        _rows(fresh[~new_pt], "LLT", "new_llts", "name_new", "", "pt_new"),
        _rows(gone[gone_pt], "PT", "removed", "name_old", "name_old", ""),
        _rows(gone[~gone_pt], "LLT", "removed", "name_old", "name_old", ""),
    ]
    return frames + _kept(kept, _switched(kept, old, new))


def _llts(dictionary: Dictionary, codes: pd.Index) -> pd.DataFrame:
    """LLTs by code: name, pt, currency, primary soc of the PT, whether the code is a PT itself, its HLTs."""
    llt, pt = _of(dictionary, "llt", "llt_code", codes), dictionary.tables["pt"]
    frame = llt.set_index("llt_code")[["llt_name", "pt_code", "llt_currency"]]
    frame.columns = pd.Index(["name", "pt", "currency"])
    frame["soc"] = looked_up(llt["pt_code"], pt, "pt_code", "pt_soc_code")["pt_soc_code"].array
    frame["is_pt"] = is_in(frame.index, pt["pt_code"])
    hlts = _hlts(dictionary, codes).rename("hlts").reset_index()
    frame["hlts"] = looked_up(llt["llt_code"], hlts, "pt_code", "hlts")["hlts"].fillna("").array
    return frame


def _hlts(dictionary: Dictionary, codes: pd.Index) -> pd.Series:
    """PT -> its HLTs joined by a space, the primary one first."""
    links, paths = (_of(dictionary, table, "pt_code", codes) for table in ("hlt_pt", "mdhier"))
    paths = paths[paths["primary_soc_fg"] == "Y"]
    primary = looked_up(links["pt_code"], paths, "pt_code", "hlt_code")["hlt_code"]
    other = (links["hlt_code"] != primary).map({False: "0", True: "1"})
    return _joined(links.assign(other=other), "pt_code", "hlt_code", "other")


def _switched(kept: pd.DataFrame, old: Dictionary, new: Dictionary) -> Mask:
    """Whether the name of a kept code came from another code, or went to another one."""
    came = is_in(kept["name_new"], _of(old, "llt", "llt_name", kept["name_new"])["llt_name"])
    went = is_in(kept["name_old"], _of(new, "llt", "llt_name", kept["name_old"])["llt_name"])
    return _differ(kept, "name") & (came | went)


def _differ(kept: pd.DataFrame, column: str) -> Mask:
    return np.asarray(kept[f"{column}_old"].array != kept[f"{column}_new"].array, dtype=bool)


def _kept(kept: pd.DataFrame, switched: Mask) -> Frames:
    """Changes of codes that are in both releases: one kind each, several together are complex."""
    pt_old, pt_new = kept["is_pt_old"].to_numpy(bool), kept["is_pt_new"].to_numpy(bool)
    promoted, demoted, stayed = ~pt_old & pt_new, pt_old & ~pt_new, pt_old & pt_new
    moved = _differ(kept, "pt")
    soc = ~moved & _differ(kept, "soc")
    parts = {
        "promotions": (promoted, "pt"),
        "demotions": (demoted, "pt"),
        "llts_moved": (moved & ~promoted & ~demoted, "pt"),
        "name_changes": (_differ(kept, "name") & ~switched, "name"),
        "code_switches": (switched, "name"),
        "currency_changes": (_differ(kept, "currency"), "currency"),
        "soc": (soc, "soc"),
        "hierarchy_changes": (stayed & ~soc & _differ(kept, "hlts"), "hlts"),
    }
    at_pt = stayed | promoted | demoted
    number = np.sum([mask for mask, _ in parts.values()], axis=0)
    frames: Frames = []
    for here, level in ((at_pt, "PT"), (~at_pt, "LLT")):
        kinds = {
            f"{level.lower()}_primary_soc_changes" if part == "soc" else part: parts[part] for part in parts
        }
        for kind, (mask, column) in kinds.items():
            if (alone := mask & here & (number == 1)).any():
                frames.append(_rows(kept[alone], level, kind, "name_new", f"{column}_old", f"{column}_new"))
        if (several := here & (number > 1)).any():
            frames.append(_complex(kept[several], {k: (m[several], c) for k, (m, c) in kinds.items()}, level))
    # the LLT that a PT also is changes its primary SOC with it, whatever else the PT does
    own = kept[stayed & soc]
    return [*frames, _rows(own, "LLT", "llt_primary_soc_changes", "name_new", "soc_old", "soc_new")]


def _complex(kept: pd.DataFrame, parts: dict[str, tuple[Mask, str]], level: str) -> pd.DataFrame:
    """Codes with several changes; the parts as "kind: value; kind: value"."""
    sides = {}
    for side in ("old", "new"):
        texts = pd.Series("", index=kept.index, dtype="str")
        for kind, (mask, column) in parts.items():
            if mask.any():
                texts = texts.where(~mask, texts + f"{kind}: " + kept[f"{column}_{side}"] + "; ")
        sides[side] = texts.str.removesuffix("; ")
    return _rows(kept.assign(**sides), level, "complex_changes", "name_new", "old", "new")


def _hierarchy(old: Dictionary, new: Dictionary, rows: Delta) -> Frames:
    """Everything that changes at HLT, HLGT and SOC."""
    frames: Frames = []
    levels = (("hlt", "hlgt_hlt", "hlgt_code"), ("hlgt", "soc_hlgt", "soc_code"), ("soc", "", "soc_abbrev"))
    for level, links, parent in levels:
        key = f"{level}_code"
        codes = touched(rows, level, key)
        if links:
            codes = codes.union(touched(rows, links, key))
        if codes.empty:
            continue
        sides = []
        for dictionary in (old, new):
            frame = _of(dictionary, level, key, codes).set_index(key)
            if links:
                above = _joined(_of(dictionary, links, key, codes), key, parent)
                state = frame[f"{level}_name"] + " < " + above.reindex(frame.index).fillna("")
            else:
                state = frame["soc_name"] + " [" + frame["soc_abbrev"] + "]"
            sides.append(pd.DataFrame({"name": frame[f"{level}_name"], "state": state}))
        frames.append(_states(sides[0], sides[1], level.upper(), "hierarchy_changes"))
    return frames


def _smq(old: Dictionary, new: Dictionary, rows: Delta) -> Frames:
    """SMQs and their terms; the version column changes with every release and is no change."""
    frames: Frames = []
    codes = {name: touched(rows, name, "smq_code") for name in ("smq_list", "smq_content")}
    here = {name for name in codes if name in old.tables and name in new.tables and len(codes[name])}
    if "smq_list" in here:
        fields = ["smq_name", "smq_level", "smq_description", "smq_source", "smq_note", "status"]
        sides = []
        for dictionary in (old, new):
            table = _of(dictionary, "smq_list", "smq_code", codes["smq_list"]).set_index("smq_code")
            state = _state(table, [*fields, "smq_algorithm"])
            sides.append(pd.DataFrame({"name": table["smq_name"], "state": state}))
        frames.append(_states(sides[0], sides[1], "SMQ", "smq_changes"))
    if "smq_content" in here:
        terms = touched(rows, "smq_content", "term_code")
        sides = [_content(dictionary, codes["smq_content"], terms) for dictionary in (old, new)]
        levels = (("SMQ", "smq_changes", ["0", "1", "2", "3"]), ("PT", "smq_pt_changes", ["4"]),
                  ("LLT", "smq_llt_changes", ["5"]))  # fmt: skip
        for level, kind, numbers in levels:
            states = [
                _joined(s[s["level"].isin(numbers)], "key", "state", by=" + ", ordered=False) for s in sides
            ]
            both = [pd.DataFrame({"name": state.index, "state": state}) for state in states]
            frames.append(_states(both[0], both[1], level, kind))
    return frames


def _content(dictionary: Dictionary, smqs: pd.Index, terms: pd.Index) -> pd.DataFrame:
    """Terms in some SMQs: level, key ("SMQ code/term code") and state."""
    table = _of(dictionary, "smq_content", "smq_code", smqs)
    table = table[is_in(table["term_code"], terms)]
    key = table["smq_code"] + "/" + table["term_code"]
    fields = ["term_level", "term_scope", "term_category", "term_weight", "term_status"]
    return pd.DataFrame({"level": table["term_level"], "key": key, "state": _state(table, fields)})


def _states(old: pd.DataFrame, new: pd.DataFrame, level: str, kind: str) -> pd.DataFrame:
    """Rows whose `state` differs, appears or disappears; both frames have name and state by code."""
    both = old.add_suffix("_old").join(new.add_suffix("_new"), how="outer").fillna("")
    both["name"] = both["name_new"].where(both["name_new"] != "", both["name_old"])
    return _rows(both[both["state_old"] != both["state_new"]], level, kind, "name", "state_old", "state_new")


def _state(table: pd.DataFrame, fields: list[str]) -> pd.Series:
    return pd.Series(joined(table[fields], "$"), index=table.index, dtype="str")


def _joined(
    table: pd.DataFrame, key: str, value: str, *first: str, by: str = " ", ordered: bool = True
) -> pd.Series:
    """key -> its values joined: sorted (by the columns `first` before their own order), or as they stand."""
    pairs = pa.table({name: to_array(table[name]) for name in (key, *first, value)})
    if ordered:
        pairs = pairs.sort_by([(name, "ascending") for name in (key, *first, value)])
    found = pairs.group_by(key, use_threads=False).aggregate([(value, "list")])
    texts = pc.binary_join(found[f"{value}_list"], pa.scalar(by, TEXT))
    return to_frame(pa.table({key: found[key], value: texts})).set_index(key)[value]
