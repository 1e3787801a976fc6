"""What of a dataset waits for a person, as tasks: cases, what was said so far, and why they wait.

Codes are only shown in the dataset's own MedDRA version. What could not be carried into it is shown with
the first suggestion of its migration instead, so that an answer that comes back is in one version.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pvcore.annotations.dataset import Blobs, load, migrations, open_items
from pvcore.annotations.merge import EARLIER, case_of
from pvcore.annotations.passage import Moved, Passage, carried, coded_as
from pvcore.records import Annotation, Case

ASIDE = "aside"


@dataclass(frozen=True)
class WorkList:
    """Cases in order of their ids; `reasons` by case. `aside` counts items that wait for another split.

    `problems` are those of which something waits. `ranked` are the LLT codes that the migration suggests, best first,
    by case and verbatim.
    """

    cases: tuple[Case, ...]
    suggestions: tuple[Annotation, ...]
    reasons: dict[str, str]
    ranked: dict[tuple[str, str], tuple[str, ...]]
    aside: int
    problems: frozenset[str]


def work_list(store: Blobs, name: str) -> WorkList:
    """The work list of a stored dataset. Raises BatchError for a digest that is no dataset."""
    dataset = load(store, name)
    items = open_items(store, dataset.info)
    waiting = [item for item in items if not item.reason.startswith(f"{ASIDE}:")]
    passage = Passage(migrations(store, dataset.info), dataset.info.meddra_version)
    said: list[Annotation] = []
    reasons: defaultdict[str, dict[str, None]] = defaultdict(dict)
    ranked: dict[tuple[str, str], tuple[str, ...]] = {}
    for item in waiting:
        passed = _passed(item.annotation, passage)
        suggestions = passed[-1].suggestions if passed and passed[-1].after is None else ()
        if not item.reason.endswith(EARLIER):  # places in another text would mark other words
            said.append(_shown(item.annotation, passage.version, passed))
        if suggestions:
            ranked[item.annotation.case_id, item.annotation.target] = tuple(suggestions)
        where = f"{item.annotation.target}: " if item.annotation.target else ""
        tail = f"; suggested {', '.join(suggestions)}" if suggestions else ""
        reasons[item.annotation.case_id][f"{where}{item.reason}{tail}"] = None
    rows = dataset.cases[dataset.cases["case_id"].isin(set(reasons))].sort_values("case_id")
    return WorkList(
        cases=tuple(case_of(row) for row in rows.to_dict("records")),
        suggestions=tuple(said),
        reasons={case_id: "\n".join(found) for case_id, found in reasons.items()},
        ranked=ranked,
        aside=len(items) - len(waiting),
        problems=frozenset(item.annotation.problem for item in waiting),
    )


def _passed(a: Annotation, passage: Passage) -> list[Moved]:
    return passage.of(a.case_id, a.target, coded_as(a.value), a.meddra_version)


def _shown(a: Annotation, version: str | None, passed: Sequence[Moved]) -> Annotation:
    """The annotation as a prediction: its own code if that could be carried over, else the first suggestion."""
    if a.problem != "coding" or (a.meddra_version == version and not passed):
        return a
    if passed and passed[-1].after:
        return dataclasses.replace(a, value=carried(a.value, passed), meddra_version=version)
    value = {"llt_code": passed[-1].suggestions[0]} if passed and passed[-1].suggestions else {}
    return dataclasses.replace(a, value=value, annotator="suggested", meddra_version=version)
