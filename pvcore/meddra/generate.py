"""An invented dictionary in MedDRA's real file format, and its next version with known changes.

MedDRA is licensed, so nothing of it may be shipped: codes (90000001 and up) and names are made here.
The same seed writes the same bytes. With `previous`, the next version is made of it by counted changes
of every kind, and `Truth.changes` says what a comparison must find, no more and no less.

>>> first = generate(Path("inbox"), version="29.0", seed=1, size=Size.small())        # doctest: +SKIP
>>> second = generate(Path("inbox"), version="29.1", seed=1, size=Size.small(),
...                   previous=first.dictionary)                                      # doctest: +SKIP
>>> second.archive.name, second.changes["kind"].value_counts()                        # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import pandas as pd

from pvcore.errors import ConfigError
from pvcore.meddra.evolve import CHANGES, Change, evolve
from pvcore.meddra.languages import ENGLISH
from pvcore.meddra.model import FIRST_CODE, Model, Term, from_dictionary, to_tables
from pvcore.meddra.release import Dictionary, content_digest
from pvcore.meddra.synonyms import Names
from pvcore.meddra.tables import UTF8
from pvcore.meddra.translate import translated
from pvcore.meddra.vocabulary import FINDINGS, GROUPS, MODIFIERS, SYSTEMS, Finding, System
from pvcore.meddra.writer import sequential, tables_of, write_zip

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Size:
    """How many terms of each level, and how many changes of each kind the next version gets.

    `noncurrent` is the share of LLTs that may no longer be used. Keys of `changes` are those of
    `evolve.CHANGES`; a version .1 changes nothing at HLT and above, as in MedDRA.
    """

    socs: int
    hlgts: int
    hlts: int
    pts: int
    llts: int
    smqs: int
    noncurrent: float = 0.1
    changes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType(dict(CHANGES)))

    @classmethod
    def small(cls) -> Size:
        """What a demonstration can code and learn in a minute."""
        return cls(socs=12, hlgts=60, hlts=140, pts=300, llts=1000, smqs=6)

    @classmethod
    def real(cls) -> Size:
        """The proportions of a release of 2026, with a version's usual number of changes."""
        changes = {kind: number * 12 for kind, number in CHANGES.items()}
        return cls(socs=27, hlgts=337, hlts=1740, pts=26_500, llts=88_500, smqs=110, changes=changes)


@dataclass(frozen=True, slots=True)
class Truth:
    """A generated release: its zip, the dictionary in it, and what changed since `previous`.

    `changes` has columns level, code and kind, the key of a row of `diff(...).changes`.
    """

    version: str
    archive: Path
    dictionary: Dictionary
    changes: pd.DataFrame


def generate(
    folder_or_zip: Path,
    *,
    version: str,
    seed: int,
    size: Size,
    previous: Dictionary | None = None,
    language: str = ENGLISH,
) -> Truth:
    """Write a release and say what is in it.

    A path that ends in .zip is the file to write; any other is a folder that gets
    `MedDRA_<xx_y>_<language>.zip`. In another `language` the release has the codes and hierarchy of the
    English one of this seed, and names in invented words; `previous` is the English release before it all
    the same. Raises ConfigError for a size that the vocabulary or `previous` cannot fill, and for a
    `previous` that is not English.
    """
    rng = np.random.default_rng([seed, *(int(part) for part in version.split("."))])
    changes: list[Change] = []
    if previous is None:
        model = build(size, version, rng)
    elif previous.language != ENGLISH:
        raise ConfigError(f"the previous release is in {previous.language}: give the English one")
    else:
        model, changes = evolve(from_dictionary(previous), size.changes, version, rng)
    tables = to_tables(model, version, ENGLISH)
    before = previous.tables if previous else None
    if language != ENGLISH:
        tables = translated(tables, language)
        before = translated(before, language) if before else None
    archive = Path(folder_or_zip)
    if archive.suffix.lower() != ".zip":
        archive = archive / f"MedDRA_{version.replace('.', '_')}_{language}.zip"
    archive.parent.mkdir(parents=True, exist_ok=True)
    write_zip(archive, {**tables_of(tables), **sequential(tables, before)})
    dictionary = Dictionary(version, language, content_digest(tables), UTF8, tables)
    frame = pd.DataFrame(sorted(set(changes)), columns=["level", "code", "kind"], dtype="str")
    return Truth(version, archive, dictionary, frame)


def build(size: Size, version: str, rng: np.random.Generator) -> Model:
    """A first version: systems x finding groups x sites x findings x modifiers, then synonyms."""
    model = Model(next_code=FIRST_CODE)
    systems = SYSTEMS[: size.socs]
    if size.socs > len(SYSTEMS) or size.hlgts > len(systems) * len(GROUPS):
        raise ConfigError(f"no words for {size.socs} SOCs and {size.hlgts} HLGTs: ask for fewer")
    concepts = _hierarchy(model, size, systems, rng)
    _terms(model, size, concepts, rng)
    _smqs(model, size.smqs, version, rng)
    return model


