"""Bring cases and annotations of many batches together: versions of a case, migration, agreement, splits."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pvcore.annotations.agreement import consensus, standing
from pvcore.annotations.batch import case_from_dict, case_to_dict
from pvcore.annotations.leakage import EXCLUDED, SplitSettings, check_leakage
from pvcore.annotations.pairs import DDI
from pvcore.annotations.passage import Moved, Passage, carried, coded_as
from pvcore.annotations.places import places
from pvcore.annotations.reactions import carry, stopped
from pvcore.annotations.spans import shifted
from pvcore.records import Annotation, Case, canonical

JSON_FIELDS = ("drugs", "reactions")
CASE_FIELDS = tuple(Case.__dataclass_fields__)
EARLIER = "marked on an earlier text"
"""How the reason of marked words ends whose places are those of a narrative that a follow-up has replaced."""


@dataclass(frozen=True, slots=True)
class Open:
    """An annotation that made no label, and why."""

    annotation: Annotation
    reason: str


@dataclass(frozen=True)
class Merged:
    """The tables of a dataset, what is open, and counts."""

    cases: pd.DataFrame
    annotations: pd.DataFrame
    labels: pd.DataFrame
    aside: pd.DataFrame
    open: Sequence[Open]
    counts: Mapping[str, int]
    excluded: Mapping[str, int]
    nullified: Mapping[str, str]


def _row(a: Annotation) -> dict[str, Any]:
    row = {name: getattr(a, name) for name in a.__dataclass_fields__}
    return {**row, "value": canonical(dict(a.value)).decode()}


def _thing(a: Annotation) -> tuple[str, str, str]:
    return a.case_id, a.problem, a.target


def _place(a: Annotation) -> bytes:
    return canonical([a.case_id, a.problem, a.target, a.annotator, dict(a.value), a.time, a.meddra_version])


def case_of(row: Mapping[str, Any]) -> Case:
    """The case of a row of a dataset's table."""
    values = {name: row[name] for name in CASE_FIELDS}
    values |= {name: json.loads(row[name]) for name in JSON_FIELDS}
    values["age_years"] = None if row["age_years"] != row["age_years"] else row["age_years"]
    return case_from_dict(values)


def row_of(case: Case) -> dict[str, Any]:
    """The fields of a case as a dataset's table holds them."""
    row = case_to_dict(case)
    return row | {name: canonical(row[name]).decode() for name in JSON_FIELDS}


