"""Prodigy: the JSON Lines export of a dataset (`prodigy db-out`), one line an annotator's answer to a task.

`text` is the narrative; `meta`, Prodigy's place for what travels with a task, holds `case_id` and
other fields of a Case, and `meddra_version`. What an annotator (`_annotator_id` or, in older versions,
`_session_id`) says with `answer` accept:

* options in `accept` (a choice interface), "serious" or "not serious" and criteria -> seriousness;
* a span with `llt_code` (or `kb_id`, or a label that begins with the code) -> coding;
* any other span -> extraction (see spans.py).

Rejected and ignored answers say nothing of a case and are counted, and so are relations.
"""

from __future__ import annotations

import calendar
import datetime
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pvcore.annotations.fields import (
    UNKNOWN,
    case_of,
    choices_of,
    fields_of,
    id_of,
    llt_of,
    require_versions,
    seriousness_of,
    version_of,
)
from pvcore.annotations.reading import LLT_CODE, Content, Findings, Source, first_object, json_lines
from pvcore.annotations.spans import Span, annotations_of, parts_of, spans_of, words_of
from pvcore.records import Annotation, Case

NAME = "prodigy"
DESCRIPTION = "Prodigy JSON Lines"
KEYS = {"_task_hash", "_input_hash", "_annotator_id", "_session_id", "_view_id", "answer", "spans", "accept"}


def detect(source: Source) -> bool:
    """Whether the first line is an object with a `text` and a key that Prodigy writes."""
    first = first_object(source.head)
    return "text" in first and not KEYS.isdisjoint(first)


def read(source: Source, meddra_version: str | None = None) -> Content:
    """All accepted answers. `meddra_version` is that of the codes, unless `meta` says it.

    Raises BatchError with all faults.
    """
    found = Findings(source.name)
    cases: dict[str, Case] = {}
    annotations: list[Annotation] = []
    for at, line in json_lines(source.read(), found):
        meta = line.get("meta", {})
        case_id = id_of(meta.get("case_id")) if isinstance(meta, dict) else ""
        if not case_id:
            found.fault(at, "no `case_id` in `meta`", "put it there when the tasks are made")
            continue
        at = f"{at}, case {case_id}"
        said = _said(
            line, meta, case_id, version_of(meta.get("meddra_version"), meddra_version, at, found), at, found
        )
        annotations += said
        case = case_of(meta, case_id, line.get("text"), said, at, found)
        if case is not None:
            cases[case_id] = merged(cases.get(case_id), case, at, found)
    require_versions(annotations, found)
    return found.finish(list(cases.values()), annotations)


def merged(known: Case | None, case: Case, at: str, found: Findings) -> Case:
    """A case that several answers are about: the reactions of all of them; a fault if the rest differs."""
    if known is None:
        return case
    extra = [r for r in case.reactions if r not in known.reactions]
    whole = {name: getattr(known, name) for name in known.__dataclass_fields__}
    if whole | {"reactions": case.reactions} != {name: getattr(case, name) for name in whole}:
        found.fault(
            at, "differs from an earlier one on this case", "one case has one text and one set of fields"
        )
    return Case(**{**whole, "reactions": (*known.reactions, *extra)})


def _said(
    line: Mapping[str, Any],
    meta: Mapping[str, Any],
    case_id: str,
    version: str | None,
    at: str,
    found: Findings,
) -> list[Annotation]:
    answer = line.get("answer")
    if answer is None:
        found.drop("task without an answer")
        return []
    if answer != "accept":
        found.drop(f"answer {answer!s:.20}")
        return []
    annotator = _annotator(line)
    if annotator is None:
        found.fault(at, "does not say who answered (`_annotator_id` or `_session_id`)", "use named sessions")
        return []
    found.drop("relation", len(line["relations"]) if isinstance(line.get("relations"), list) else 0)
    text, time = line.get("text"), _time(line.get("_timestamp"), at, found)
    guideline = meta.get("guideline") if isinstance(meta.get("guideline"), str) else None
    made = annotations_of(
        _spans(line.get("spans"), text if isinstance(text, str) else "", at, found), str(text), case_id=case_id,
        annotator=annotator, time=time, guideline=guideline, meddra_version=version,
    )  # fmt: skip
    options = line.get("accept", [])
    chosen = [str(item) for item in options] if isinstance(options, list) else [str(options)]
    value = seriousness_of(
        [c for c in chosen if c in ("serious", "not serious")],
        [c for c in chosen if c not in ("serious", "not serious")], at, found,
    )  # fmt: skip
    if value is not None:
        made.append(Annotation(case_id, "seriousness", value, annotator, time=time, guideline=guideline))
    if not made:
        found.drop("answer that says nothing")
    return made


