"""Files of drug pairs: tables, and the layouts of the study that the columns come from (arXiv 2502.06890).

* CSV or Parquet with `drug_name1`, `drug_name2`, and `smiles1`, `org1`, `genes1`, ... of each where known,
  `target` (1 or 0; empty: not judged), `annotator` and `time`: the field names of the study's records;
* JSON Lines of chats, as the study's fine-tuning sets are (`conversations` or `messages`);
* the pickles of its 13 external sets (`ds_<set>.pickle`): rows of two DrugBank ids, two SMILES, two organisms,
  two flags, a gene vector of each drug, and the label. Read by `pair_sets` alone: what comes into an
  inbox is never unpickled.

A pair is one case whichever drug comes first. A pair that comes twice with one answer is counted as
dropped, with two answers of one annotator it is a fault.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvcore.annotations.pairs import Described, drug_key, drugs_of, pair_annotation, pair_case
from pvcore.annotations.reading import Content, Findings, Source, first_object, json_lines
from pvcore.annotations.spreadsheet import guarded
from pvcore.annotations.table_mapping import TableMapping
from pvcore.annotations.table_rows import PARQUET, delimiter_of, rows_of
from pvcore.records import Annotation, Case

NAME = "pairs"
DESCRIPTION = "CSV or Parquet with drug_name1 and drug_name2, or chats as JSON Lines"
COLUMNS = (*(f"{what}{n}" for n in (1, 2) for what in ("drug_name", "smiles", "org", "genes")), "target", "annotator",
           "time")  # fmt: skip
NAMES = ("drug_name1", "drug_name2")
STUDY = "arXiv 2502.06890"
"""The annotator of a layout that names none."""
ANSWERS: Mapping[str, bool] = {"1": True, "0": False, "true": True, "false": False, "interaction": True,
                               "no interaction": False}  # fmt: skip
CHATS = {"conversations", "messages"}
_FIELD = re.compile(
    r"^(Drug|SMILES for drug|Organism targeted by drug|Genes targeted by drug)([12]): ?(.*)$", re.M
)


@dataclass(frozen=True, slots=True)
class Said:
    """One row: where it stands, the two drugs, and what who says of them (None: nothing)."""

    place: str
    first: Described
    second: Described
    interaction: bool | None
    annotator: str = STUDY
    time: str | None = None


def detect(source: Source) -> bool:
    """Whether the file is a table of pairs, or chats about them."""
    if source.head[:4] == PARQUET:
        return set(NAMES) <= set(_parquet_columns(source))
    return delimiter_of(source.head, *NAMES) is not None or bool(CHATS & set(first_object(source.head)))


def _parquet_columns(source: Source) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.read_schema(io.BytesIO(source.read())).names)
    except (pa.ArrowException, OSError, ValueError):
        return []  # for the reader of tables to say what is wrong with it


def read(source: Source, meddra_version: str | None = None) -> Content:
    """All pairs. Raises BatchError with all faults."""
    found = Findings(source.name)
    return content(chats(source, found) if _is_chat(source) else table(source, found), found)


def _is_chat(source: Source) -> bool:
    return source.head.lstrip()[:1] == b"{"


def table(source: Source, found: Findings) -> Iterator[Said]:
    """The rows of a CSV or Parquet table."""
    mapping = TableMapping(delimiter=delimiter_of(source.head, *NAMES) or ",")
    rows = rows_of(source.read(), source.name, mapping, found)
    for number in range(rows.number if rows else 0):
        row = {name: cells[number].strip() for name, cells in rows.columns.items()}  # type: ignore[union-attr]
        place = rows.places(number)  # type: ignore[union-attr]
        answer = row.get("target", "").lower()
        if answer and answer not in ANSWERS:
            found.fault(place, f"target {row['target']!r}", f"one of {', '.join(ANSWERS)}")
        elif answer and not row.get("annotator"):
            found.fault(place, "does not say who said it", "a column `annotator`")
        else:
            first, second = (
                Described(row.get(f"drug_name{n}", ""), re.sub(r"[\r\n]", "", row.get(f"smiles{n}", "")),
                          _several(row.get(f"org{n}", "")), _several(row.get(f"genes{n}", "")))
                for n in (1, 2)
            )  # fmt: skip
            said = ANSWERS.get(answer)
            yield Said(place, first, second, said, row.get("annotator", ""), row.get("time") or None)


def _several(cell: str) -> tuple[str, ...]:
    """Names with ; or , or a line's end between them, or a JSON list; each once, in their order."""
    parts = re.split(r"[;,\r\n]", cell.strip("[]"))
    return tuple(dict.fromkeys(name for part in parts if (name := part.strip().strip("\"'"))))


