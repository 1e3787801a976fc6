"""Label Studio: the JSON export of a project, and work lists to import into one.

The project uses `labeling_config()`; its text is `data.text`, its case `data.case_id`. Other fields of
`data` that are names of fields of a Case (received, age_years, sex, country, language, source, drugs,
reactions) and `narrative` (if `text` shows more than it) travel with the task, and so does
`meddra_version`, which Label Studio itself has no place for. What an annotator says:

* choices `seriousness` and `criteria` -> problem seriousness;
* a region of `reaction` with an `llt` -> problem coding, the marked words being the target;
* an annotation marked as ground truth is an adjudication: it settles what others disagree on.

Cancelled (skipped) annotations say nothing and are counted. Predictions are no annotations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pvcore.annotations.label_studio_config import SERIOUSNESS, labeling_config
from pvcore.annotations.label_studio_write import write, write_tasks
from pvcore.annotations.reading import ADJUDICATION, LLT_CODE, MEDDRA_VERSION, Content, Findings, refuse
from pvcore.records import CRITERIA, Annotation, Case, Drug, Reaction

__all__ = ["DESCRIPTION", "NAME", "detect", "labeling_config", "read", "write", "write_tasks"]

NAME = "label_studio"
DESCRIPTION = "Label Studio JSON export"
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


def detect(head: bytes) -> bool:
    """Whether the file looks like a JSON list or object."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{")


def read(data: bytes, name: str, meddra_version: str | None = None) -> Content:
    """All tasks of an export. `meddra_version` is that of the codes, unless the tasks say it.

    Raises BatchError with all faults.
    """
    found = Findings(name)
    cases: list[Case] = []
    annotations: list[Annotation] = []
    for number, task in enumerate(_tasks(data, name), 1):
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            found.fault(
                f"task {number}", "is no task: it has no `data`", "export as JSON, not as JSON-MIN or CSV"
            )
            continue
        case_id = str(task["data"].get("case_id") or "").strip()
        at = f"task {task.get('id', number)}, case {case_id}"
        if not case_id:
            found.fault(at, "no `case_id` in `data`")
            continue
        version = task["data"].get("meddra_version") or meddra_version
        if meddra_version and version != meddra_version:
            found.fault(
                at, f"MedDRA {version}, expected {meddra_version}", "give the version that the task says"
            )
        elif version is not None and not (isinstance(version, str) and MEDDRA_VERSION.fullmatch(version)):
            found.fault(at, f"MedDRA version {version!r} is not of the form 29.0")
        said = _annotations(task, case_id, version, at, found)
        case = _case(task["data"], case_id, said, at, found)
        if case is not None:
            cases.append(case)
            annotations += said
    unversioned = sum(a.problem == "coding" and a.meddra_version is None for a in annotations)
    if unversioned:
        advice = "name the version: pv ingest --meddra-version 29.0, or `.meddra-29.0.` in the file's name"
        found.fault("batch", f"{unversioned} codes, and no MedDRA version for them", advice)
    return found.finish(cases, annotations)


def _tasks(data: bytes, name: str) -> list[Any]:
    def refuse_constant(text: str) -> Any:
        raise ValueError(f"{text} is no JSON")

    try:
        value = json.loads(data.decode("utf-8-sig"), parse_constant=refuse_constant)
    except UnicodeDecodeError as error:
        raise refuse(name, f"byte {error.start}", "not UTF-8", "save the export as UTF-8") from error
    except RecursionError as error:
        raise refuse(name, "JSON", "nested too deeply") from error
    except json.JSONDecodeError as error:
        raise refuse(
            name, f"line {error.lineno}", f"not complete JSON: {error.msg}", "export again"
        ) from error
    except ValueError as error:
        raise refuse(name, "JSON", str(error)) from error
    if isinstance(value, dict):
        value = [value] if "data" in value else value.get("tasks")
    if not isinstance(value, list):
        raise refuse(name, "JSON", "no list of tasks", "export the project as JSON")
    return value


def _case(
    data: Mapping[str, Any], case_id: str, said: Sequence[Annotation], at: str, found: Findings
) -> Case | None:
    text = data.get("narrative") or data.get("text")
    before = len(found.faults)
    if not isinstance(text, str) or not text.strip():
        found.fault(at, "no `text` in `data`")
    received, age = data.get("received"), data.get("age_years")
    if received is not None and not (isinstance(received, str) and _DATE.fullmatch(received)):
        found.fault(at, f"received {received!r} is not of the form YYYY-MM-DD")
    if age is not None and not (
        isinstance(age, int | float) and not isinstance(age, bool) and 0 <= age <= 150
    ):
        found.fault(at, f"age_years {age!r} is no age in years")
    for key in ("sex", "country", "language", "source"):
        if data.get(key) is not None and not isinstance(data[key], str):
            found.fault(at, f"{key} {data[key]!r} is no text")
    drugs = _each(data.get("drugs"), Drug, "name", at, found)
    reactions = _each(data.get("reactions"), Reaction, "verbatim", at, found)
    if len(found.faults) > before:
        return None
    known = {reaction.verbatim for reaction in reactions}
    marked = dict.fromkeys(a.target for a in said if a.problem == "coding" and a.target not in known)
    return Case(
        case_id=case_id, narrative=str(text).strip(), source=data.get("source") or "Label Studio", received=received,
        age_years=None if age is None else float(age), sex=data.get("sex"), country=data.get("country"),
        language=data.get("language") or "en", drugs=tuple(drugs),
        reactions=(*reactions, *(Reaction(verbatim=target) for target in marked)),
    )  # fmt: skip


