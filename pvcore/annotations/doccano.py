"""doccano: a JSON Lines or JSON export, or the zip of one file an annotator that it offers for several.

A line has `text`, and `case_id` with other fields of a Case and `meddra_version` beside it, where doccano
keeps a document's own fields (or under `meta`). doccano's exports name no user (a rewrite dropped user and
time), so a line must (`annotator`), or the zip, whose members are named <annotator>.jsonl. What is said:

* `label` or `cats` with "serious" or "not serious" and criteria -> seriousness;
* `entities`, `label` or `labels` as [start, end, label]: a label that begins with an LLT code -> coding,
  any other -> extraction (see spans.py).

Relations and comments are counted. The writer gives the discontinuous spans up: doccano has none.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote

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
from pvcore.annotations.prodigy import merged
from pvcore.annotations.reading import (
    LLT_CODE,
    Content,
    Findings,
    Source,
    first_object,
    json_lines,
    json_of,
    members,
    text_of,
)
from pvcore.annotations.spans import Span, annotations_of, parts_of, spans_of, words_of
from pvcore.records import Annotation, Case

NAME = "doccano"
DESCRIPTION = "doccano JSON Lines or JSON, or a zip of JSON Lines"
KEYS = {"entities", "label", "labels", "cats", "relations", "Comments"}
NOBODY = ("all", "unknown")
"""What doccano calls the file of a project that all annotators share: no annotator's name."""


def detect(source: Source) -> bool:
    """Whether the first object is one as doccano writes it, or the file a zip of .jsonl files only."""
    first = first_object(source.head) or _first_listed(source.head)
    if "text" in first and "data" not in first:
        return not KEYS.isdisjoint(first)
    return bool(source.members) and all(name.lower().endswith(".jsonl") for name in source.members)


def read(source: Source, meddra_version: str | None = None) -> Content:
    """All labelled documents. `meddra_version` is that of the codes, unless a line says it.

    Raises BatchError with all faults.
    """
    found = Findings(source.name)
    cases: dict[str, Case] = {}
    annotations: list[Annotation] = []
    for at, who, line in _lines(source, found):
        fields = {**line["meta"], **line} if isinstance(line.get("meta"), dict) else line
        case_id = id_of(fields.get("case_id"))
        if not case_id:
            found.fault(at, "no `case_id`", "import the documents with it as a field beside `text`")
            continue
        at = f"{at}, case {case_id}"
        said = _said(
            fields,
            case_id,
            who,
            version_of(fields.get("meddra_version"), meddra_version, at, found),
            at,
            found,
        )
        annotations += said
        case = case_of(fields, case_id, fields.get("text"), said, at, found)
        if case is not None:
            cases[case_id] = merged(cases.get(case_id), case, at, found)
    require_versions(annotations, found)
    return found.finish(list(cases.values()), annotations)


def _lines(source: Source, found: Findings) -> Iterator[tuple[str, str | None, dict[str, Any]]]:
    """(place, annotator if the file's name is one, document)."""
    if not source.members:
        documents = _json_list if _first_listed(source.head) else json_lines
        for at, line in documents(source.read(), found):
            yield at, None, line
    for name, data in members(source).items() if source.members else ():
        stem = unquote(PurePosixPath(name).stem)
        for at, line in json_lines(data, found, name):
            yield at, None if stem.lower() in NOBODY else stem, line


