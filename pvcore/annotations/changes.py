"""What changed among the cases of two datasets, and why.

Labels are in `label_changes`, the PT names of reactions in `reaction_changes`.

A reason is taken from what the datasets hold: the batch that a case or an annotation came with, the
cluster that it fell into, the row of a migration, the reason that an open item carries. Where the new
batches are not at hand, a thing is said to come from one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pvcore.annotations.batch import Batch
from pvcore.annotations.dataset import Dataset
from pvcore.annotations.merge import CASE_FIELDS, Open, case_of, row_of
from pvcore.annotations.passage import Passage
from pvcore.annotations.reactions import carry

CASE_CHANGES: Mapping[str, str] = {
    "added": "stands in the new dataset only",
    "replaced": "came again with another narrative (a follow-up)",
    "filled": "same narrative; fields that were not known are known now",
    "moved": "is in another split, was set aside, or was taken in again",
    "nullified": "was taken back by its sender",
    "lost": "stands in the old dataset only; never where the new one is built on the old one",
}
ASIDE = "aside"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed. `reason` groups; `detail` is of this one alone.

    `problem` and `target` are empty for a case. `before` and `after` are the split of a case (ASIDE for
    one that is set aside) or what a label or reaction says, with its MedDRA version; "" where there was
    nothing.
    """

    case_id: str
    change: str
    before: str
    after: str
    reason: str
    detail: str = ""
    problem: str = ""
    target: str = ""


@dataclass(frozen=True)
class Contents:
    """A dataset with what its tables leave out: cases set aside, items that wait for a person, cases taken back."""

    dataset: Dataset
    aside: pd.DataFrame
    open: Sequence[Open]
    nullified: Mapping[str, str]


class Sources:
    """Which of the new batches a case or an annotation came with (the last one wins, as in a dataset), or went by."""

    def __init__(self, fresh: Sequence[str], batches: Iterable[Batch]) -> None:
        self._fresh = fresh
        self._names: dict[str, str] = {}
        self._cases: dict[str, str] = {}
        self._nullified: dict[str, str] = {}
        self._said: dict[tuple[str, str, str, str], str] = {}
        for batch in batches:
            self._names[batch.digest] = batch.name
            self._cases |= {case.case_id: batch.digest for case in batch.cases}
            self._nullified = {**dict.fromkeys(batch.nullified, batch.digest), **self._nullified}
            for a in batch.annotations:
                self._said[a.case_id, a.problem, a.target, a.annotator] = batch.digest

    def case(self, name: str, batch: str | None = None) -> str:
        """The batch of a case; `batch` is what the dataset itself says (of a sampled one, another digest)."""
        return self._told(batch if batch in self._names else self._cases.get(name, batch))

    def nullified(self, name: str, batch: str) -> str:
        """The batch that took a case back; `batch` as in `case`."""
        return self._told(batch if batch in self._names else self._nullified.get(name, batch))

    def annotations(self, said: Iterable[Mapping[str, Any]]) -> str:
        """The last batch that one of these rows of an annotation table came with."""
        places = [(a["case_id"], a["problem"], a["target"], a["annotator"]) for a in said]
        found = {self._said[place] for place in places if place in self._said}
        order = [name for name in self._names if name in found]
        return self._told(order[-1] if order else None)

    def _told(self, batch: str | None) -> str:
        if batch is None and len(self._fresh) == 1:
            batch = self._fresh[0]
        if batch is None:
            return f"one of {len(self._fresh)} new batches" if self._fresh else "no new batch"
        return f"batch {self._names.get(batch, batch[:12])}"


def case_changes(old: Contents, new: Contents, sources: Sources, passage: Passage) -> Iterator[Change]:
    """Every change of a case, in order of case ids; one case can be replaced and moved.

    That its reactions were carried to another MedDRA version is none.
    """
    before, after = rows_of(old), rows_of(new)
    stayed = {
        row["cluster"]: name
        for name, row in after.items()
        if name in before and before[name]["split"] == row["split"]
    }
    same_settings = old.dataset.info.split == new.dataset.info.split
    for name in sorted({*before, *after}):
        was, now = before.get(name), after.get(name)
        if was is None and now is not None:
            yield Change(name, "added", "", now["split"], sources.case(name, now["batch"]))
        elif was is not None and now is None and name in new.nullified:
            reason = sources.nullified(name, new.nullified[name])
            yield Change(name, "nullified", was["split"], "", reason)
        elif was is not None and now is None:
            reason = f"batch {was['batch'][:12]} is not in the new dataset"
            yield Change(name, "lost", was["split"], "", reason)
        elif was is not None and now is not None:
            carried, _ = carry(case_of(was), passage)
            yield from _content(name, was | {"reactions": row_of(carried)["reactions"]}, now, sources)
            if was["split"] != now["split"]:
                reason, detail = _moved(was, now, stayed.get(now["cluster"]), same_settings)
                yield Change(name, "moved", was["split"], now["split"], reason, detail)


def rows_of(contents: Contents) -> dict[str, dict[str, Any]]:
    """The table row of every case, those set aside too, by case id."""
    tables = [contents.dataset.cases, contents.aside.assign(split=ASIDE)]
    return {row["case_id"]: row for table in tables for row in table.to_dict("records")}


def _content(name: str, was: Mapping[str, Any], now: Mapping[str, Any], sources: Sources) -> Iterator[Change]:
    fields = [n for n in CASE_FIELDS if was[n] != now[n] and (was[n] == was[n] or now[n] == now[n])]  # NaN
    if was["narrative"].split() != now["narrative"].split():
        reason = sources.case(name, now["batch"])
        yield Change(name, "replaced", was["split"], now["split"], reason, ", ".join(fields))
    elif fields:
        yield Change(name, "filled", was["split"], now["split"], sources.case(name), ", ".join(fields))


def _moved(
    was: Mapping[str, Any], now: Mapping[str, Any], twin: str | None, same_settings: bool
) -> tuple[str, str]:
    """Why a case is in another split: reason and detail. `twin` stayed in the split, in the same cluster."""
    if twin:
        return f"nearly identical to a case of {now['split']}", f"case {twin}"
    if not same_settings:
        return "other settings of the split", ""
    if was["received"] != now["received"]:
        return "another day received", f"{was['received']} to {now['received']}"
    return "its cluster of near-identical cases changed", f"{was['cluster']} to {now['cluster']}"
