"""A term looked up: its place in one release, and what became of it over the releases at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pvcore.meddra import matching
from pvcore.meddra.release import Dictionary


@dataclass(frozen=True, slots=True)
class Path:
    """One way from a PT up to a SOC; the primary one counts for reports."""

    primary: bool
    hlt: str
    hlgt: str
    soc: str


@dataclass(frozen=True, slots=True)
class Synonym:
    """An LLT of a PT; one that is not current may no longer be used for coding."""

    code: str
    name: str
    current: bool


@dataclass(frozen=True, slots=True)
class Term:
    """An LLT (a PT is the LLT with its own code): its PT, all paths, primary first, and all LLTs of the PT."""

    version: str
    code: str
    name: str
    level: str
    current: bool
    pt_code: str
    pt_name: str
    paths: tuple[Path, ...]
    synonyms: tuple[Synonym, ...]

    def to_value(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Step:
    """A code in one release, and what is other than in the release before it ("" for nothing)."""

    version: str
    code: str
    name: str
    level: str
    current: bool
    pt_name: str
    soc_name: str
    changes: str


def codes(term: str, releases: Sequence[Dictionary]) -> list[str]:
    """The codes that `term` is, or is the name of, in any of the releases; those of the last one come first.
    Case, accents and punctuation of a name do not matter.
    """
    wanted = matching.exact(term)
    found: dict[str, None] = {}
    for dictionary in reversed(releases):
        if term in dictionary:
            found[term] = None
        llt = dictionary.tables["llt"]
        names = zip(llt["llt_code"].tolist(), llt["llt_name"].tolist(), strict=True)
        found |= {code: None for code, name in names if wanted and matching.exact(name) == wanted}
    return list(found)


def place(code: str, dictionary: Dictionary) -> Term:
    """Where an LLT or PT stands in a release. Raises NotFound."""
    pt = dictionary.pt_of(code)
    hierarchy = dictionary.tables["mdhier"]
    ways = hierarchy[hierarchy["pt_code"] == pt]
    ways = ways.sort_values(["primary_soc_fg", "soc_name", "hlt_name"], ascending=[False, True, True])
    llt = dictionary.tables["llt"]
    synonyms = llt[llt["pt_code"] == pt].sort_values(["llt_currency", "llt_name"], ascending=[False, True])
    return Term(
        dictionary.version, code, dictionary.llt_name(code), "PT" if pt == code else "LLT",
        dictionary.is_current(code), pt, dictionary.pt_name(pt),
        tuple(Path(w.primary_soc_fg == "Y", w.hlt_name, w.hlgt_name, w.soc_name) for w in ways.itertuples()),
        tuple(Synonym(s.llt_code, s.llt_name, s.llt_currency == "Y") for s in synonyms.itertuples()),
    )  # fmt: skip


def history(code: str, releases: Sequence[Dictionary]) -> list[Step]:
    """A code over releases, oldest first; a release that does not have it is left out."""
    steps: list[Step] = []
    before: Dictionary | None = None
    for dictionary in releases:
        if code in dictionary:
            pt = dictionary.pt_of(code)
            step = Step(
                dictionary.version, code, dictionary.llt_name(code), "PT" if pt == code else "LLT",
                dictionary.is_current(code), dictionary.pt_name(pt), dictionary.primary_path(pt)["soc_name"],
                _changes(code, before, dictionary),
            )  # fmt: skip
            steps.append(step)
        before = dictionary
    return steps


def _changes(code: str, old: Dictionary | None, new: Dictionary) -> str:
    """What `diff` would name, for one code."""
    if old is None:
        return ""
    if code not in old:
        return "new"
    was, now = old.pt_of(code), new.pt_of(code)
    before, after = old.primary_path(was), new.primary_path(now)
    said = {
        "renamed": old.llt_name(code) != new.llt_name(code),
        "promoted": was != code and now == code,
        "demoted": was == code and now != code,
        "moved": was != now and code not in (was, now),
        "PT renamed": was == now != code and before["pt_name"] != after["pt_name"],
        "primary SOC": was == now and before["soc_code"] != after["soc_code"],
        "hierarchy": was == now and before["soc_code"] == after["soc_code"]
        and any(before[name] != after[name] for name in before if not name.startswith("pt_")),
        "no longer current": old.is_current(code) and not new.is_current(code),
        "current again": new.is_current(code) and not old.is_current(code),
    }  # fmt: skip
    return ", ".join(name for name, true in said.items() if true)