def _annotator(line: Mapping[str, Any]) -> str | None:
    who = line.get("_annotator_id") or line.get("_session_id")
    return who if isinstance(who, str) and who.strip() else None


def _time(stamp: Any, at: str, found: Findings) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC."""
    if stamp is None:
        return None
    try:
        return datetime.datetime.fromtimestamp(int(stamp), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, TypeError, OverflowError, OSError):
        found.fault(at, f"_timestamp {stamp!r} is no number of seconds since 1970")
        return None


def _spans(listed: Any, text: str, at: str, found: Findings) -> list[Span]:
    made = []
    for item in listed if isinstance(listed, list) else []:
        if not isinstance(item, dict):
            found.fault(at, f"span {item!r:.100} is no object")
            continue
        pairs = item.get("parts", [[item.get("start"), item.get("end")]])
        parts = parts_of(pairs if isinstance(pairs, list) else [], text, at, found)
        if parts is None:
            continue
        label = str(item.get("label", ""))
        given = item.get("llt_code") or item.get("kb_id")
        if given is None and label and LLT_CODE.fullmatch(label.split()[0] if label.split() else ""):
            given = label
        code = None if given is None else llt_of(given, words_of(text, parts), at, found)
        if given is None or code is not None:
            made.append(Span(parts, label, code))
    return made


def write(cases: Iterable[Case], annotations: Iterable[Annotation], path: str | Path) -> dict[str, int]:
    """A dataset as Prodigy exports it: one line a case, annotator, time and guideline.

    A case that nobody said anything of is a task without an answer. Returns what could not be expressed,
    counted.
    """
    grouped: dict[str, dict[tuple[str, str, str, str], list[Annotation]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for a in annotations:
        grouped[a.case_id][a.annotator, a.time or "", a.guideline or "", a.meddra_version or ""].append(a)
    dropped: Counter[str] = Counter()
    lines: list[dict[str, Any]] = []
    for case in cases:
        task = {"text": case.narrative, "meta": {"case_id": case.case_id, **fields_of(case)}}
        lines += [_line(task, key, said, case, dropped) for key, said in grouped[case.case_id].items()]
        if case.case_id not in grouped or not grouped[case.case_id]:
            lines.append({**task, "spans": []})
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    return dict(sorted((reason, number) for reason, number in dropped.items() if number))


def _line(
    task: Mapping[str, Any],
    key: tuple[str, str, str, str],
    said: list[Annotation],
    case: Case,
    dropped: Counter[str],
) -> dict[str, Any]:
    annotator, time, guideline, version = key
    extra = {name: value for name, value in (("guideline", guideline), ("meddra_version", version)) if value}
    line = {**task, "meta": {**task["meta"], **extra}, "answer": "accept", "_annotator_id": annotator}
    line["spans"] = [
        {"start": s.parts[0][0], "end": s.parts[-1][1], "label": s.label}
        | ({"parts": [list(pair) for pair in s.parts]} if len(s.parts) > 1 else {})
        | ({"llt_code": s.llt_code} if s.llt_code else {})
        for s in spans_of(said, case.narrative, dropped)
    ]
    values = [a.value for a in said if a.problem == "seriousness"]
    if values:
        line["accept"] = choices_of(values[0])
        dropped[UNKNOWN] += len(values[0].get("unknown", ()))
    if time:
        stamp = _stamp(time)
        dropped["time that is no ISO 8601"] += stamp is None
        line |= {} if stamp is None else {"_timestamp": stamp}
    return line


def _stamp(time: str) -> int | None:
    """Seconds since 1970; a time without a zone is taken as UTC."""
    try:
        return calendar.timegm(datetime.datetime.fromisoformat(time).utctimetuple())
    except ValueError:
        return None
