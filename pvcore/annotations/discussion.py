"""Pairs to talk about as a work list: CSV for a spreadsheet, or tasks for Label Studio with what was said."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from pvcore.annotations import label_studio_write
from pvcore.annotations.consistency import Pair
from pvcore.annotations.spreadsheet import guarded
from pvcore.errors import ConfigError
from pvcore.records import Annotation, Case

COLUMNS = ("problem", "case_id", "target", "answers", "narrative")


def write_pairs(
    path: Path, pairs: Sequence[Pair], cases: Iterable[Case], annotations: Iterable[Annotation]
) -> None:
    """Write `pairs` to a .csv or, with the answers as predictions, a .json file for Label Studio.

    The narratives of the cases are in it: handle it as you handle the cases. Raises ConfigError for
    another ending.
    """
    if path.suffix not in (".csv", ".json"):
        raise ConfigError(f"{path}: a work list is a .csv file or a .json file for Label Studio.")
    asked = {pair.case_id for pair in pairs}
    chosen = [case for case in cases if case.case_id in asked]
    if path.suffix == ".csv":
        path.write_text(_csv(pairs, {case.case_id: case.narrative for case in chosen}), "utf-8")
        return
    reasons: dict[str, list[str]] = {case_id: [] for case_id in asked}
    for pair in pairs:
        reasons[pair.case_id].append(f"{pair.problem} {pair.target}: {_said(pair)}")
    places = {(pair.problem, pair.case_id, pair.target) for pair in pairs}
    said = [a for a in annotations if (a.problem, a.case_id, a.target) in places]
    label_studio_write.write_tasks(
        chosen, path, suggestions=said, reasons={case: "; ".join(told) for case, told in reasons.items()}
    )


def _csv(pairs: Sequence[Pair], narratives: dict[str, str]) -> str:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for pair in pairs:
        row = (pair.problem, pair.case_id, pair.target, _said(pair), narratives.get(pair.case_id, ""))
        writer.writerow([guarded(cell) for cell in row])
    return buffer.getvalue()


def _said(pair: Pair) -> str:
    return "; ".join(f"{who}: {answer}" for who, answer in pair.answers)
