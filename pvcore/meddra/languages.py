"""Releases of one version in several languages, joined to the English one by code.

A translation has the same codes, hierarchy and SMQs with other names; currency is the English
release's, for it is the LLT that is current or not. Source: the distribution's file format document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from pvcore.errors import Fault, ReleaseError
from pvcore.meddra.release import Dictionary

ENGLISH = "English"
LEVELS = {
    "LLT": ("llt", "llt", "pt_code"),
    "PT": ("pt", "pt", "pt_soc_code"),
    "HLT": ("hlt", "hlt", ""),
    "HLGT": ("hlgt", "hlgt", ""),
    "SOC": ("soc", "soc", ""),
    "SMQ": ("smq_list", "smq", "smq_level"),
}
"""Level -> table, beginning of its columns, and the column, if any, that says where a term belongs."""
_LINKS = ("hlt_pt", "hlgt_hlt", "soc_hlgt", "smq_content")
"""Tables whose first two columns are the codes of a link."""


@dataclass(frozen=True, eq=False)
class Translated:
    """The English release with names in other languages. `names` is indexed by (level, code), a column a
    language, English first.
    """

    english: Dictionary
    names: pd.DataFrame = field(repr=False)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.names.columns)

    def name(self, level: str, code: str) -> Mapping[str, str]:
        """Language -> name of a term (`level` is a key of LEVELS). Raises KeyError for no such term."""
        return dict(self.names.loc[(level, code)])


def join(english: Dictionary, others: Sequence[Dictionary]) -> Translated:
    """The names of all languages by code.

    Raises ReleaseError with every code that only one side has, every term that belongs elsewhere, a
    version that is not the English one's, and a language that is there twice.
    """
    faults = _mismatched(english, others)
    if not faults:
        faults = [fault for other in others for fault in _differing(english, other)]
    if faults:
        title = f"MedDRA {english.version}: " + ", ".join(d.language for d in (english, *others))
        raise ReleaseError(
            title, faults, "Releases are joined by code: give the same version in each language."
        )
    return Translated(english, pd.concat([_names(d) for d in (english, *others)], axis=1))


def _mismatched(english: Dictionary, others: Sequence[Dictionary]) -> list[Fault]:
    faults = []
    if english.language.casefold() != ENGLISH.casefold():
        faults.append(Fault(f"MedDRA {english.version}", f"is in {english.language}, expected {ENGLISH}"))
    seen = {english.language.casefold()}
    for other in others:
        if other.version != english.version:
            what = f"is of version {other.version}, expected {english.version}"
            faults.append(Fault(f"MedDRA {other.language}", what))
        if other.language.casefold() in seen:
            faults.append(Fault(f"MedDRA {other.language}", "is there twice"))
        seen.add(other.language.casefold())
    return faults


def _differing(english: Dictionary, other: Dictionary) -> list[Fault]:
    faults: list[Fault] = []
    for level, (table, stem, parent) in LEVELS.items():
        if _lacking(table, english, other, faults):
            continue
        ours, theirs = english.tables[table], other.tables[table]
        key = f"{stem}_code"
        have, has = set(ours[key]), set(theirs[key])
        where = f"{other.language} {table}.asc"
        faults += [Fault(where, f"has no {level} {code}, which English has") for code in sorted(have - has)]
        faults += [Fault(where, f"has {level} {code}, which English has not") for code in sorted(has - have)]
        if parent:
            belongs = ours.set_index(key)[parent]
            expected = theirs[key].map(belongs)
            moved = theirs[expected.notna() & (expected != theirs[parent])]
            faults += [
                Fault(where, f"{level} {code}: {parent} {found}, expected {belongs[code]} as in English")
                for code, found in zip(moved[key], moved[parent], strict=True)
            ]
    for table in _LINKS:
        if _lacking(table, english, other, faults):
            continue
        ours, theirs = (_pairs(d.tables[table]) for d in (english, other))
        where = f"{other.language} {table}.asc"
        faults += [Fault(where, f"has no link {' to '.join(pair)}") for pair in sorted(ours - theirs)]
        faults += [Fault(where, f"has a link {' to '.join(pair)}") for pair in sorted(theirs - ours)]
    return faults


def _lacking(table: str, english: Dictionary, other: Dictionary, faults: list[Fault]) -> bool:
    """Whether a release has no such table (those of SMQs may be missing); a fault if only one has none."""
    ours, theirs = table in english.tables, table in other.tables
    if ours != theirs:
        what = "is missing, English has it" if ours else "is there, English has none"
        faults.append(Fault(f"{other.language} {table}.asc", what))
    return not (ours and theirs)


def _pairs(table: pd.DataFrame) -> set[tuple[str, str]]:
    upper, lower = table.columns[:2]
    return set(zip(table[upper].tolist(), table[lower].tolist(), strict=True))


def _names(dictionary: Dictionary) -> pd.Series:
    """(level, code) -> name."""
    parts = {
        level: dictionary.tables[table].set_index(f"{stem}_code")[f"{stem}_name"]
        for level, (table, stem, _) in LEVELS.items()
        if table in dictionary.tables
    }
    return pd.concat(parts, names=["level", "code"]).rename(dictionary.language)
