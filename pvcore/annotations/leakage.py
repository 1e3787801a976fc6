"""Which cases are held out, so that no model is judged on what it has (nearly) seen.

The unit is the cluster of near-identical cases, never the case. A case that was held out once stays
held out; a new case follows the cluster that it falls into.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from pvcore.annotations.duplicates import clusters
from pvcore.errors import LeakageError
from pvcore.records import digest

__all__ = [
    "EXCLUDED",
    "SPLITS",
    "SplitSettings",
    "assign_pairs",
    "assign_splits",
    "check_held_out",
    "check_leakage",
    "clusters",
]

SPLITS = ("train", "tune", "test")
EXCLUDED = "excluded"
"""What a split has no place for. By time: a case outside the years, without a date, or before the held-out
years but nearly identical to a held-out case. By drug: a pair of drugs from two splits."""
_RANK = {EXCLUDED: -1, "train": 0, "tune": 1, "test": 2}


class SplitSettings(BaseModel):
    """How cases are divided. The unit is the cluster of near-identical cases."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: Literal["cluster", "time", "drug"] = Field(
        default="cluster",
        description="cluster: by a hash of the case cluster; time: by year received; drug: pairs of drugs (ddi) "
        "by a hash of each drug, cases by cluster",
    )
    test: float = Field(default=0.3, ge=0, lt=1, description="share of clusters held out for the gate")
    tune: float = Field(default=0.1, ge=0, lt=1, description="share of clusters for thresholds")
    train_until: int | None = Field(
        default=None, description="by time: last year of training; None = all that is not tune or test"
    )
    tune_years: tuple[int, ...] = Field(default=(), description="by time: years for thresholds")
    test_years: tuple[int, ...] = Field(default=(), description="by time: years held out for the gate")

    @model_validator(mode="after")
    def _fits(self) -> SplitSettings:
        if self.test + self.tune >= 1:
            raise ValueError(f"test {self.test} and tune {self.tune} leave nothing to train on")
        both = sorted(set(self.tune_years) & set(self.test_years))
        if both:
            raise ValueError(f"years {both} are in tune_years and in test_years")
        if self.by == "time" and not self.test_years:
            raise ValueError("a split by time needs test_years")
        return self


def assign_splits(
    case_ids: Sequence[str],
    cluster_ids: Sequence[Any],
    received: Sequence[str | None],
    known: Mapping[str, str],
    settings: SplitSettings,
    seed: int,
) -> list[str]:
    """The split of each case: train, tune, test, or EXCLUDED (by time only).

    `known` is the split that earlier datasets gave, by case id. A cluster that holds a case known as
    held out is held out as a whole (test before tune). By time, members that belong to an earlier
    split than their cluster are excluded, so that the years of a split stay what they say.
    """
    rows = list(zip(case_ids, cluster_ids, received, strict=True))
    members: dict[Any, list[str]] = defaultdict(list)
    for case_id, cluster, _ in rows:
        members[cluster].append(case_id)
    if settings.by == "time":
        own = {case_id: known.get(case_id) or _by_year(day, settings) for case_id, _, day in rows}
        top = {name: max((own[c] for c in ids), key=_RANK.__getitem__) for name, ids in members.items()}
        return [own[c] if own[c] == top[name] else EXCLUDED for c, name, _ in rows]
    chosen = {name: _of_cluster(ids, known, settings, seed) for name, ids in members.items()}
    return [chosen[name] for _, name, _ in rows]


def _by_year(day: str | None, settings: SplitSettings) -> str:
    if not day:
        return EXCLUDED
    year = int(day[:4])
    if year in settings.test_years:
        return "test"
    if year in settings.tune_years:
        return "tune"
    return "train" if settings.train_until is None or year <= settings.train_until else EXCLUDED


