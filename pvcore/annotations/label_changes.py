"""What changed among the labels of two datasets, and why: every label that is not as it was, once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from pvcore.annotations.changes import Change, Contents, Sources
from pvcore.annotations.merge import Open
from pvcore.annotations.passage import Moved, Passage, carried, coded_as
from pvcore.annotations.reading import ADJUDICATION
from pvcore.records import canonical

LABEL_CHANGES: Mapping[str, str] = {
    "added": "there was none",
    "changed": "says something else",
    "carried": "the code was kept in the new MedDRA version",
    "confirmed": "says the same, by other annotators or at another time",
    "lost": "there is none any more",
}
Key = tuple[str, str, str]
"""Case, problem, target."""
Row = Mapping[str, Any]
_SAID = ("case_id", "problem", "target", "annotator", "value", "time", "guideline", "meddra_version")


def label_changes(
    old: Contents, new: Contents, sources: Sources, passage: Passage, cases: Mapping[str, Change]
) -> Iterator[Change]:
    """Every change of a label, in order of case, problem and target; `cases` are the changes of cases."""
    before, after = _by_key(old.dataset.labels), _by_key(new.dataset.labels)
    was_open, is_open = _reasons(old.open), _reasons(new.open)
    said = _new_annotations(old.dataset.annotations, new.dataset.annotations, passage)
    for key in sorted({*before, *after}):
        was, now = before.get(key), after.get(key)
        if was is None and now is not None:
            yield _change(key, "added", None, now, *_added(was_open.get(key), sources, said[key]))
        elif was is not None and now is None:
            reason, detail = _lost(_passed(passage, was), is_open.get(key), cases.get(key[0]))
            yield _change(key, "lost", was, None, reason, detail)
        elif was is not None and now is not None and _stands(was) != _stands(now):
            kind = _kind(was, now)
            moved = _passed(passage, was) if was["meddra_version"] != now["meddra_version"] else []
            by_migration = bool(moved) and moved[-1].after == _coded(now)
            reason = _told(moved) if by_migration else _said_again(kind, sources, said[key])
            yield _change(key, kind, was, now, reason, "" if by_migration else _who(said[key]))


def _by_key(labels: pd.DataFrame) -> dict[Key, Row]:
    return {(row["case_id"], row["problem"], row["target"]): row for row in labels.to_dict("records")}


def _reasons(items: Iterable[Open]) -> dict[Key, str]:
    return {(o.annotation.case_id, o.annotation.problem, o.annotation.target): o.reason for o in items}


def _new_annotations(old: pd.DataFrame, new: pd.DataFrame, passage: Passage) -> defaultdict[Key, list[Row]]:
    """Annotations that the old dataset neither has nor has in an earlier MedDRA version, by key."""
    known = set()
    for row in old[list(_SAID)].to_dict("records"):
        known.add(tuple(row.values()))
        passed = _passed(passage, row)
        if passed and passed[-1].after:
            value = canonical(carried(json.loads(row["value"]), passed)).decode()
            known.add(tuple({**row, "value": value, "meddra_version": passage.version}.values()))
    found: defaultdict[Key, list[Row]] = defaultdict(list)
    for row in new[list(_SAID)].to_dict("records"):
        if tuple(row.values()) not in known:
            found[row["case_id"], row["problem"], row["target"]].append(row)
    return found


def _stands(label: Row) -> tuple[Any, ...]:
    return label["value"], label["meddra_version"], tuple(label["annotators"]), label["time"]


def _kind(was: Row, now: Row) -> str:
    if was["value"] != now["value"]:
        return "changed"
    return "carried" if was["meddra_version"] != now["meddra_version"] else "confirmed"


def _told(passed: Sequence[Moved]) -> str:
    return "; ".join(map(str, passed))


def _added(open_before: str | None, sources: Sources, said: Sequence[Row]) -> tuple[str, str]:
    """Reason and detail of a label that there was none of."""
    if open_before is None:
        return sources.annotations(said), _who(said)
    origin = f", by {sources.annotations(said)}" if said else ""
    return f"was open ({open_before.partition(':')[0]}) and is settled{origin}", _who(said)


def _lost(passed: Sequence[Moved], waits: str | None, case: Change | None) -> tuple[str, str]:
    """Reason and detail of a label that there is none of any more."""
    word, _, detail = (waits or "").partition(":")
    if passed and passed[-1].kind == word:
        return _told(passed), detail.strip()
    if waits is not None:
        return word, detail.strip()
    if case is not None:
        return f"its case was {case.change}", case.reason
    return "its annotations are not in the new dataset", ""


def _said_again(kind: str, sources: Sources, said: Sequence[Row]) -> str:
    if not said:
        return "an annotation no longer counts"
    if any(a["guideline"] == ADJUDICATION for a in said):
        return f"adjudicated in {sources.annotations(said)}"
    return f"{'said again' if kind == 'confirmed' else 'superseded'} in {sources.annotations(said)}"


def _who(said: Sequence[Row]) -> str:
    return ", ".join(sorted({str(a["annotator"]) for a in said}))


def _passed(passage: Passage, row: Row) -> list[Moved]:
    return passage.of(row["case_id"], row["target"], _coded(row), row["meddra_version"])


def _coded(label: Row) -> str | None:
    return coded_as(json.loads(label["value"]))


def _change(key: Key, kind: str, was: Row | None, now: Row | None, reason: str, detail: str) -> Change:
    return Change(key[0], kind, _shown(was), _shown(now), reason, detail, key[1], key[2])


def _shown(label: Row | None) -> str:
    if label is None:
        return ""
    version = f" MedDRA {label['meddra_version']}" if label["meddra_version"] else ""
    return f"{label['value']}{version}"
