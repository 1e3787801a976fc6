"""Write tables: all that a batch says as CSV or Parquet, and work lists as CSV."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pvcore.annotations.fields import fields_of
from pvcore.annotations.spreadsheet import guarded
from pvcore.annotations.table_mapping import CASE, FIELDS, IGNORED
from pvcore.records import Annotation, Case, listed

Ranked = Mapping[tuple[str, str], Sequence[tuple[str, str]]]
"""(case id, verbatim) -> LLTs as (code, name), best first."""
CODING = ({"llt_code"}, {"pt_name"}, {"llt_code", "pt_name"})
WORK = (*CASE[:-1], "reason", "annotator", "serious", "criteria", "verbatim", "llt_code", "meddra_version",
        *IGNORED[1:])  # fmt: skip
OTHER = ("problem", "value")
SERIOUSNESS = ("seriousness", "")


def write(cases: Iterable[Case], annotations: Iterable[Annotation], path: str | Path) -> None:
    """Cases and annotations, nothing left out, as Parquet where the name ends so, else as CSV.

    The first row of a case holds its fields; each annotation is a row. Columns that nothing fills are left out.
    """
    grouped: dict[str, list[Annotation]] = defaultdict(list)
    for a in annotations:
        grouped[a.case_id].append(a)
    rows: list[dict[str, str]] = []
    for case in cases:
        said = [_said(a) for a in grouped[case.case_id]] or [{}]
        rows.append(_fields(case) | said[0])
        rows += [{"case_id": case.case_id} | row for row in said[1:]]
    used = [name for name in FIELDS if any(row.get(name) for row in rows) or name in CASE[:2]]
    _save(Path(path), used, rows)


def _fields(case: Case) -> dict[str, str]:
    said = fields_of(case)
    said |= {
        name: json.dumps(said[name], ensure_ascii=False) for name in ("drugs", "reactions") if name in said
    }
    return {"case_id": case.case_id, "narrative": case.narrative} | {
        name: str(value) for name, value in said.items()
    }


def _said(a: Annotation) -> dict[str, str]:
    row = {
        "annotator": a.annotator,
        "time": a.time or "",
        "guideline": a.guideline or "",
        "verbatim": a.target,
    }
    if a.problem == "seriousness" and not a.target and "unknown" not in a.value:
        row["serious"] = "serious" if a.value["serious"] else "not serious"
        row["criteria"] = "; ".join(listed(a.value, "criteria"))
    elif a.problem == "coding" and set(a.value) in CODING:
        row |= {name: str(value) for name, value in a.value.items()}
    else:
        row |= {"problem": a.problem, "value": json.dumps(dict(a.value), ensure_ascii=False)}
    return row | {"meddra_version": a.meddra_version or ""}


def write_tasks(
    cases: Iterable[Case],
    path: str | Path,
    *,
    suggestions: Iterable[Annotation] = (),
    reasons: Mapping[str, str] | None = None,
    ranked: Ranked | None = None,
) -> None:
    """A work list as CSV: a row for each verbatim of a case, and for each question of a problem without cells of its
    own (one for a case without any), to be filled in.

    `serious`, `criteria`, `llt_code` and `value` hold what was said so far (`suggestions`) where all who said it
    agree, and are empty where they do not; `ranked` LLTs stand in columns of their own, best first. Who
    judges a row puts their name into `annotator`: without one, it says nothing.
    """
    grouped: dict[str, dict[tuple[str, str], list[Annotation]]] = defaultdict(lambda: defaultdict(list))
    for a in suggestions:
        grouped[a.case_id][a.problem, a.target].append(a)
    rows = []
    for case in cases:
        said = grouped[case.case_id]
        fields = {name: text for name, text in _fields(case).items() if name in WORK}
        fields |= {"reason": (reasons or {}).get(case.case_id, "")} | _agreed(said[SERIOUSNESS], WORK)
        asked = [*_coding_rows(case, said, ranked or {}), *_other_rows(said)] or [{"verbatim": ""}]
        rows.append(fields | asked[0])
        rows += [{"case_id": case.case_id} | row for row in asked[1:]]
    other = OTHER if any("problem" in row for row in rows) else ()
    _save(Path(path), (*WORK, *other), rows)


Said = Mapping[tuple[str, str], Sequence[Annotation]]
"""Problem and target -> what was said so far of a case."""


def _coding_rows(case: Case, said: Said, ranked: Ranked) -> list[dict[str, str]]:
    words = [*(r.verbatim for r in case.reactions if r.verbatim), *(t for p, t in said if p == "coding")]
    rows = []
    for verbatim in dict.fromkeys(words):
        terms = zip(*ranked.get((case.case_id, verbatim), ()), strict=True)
        suggested = dict(zip(IGNORED[1:], ("; ".join(texts) for texts in terms), strict=False))
        rows.append({"verbatim": verbatim} | _agreed(said.get(("coding", verbatim), ()), WORK) | suggested)
    return rows


def _other_rows(said: Said) -> list[dict[str, str]]:
    return [
        {"verbatim": target, "problem": problem} | _agreed(listed, OTHER)
        for (problem, target), listed in said.items()
        if problem != "coding" and (problem, target) != SERIOUSNESS
    ]


def write_answers(
    cases: Iterable[Case],
    path: str | Path,
    problem: str,
    *,
    answers: Mapping[str, Mapping[str, Any]],
    reasons: Mapping[str, str] | None = None,
) -> None:
    """A work list as CSV for a problem that annotation tools have no form for: a row a case, `problem` and `value`
    filled with what a model answers (`answers`, by case) where a case has one, for a person to correct and sign in
    `annotator`. A row that nobody signed says nothing.
    """
    rows = []
    for case in cases:
        row = {name: text for name, text in _fields(case).items() if name in CASE}
        row |= {"reason": (reasons or {}).get(case.case_id, "")}
        if case.case_id in answers:
            value = json.dumps(dict(answers[case.case_id]), ensure_ascii=False)
            row |= {"problem": problem, "value": value}
        rows.append(row)
    _save(Path(path), (*CASE, "reason", "annotator", "problem", "value"), rows)


def _agreed(said: Sequence[Annotation], cells: Sequence[str]) -> dict[str, str]:
    """The cells for what everybody said, or none. Which criteria are not known has no cell."""
    plain = [replace(a, value={k: v for k, v in a.value.items() if k != "unknown"}) for a in said]
    made = [{k: v for k, v in _said(a).items() if k in cells and k != "annotator"} for a in plain]
    return made[0] if made and all(row == made[0] for row in made) else {}


def _save(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        cells = {name: pa.array([row.get(name) or None for row in rows], pa.string()) for name in columns}
        pq.write_table(pa.table(cells), path, compression="zstd")
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: guarded(cell) for name, cell in row.items()} for row in rows)
