"""Write Label Studio files: finished annotations as an export holds them, and work lists to import."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pvcore.annotations.fields import UNKNOWN
from pvcore.annotations.label_studio_config import SPANS, SUGGESTED, extraction_config, labeling_config
from pvcore.annotations.reading import ADJUDICATION
from pvcore.annotations.table_write import Ranked
from pvcore.records import Annotation, Case, digest, listed

LISTED = "\n\nReported: "
"""Between the narrative and the verbatims that do not stand in it literally."""


def write(cases: Iterable[Case], annotations: Iterable[Annotation], path: str | Path) -> dict[str, int]:
    """A project's JSON export: one task a case, one annotation an annotator.

    Returns what could not be expressed, counted.
    """
    said = list(annotations)
    dropped = Counter(reason for a in said for reason in _inexpressible(a))
    grouped = _by_case(said)
    tasks = []
    for number, case in enumerate(cases, 1):
        data, said = _data(case, grouped[case.case_id]), grouped[case.case_id]
        made: list[dict[str, Any]] = []
        for annotator in sorted({a.annotator for a in said}):
            own = [a for a in said if a.annotator == annotator]
            time = max((a.time for a in own if a.time), default=None)
            made.append(
                {
                    "id": len(made) + 100 * number,
                    "completed_by": {"email": annotator},
                    "was_cancelled": False,
                    "ground_truth": any(a.guideline == ADJUDICATION for a in own),
                    "created_at": time,
                    "updated_at": time,
                    "result": _result(own, data["text"]),
                }
            )
        tasks.append({"id": number, "data": data, "annotations": made, "predictions": []})
    _save(Path(path), tasks)
    return dict(sorted(dropped.items()))


def _inexpressible(a: Annotation) -> Iterator[str]:
    if a.guideline not in (None, ADJUDICATION):
        yield "guideline of an annotation"
    if a.problem == "coding" and "llt_code" not in a.value:
        yield "code without an LLT"
    elif a.problem == "seriousness":
        yield from (UNKNOWN for _ in listed(a.value, "unknown"))
    elif a.problem == "extraction":
        yield from ("discontinuous span" for span in a.value["spans"] if "parts" in span)
        yield from ("relation" for _ in a.value.get("relations", ()))
    elif a.problem != "coding":
        yield f"annotation of problem {a.problem}"


def write_tasks(
    cases: Iterable[Case],
    path: str | Path,
    *,
    suggestions: Iterable[Annotation] = (),
    reasons: Mapping[str, str] | None = None,
    ranked: Ranked | None = None,
    spans: bool = False,
) -> Path:
    """A work list to import into a project: tasks with what was said so far as predictions.

    `reasons` says by case why it is put before a person (shown as `data.reason`). `ranked` LLTs are
    offered as choices for the words that a person marks; those of all verbatims of a case stand in one
    list, each with its words, for Label Studio knows choices of a task only. With `spans` the project asks for
    marked words (extraction), in place of seriousness and codes unless something is suggested of these. The labeling
    configuration is written beside it; returns its path.
    """
    suggested = list(suggestions)
    grouped = _by_case(suggested)
    offered = _offered(ranked or {})
    tasks = []
    for case in cases:
        said = grouped[case.case_id]
        data = _data(case, said)
        if reasons and case.case_id in reasons:
            data["reason"] = reasons[case.case_id]
        if ranked is not None:
            data[SUGGESTED] = offered[case.case_id]
        predictions = [
            {"model_version": name, "result": _result([a for a in said if a.annotator == name], data["text"])}
            for name in sorted({a.annotator for a in said})
        ]
        tasks.append({"data": data, "predictions": predictions})
    _save(Path(path), tasks)
    config = Path(path).with_suffix(".config.xml")
    alone = spans and all(a.problem == "extraction" for a in suggested)
    text = extraction_config() if alone else labeling_config(suggested=ranked is not None, spans=spans)
    config.write_text(text, "utf-8")
    return config


def _offered(ranked: Ranked) -> dict[str, list[dict[str, str]]]:
    """By case, choices as Label Studio takes them from a task: `value` is what the export says."""
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for (case_id, verbatim), terms in ranked.items():
        found[case_id] += [
            {"value": f"{code} {name}", "hint": f"{place}. for: {verbatim}"}
            for place, (code, name) in enumerate(terms, 1)
        ]
    return found


def _by_case(annotations: Iterable[Annotation]) -> dict[str, list[Annotation]]:
    grouped: dict[str, list[Annotation]] = defaultdict(list)
    for annotation in annotations:
        grouped[annotation.case_id].append(annotation)
    return grouped


def _save(path: Path, tasks: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tasks, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _data(case: Case, said: Sequence[Annotation]) -> dict[str, Any]:
    """The task's data: the case's own fields, and a text that holds every verbatim."""
    data = {
        key: value
        for key, value in dataclasses.asdict(case).items()
        if value not in (None, ()) and key != "narrative"
    }
    targets = dict.fromkeys([*(r.verbatim for r in case.reactions), *(a.target for a in said)])
    absent = [target for target in targets if target and target not in case.narrative]
    data["text"] = case.narrative + (LISTED + "; ".join(absent) if absent else "")
    if absent:
        data["narrative"] = case.narrative
    versions = {a.meddra_version for a in said if a.meddra_version}
    if len(versions) == 1:
        data["meddra_version"] = versions.pop()
    return data


def _result(said: Sequence[Annotation], text: str) -> list[dict[str, Any]]:
    result: list[dict[str, Any]] = []

    def add(control: str, kind: str, value: dict[str, Any], region: str) -> None:
        result.append({"id": region, "from_name": control, "to_name": "text", "type": kind, "value": value})

    for a in said:
        region = digest([a.annotator, a.problem, a.target])[:10]
        if a.problem == "seriousness":
            add(
                "seriousness",
                "choices",
                {"choices": ["serious" if a.value["serious"] else "not serious"]},
                region,
            )
            if criteria := listed(a.value, "criteria"):
                add("criteria", "choices", {"choices": list(criteria)}, region + "c")
        elif a.problem == "extraction":
            for number, item in enumerate(a.value["spans"]):
                if "parts" not in item:
                    place = {"start": item["start"], "end": item["end"]}
                    words = text[item["start"] : item["end"]]
                    add(
                        SPANS,
                        "labels",
                        {**place, "text": words, "labels": [item["label"]]},
                        f"{region}{number}",
                    )
        elif a.problem == "coding" and "llt_code" in a.value and a.target in text:
            start = text.index(a.target)
            span = {"start": start, "end": start + len(a.target)}
            add("reaction", "labels", {**span, "text": a.target, "labels": ["Reaction"]}, region)
            add("llt", "textarea", {**span, "text": [a.value["llt_code"]]}, region)
    return result
