"""What changed between two releases, under the kinds of the maintenance organisation's own report.

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

Beside the named changes stand the rows that left and came (`pvcore.meddra.delta`), so that a stored
difference applied to OLD gives NEW exactly.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pvcore.errors import Fault, ReleaseError
from pvcore.meddra import delta
from pvcore.meddra.columns import TEXT, is_in, looked_up, places, to_array, to_frame
from pvcore.meddra.delta import Delta
from pvcore.meddra.release import Dictionary, content_digest

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
UNCHANGED = "unchanged"
Frames = list[pd.DataFrame]


@dataclass(frozen=True, eq=False)
class DictionaryDiff:
    """All changes from one release to another. `changes` has COLUMNS, in order of level and code;
    `rows` are the same as rows of tables, with all that has no name.
    """

    old_version: str
    new_version: str
    old_digest: str
    new_digest: str
    changes: pd.DataFrame = field(repr=False)
    rows: Delta = field(repr=False)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of changes of every kind, zero included, in the order of KINDS."""
        found = self.changes["kind"].value_counts()
        return {kind: int(found.get(kind, 0)) for kind in KINDS}

    def of(self, *kinds: str) -> pd.DataFrame:
        """The rows of some kinds."""
        return self.changes[self.changes["kind"].isin(kinds)]

    def new_terms(self) -> set[str]:
        """Codes of LLTs (PTs included) that are new or have another name: what a coder has to learn."""
        fresh = self.of("new_llts", "new_pts", "name_changes", "code_switches")
        mixed = self.of("complex_changes")
        mixed = mixed[mixed["new"].str.contains("name_changes: |code_switches: ", regex=True)]
        return set(fresh["code"]) | set(mixed["code"])

    def apply(self, old: Dictionary) -> Dictionary:
        """NEW, made of OLD. Raises ReleaseError if `old` is another release, or the result is not NEW."""
        return _replay(old, self.rows, self.old_digest, self.new_digest)

    def revert(self, new: Dictionary) -> Dictionary:
        """OLD, made of NEW. Raises ReleaseError as `apply` does."""
        return _replay(new, delta.reverse(self.rows), self.new_digest, self.old_digest)

    def summary(self) -> str:
        """A markdown table of the counts."""
        rows = [f"| {KINDS[kind]} | {number:,} |" for kind, number in self.counts.items()]
        head = f"| MedDRA {self.old_version} to {self.new_version} | changes |"
        return "\n".join([head, "|---|---:|", *rows, f"| **All** | **{len(self.changes):,}** |"]) + "\n"

    def to_json(self) -> str:
        """Versions, digests, counts, every change and every row, as one JSON object."""
        value = {
            "old": {"version": self.old_version, "digest": self.old_digest},
            "new": {"version": self.new_version, "digest": self.new_digest},
            "counts": self.counts,
            "changes": self.changes.to_dict(orient="records"),
            "tables": delta.to_value(self.rows),
        }
        return json.dumps(value, ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> DictionaryDiff:
        """The difference that `to_json` wrote. Raises ReleaseError if it is not one."""
        try:
            value = json.loads(text)
            old, new = value["old"], value["new"]
            changes = pd.DataFrame(value["changes"], columns=list(COLUMNS), dtype="str")
            rows = delta.from_value(value["tables"])
            return cls(old["version"], new["version"], old["digest"], new["digest"], changes, rows)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            fault = Fault("JSON", f"not a stored difference: {error}", "make it anew: pv meddra diff --json")
            raise ReleaseError("difference", [fault]) from error


def _replay(given: Dictionary, rows: Delta, source: str, target: str) -> Dictionary:
    if given.digest != source:
        fault = Fault(
            f"MedDRA {given.version}", f"has the digest {given.digest[:12]}, expected {source[:12]}"
        )
        raise ReleaseError("difference", [fault], "It was made from another release: give the one it names.")
    tables = delta.apply(given.tables, rows)
    digest = content_digest(tables)
    if digest != target:
        fault = Fault(
            "result", f"has the digest {digest[:12]}, expected {target[:12]}", "the difference is altered"
        )
        raise ReleaseError("difference", [fault])
    release = tables["meddra_release"].iloc[0]
    return Dictionary(release["version"].strip(), release["language"].strip(), digest, given.encoding, tables)


def diff(old: Dictionary, new: Dictionary) -> DictionaryDiff:
    """Compare two releases of one language, in either direction. Raises ReleaseError for two languages."""
    if old.language.casefold() != new.language.casefold():
        fault = Fault(
            f"MedDRA {new.version}", f"is in {new.language}, MedDRA {old.version} in {old.language}"
        )
        raise ReleaseError("difference", [fault], "Compare two releases of one language.")
    frames = [*_terms(old, new), *_hierarchy(old, new), *_smq(old, new)]
    changes = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    changes = changes[list(COLUMNS)].sort_values(["level", "code", "kind"], ignore_index=True)
    rows = delta.delta(old.tables, new.tables)
    return DictionaryDiff(old.version, new.version, old.digest, new.digest, changes, rows)


def kinds_of_terms(old: Dictionary, new: Dictionary, changes: pd.DataFrame) -> pd.Series:
    """Code of every LLT (PTs included) of either release -> its set of kinds, as a sorted tuple.

    One kind each, `unchanged` for most. A PT with another primary SOC has two: its own and that of
    the LLT with its code.
    """
    codes = pd.Index(old.tables["llt"]["llt_code"]).union(new.tables["llt"]["llt_code"])
    terms = changes[changes["level"].isin(["LLT", "PT"]) & changes["code"].isin(codes)]
    kinds = terms.groupby("code")["kind"].agg(lambda found: tuple(sorted(found)))
    found = pd.Series([(UNCHANGED,)] * len(codes), index=codes, dtype="object")
    found.update(kinds)
    return found


def _rows(frame: pd.DataFrame, level: str, kind: str, name: str, old: str, new: str) -> pd.DataFrame:
    """Changes of one kind; `name`, `old` and `new` are columns of `frame`, "" for nothing."""
    empty = pd.Series("", index=frame.index, dtype="str")
    values = {
        key: frame[column] if column else empty
        for key, column in (("name", name), ("old", old), ("new", new))
    }
    table = pd.DataFrame({"level": level, "code": frame.index, "kind": kind, **values}, index=frame.index)
    return table.reset_index(drop=True).astype("str")


def _terms(old: Dictionary, new: Dictionary) -> Frames:
    """Changes at LLT and PT level."""
    before, after = _llts(old), _llts(new)
    left, right = _unlike(before, after)
    both = left.add_suffix("_old").join(right.add_suffix("_new"), how="outer")
    was, now = both["name_old"].notna(), both["name_new"].notna()
    pt_old, pt_new = both["is_pt_old"].eq(True), both["is_pt_new"].eq(True)
    fresh, gone, kept = both[~was], both[was & ~now], both[was & now].copy()
    frames = [
        _rows(fresh[pt_new[~was]], "PT", "new_pts", "name_new", "", "soc_new"),
        _rows(fresh[~pt_new[~was]], "LLT", "new_llts", "name_new", "", "pt_new"),
        _rows(gone[pt_old[was & ~now]], "PT", "removed", "name_old", "name_old", ""),
        _rows(gone[~pt_old[was & ~now]], "LLT", "removed", "name_old", "name_old", ""),
    ]
    switched = _switched(kept, before["name"], after["name"])
    return frames + _kept(kept, pt_old[kept.index], pt_new[kept.index], switched)


def _unlike(old: pd.DataFrame, new: pd.DataFrame) -> Frames:
    """The rows of either side, by their index, that do not stand on the other side as they are."""
    if old.empty or new.empty:
        return [old, new]
    at = places(old.index, new.index)
    same, twin = at >= 0, new.iloc[at]
    for column in old.columns:
        same &= np.asarray(old[column].array == twin[column].array, dtype=bool)
    alone = np.ones(len(new), dtype=bool)
    alone[at[same]] = False
    return [old[~same], new[alone]]


def _llts(dictionary: Dictionary) -> pd.DataFrame:
    """LLTs by code: name, pt, currency, primary soc of the PT, and whether the code is a PT itself."""
    llt, pt = dictionary.tables["llt"], dictionary.tables["pt"]
    frame = llt.set_index("llt_code")[["llt_name", "pt_code", "llt_currency"]]
    frame.columns = pd.Index(["name", "pt", "currency"])
    frame["soc"] = looked_up(llt["pt_code"], pt, "pt_code", "pt_soc_code")["pt_soc_code"].array
    frame["is_pt"] = is_in(frame.index, pt["pt_code"])
    hlts = _hlts(dictionary).rename("hlts").reset_index()
    frame["hlts"] = looked_up(llt["llt_code"], hlts, "pt_code", "hlts")["hlts"].fillna("").array
    return frame


def _hlts(dictionary: Dictionary) -> pd.Series:
    """PT -> its HLTs joined by a space, the primary one first."""
    links = dictionary.tables["hlt_pt"]
    primary = looked_up(links["pt_code"], dictionary.paths, "pt_code", "hlt_code")["hlt_code"]
    other = (links["hlt_code"] != primary).map({False: "0", True: "1"})
    return _joined(links.assign(other=other), "pt_code", "hlt_code", "other")


def _switched(kept: pd.DataFrame, before: pd.Series, after: pd.Series) -> pd.Series:
    """Whether the name of a kept code came from another code, or went to another one."""
    changed = kept["name_old"] != kept["name_new"]
    return changed & (is_in(kept["name_new"], before) | is_in(kept["name_old"], after))


def _kept(kept: pd.DataFrame, pt_old: pd.Series, pt_new: pd.Series, switched: pd.Series) -> Frames:
    """Changes of codes that are in both releases: one kind each, several together are complex."""
    promoted, demoted, stayed = ~pt_old & pt_new, pt_old & ~pt_new, pt_old & pt_new
    renamed = kept["name_old"] != kept["name_new"]
    same_pt = kept["pt_old"] == kept["pt_new"]
    soc = same_pt & (kept["soc_old"] != kept["soc_new"])
    parts = {
        "promotions": (promoted, "pt"),
        "demotions": (demoted, "pt"),
        "llts_moved": (~same_pt & ~promoted & ~demoted, "pt"),
        "name_changes": (renamed & ~switched, "name"),
        "code_switches": (switched, "name"),
        "currency_changes": (kept["currency_old"] != kept["currency_new"], "currency"),
        "soc": (soc, "soc"),
        "hierarchy_changes": (stayed & ~soc & (kept["hlts_old"] != kept["hlts_new"]), "hlts"),
    }
    at_pt = stayed | promoted | demoted
    frames: Frames = []
    for here, level in ((at_pt, "PT"), (~at_pt, "LLT")):
        number = sum((mask & here).astype(int) for mask, _ in parts.values())
        for part, (mask, column) in parts.items():
            kind = f"{level.lower()}_primary_soc_changes" if part == "soc" else part
            if not (alone := mask & here & (number == 1)).any():
                continue
            single = kept[alone]
            frames.append(_rows(single, level, kind, "name_new", f"{column}_old", f"{column}_new"))
        frames.append(_complex(kept, {p: (m & here & (number > 1), c) for p, (m, c) in parts.items()}, level))
    # the LLT that a PT also is changes its primary SOC with it, whatever else the PT does
    own = kept[stayed & soc]
    return [*frames, _rows(own, "LLT", "llt_primary_soc_changes", "name_new", "soc_old", "soc_new")]


def _complex(kept: pd.DataFrame, parts: dict[str, tuple[pd.Series, str]], level: str) -> pd.DataFrame:
    """Codes with several changes; the parts as "kind: value; kind: value"."""
    parts = {part: (mask, column) for part, (mask, column) in parts.items() if mask.any()}
    several = kept[np.logical_or.reduce([mask for mask, _ in parts.values()] or [kept.index == ""])].copy()
    for side in ("old", "new"):
        texts = pd.Series("", index=several.index, dtype="str")
        for part, (mask, column) in parts.items():
            label = f"{level.lower()}_primary_soc_changes" if part == "soc" else part
            texts = texts.where(
                ~mask[several.index], texts + f"{label}: " + several[f"{column}_{side}"] + "; "
            )
        several[side] = texts.str.removesuffix("; ")
    return _rows(several, level, "complex_changes", "name_new", "old", "new")


def _hierarchy(old: Dictionary, new: Dictionary) -> Frames:
    """Everything that changes at HLT, HLGT and SOC."""
    frames: Frames = []
    levels = (("hlt", "hlgt_hlt", "hlgt_code"), ("hlgt", "soc_hlgt", "soc_code"), ("soc", "", "soc_abbrev"))
    for level, table, parent in levels:
        sides = []
        for dictionary in (old, new):
            frame = dictionary.tables[level].set_index(f"{level}_code")
            if table:
                above = _joined(dictionary.tables[table], f"{level}_code", parent)
                state = frame[f"{level}_name"] + " < " + above.reindex(frame.index).fillna("")
            else:
                state = frame["soc_name"] + " [" + frame["soc_abbrev"] + "]"
            sides.append(pd.DataFrame({"name": frame[f"{level}_name"], "state": state}))
        frames.append(_states(sides[0], sides[1], level.upper(), "hierarchy_changes"))
    return frames


def _smq(old: Dictionary, new: Dictionary) -> Frames:
    """SMQs and their terms; the version column changes with every release and is no change."""
    frames = []
    if "smq_list" in old.tables and "smq_list" in new.tables:
        fields = [
            "smq_name",
            "smq_level",
            "smq_description",
            "smq_source",
            "smq_note",
            "status",
            "smq_algorithm",
        ]
        sides = []
        for dictionary in (old, new):
            table = dictionary.tables["smq_list"].set_index("smq_code")
            sides.append(pd.DataFrame({"name": table["smq_name"], "state": _state(table, fields)}))
        frames.append(_states(sides[0], sides[1], "SMQ", "smq_changes"))
    if "smq_content" in old.tables and "smq_content" in new.tables:
        fields = ["term_level", "term_scope", "term_category", "term_weight", "term_status"]
        levels = (("SMQ", "smq_changes", ["0", "1", "2", "3"]), ("PT", "smq_pt_changes", ["4"]),
                  ("LLT", "smq_llt_changes", ["5"]))  # fmt: skip
        for level, kind, numbers in levels:
            sides = []
            for dictionary in (old, new):
                table = dictionary.tables["smq_content"]
                table = table[table["term_level"].isin(numbers)]
                key = table["smq_code"] + "/" + table["term_code"]
                pairs = pd.DataFrame({"key": key, "state": _state(table, fields)})
                states = _joined(pairs, "key", "state", by=" + ", ordered=False)
                sides.append(pd.DataFrame({"name": states.index, "state": states}))
            frames.append(_states(sides[0], sides[1], level, kind))
    return frames


def _states(old: pd.DataFrame, new: pd.DataFrame, level: str, kind: str) -> pd.DataFrame:
    """Rows whose `state` differs, appears or disappears; both frames have name and state by code."""
    old, new = _unlike(old, new)
    both = old.add_suffix("_old").join(new.add_suffix("_new"), how="outer").fillna("")
    both["name"] = both["name_new"].where(both["name_new"] != "", both["name_old"])
    return _rows(both[both["state_old"] != both["state_new"]], level, kind, "name", "state_old", "state_new")


def _state(table: pd.DataFrame, fields: list[str]) -> pd.Series:
    state = table[fields[0]]
    for name in fields[1:]:
        state = state + "$" + table[name]
    return state


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
