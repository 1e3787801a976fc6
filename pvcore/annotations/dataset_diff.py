"""The difference of two datasets: what changed from one version to the next, and why.

    >>> found = compare(store, old, new, batches)                                # doctest: +SKIP
    >>> found.counts()["labels"]                                                 # doctest: +SKIP
    {'added': 80, 'changed': 3, 'carried': 512, 'confirmed': 0, 'lost': 2}

Every case, label and reaction (coded by a PT name) that is not as it was stands in it once, with its
reason. A case can have two changes (a follow-up that falls into a held-out cluster is replaced and moved).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pvcore.annotations.batch import Batch
from pvcore.annotations.changes import CASE_CHANGES, Change, Contents, Sources, case_changes
from pvcore.annotations.dataset import Blobs, load, migrations, nullified, open_items, set_aside
from pvcore.annotations.label_changes import LABEL_CHANGES, label_changes
from pvcore.annotations.passage import Passage
from pvcore.annotations.reaction_changes import REACTION_CHANGES, reaction_changes

KINDS: Mapping[str, Mapping[str, str]] = {
    "cases": CASE_CHANGES,
    "reactions": REACTION_CHANGES,
    "labels": LABEL_CHANGES,
}
"""What can change, and how."""


@dataclass(frozen=True)
class DatasetDiff:
    """All changes from `old` to `new` (digests). `batches` and `mappings` are those that are new.

    Cases and reactions are in order of case ids, labels in order of case, problem and target.
    """

    old: str
    new: str
    old_version: str | None
    new_version: str | None
    batches: tuple[str, ...]
    mappings: tuple[str, ...]
    cases: tuple[Change, ...]
    reactions: tuple[Change, ...]
    labels: tuple[Change, ...]

    def counts(self) -> dict[str, dict[str, int]]:
        """Changes of each kind, zero included."""
        found = {what: Counter(c.change for c in getattr(self, what)) for what in KINDS}
        return {what: {kind: found[what][kind] for kind in kinds} for what, kinds in KINDS.items()}

    def table(self) -> list[dict[str, Any]]:
        """A row for each kind of change and reason, with the number and one of them as an example."""
        groups: dict[tuple[str, str, str], list[Change]] = {}
        for what, changes in (("case", self.cases), ("reaction", self.reactions), ("label", self.labels)):
            for change in changes:
                name = f"{what}: {change.problem}" if change.problem else what
                groups.setdefault((name, change.change, change.reason), []).append(change)
        return [
            {"what": what, "change": kind, "why": reason, "number": len(found), "example": _example(found[0])}
            for (what, kind, reason), found in sorted(groups.items())
        ]

    def to_json(self) -> dict[str, Any]:
        """JSON values: digests, counts and every change."""
        own = {name: getattr(self, name) for name in ("old", "new", "old_version", "new_version")}
        return {
            **own,
            "batches": list(self.batches),
            "mappings": list(self.mappings),
            "counts": self.counts(),
            **{what: [_json(change) for change in getattr(self, what)] for what in KINDS},
        }


def compare(store: Blobs, old: str, new: str, batches: Iterable[Batch] = ()) -> DatasetDiff:
    """The difference of two stored datasets. `batches`: the new ones, to say what came with which.

    Raises BatchError for a digest that is no dataset.
    """
    before, after = contents(store, old), contents(store, new)
    return difference(before, after, migrations(store, after.dataset.info), batches)


def contents(store: Blobs, name: str) -> Contents:
    """A stored dataset with what its tables leave out."""
    dataset = load(store, name)
    info = dataset.info
    return Contents(dataset, set_aside(store, info), open_items(store, info), nullified(store, info))


def difference(
    old: Contents, new: Contents, mappings: Sequence[bytes] = (), batches: Iterable[Batch] = ()
) -> DatasetDiff:
    """The difference of two datasets. `mappings`: the new dataset's migrations, as stored."""
    one, other = old.dataset.info, new.dataset.info
    fresh = tuple(name for name in other.batches if name not in one.batches)
    sources = Sources(fresh, batches)
    passage = Passage(mappings, other.meddra_version)
    cases = tuple(case_changes(old, new, sources, passage))
    labels = label_changes(old, new, sources, passage, {change.case_id: change for change in cases})
    return DatasetDiff(
        old=one.digest,
        new=other.digest,
        old_version=one.meddra_version,
        new_version=other.meddra_version,
        batches=fresh,
        mappings=tuple(name for name in other.mappings if name not in one.mappings),
        cases=cases,
        reactions=tuple(reaction_changes(old, new, passage)),
        labels=tuple(labels),
    )


def _json(change: Change) -> dict[str, str]:
    return {name: getattr(change, name) for name in change.__dataclass_fields__}


def _example(change: Change) -> str:
    place = f"{change.case_id} {change.target}".strip()
    passage = f"{change.before or 'none'} to {change.after or 'none'}"
    return f"{place}: {passage}" + (f"; {change.detail}" if change.detail else "")