def _first_listed(head: bytes) -> dict[str, Any]:
    """The first object of a JSON list, or {} for any other file."""
    text = head.decode("utf-8-sig", "ignore").lstrip()
    if text[:1] != "[":
        return {}
    try:
        value, _ = json.JSONDecoder().raw_decode(text[1:].lstrip())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _json_list(data: bytes, found: Findings) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, object) of each item of a JSON list; what is no JSON object becomes a fault."""
    for number, value in enumerate(json_of(text_of(data, found.source), found.source), 1):
        if isinstance(value, dict):
            yield f"document {number}", value
        else:
            found.fault(f"document {number}", "is no JSON object", "export again")


def _said(
    fields: Mapping[str, Any], case_id: str, who: str | None, version: str | None, at: str, found: Findings
) -> list[Annotation]:
    text = fields.get("text") if isinstance(fields.get("text"), str) else ""
    triples, choices = _labels(fields, at, found)
    spans = [span for item in triples if (span := _span(item, str(text), at, found))]
    for key in ("relations", "Comments"):
        found.drop(key.lower().rstrip("s"), len(fields[key]) if isinstance(fields.get(key), list) else 0)
    if not spans and not choices:
        found.drop("document without a label")
        return []
    annotator = fields.get("annotator") or who
    if not isinstance(annotator, str):
        found.fault(at, "does not say who labelled it",
                    "export one file an annotator as a zip, or give each line an `annotator`")  # fmt: skip
        return []
    time = fields.get("time") if isinstance(fields.get("time"), str) else None
    guideline = fields.get("guideline") if isinstance(fields.get("guideline"), str) else None
    made = annotations_of(spans, str(text), case_id=case_id, annotator=annotator, time=time, guideline=guideline,
                          meddra_version=version)  # fmt: skip
    classes = [c for c in choices if c in ("serious", "not serious")]
    value = seriousness_of(classes, [c for c in choices if c not in classes], at, found)
    if value is not None:
        made.append(Annotation(case_id, "seriousness", value, annotator, time=time, guideline=guideline))
    return made


def _labels(fields: Mapping[str, Any], at: str, found: Findings) -> tuple[list[Any], list[str]]:
    """[start, end, label] of the spans, and the categories of the document."""
    triples: list[Any] = []
    choices: list[str] = []
    for key in ("entities", "label", "labels", "cats"):
        listed = fields.get(key, [])
        for item in listed if isinstance(listed, list) else [listed]:
            if isinstance(item, dict):
                triples.append([item.get("start_offset"), item.get("end_offset"), item.get("label")])
            elif isinstance(item, list) and len(item) == 3:
                triples.append(item)
            elif isinstance(item, str) and key != "entities":
                choices.append(item)
            else:
                found.fault(at, f"{item!r:.100} in `{key}` is no label")
    return triples, choices


def _span(item: list[Any], text: str, at: str, found: Findings) -> Span | None:
    parts = parts_of([item[:2]], text, at, found)
    if parts is None:
        return None
    label = str(item[2])
    if not LLT_CODE.fullmatch(label.split()[0] if label.split() else ""):
        return Span(parts, label)
    return Span(parts, label, llt_of(label, words_of(text, parts), at, found))


def write(cases: Iterable[Case], annotations: Iterable[Annotation], path: str | Path) -> dict[str, int]:
    """The zip of one file an annotator (all.jsonl holds cases that nobody labelled); the same records give
    the same bytes. Returns what could not be expressed, counted."""
    grouped: dict[tuple[str, str], dict[tuple[str, str, str], list[Annotation]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for a in annotations:
        grouped[a.annotator, a.case_id][a.time or "", a.guideline or "", a.meddra_version or ""].append(a)
    annotators = sorted({annotator for annotator, _ in grouped})
    dropped: Counter[str] = Counter()
    files: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for case in cases:
        document = {"text": case.narrative, "case_id": case.case_id, **fields_of(case)}
        said = [
            (who, key, listed)
            for who in annotators
            for key, listed in grouped.get((who, case.case_id), {}).items()
        ]
        for who, key, listed in said:
            files[who].append(document | _line(key, listed, case, dropped))
        if not said:
            files["all"].append(document | {"entities": [], "cats": []})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for who, lines in sorted(files.items()):
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            archive.writestr(zipfile.ZipInfo(f"{quote(who, safe='@ ')}.jsonl"), text, zipfile.ZIP_DEFLATED)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(buffer.getvalue())
    return dict(sorted((reason, number) for reason, number in dropped.items() if number))


def _line(
    key: tuple[str, str, str], said: list[Annotation], case: Case, dropped: Counter[str]
) -> dict[str, Any]:
    line: dict[str, Any] = {
        k: v for k, v in zip(("time", "guideline", "meddra_version"), key, strict=True) if v
    }
    entities: list[dict[str, Any]] = []
    for span in spans_of(said, case.narrative, dropped):
        if len(span.parts) > 1:
            dropped["discontinuous span"] += 1
            continue
        (start, end), label = span.parts[0], span.llt_code or span.label
        entities.append({"id": len(entities) + 1, "label": label, "start_offset": start, "end_offset": end})
    values = [a.value for a in said if a.problem == "seriousness"]
    dropped[UNKNOWN] += len(values[0].get("unknown", ())) if values else 0
    return line | {"entities": entities, "cats": choices_of(values[0]) if values else []}
