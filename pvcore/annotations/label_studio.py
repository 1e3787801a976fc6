"""Label Studio: the JSON export of a project, and work lists to import into one.

The project uses `labeling_config()`; its text is `data.text`, its case `data.case_id`. Other fields of
`data` that are names of fields of a Case (received, age_years, sex, country, language, source, drugs,
reactions) and `narrative` (if `text` shows more than it) travel with the task, and so does
`meddra_version`, which Label Studio itself has no place for. What an annotator says:

* choices `seriousness` and `criteria` -> problem seriousness;
* a region of `reaction` with an `llt`, typed or chosen among the suggested ones -> problem coding, the
  marked words being the target;
* regions of `spans` -> problem extraction, all of an annotator's in one annotation; relations are counted only;
* an annotation marked as ground truth is an adjudication: it settles what others disagree on.

Cancelled (skipped) annotations say nothing and are counted. Predictions are no annotations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pvcore.annotations.fields import case_of, id_of, llt_of, require_versions, seriousness_of, version_of
from pvcore.annotations.label_studio_config import SPANS, SUGGESTED, labeling_config
from pvcore.annotations.label_studio_places import place_of
from pvcore.annotations.label_studio_write import write, write_tasks
from pvcore.annotations.prodigy import merged
from pvcore.annotations.reading import ADJUDICATION, Content, Findings, Source, json_of, refuse, text_of
from pvcore.annotations.spans import EXTRACTION, Span, annotations_of
from pvcore.records import Annotation, Case

__all__ = ["DESCRIPTION", "NAME", "detect", "labeling_config", "read", "write", "write_tasks"]

NAME = "label_studio"
DESCRIPTION = "Label Studio JSON export"


def detect(source: Source) -> bool:
    """Whether the file looks like a JSON list or object."""
    return source.head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{")


def read(source: Source, meddra_version: str | None = None) -> Content:
    """All tasks of an export. `meddra_version` is that of the codes, unless the tasks say it.

    Raises BatchError with all faults.
    """
    found = Findings(source.name)
    cases: dict[str, Case] = {}
    annotations: list[Annotation] = []
    for number, task in enumerate(_tasks(source), 1):
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            found.fault(
                f"task {number}", "is no task: it has no `data`", "export as JSON, not as JSON-MIN or CSV"
            )
            continue
        case_id = id_of(task["data"].get("case_id"))
        at = f"task {task.get('id', number)}, case {case_id}"
        if not case_id:
            found.fault(at, "no `case_id` in `data`")
            continue
        version = version_of(task["data"].get("meddra_version"), meddra_version, at, found)
        said = _annotations(task, case_id, version, at, found)
        data = task["data"]
        case = case_of(data, case_id, data.get("narrative") or data.get("text"), said, at, found)
        if case is not None:  # a project to which two work lists were imported may have two tasks of a case
            cases[case_id] = merged(cases.get(case_id), case, at, found)
            annotations += said
    require_versions(annotations, found)
    return found.finish(list(cases.values()), annotations)


def _tasks(source: Source) -> list[Any]:
    value = json_of(text_of(source.read(), source.name), source.name)
    if isinstance(value, dict):
        value = [value] if "data" in value else value.get("tasks")
    if not isinstance(value, list):
        raise refuse(source.name, "JSON", "no list of tasks", "export the project as JSON")
    return value


def _annotations(
    task: Mapping[str, Any], case_id: str, version: str | None, at: str, found: Findings
) -> list[Annotation]:
    listed = task.get("annotations", task.get("completions"))
    if listed is None and "predictions" not in task:
        found.fault(at, "no `annotations`", "export as JSON with annotations")
    if not isinstance(listed, list | None):
        found.fault(at, f"`annotations` is {listed!r:.50}, no list", "export as JSON with annotations")
        return []
    made: list[Annotation] = []
    for number, said in enumerate(listed or [], 1):
        where = f"{at}, annotation {said.get('id', number) if isinstance(said, dict) else number}"
        if not isinstance(said, dict) or not isinstance(said.get("result", []), list):
            found.fault(where, "is no annotation")
        elif said.get("was_cancelled"):
            found.drop("cancelled annotation")
        elif (annotator := _annotator(said.get("completed_by"))) is None:
            found.fault(where, "does not say who made it (`completed_by`)")
        else:
            values = _results(said.get("result", []), task["data"], where, found)
            if not values:
                found.drop("annotation that says nothing")
            time = said.get("updated_at") or said.get("created_at")
            guideline = ADJUDICATION if said.get("ground_truth") else None
            made += [
                Annotation(
                    case_id,
                    problem,
                    value,
                    annotator,
                    target=target,
                    time=time if isinstance(time, str) else None,
                    guideline=guideline,
                    meddra_version=version if problem == "coding" else None,
                )
                for problem, target, value in values
            ]
    return made


def _annotator(completed_by: Any) -> str | None:
    """The address or id of a user: exports hold a number, or an object."""
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("username") or completed_by.get("id")
    if isinstance(completed_by, bool) or not isinstance(completed_by, int | str) or completed_by == "":
        return None
    return f"label-studio-{completed_by}" if isinstance(completed_by, int) else completed_by


Said = tuple[str, str, dict[str, Any]]
"""Problem, target and value."""


def _results(results: Sequence[Any], data: Mapping[str, Any], where: str, found: Findings) -> list[Said]:
    choices: dict[str, list[str]] = {}
    regions: dict[str, str] = {}
    codes: dict[str, list[str]] = {}
    spans: list[Span] = []
    for item in results:
        if isinstance(item, dict) and item.get("type") == "relation":
            found.drop("relation")
            continue
        value = item.get("value") if isinstance(item, dict) else None
        if not isinstance(value, dict):
            found.fault(where, "a result without a value")
            continue
        control, region = item.get("from_name"), str(item.get("id", ""))
        if control in ("seriousness", "criteria"):
            listed = value.get("choices", [])
            if isinstance(listed, list):
                choices.setdefault(control, []).extend(str(choice) for choice in listed)
            else:
                found.fault(where, f"choices {listed!r:.100} are no list")
        elif control == "reaction":
            words = _words(value, data, where, found)
            if words:
                regions[region] = words
        elif control == SPANS:
            spans += _span(value, data, where, found)
        elif control in ("llt", SUGGESTED):
            codes.setdefault(region, []).extend(_codes(value))
        else:
            found.drop(f"result of control {control!r}")
    value = seriousness_of(choices.get("seriousness", []), choices.get("criteria", []), where, found)
    said: list[Said] = [] if value is None else [("seriousness", "", value)]
    return [*said, *_marked(spans, data), *_codings(regions, codes, where, found)]


def _span(value: Mapping[str, Any], data: Mapping[str, Any], where: str, found: Findings) -> list[Span]:
    """A marked place of the narrative; the verbatims that are listed below it are none."""
    labels = value.get("labels")
    place = place_of(value, data, where, found)
    if not place or not data["text"][slice(*place)].strip():
        return []
    if not isinstance(labels, list) or len(labels) != 1:
        found.fault(where, f"region {place[0]}-{place[1]} has the labels {labels!r:.60}, not one")
    elif place[1] > len(data.get("narrative") or data["text"]):
        found.fault(where, f"region {place[0]}-{place[1]} lies below the narrative")
    else:
        return [Span((place,), str(labels[0]))]
    return []


def _marked(spans: Sequence[Span], data: Mapping[str, Any]) -> list[Said]:
    text = str(data.get("narrative") or data.get("text"))
    return [(EXTRACTION, "", dict(a.value)) for a in annotations_of(spans, text, case_id="", annotator="")]


def _words(value: Mapping[str, Any], data: Mapping[str, Any], where: str, found: Findings) -> str:
    """The words of a region, from the task's text: some exports leave them out, and text wins over copy."""
    place = place_of(value, data, where, found)
    return str(data["text"][slice(*place)]).strip() if place else ""


def _codes(value: Mapping[str, Any]) -> list[str]:
    """Codes of chosen suggestions, of the leaves of a taxonomy, or of a text area.

    Beside a choice `text` holds the region's own words; only a text area writes what was typed over them.
    """
    paths = value.get("taxonomy", [])
    leaves = (
        [path[-1] for path in paths if isinstance(path, list) and path] if isinstance(paths, list) else []
    )
    texts = value.get("choices", leaves if "taxonomy" in value else value.get("text", []))
    return [
        str(text).split()[0] if str(text).split() else ""
        for text in (texts if isinstance(texts, list) else [texts])
    ]


def _codings(
    regions: Mapping[str, str], codes: Mapping[str, list[str]], where: str, found: Findings
) -> list[Said]:
    made: dict[tuple[str, str], Said] = {}
    for region, words in regions.items():
        given = codes.get(region, [])
        if not given:
            found.drop("region without a code")
        elif len(set(given)) > 1:
            found.fault(where, f"{words!r} is coded {', '.join(given)!r}", "give one LLT code of 8 digits")
        elif code := llt_of(given[0], words, where, found):
            made[words, code] = ("coding", words, {"llt_code": code})
    for region in codes:
        if region not in regions:
            found.drop("code without a region")
    return list(made.values())