def chats(source: Source, found: Findings) -> Iterator[Said]:
    """The rows of JSON Lines in which a user describes two drugs and an assistant answers."""
    for place, value in json_lines(source.read(), found):
        turns = value.get("conversations") or value.get("messages")
        listed = turns if isinstance(turns, list) else []
        said = {str(t.get("role")): str(t.get("content")) for t in listed if isinstance(t, dict)}
        asked, answer = said.get("human", said.get("user", "")), said.get("gpt", said.get("assistant", ""))
        fields = {(what, number): text.strip() for what, number, text in _FIELD.findall(asked)}
        if (
            ("Drug", "1") not in fields
            or ("Drug", "2") not in fields
            or answer.strip().lower() not in ANSWERS
        ):
            found.fault(place, "describes no pair, or answers neither interaction nor no interaction")
            continue
        first, second = (
            Described(
                fields["Drug", n],
                fields.get(("SMILES for drug", n), ""),
                _one(fields.get(("Organism targeted by drug", n), "")),
                _several(fields.get(("Genes targeted by drug", n), "")),
            )
            for n in ("1", "2")
        )
        yield Said(place, first, second, ANSWERS[answer.strip().lower()])


def _one(name: str) -> tuple[str, ...]:
    return (name,) if name else ()


def content(rows: Iterator[Said], found: Findings) -> Content:
    """Each pair as one case, with what is said of it. Raises BatchError with all faults."""
    cases: dict[str, Case] = {}
    said: dict[tuple[str, str], Annotation] = {}
    for row in rows:
        if not row.first.name or drug_key(row.first.name) == drug_key(row.second.name):
            found.fault(row.place, "is no pair of two named drugs")
            continue
        case = pair_case(row.first, row.second)
        if cases.setdefault(case.case_id, case) != case:
            found.fault(
                row.place, f"describes {row.first.name} or {row.second.name} otherwise than an earlier row"
            )
        if row.interaction is None:
            continue
        new = pair_annotation(row.first, row.second, row.interaction, row.annotator, time=row.time)
        before = said.setdefault((case.case_id, row.annotator), new)
        if before.value != new.value:
            found.fault(row.place, f"says the opposite of an earlier row of {new.target}")
        else:
            found.drop("pair that stands there already", int(before is not new))
    return found.finish(list(cases.values()), list(said.values()))


def write(cases: Iterable[Case], annotations: Iterable[Annotation], path: str | Path) -> None:
    """Pairs as CSV: a row for each thing that is said of one, or one for a pair of which nothing is said."""
    said: dict[str, list[Annotation]] = {}
    for a in annotations:
        said.setdefault(a.case_id, []).append(a)
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for case in cases:
            pair = drugs_of(case.narrative) or ()
            drugs = [x for d in pair for x in (d.name, d.smiles, "; ".join(d.organisms), "; ".join(d.genes))]
            rows = [
                (str(int(a.value["interaction"])), a.annotator, a.time or "")
                for a in said.get(case.case_id, ())
            ]
            writer.writerows([guarded(cell) for cell in (*drugs, *row)] for row in rows or [("", "", "")])


def unpickled(rows: list[Any], found: Findings) -> Iterator[Said]:
    """The rows of one of the study's pickles; a gene is named by its place in the vectors, from 1."""
    for number, row in enumerate(rows, 1):
        width = len(row) - 9 if isinstance(row, tuple) else -1
        if width < 0 or width % 2 or row[-1] not in (0, 1) or not all(isinstance(v, str) for v in row[:2]):
            found.fault(f"row {number}", "is no row of ids, SMILES, organisms, flags, gene vectors and label")
            continue
        vectors = row[8 : 8 + width // 2], row[8 + width // 2 : -1]
        first, second = (
            Described(
                row[n],
                row[2 + n] if isinstance(row[2 + n], str) else "",
                _one(str(row[4 + n] or "")),
                tuple(f"gene {place}" for place, there in enumerate(vectors[n], 1) if there),
            )
            for n in (0, 1)
        )
        yield Said(f"row {number}", first, second, bool(row[-1]))