def _hierarchy(
    model: Model, size: Size, systems: tuple[System, ...], rng: np.random.Generator
) -> dict[str, tuple[System, int, str]]:
    """SOCs, HLGTs and HLTs; returns HLT code -> (system, site, group)."""
    for system in systems:
        model.soc[model.code()] = (system.name, system.abbreviation)
    socs = dict(zip(systems, model.soc, strict=True))
    pairs = [(system, group) for group in _shuffled(GROUPS, rng) for system in systems][: size.hlgts]
    hlgts: dict[tuple[System, str], str] = {}
    for system, group in pairs:
        code = hlgts[system, group] = model.code()
        model.hlgt[code] = f"{group} in {system.name[0].lower()}{system.name[1:]}"
        model.soc_hlgt.append((socs[system], code))
    # every HLGT gets a site before any gets a second one
    cells = [(pair, site) for site in range(8) for pair in _shuffled(pairs, rng)][: size.hlts]
    if len(cells) < size.hlts:
        raise ConfigError(f"no words for {size.hlts} HLTs under {size.hlgts} HLGTs: ask for fewer")
    concepts = {}
    for (system, group), site in cells:
        code = model.code()
        model.hlt[code] = f"{system.sites[site][0]} {group.lower()} terms"
        model.hlgt_hlt.append((hlgts[system, group], code))
        concepts[code] = (system, site, group)
    return concepts


def _terms(
    model: Model, size: Size, concepts: dict[str, tuple[System, int, str]], rng: np.random.Generator
) -> None:
    """PTs spread over the HLTs, plain terms first, and their synonym LLTs."""
    findings = {group: [f for f in FINDINGS if f.group == group] for group in GROUPS}
    slots: list[tuple[float, str, Finding, int]] = []
    for hlt, (_, _, group) in concepts.items():
        for finding in findings[group]:
            rank = rng.permutation(len(MODIFIERS) - 1) + 1
            slots += [(1.5 * rng.random(), hlt, finding, 0)]
            slots += [(0.9 + i + rng.random(), hlt, finding, int(m)) for i, m in enumerate(rank)]
    if size.pts > len(slots) or size.llts < size.pts:
        raise ConfigError(f"no words for {size.pts} PTs and {size.llts} LLTs: ask for fewer PTs or more LLTs")
    slots.sort(key=lambda slot: slot[:2])
    hlts = list(model.hlt)
    soc_of = {hlt: model.soc_of_hlt(hlt) for hlt in hlts}
    names = Names()
    chosen: list[tuple[str, System, int, Finding, int]] = []
    for _, hlt, finding, modifier in slots:
        if len(chosen) == size.pts:
            break
        system, site, _ = concepts[hlt]
        name = names.preferred(system.sites[site], finding, MODIFIERS[modifier][0])
        if not names.take(name):
            continue
        code = model.code()
        model.pt[code] = Term(name, soc_of[hlt])
        model.llt[code] = (name, code, "Y")
        paths = model.paths.setdefault(code, [hlt])
        if rng.random() < 0.35:  # about a third of the PTs stand under a second SOC too
            other = hlts[int(rng.integers(len(hlts)))]
            if soc_of[other] != soc_of[hlt]:
                paths.append(other)
        chosen.append((code, system, site, finding, modifier))
    _synonyms(model, size, names, chosen, rng)


def _synonyms(
    model: Model,
    size: Size,
    names: Names,
    chosen: list[tuple[str, System, int, Finding, int]],
    rng: np.random.Generator,
) -> None:
    """Current LLTs (spelling, word order, lay words), then the vague ones that are no longer current."""
    stale = round(size.llts * size.noncurrent)
    for wanted, current in ((size.llts - size.pts - stale, True), (stale, False)):
        pools = [
            names.variants(system.sites[site], finding, *MODIFIERS[modifier], rng=rng)
            if current
            else names.outdated(system.sites[site], finding, MODIFIERS[modifier][0], rng=rng)
            for _, system, site, finding, modifier in chosen
        ]
        made = depth = 0
        while made < wanted:
            if all(depth >= len(pool) for pool in pools):
                raise ConfigError(f"no words for {size.llts} LLTs of {size.pts} PTs: ask for fewer")
            for index in rng.permutation(len(chosen)):
                if made == wanted:
                    break
                pool = pools[index]
                if depth < len(pool) and names.take(pool[depth]):
                    model.llt[model.code()] = (pool[depth], chosen[index][0], "Y" if current else "N")
                    made += 1
            depth += 1


def _smqs(model: Model, number: int, version: str, rng: np.random.Generator) -> None:
    """Standardised queries by finding group: PTs narrow or broad, some LLTs, the last one a sub-query."""
    pts = list(model.pt)
    for index in range(number):
        code = f"{99_000_001 + index}"
        group = GROUPS[index % len(GROUPS)]
        model.smq[code] = (f"{group} query {index + 1} (SMQ)", "1", f"Cases of {group.lower()}.", "A", "N")
        inside = [pts[i] for i in rng.choice(len(pts), size=min(8, len(pts) // 10), replace=False)]
        for pt in inside:
            model.smq_content[code, pt] = ("4", "2" if rng.random() < 0.6 else "1", "A", version, version)
    codes = list(model.smq)
    if number > 1:
        name, _, *rest = model.smq[codes[-1]]
        model.smq[codes[-1]] = (name, "2", *rest)  # type: ignore[assignment]
        model.smq_content[codes[0], codes[-1]] = ("0", "0", "A", version, version)


def _shuffled(values: Sequence[T], rng: np.random.Generator) -> list[T]:
    return [values[i] for i in rng.permutation(len(values))]
