"""What changed among reactions that are coded by PT names alone, as migrations say it: each reaction once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pvcore.annotations.changes import Change, Contents, rows_of
from pvcore.annotations.merge import case_of
from pvcore.annotations.passage import Moved, Passage
from pvcore.annotations.reactions import all_named, passed

REACTION_CHANGES: Mapping[str, str] = {
    "changed": "has another PT name in the new MedDRA version",
    "carried": "the PT name was kept in the new MedDRA version",
    "waits": "could not be carried into the new MedDRA version: a person decides",
}


def reaction_changes(old: Contents, new: Contents, passage: Passage) -> Iterator[Change]:
    """Every reaction of the old dataset that a migration of the new one decided on, in order of case ids."""
    before, after = rows_of(old), rows_of(new)
    waiting = _open(new) - _open(old)
    for name in sorted(before.keys() & after.keys()):
        if before[name]["narrative"] != after[name]["narrative"]:
            continue
        for _, reaction in all_named([case_of(before[name])]):
            rows = passed(name, reaction, passage)
            arrived = bool(rows) and rows[-1].after and rows[-1].new == passage.version
            if arrived or (rows and (name, reaction.words) in waiting):
                yield _change(name, reaction.words, rows)


def _open(contents: Contents) -> set[tuple[str, str]]:
    return {(o.annotation.case_id, o.annotation.target) for o in contents.open}


def _change(case_id: str, words: str, rows: list[Moved]) -> Change:
    first, last = rows[0], rows[-1]
    kind = "waits" if last.after is None else "carried" if last.after == first.before else "changed"
    was, now = f"{first.before} MedDRA {first.old}", f"{last.after} MedDRA {last.new}"
    reason = "; ".join(map(str, rows))
    return Change(case_id, kind, was, now if last.after else "", reason, target=words)
