"""Releases of one version in several languages, joined to the English one by code.

A translation has the same codes and the same hierarchy with other names; currency is the English
release's, for it is the LLT that is current or not. Source: the distribution's file format document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from pvcore.errors import Fault, ReleaseError
from pvcore.meddra.release import Dictionary

LEVELS = {
    "LLT": ("llt", "pt_code"),
    "PT": ("pt", "pt_soc_code"),
    "HLT": ("hlt", ""),
    "HLGT": ("hlgt", ""),
    "SOC": ("soc", ""),
}
"""Level -> table and the column, if any, that says where a term belongs."""
_LINKS = ("hlt_pt", "hlgt_hlt", "soc_hlgt")
ENGLISH = "English"


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
        """Language -> name of a term ("LLT", "PT", "HLT", "HLGT", "SOC"). Raises KeyError for no such term."""
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
    faults = []
    for level, (table, parent) in LEVELS.items():
        ours, theirs = english.tables[table], other.tables[table]
        key = f"{table}_code"
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
        ours, theirs = (_pairs(d.tables[table]) for d in (english, other))
        where = f"{other.language} {table}.asc"
        faults += [Fault(where, f"has no link {' to '.join(pair)}") for pair in sorted(ours - theirs)]
        faults += [Fault(where, f"has a link {' to '.join(pair)}") for pair in sorted(theirs - ours)]
    return faults


def _pairs(table: pd.DataFrame) -> set[tuple[str, str]]:
    upper, lower = table.columns
    return set(zip(table[upper].tolist(), table[lower].tolist(), strict=True))


def _names(dictionary: Dictionary) -> pd.Series:
    """(level, code) -> name."""
    parts = {
        level: dictionary.tables[table].set_index(f"{table}_code")[f"{table}_name"]
        for level, (table, _) in LEVELS.items()
    }
    return pd.concat(parts, names=["level", "code"]).rename(dictionary.language)