class Pool:
    """Collects batch by batch; `finish` makes the tables.

    `nullified` is case id -> digest of the batch that took the case back. Such a case never comes again, in whatever
    format and order its batches arrive: a sender who takes a case back sends it anew under another id (ICH E2B(R3)
    C.1.11.1; a nullified case cannot be reactivated, EU GVP module VI), so what still has the old one is a copy of
    before: an export of an annotation tool, a file that comes late.
    """

    def __init__(self, meddra_version: str | None, mappings: Sequence[bytes]) -> None:
        self.passage = Passage(mappings, meddra_version)
        self.cases: dict[str, tuple[Case, str]] = {}
        self.known: dict[str, str] = {}
        self.once_held_out: Sequence[tuple[str, str, str]] = ()
        self.said: dict[tuple[str, str, str, str], list[Annotation]] = {}
        self.earlier: set[tuple[str, str, str]] = set()
        self.pairs: dict[str, str] = {}
        self.nullified: dict[str, str] = {}
        self.counts: Counter[str] = Counter(
            {"cases repeated": 0, "cases replaced": 0, "annotations superseded": 0}
        )

    def start(
        self,
        cases: pd.DataFrame,
        annotations: pd.DataFrame,
        waiting: Sequence[Open],
        nullified: Mapping[str, str],
    ) -> None:
        """Begin with the tables of an earlier dataset, what is open in it, and the cases that were taken back."""
        self.nullified = dict(nullified)
        for row in cases.to_dict("records"):
            self.cases[row["case_id"]] = (case_of(row), row["batch"])
            if row["split"] != EXCLUDED:
                self.known[row["case_id"]] = row["split"]
        for row in annotations.to_dict("records"):
            self._take(self._of_pair(Annotation(**{**row, "value": json.loads(row["value"])})))
        self.earlier = {_thing(item.annotation) for item in waiting if item.reason.endswith(EARLIER)}

    def hold_out(self, once: Sequence[tuple[str, str, str]]) -> None:
        """(case id, narrative, split) that earlier datasets held out, newest first, also those replaced since.

        A case that was set aside since is still known by them.
        """
        self.once_held_out = once
        for case_id, _, split in once:
            self.known.setdefault(case_id, split)

    def _of_pair(self, a: Annotation) -> Annotation:
        """A case of ddi is one pair, however its drugs are spelled: all that is said of it has the first target."""
        target = self.pairs.setdefault(a.case_id, a.target) if a.problem == DDI else a.target
        return a if target == a.target else dataclasses.replace(a, target=target)

    def _take(self, a: Annotation) -> None:
        self.said.setdefault((a.case_id, a.problem, a.target, a.annotator), []).append(a)

    def add(
        self,
        batch: str,
        cases: Sequence[Case],
        annotations: Sequence[Annotation],
        nullified: Sequence[str] = (),
    ) -> None:
        """One batch more. What an annotator says in it takes the place of what he said of the same before.

        A case with another narrative than before is a follow-up: it replaces the case, and judgements
        of the whole case that were made on the old narrative go, if the batch brings new ones. Marked words
        are of one narrative: they wait until somebody marks the new one. Where only white space is
        another, the narrative stays and the places of new marks become its own. Cases that were taken back,
        `nullified` by this batch or one before, go with all that is said of them.
        """
        self._take_back(batch, nullified)
        cases, annotations = self._not_nullified(cases, annotations)
        annotations = list(map(self._of_pair, annotations))
        asked = set(map(_thing, annotations))
        again = self.earlier & asked
        self.earlier -= again
        self._drop(key for key in self.said if key[:3] in again)
        arrived = {case.case_id: case.narrative for case in cases}
        held: dict[str, list[tuple[str, str, str, str]]] = defaultdict(list)
        for key in self.said:
            held[key[0]].append(key)
        for case in cases:
            before = self.cases.get(case.case_id)
            if before is None:
                self.cases[case.case_id] = (case, batch)
            elif " ".join(before[0].narrative.split()) == " ".join(case.narrative.split()):
                self.counts["cases repeated"] += 1
                self.cases[case.case_id] = (_filled(before[0], case), before[1])
            else:
                self.counts["cases replaced"] += 1
                self.cases[case.case_id] = (case, batch)
                old = held[case.case_id]
                marked = {key[:3] for key in old if "spans" in self.said[key][0].value}
                self._drop(key for key in old if key[:3] in asked and (not key[2] or key[:3] in marked))
                self.earlier |= marked - asked
        fresh: dict[tuple[str, str, str, str], list[Annotation]] = {}
        for a in annotations:
            if "spans" in a.value and a.case_id in arrived:
                text, kept = arrived[a.case_id], self.cases[a.case_id][0].narrative
                a = a if text == kept else dataclasses.replace(a, value=shifted(a.value, text, kept))
            fresh.setdefault((a.case_id, a.problem, a.target, a.annotator), []).append(a)
        for key, said in fresh.items():
            self.counts["annotations superseded"] += len(self.said.get(key, ()))
            self.said[key] = said

    def _take_back(self, batch: str, nullified: Sequence[str]) -> None:
        """The first batch that takes a case back is the one that is named."""
        self.nullified |= {name: batch for name in nullified if name not in self.nullified}
        gone = {name for name in nullified if self.cases.pop(name, None)}
        said = [key for key in self.said if key[0] in gone] if gone else []
        self.earlier -= {key[:3] for key in said}
        self._nullify("cases nullified", len(gone))
        self._nullify("annotations nullified", sum(len(self.said.pop(key)) for key in said))

    def _not_nullified(
        self, cases: Sequence[Case], annotations: Sequence[Annotation]
    ) -> tuple[Sequence[Case], Sequence[Annotation]]:
        """What of a batch is of cases that nobody took back."""
        if not self.nullified:
            return cases, annotations
        kept = [case for case in cases if case.case_id not in self.nullified]
        said = [a for a in annotations if a.case_id not in self.nullified]
        self._nullify("cases that were nullified before", len(cases) - len(kept))
        self._nullify("annotations nullified", len(annotations) - len(said))
        return kept, said

    def _nullify(self, what: str, number: int) -> None:
        # Counts are part of a dataset's digest: where nothing was taken back it is what it always was.
        if number:
            self.counts[what] += number

    def _drop(self, keys: Iterable[tuple[str, str, str, str]]) -> None:
        for key in list(keys):
            self.counts["annotations superseded"] += len(self.said.pop(key))

    def finish(self, split: SplitSettings, seed: int) -> Merged:
        """Migrate, find what is agreed on, cluster and split. Raises LeakageError never, by construction."""
        excluded: Counter[str] = Counter()
        self._carry_reactions()
        table = self._split(split, seed)
        aside = table[table["split"] == EXCLUDED].reset_index(drop=True)
        table = table[table["split"] != EXCLUDED].reset_index(drop=True)
        gone = set(aside["case_id"])
        usable, waiting = self._migrated(gone)
        said = pd.DataFrame(
            [_row(a) for a in sorted([*usable, *(o.annotation for o in waiting)], key=_place)],
            columns=list(Annotation.__dataclass_fields__),
        )
        found = consensus(usable)
        open_items = [
            Open(a, f"disagreement: {d.reason}") for d in found.disagreements for a in d.annotations
        ]
        settled = {(label.case_id, label.problem, label.target) for label in found.resolved}
        # an old code that could not be carried over is settled when somebody codes the verbatim anew
        open_items += [
            o
            for o in (*waiting, *self._open_reactions(gone))
            if (o.annotation.case_id, o.annotation.problem, o.annotation.target) not in settled
        ]
        for item in open_items:
            excluded[item.reason.partition(":")[0]] += 1
        labels = pd.DataFrame(
            [
                (x.case_id, x.problem, x.target, canonical(dict(x.value)).decode(), list(x.annotators),
                 x.meddra_version, x.time)
                for x in found.resolved
            ],
            columns=["case_id", "problem", "target", "value", "annotators", "meddra_version", "time"],
        )  # fmt: skip
        order = sorted(open_items, key=lambda item: (_place(item.annotation), item.reason))
        check_leakage(table)
        counts, reasons = dict(sorted(self.counts.items())), dict(sorted(excluded.items()))
        return Merged(table, said, labels, aside, order, counts, reasons, dict(self.nullified))

    def _split(self, settings: SplitSettings, seed: int) -> pd.DataFrame:
        cases = {case_id: case for case_id, (case, _) in self.cases.items()}
        found = places(cases, self.known, self.once_held_out, settings, seed)
        rows = []
        for case_id in sorted(cases):
            cluster, place = found[case_id]
            batch = self.cases[case_id][1]
            rows.append({**row_of(cases[case_id]), "cluster": cluster, "split": place, "batch": batch})
        frame = pd.DataFrame(rows, columns=[*CASE_FIELDS, "cluster", "split", "batch"])
        frame["age_years"] = frame["age_years"].astype("float64")
        return frame

    def _migrated(self, gone: set[str]) -> tuple[list[Annotation], list[Open]]:
        """Annotations with codes of the dataset's version, and those for which there is no such code.

        Where one of several codes of a verbatim could not be carried over, the others wait with it:
        annotators who disagreed do not agree because a migration silenced one of them. One that was
        overruled, by an adjudication or by most annotators, keeps nothing back.
        """
        usable: list[Annotation] = []
        carried: list[tuple[Annotation, Annotation]] = []
        waiting: list[Open] = []
        for key in sorted(self.said):
            for a in self.said[key]:
                earlier = key[:3] in self.earlier
                if key[0] in gone:
                    why = "aside: the split has no place for the case"
                    waiting.append(Open(a, f"{why}; {EARLIER}" if earlier else why))
                elif earlier:
                    waiting.append(Open(a, f"narrative: {EARLIER}"))
                elif a.problem != "coding" or self._fits(a):
                    usable.append(a)
                elif isinstance(moved := self._carry(a), str):
                    waiting.append(Open(a, moved))
                else:
                    carried.append((a, moved))
        anew = {_thing(a) for a in usable if a.problem == "coding"}
        silenced = [o.annotation for o in waiting if o.annotation.problem == "coding"]
        stuck = _silenced(silenced, [a for a, _ in carried]) - anew
        for a, moved in carried:
            if _thing(a) in stuck:
                waiting.append(
                    Open(a, "disagreement: another code of the verbatim could not be carried over")
                )
            else:
                usable.append(moved)
        return usable, waiting

    def _fits(self, a: Annotation) -> bool:
        """Whether a code can be used as it is: it is in the dataset's version, and no migration objects to it."""
        return a.meddra_version == self.passage.version and not self._passed(a)

    def _passed(self, a: Annotation) -> list[Moved]:
        return self.passage.of(a.case_id, a.target, coded_as(a.value), a.meddra_version)

    def _carry(self, a: Annotation) -> Annotation | str:
        """The annotation in the dataset's MedDRA version, or why not; through several migrations if need be."""
        version = self.passage.version
        if version is None:
            return "no MedDRA version: the dataset has none"
        passed = self._passed(a)
        if passed and passed[-1].after is None:
            return _stopped(passed[-1])
        at = passed[-1].new if passed else a.meddra_version
        if at != version:
            return f"no mapping: from MedDRA {at} to {version}"
        return dataclasses.replace(a, value=carried(a.value, passed), meddra_version=version)

    def _carry_reactions(self) -> None:
        """Cases with reactions that are coded by PT names alone in the dataset's MedDRA version."""
        for case_id, (case, batch) in self.cases.items():
            moved, number = carry(case, self.passage)
            if number:
                self.cases[case_id] = (moved, batch)
                self.counts["reactions carried"] += number

    def _open_reactions(self, gone: set[str]) -> list[Open]:
        """Codes of reactions that a person has to choose anew, each once."""
        found = {
            _place(said): Open(said, _stopped(moved))
            for case_id in sorted(set(self.cases) - gone)
            for said, moved in stopped(self.cases[case_id][0], self.passage)
        }
        return list(found.values())


def _silenced(waiting: Sequence[Annotation], carried: Sequence[Annotation]) -> set[tuple[str, str, str]]:
    """What has a code that waits, unless all of its codes that stood before a migration were carried."""
    said: dict[tuple[str, str, str], list[Annotation]] = {_thing(a): [] for a in waiting}
    for a in (*waiting, *carried):
        if _thing(a) in said:
            said[_thing(a)].append(a)
    lost = set(map(id, waiting))
    stood = {thing: standing(found) for thing, found in said.items()}
    return {thing for thing, found in stood.items() if not found or any(id(a) in lost for a in found)}


def _stopped(moved: Moved) -> str:
    return f"{moved.kind}: MedDRA {moved.old} {moved.before} in {moved.new}"


def _filled(before: Case, now: Case) -> Case:
    """The same narrative again: fields that were not known are filled in, nothing known is lost."""
    empty = (None, "", ())
    fresh = {
        n: getattr(now, n)
        for n in CASE_FIELDS
        if getattr(before, n) in empty and getattr(now, n) not in empty
    }
    return dataclasses.replace(before, **fresh)