def _each(value: Any, make: type[Any], key: str, at: str, found: Findings) -> list[Any]:
    """Drugs or reactions: objects with the record's fields, or plain names."""
    made = []
    for item in value if isinstance(value, list) else [] if value is None else [value]:
        try:
            made.append(make(**({key: item} if isinstance(item, str) else item)))
        except TypeError:
            found.fault(
                at, f"{item!r} is no {make.__name__.lower()}", f"give its {key}, or an object with it"
            )
    return made


def _annotations(
    task: Mapping[str, Any], case_id: str, version: str | None, at: str, found: Findings
) -> list[Annotation]:
    listed = task.get("annotations", task.get("completions"))
    if listed is None and "predictions" not in task:
        found.fault(at, "no `annotations`", "export as JSON with annotations")
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
    for item in results:
        value = item.get("value") if isinstance(item, dict) else None
        if not isinstance(value, dict):
            found.fault(where, "a result without a value")
            continue
        control, region = item.get("from_name"), str(item.get("id", ""))
        if control in ("seriousness", "criteria"):
            choices.setdefault(control, []).extend(str(choice) for choice in value.get("choices", []))
        elif control == "reaction":
            words = _words(value, data, where, found)
            if words:
                regions[region] = words
        elif control == "llt":
            codes[region] = _codes(value)
        else:
            found.drop(f"result of control {control!r}")
    return [*_seriousness(choices, where, found), *_codings(regions, codes, where, found)]


def _words(value: Mapping[str, Any], data: Mapping[str, Any], where: str, found: Findings) -> str:
    """The words of a region, from the task's text: some exports leave them out, and text wins over copy."""
    text, start, end = data.get("text"), value.get("start"), value.get("end")
    if (
        isinstance(text, str)
        and isinstance(start, int)
        and isinstance(end, int)
        and 0 <= start < end <= len(text)
    ):
        words = text[start:end].strip()
        if value.get("text") not in (None, text[start:end]):
            found.fault(where, f"region {start}-{end} is {words!r} in the text, {value['text']!r} in the export",
                        "the task's text was changed after the annotation")  # fmt: skip
        return words
    found.fault(where, f"region {start}-{end} lies outside the text")
    return ""


def _codes(value: Mapping[str, Any]) -> list[str]:
    """Codes of a text area, or of the leaves of a taxonomy."""
    leaves = [path[-1] for path in value.get("taxonomy", []) if isinstance(path, list) and path]
    texts = value.get("text", leaves)
    return [
        str(text).split()[0] if str(text).split() else ""
        for text in ([texts] if isinstance(texts, str) else texts)
    ]


def _seriousness(choices: Mapping[str, list[str]], where: str, found: Findings) -> list[Said]:
    chosen, criteria = choices.get("seriousness", []), choices.get("criteria", [])
    unknown = [c for c in criteria if c not in CRITERIA]
    if unknown:
        found.fault(where, f"criteria {', '.join(unknown)}", f"there are {', '.join(CRITERIA)}")
    if not chosen:
        if criteria:
            found.fault(where, "criteria, but no choice of `seriousness`")
        return []
    if len(set(chosen)) > 1 or chosen[0] not in SERIOUSNESS:
        found.fault(where, f"seriousness {', '.join(chosen)}", f"one of {', '.join(SERIOUSNESS)}")
        return []
    serious = SERIOUSNESS[chosen[0]]
    if criteria and not serious:
        found.fault(where, "not serious, but with criteria")
        return []
    return [("seriousness", "", {"serious": serious, "criteria": [c for c in CRITERIA if c in criteria]})]


def _codings(
    regions: Mapping[str, str], codes: Mapping[str, list[str]], where: str, found: Findings
) -> list[Said]:
    made: dict[tuple[str, str], Said] = {}
    for region, words in regions.items():
        given = codes.get(region, [])
        if not given:
            found.drop("region without a code")
        elif len(given) > 1 or not LLT_CODE.fullmatch(given[0]):
            found.fault(where, f"{words!r} is coded {', '.join(given)!r}", "give one LLT code of 8 digits")
        else:
            made[words, given[0]] = ("coding", words, {"llt_code": given[0]})
    for region in codes:
        if region not in regions:
            found.drop("code without a region")
    return list(made.values())
