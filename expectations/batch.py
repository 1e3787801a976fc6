"""The suite `batch`: cases and annotations as they arrived, before anything is made of them."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import pandas as pd

from expectations.run import evaluate
from expectations.suites import load
from expectations.validation import Validation
from pvcore.annotations.personal_data import PersonalDataPolicy, flags
from pvcore.meddra.release import Dictionary
from pvcore.problems import PROBLEMS
from pvcore.records import CRITERIA, Annotation, Case, canonical

ANNOTATION_COLUMNS = [
    "case_id", "problem", "target", "annotator", "time", "unknown_case", "contradiction",
    "unusable", "serious", "unknown_criterion", "criteria_though_not_serious",
    "llt_code", "coded_to_nothing", "verbatim", "coding_version",
]  # fmt: skip


class BatchLike(Protocol):
    """What the suite looks at; pvcore.annotations.batch.Batch has it."""

    @property
    def name(self) -> str: ...
    @property
    def cases(self) -> Sequence[Case]: ...
    @property
    def annotations(self) -> Sequence[Annotation]: ...
    @property
    def nullified(self) -> Sequence[str]: ...


def validate_batch(
    batch: BatchLike,
    *,
    dictionaries: Iterable[Dictionary] = (),
    today: datetime.date | None = None,
    personal_data: PersonalDataPolicy | None = None,
) -> Validation:
    """Judge a batch by the suite `batch`.

    With `dictionaries`, codes must exist and be current in the one of the version they are coded in;
    annotations in other versions are left to the migration. A case received after `today` (and a day
    for time zones) is a warning: whether a batch is admitted never depends on the clock. `personal_data`
    says which kinds of likely identifiers refuse the batch and which are only shown. Raises ConfigError
    if a rule was not evaluated.
    """
    latest = (today or datetime.datetime.now(datetime.UTC).date()) + datetime.timedelta(days=1)
    known = {dictionary.version: dictionary for dictionary in dictionaries}
    frames = {
        "cases": case_rows(batch.cases, batch.annotations),
        "texts": text_rows(batch.cases, batch.annotations, personal_data or PersonalDataPolicy()),
        "reactions": reaction_rows(batch.cases),
        "annotations": annotation_rows(batch.cases, batch.annotations),
    }
    if any(a.problem == "coding" and a.meddra_version in known for a in batch.annotations):
        frames["coding"] = coding_rows(batch.annotations, known)
    # a batch may do no more than take cases back
    least = {"least": int(not batch.nullified), "least_said": int(bool(batch.cases))}
    parameters = {"latest": latest, "problems": sorted(PROBLEMS), **least}
    found = evaluate(load("batch"), batch.name, frames, parameters=parameters)
    if not batch.nullified:
        return found
    return replace(found, statistics={**found.statistics, "nullified cases": len(batch.nullified)})


def case_rows(cases: Sequence[Case], annotations: Sequence[Annotation]) -> pd.DataFrame:
    """One row a case. `labelled_narrative` is that of a case labelled by its narrative, else None.

    `received_day` is `received` where that is a day, so that a date is not called out of range for
    being none.
    """
    labelled = {a.case_id for a in annotations if a.problem == "seriousness"}
    rows = [
        (
            case.case_id,
            case.narrative,
            case.narrative if case.case_id in labelled else None,
            case.received,
            _day(case.received),
            case.age_years,
            case.language,
        )
        for case in cases
    ]
    columns = [
        "case_id",
        "narrative",
        "labelled_narrative",
        "received",
        "received_day",
        "age_years",
        "language",
    ]
    return pd.DataFrame(rows, columns=columns, dtype=object).astype({"age_years": "float64"})


def text_rows(
    cases: Sequence[Case], annotations: Sequence[Annotation], policy: PersonalDataPolicy
) -> pd.DataFrame:
    """One row a likely identifier in a free text, and one for a case without any; never the identifier itself."""
    said: dict[str, list[Annotation]] = {}
    for a in annotations:
        said.setdefault(a.case_id, []).append(a)
    rows: list[tuple[Any, ...]] = []
    for case in cases:
        found = [f for f in flags(case, said.get(case.case_id, ())) if policy.action(f.kind) != "ignore"]
        for flag in found:
            shown = f"{flag.kind.replace('_', ' ')} ({flag.excerpt})"
            refused = policy.action(flag.kind) == "quarantine"
            kinds = (shown, None) if refused else (None, shown)
            rows.append((case.case_id, flag.field, flag.start, flag.end, *kinds))
        if not found:
            rows.append((case.case_id, *(None,) * 5))
    columns = ["case_id", "field", "start", "end", "identifier", "possible_identifier"]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def reaction_rows(cases: Sequence[Case]) -> pd.DataFrame:
    """One row a reaction; `number` counts them from 1 within a case."""
    rows = []
    for case in cases:
        for number, reaction in enumerate(case.reactions, 1):
            code = reaction.llt_code or reaction.pt_name
            rows.append(
                (
                    case.case_id,
                    number,
                    reaction.llt_code,
                    reaction.meddra_version,
                    code if code and not reaction.meddra_version else None,
                    _unknown(reaction.seriousness),
                )
            )
    columns = ["case_id", "number", "llt_code", "meddra_version", "code_without_version", "unknown_criterion"]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def annotation_rows(cases: Sequence[Case], annotations: Sequence[Annotation]) -> pd.DataFrame:
    """One row an annotation. Columns of one problem are None in the rows of another."""
    known = {case.case_id: case.narrative for case in cases}
    answers: dict[tuple[str, ...], set[bytes]] = {}
    for a in annotations:
        answers.setdefault(_question(a), set()).add(canonical(a.value))
    rows = []
    for a in annotations:
        different = len(answers[_question(a)])
        common: dict[str, Any] = {
            "case_id": a.case_id,
            "problem": a.problem,
            "target": a.target,
            "annotator": a.annotator or "",
            "time": a.time,
            "unknown_case": None if a.case_id in known else a.case_id,
            "contradiction": different if different > 1 else None,
            "unusable": PROBLEMS[a.problem].fault(a.value, known.get(a.case_id, ""))
            if a.problem in PROBLEMS
            else None,
        }
        rows.append(common | (_seriousness(a) if a.problem == "seriousness" else {}) | _coding(a))
    return pd.DataFrame(rows, columns=ANNOTATION_COLUMNS, dtype=object)


def coding_rows(annotations: Sequence[Annotation], known: Mapping[str, Dictionary]) -> pd.DataFrame:
    """One row a coding in a version of `known`: the LLT code or PT name that its dictionary does not hold."""
    pts = {version: set(dictionary.tables["pt"]["pt_name"]) for version, dictionary in known.items()}
    rows = []
    for a in annotations:
        version = a.meddra_version or ""
        if a.problem != "coding" or version not in known:
            continue
        dictionary = known[version]
        code, name = _text(a.value.get("llt_code")), _text(a.value.get("pt_name"))
        there = code in dictionary if code else name in pts[version]
        unknown = None if there else (f"LLT {code}" if code else f"PT {name!r}")
        stale = code if code and there and not dictionary.is_current(code) else None
        rows.append((a.case_id, a.annotator, a.target, version, unknown, stale))
    columns = ["case_id", "annotator", "target", "meddra_version", "unknown_term", "not_current"]
    return pd.DataFrame(rows, columns=columns, dtype=object)


def _seriousness(a: Annotation) -> dict[str, Any]:
    serious, criteria = a.value.get("serious"), a.value.get("criteria", ())
    if not isinstance(criteria, list | tuple):
        criteria = ()  # which makes the value unusable
    return {
        "serious": json.dumps(serious),
        "unknown_criterion": _unknown(criteria),
        "criteria_though_not_serious": ", ".join(map(str, criteria))
        if criteria and serious is False
        else None,
    }


def _coding(a: Annotation) -> dict[str, Any]:
    if a.problem != "coding":
        return {}
    code, name = a.value.get("llt_code"), a.value.get("pt_name")
    return {
        "llt_code": _text(code),
        "coded_to_nothing": None if code or name else canonical(a.value).decode(),
        "verbatim": a.target or "",
        "coding_version": a.meddra_version or "",
    }


def _text(value: Any) -> str | None:
    """Text as it is, None for nothing; anything else says its type, so that no number passes for a code."""
    return value or None if isinstance(value, str | None) else f"{type(value).__name__} {value}"


def _question(a: Annotation) -> tuple[str, ...]:
    return a.case_id, a.problem, a.target, a.annotator


def _unknown(criteria: Iterable[Any]) -> str | None:
    return ", ".join(sorted(str(c) for c in criteria if c not in CRITERIA)) or None


def _day(text: str | None) -> datetime.date | None:
    try:
        return datetime.datetime.strptime(text or "", "%Y-%m-%d").date()
    except ValueError:
        return None