def _of_cluster(ids: Sequence[str], known: Mapping[str, str], settings: SplitSettings, seed: int) -> str:
    """What earlier datasets said, held-out first; else by a hash of the cluster's first case id."""
    before = [known[case_id] for case_id in ids if known.get(case_id) in SPLITS]
    if before:
        return max(before, key=_RANK.__getitem__)
    return _place(min(ids), settings, seed)


def _place(name: str, settings: SplitSettings, seed: int) -> str:
    """A split by the hash of a name: the same in every dataset and on every machine."""
    place = int(digest(f"{seed}/{name}".encode())[:13], 16) / 16**13
    return "test" if place < settings.test else "tune" if place < settings.test + settings.tune else "train"


def assign_pairs(
    pairs: Sequence[tuple[str, str]], known: Mapping[str, str], settings: SplitSettings, seed: int
) -> list[str]:
    """The split of each pair of drugs: no drug of a test pair is in training, nor any of a tune pair.

    Every drug is in one split, by a hash of its name (case and spaces aside), or where `known` (drug ->
    split of an earlier dataset) says. A pair whose drugs are in two splits is EXCLUDED: with a share s of
    the drugs, a split gets about s * s of the pairs. `settings.test` and `tune` are shares of drugs.
    """
    before = {_drug(name): split for name, split in known.items()}
    places = {name: before.get(name) for pair in pairs for name in map(_drug, pair)}
    split = {name: place or _place(name, settings, seed) for name, place in places.items()}
    return [split[_drug(a)] if split[_drug(a)] == split[_drug(b)] else EXCLUDED for a, b in pairs]


def _drug(name: str) -> str:
    return " ".join(name.casefold().split())


def check_held_out(training: Mapping[str, str], held_out: Iterable[tuple[str, str]]) -> None:
    """Raises LeakageError, naming the pairs, if a narrative of training is nearly a held-out one.

    `training` is case id -> narrative, `held_out` are (case id, narrative) of all that was ever held out,
    also as a case read before a follow-up replaced it. A case that is in both is a pair with itself.
    """
    held_out = list(held_out)
    texts = [*training.values(), *(text for _, text in held_out)]
    groups: dict[int, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    ids = [*((name, 0) for name in training), *((name, 1) for name, _ in held_out)]
    for (name, side), cluster in zip(ids, clusters(texts).tolist(), strict=True):
        groups[cluster][side].append(name)
    found = [(a, b) for trained, held in groups.values() for a in trained for b in held]
    pairs = list(dict.fromkeys([*found, *((name, name) for name, _ in held_out if name in training)]))
    if pairs:
        raise LeakageError(
            f"{len(pairs)} case(s) of training are nearly held-out ones\n"
            + _listed([f"  {a} (training) and {b} (held out)" for a, b in pairs])
            + "\nLeave them out of training: what was held out once stays held out."
        )


def _listed(lines: Sequence[str]) -> str:
    more = f"\n  ... and {len(lines) - 20} more" if len(lines) > 20 else ""
    return "\n".join(lines[:20]) + more


def check_leakage(rows: pd.DataFrame) -> None:
    """Raises LeakageError, naming the pairs, if a case or a cluster stands in two splits.

    `rows` has case_id, cluster and split; rows whose split is EXCLUDED do not count.
    """
    used = rows[rows["split"] != EXCLUDED]
    for column, what in (("case_id", "case"), ("cluster", "cluster")):
        number = used.groupby(column)["split"].transform("nunique")
        if not (number > 1).any():
            continue
        pairs = []
        for name, group in used[number > 1].groupby(column, sort=True):
            first = group.drop_duplicates("split").sort_values("split")
            cases = " and ".join(f"{c} ({s})" for c, s in zip(first["case_id"], first["split"], strict=True))
            pairs.append(f"  {what} {name}: {cases}")
        raise LeakageError(
            f"{len(pairs)} {what}(s) stand in two splits\n" + _listed(pairs)
            + "\nBuild the dataset again: held-out cases take their cluster with them."
        )  # fmt: skip
