"""The next version of an invented dictionary: counted changes of every kind, and what they are.

Each operation takes terms that no other one touches, so what a comparison must find can be written
down here, independently of `diff`: as (level, code, kind).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pvcore.errors import ConfigError
from pvcore.meddra.model import Model, Term
from pvcore.meddra.vocabulary import american

Change = tuple[str, str, str]
"""level, code, kind."""

CHANGES: dict[str, int] = {
    "new_llts": 30,
    "new_pts": 10,
    "promotions": 4,
    "demotions": 4,
    "llts_moved": 8,
    "pt_primary_soc_changes": 4,
    "name_changes": 8,
    "code_switches": 2,  # pairs: each is two codes that exchange their names
    "currency_changes": 12,
    "complex_changes": 4,
    "hierarchy_changes": 6,
    "smq_changes": 2,
    "smq_pt_changes": 4,
    "smq_llt_changes": 2,
}
"""Operations a version, for a small dictionary; one can make several rows (all LLTs of a PT)."""

ONSETS = (
    "Early-onset",
    "Late-onset",
    "Vaccination-related",
    "Device-related",
    "Steroid-induced",
    "Stress-related",
)
_EARLY, _EXTRA = "Post-infectious", "Seasonal"


@dataclass
class _Next:
    """The version being made: what is free to change, and what was changed."""

    model: Model
    version: str
    rng: np.random.Generator
    changes: list[Change] = field(default_factory=list)
    pts: list[str] = field(default_factory=list)
    llts_of: dict[str, list[str]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    in_smq: set[str] = field(default_factory=set)

    def note(self, level: str, code: str, kind: str) -> None:
        self.changes.append((level, code, kind))

    def take(self, fits: Callable[[str], bool] = lambda pt: True) -> str:
        """A PT that nothing touched yet, with all its LLTs. Raises ConfigError when none is left."""
        for index, pt in enumerate(self.pts):
            if fits(pt):
                return self.pts.pop(index)
        raise ConfigError("the previous dictionary is too small for the changes asked for: ask for fewer")

    def near(self, pt: str) -> str:
        """A PT under the same HLT if there is one, else under the same SOC, else any; taken as by `take`."""
        paths = self.model.paths
        soc = self.model.pt[pt].soc
        under_hlt = [other for other in self.pts if paths[other][0] == paths[pt][0]]
        under_soc = under_hlt or [other for other in self.pts if self.model.pt[other].soc == soc]
        return self.take(lambda other: not under_soc or other == under_soc[0])

    def others(self, pt: str, currency: str = "Y") -> list[str]:
        """LLTs of a PT, its own left out, that no SMQ names."""
        return [
            c
            for c in self.llts_of[pt]
            if c != pt and self.model.llt[c][2] == currency and c not in self.in_smq
        ]

    def fresh(self, name: str) -> str:
        """The name, reserved; with a number if it is taken."""
        tried, number = name, 2
        while tried.lower() in self.names:
            tried, number = f"{name} type {number}", number + 1
        self.names.add(tried.lower())
        return tried

    def add_llt(self, name: str, pt: str) -> str:
        code = self.model.code()
        self.model.llt[code] = (self.fresh(name), pt, "Y")
        return code

    def move(self, llt: str, pt: str) -> None:
        name, _, currency = self.model.llt[llt]
        self.model.llt[llt] = (name, pt, currency)

    def rename(self, code: str, name: str) -> None:
        """Another name for an LLT and, if it is one, the PT with the same code."""
        _, pt, currency = self.model.llt[code]
        self.model.llt[code] = (name, pt, currency)
        if code in self.model.pt:
            self.model.pt[code] = Term(name, self.model.pt[code].soc)


def evolve(
    model: Model, changes: Mapping[str, int], version: str, rng: np.random.Generator
) -> tuple[Model, list[Change]]:
    """Change `model` in place; returns it and every change. Hierarchy above PT changes only in x.0."""
    nxt = _Next(model, version, rng)
    nxt.in_smq = {term for _, term in model.smq_content}
    for code, (name, pt, _) in model.llt.items():
        nxt.llts_of.setdefault(pt, []).append(code)
        nxt.names.add(name.lower())
    pts = list(model.pt)
    nxt.pts = [pts[i] for i in rng.permutation(len(pts))]
    unknown = sorted(set(changes) - set(_OPERATIONS))
    if unknown:
        raise ConfigError(f"no such changes: {', '.join(unknown)}. There are: {', '.join(_OPERATIONS)}")
    for kind, operation in _OPERATIONS.items():
        for index in range(changes.get(kind, 0)):
            operation(nxt, index)
    return model, nxt.changes


def _new_llt(nxt: _Next, index: int) -> None:
    pt = nxt.pts[index % len(nxt.pts)]  # an added synonym does not change its PT
    name = nxt.model.pt[pt].name
    onset = ONSETS[int(nxt.rng.integers(len(ONSETS)))]
    nxt.note("LLT", nxt.add_llt(f"{onset} {_lower(name)}", pt), "new_llts")


def _new_pt(nxt: _Next, index: int) -> None:
    pattern = nxt.pts[-1 - index % len(nxt.pts)]
    onset = ONSETS[index % len(ONSETS)]
    code = nxt.model.code()
    name = nxt.fresh(f"{onset} {_lower(nxt.model.pt[pattern].name)}")
    nxt.model.pt[code] = Term(name, nxt.model.pt[pattern].soc)
    nxt.model.llt[code] = (name, code, "Y")
    nxt.model.paths[code] = nxt.model.paths[pattern][:1]
    nxt.note("PT", code, "new_pts")
    nxt.note("LLT", nxt.add_llt(f"{name}, {_EARLY.lower()}", code), "new_llts")


def _promotion(nxt: _Next, index: int) -> None:
    pt = nxt.take(lambda pt: bool(nxt.others(pt)))
    code = nxt.others(pt)[0]
    nxt.model.pt[code] = Term(nxt.model.llt[code][0], nxt.model.pt[pt].soc)
    nxt.model.paths[code] = list(nxt.model.paths[pt])
    nxt.move(code, code)
    nxt.note("PT", code, "promotions")


def _demotion(nxt: _Next, index: int) -> None:
    """What is called a merge: a PT becomes an LLT of another one, its LLTs move along."""
    pt = nxt.take(lambda pt: pt not in nxt.in_smq and len(nxt.llts_of[pt]) > 1)
    target = nxt.near(pt)
    for code in nxt.llts_of[pt]:
        nxt.move(code, target)
        nxt.note("PT" if code == pt else "LLT", code, "demotions" if code == pt else "llts_moved")
    del nxt.model.pt[pt], nxt.model.paths[pt]


def _moved(nxt: _Next, index: int) -> None:
    pt = nxt.take(lambda pt: bool(nxt.others(pt)))
    code = nxt.others(pt)[0]
    nxt.move(code, nxt.near(pt))
    nxt.note("LLT", code, "llts_moved")


def _primary_soc(nxt: _Next, index: int) -> None:
    """The second path of a PT becomes its primary one; the links stay."""
    pt = nxt.take(lambda pt: len(nxt.model.paths[pt]) > 1)
    _switch_soc(nxt, pt)
    nxt.note("PT", pt, "pt_primary_soc_changes")
    for code in nxt.llts_of[pt]:
        nxt.note("LLT", code, "llt_primary_soc_changes")


def _switch_soc(nxt: _Next, pt: str) -> None:
    nxt.model.paths[pt].reverse()
    nxt.model.pt[pt] = Term(nxt.model.pt[pt].name, nxt.model.soc_of_hlt(nxt.model.paths[pt][0]))


def _name(nxt: _Next, index: int) -> None:
    """Every second time the name of a PT, else that of an LLT."""
    pt = nxt.take(lambda pt: bool(nxt.others(pt)))
    code = pt if index % 2 else nxt.others(pt)[0]
    old = nxt.model.llt[code][0]
    spelled = american(old)
    name = spelled if spelled.lower() not in nxt.names else f"{old}, {_EXTRA.lower()}"
    nxt.rename(code, nxt.fresh(name))
    nxt.note("PT" if code in nxt.model.pt else "LLT", code, "name_changes")


def _code_switch(nxt: _Next, index: int) -> None:
    """Two LLTs of one PT exchange their names."""
    first, second = nxt.others(nxt.take(lambda pt: len(nxt.others(pt)) > 1))[:2]
    one, two = nxt.model.llt[first][0], nxt.model.llt[second][0]
    nxt.rename(first, two)
    nxt.rename(second, one)
    for code in (first, second):
        nxt.note("LLT", code, "code_switches")


def _currency(nxt: _Next, index: int) -> None:
    """Mostly an LLT that may no longer be used, every fourth time one that may be used again."""
    old, new = ("N", "Y") if index % 4 == 3 else ("Y", "N")
    code = nxt.others(nxt.take(lambda pt: bool(nxt.others(pt, old))), old)[0]
    name, pt, _ = nxt.model.llt[code]
    nxt.model.llt[code] = (name, pt, new)
    nxt.note("LLT", code, "currency_changes")


def _complex(nxt: _Next, index: int) -> None:
    """In turn: an LLT moved and no longer current; a PT renamed with another primary SOC."""
    if index % 2:
        pt = nxt.take(lambda pt: len(nxt.model.paths[pt]) > 1)
        nxt.rename(pt, nxt.fresh(f"{nxt.model.pt[pt].name}, {_EXTRA.lower()}"))
        _switch_soc(nxt, pt)
        nxt.note("PT", pt, "complex_changes")
        for llt in nxt.llts_of[pt]:
            nxt.note("LLT", llt, "llt_primary_soc_changes")
        return
    pt = nxt.take(lambda pt: bool(nxt.others(pt)))
    code = nxt.others(pt)[0]
    nxt.model.llt[code] = (nxt.model.llt[code][0], nxt.near(pt), "N")
    nxt.note("LLT", code, "complex_changes")


def _hierarchy(nxt: _Next, index: int) -> None:
    """In x.0 in turn: a new HLT with a PT, an HLT renamed, an HLT under another HLGT, an HLGT renamed.

    In x.1 only PTs under another HLT of their SOC, for HLT and above do not change then.
    """
    operations: Sequence[Callable[[_Next, int], None]] = (_new_hlt, _hlt_renamed, _hlt_moved, _hlgt_renamed)
    if nxt.version.endswith(".0"):
        operations[index % 4](nxt, index)
    else:
        _pt_moved(nxt, index)


def _new_hlt(nxt: _Next, index: int) -> None:
    pt = nxt.take()
    old = nxt.model.paths[pt][0]
    code = nxt.model.code()
    nxt.model.hlt[code] = f"{nxt.model.hlt[old]} NEC {nxt.version}-{index}"
    nxt.model.hlgt_hlt.append((nxt.model.hlgt_of(old), code))
    nxt.model.paths[pt][0] = code
    nxt.note("HLT", code, "hierarchy_changes")
    nxt.note("PT", pt, "hierarchy_changes")


def _hlt_renamed(nxt: _Next, index: int) -> None:
    code = _unchanged(nxt, list(nxt.model.hlt))
    nxt.model.hlt[code] = f"{nxt.model.hlt[code]} (excluding {index + 2}nd line)"
    nxt.note("HLT", code, "hierarchy_changes")


def _hlgt_renamed(nxt: _Next, index: int) -> None:
    code = _unchanged(nxt, list(nxt.model.hlgt))
    nxt.model.hlgt[code] = f"{nxt.model.hlgt[code]} and related findings"
    nxt.note("HLGT", code, "hierarchy_changes")


def _hlt_moved(nxt: _Next, index: int) -> None:
    """An HLT goes to another HLGT of its SOC, so that no primary SOC changes."""
    soc_of = {lower: upper for upper, lower in nxt.model.soc_hlgt}
    fitting = [
        lower
        for upper, lower in nxt.model.hlgt_hlt
        if sum(soc == soc_of[upper] for soc in soc_of.values()) > 1
    ]
    code = _unchanged(nxt, fitting)
    old = nxt.model.hlgt_of(code)
    new = next(hlgt for hlgt, soc in soc_of.items() if soc == soc_of[old] and hlgt != old)
    nxt.model.hlgt_hlt[nxt.model.hlgt_hlt.index((old, code))] = (new, code)
    nxt.note("HLT", code, "hierarchy_changes")


def _pt_moved(nxt: _Next, index: int) -> None:
    soc = {lower: upper for upper, lower in nxt.model.soc_hlgt}
    hlts = {lower: soc[upper] for upper, lower in nxt.model.hlgt_hlt}

    def targets(pt: str) -> list[str]:
        return [h for h, s in hlts.items() if s == nxt.model.pt[pt].soc and h not in nxt.model.paths[pt]]

    pt = nxt.take(lambda pt: bool(targets(pt)))
    nxt.model.paths[pt][0] = targets(pt)[0]
    nxt.note("PT", pt, "hierarchy_changes")


def _unchanged(nxt: _Next, codes: list[str]) -> str:
    touched = {code for _, code, _ in nxt.changes}
    left = [code for code in codes if code not in touched]
    if not left:
        raise ConfigError(
            "the previous dictionary is too small for the hierarchy changes asked for: ask for fewer"
        )
    return left[int(nxt.rng.integers(len(left)))]


def _smq(nxt: _Next, index: int) -> None:
    code = _unchanged(nxt, list(nxt.model.smq))
    name, level, description, status, algorithm = nxt.model.smq[code]
    nxt.model.smq[code] = (name, level, f"{description} Revised in {nxt.version}.", status, algorithm)
    nxt.note("SMQ", code, "smq_changes")


def _smq_term(nxt: _Next, level: str, kind: str, number: str, term: str) -> None:
    smqs = list(nxt.model.smq)
    if not smqs:
        raise ConfigError("the previous dictionary has no SMQ to change: ask for 0 smq changes")
    smq = smqs[int(nxt.rng.integers(len(smqs)))]
    nxt.model.smq_content[smq, term] = (number, "2", "A", nxt.version, nxt.version)
    nxt.note(level, f"{smq}/{term}", kind)


def _smq_pt(nxt: _Next, index: int) -> None:
    """In turn: a PT is added to an SMQ, or its scope there changes."""
    if index % 2:
        touched = {code for _, code, _ in nxt.changes}
        for (smq, term), (level, scope, status, added, _) in nxt.model.smq_content.items():
            if level == "4" and f"{smq}/{term}" not in touched:
                scope = "1" if scope == "2" else "2"
                nxt.model.smq_content[smq, term] = (level, scope, status, added, nxt.version)
                nxt.note("PT", f"{smq}/{term}", "smq_pt_changes")
                return
    _smq_term(nxt, "PT", "smq_pt_changes", "4", nxt.take(lambda pt: pt not in nxt.in_smq))


def _smq_llt(nxt: _Next, index: int) -> None:
    pt = nxt.take(lambda pt: bool(nxt.others(pt)))
    _smq_term(nxt, "LLT", "smq_llt_changes", "5", nxt.others(pt)[0])


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


_OPERATIONS: dict[str, Callable[[_Next, int], None]] = {
    "promotions": _promotion,
    "demotions": _demotion,
    "llts_moved": _moved,
    "pt_primary_soc_changes": _primary_soc,
    "name_changes": _name,
    "code_switches": _code_switch,
    "currency_changes": _currency,
    "complex_changes": _complex,
    "hierarchy_changes": _hierarchy,
    "smq_changes": _smq,
    "smq_pt_changes": _smq_pt,
    "smq_llt_changes": _smq_llt,
    "new_llts": _new_llt,  # last: what is added is not changed as well
    "new_pts": _new_pt,
}
