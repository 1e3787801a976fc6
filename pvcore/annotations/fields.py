"""What a person wrote into a tool or a table, as fields of the records: checked, all faults with their place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pvcore.annotations.reading import LLT_CODE, MEDDRA_VERSION, Findings
from pvcore.records import CRITERIA, Annotation, Case, Drug, Reaction

CASE_FIELDS = ("received", "age_years", "sex", "country", "language", "source", "drugs", "reactions")
"""Fields of a Case beside its id and narrative."""
SERIOUSNESS = {"serious": True, "not serious": False}
"""What an annotator chooses -> value of `serious`."""

_WHOLE = re.compile(r"[0-9]{1,2}")
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


def case_of(
    fields: Mapping[str, Any],
    case_id: str,
    narrative: Any,
    said: Iterable[Annotation],
    at: str,
    found: Findings,
) -> Case | None:
    """A case from JSON fields with the names of a Case; None, and faults, where one is no such field.

    The verbatims that `said` codes are reactions of the case, after those that `fields` lists.
    """
    before = len(found.faults)
    if not isinstance(narrative, str) or not narrative.strip():
        found.fault(at, "no narrative", "the text of a case must not be empty")
    received, age = fields.get("received"), fields.get("age_years")
    if received is not None and not (isinstance(received, str) and _DATE.fullmatch(received)):
        found.fault(at, f"received {received!r} is not of the form YYYY-MM-DD")
    if age is not None and not (
        isinstance(age, int | float) and not isinstance(age, bool) and 0 <= age <= 150
    ):
        found.fault(at, f"age_years {age!r} is no age in years")
    for key in ("sex", "country", "language", "source"):
        if fields.get(key) is not None and not isinstance(fields[key], str):
            found.fault(at, f"{key} {fields[key]!r} is no text")
    drugs = _each(fields.get("drugs"), _drug, "drug", "name", at, found)
    reactions = _each(fields.get("reactions"), _reaction, "reaction", "verbatim", at, found)
    if len(found.faults) > before:
        return None
    known = {reaction.verbatim for reaction in reactions}
    marked = dict.fromkeys(a.target for a in said if a.problem == "coding" and a.target not in known)
    return Case(
        case_id=case_id, narrative=narrative.strip(), source=fields.get("source") or "", received=received,
        age_years=None if age is None else float(age), sex=fields.get("sex"), country=fields.get("country"),
        language=fields.get("language") or "en", drugs=tuple(drugs),
        reactions=(*reactions, *(Reaction(verbatim=target) for target in marked)),
    )  # fmt: skip


def id_of(value: Any) -> str:
    """The id of a case as a text; "" where there is none. An id that was counted may be 0."""
    return "" if value is None or isinstance(value, bool) else str(value).strip()


def fields_of(case: Case) -> dict[str, Any]:
    """The JSON fields that `case_of` reads; those that say nothing are left out."""
    made: dict[str, Any] = {}
    for key in CASE_FIELDS:
        value = getattr(case, key)
        if key in ("drugs", "reactions"):
            value = [_said(item) for item in value]
        if value not in (None, "", []) and (key, value) != ("language", "en"):
            made[key] = value
    return made


def _said(item: Drug | Reaction) -> dict[str, Any]:
    values = {name: getattr(item, name) for name in item.__dataclass_fields__}
    return {
        name: dict(v) if isinstance(v, Mapping) else v
        for name, v in values.items()
        if v not in (None, "", {})
    }


def _each(value: Any, make: Any, noun: str, key: str, at: str, found: Findings) -> list[Any]:
    """Drugs or reactions: objects with the record's fields, or plain names."""
    made = []
    for item in value if isinstance(value, list) else [] if value is None else [value]:
        record = make({key: item} if isinstance(item, str) else item)
        if record is None:
            found.fault(at, f"{str(item)[:200]!r} is no {noun}", f"give its {key}, or an object with it")
        else:
            made.append(record)
    return made


def _drug(item: Any) -> Drug | None:
    if not isinstance(item, dict) or not set(item) <= {"name", "role"}:
        return None
    name, role = item.get("name"), item.get("role")
    return Drug(name, role) if isinstance(name, str) and isinstance(role, str | None) else None


def _reaction(item: Any) -> Reaction | None:
    texts = ("verbatim", "llt_code", "meddra_version", "pt_name", "outcome")
    if not isinstance(item, dict) or not set(item) <= {*texts, "seriousness"}:
        return None
    flags = item.get("seriousness", {})
    known = isinstance(flags, dict) and all(isinstance(flag, bool) for flag in flags.values())
    if not known or not all(isinstance(item.get(name), str | None) for name in texts):
        return None
    return Reaction(**{**item, "verbatim": item.get("verbatim") or ""})


def version_of(stated: Any, asked: str | None, at: str, found: Findings) -> str | None:
    """The MedDRA version of the codes at one place: what stands there, or what the reader was told.

    Where a version is a number, in JSON or a spreadsheet, 29.0 may have become 29.
    """
    if isinstance(stated, int | float) and not isinstance(stated, bool):
        stated = f"{stated:g}"
    if isinstance(stated, str) and _WHOLE.fullmatch(stated):
        stated = f"{stated}.0"
    version = stated or asked
    if asked and version != asked:
        found.fault(at, f"MedDRA {version}, expected {asked}", "give the version that stands there")
    elif version is not None and not (isinstance(version, str) and MEDDRA_VERSION.fullmatch(version)):
        found.fault(at, f"MedDRA version {version!r} is not of the form 29.0")
        return None
    return version


def require_versions(annotations: Iterable[Annotation], found: Findings) -> None:
    """A fault for codes that nobody gave a MedDRA version for: tools store none."""
    number = sum(a.problem == "coding" and a.meddra_version is None for a in annotations)
    if number:
        advice = "name the version: pv ingest --meddra-version 29.0, or `.meddra-29.0.` in the file's name"
        found.fault("batch", f"{number} codes, and no MedDRA version for them", advice)


def serious_for(criteria: Sequence[str], unknown: Collection[str]) -> dict[str, Any]:
    """The value of a serious case: the criteria met and, where any is met, those of which nothing is said."""
    left = [name for name in CRITERIA if name in unknown and name not in criteria]
    return {"serious": True, "criteria": list(criteria)} | ({"unknown": left} if criteria and left else {})


def seriousness_of(
    chosen: Sequence[str], criteria: Sequence[str], where: str, found: Findings
) -> dict[str, Any] | None:
    """The value of problem seriousness for what was chosen, or None where nothing was, or faults."""
    unknown = [c for c in criteria if c not in CRITERIA]
    if unknown:
        found.fault(where, f"criteria {', '.join(unknown)}", f"there are {', '.join(CRITERIA)}")
    if not chosen:
        if criteria:
            found.fault(where, "criteria, but no choice of `seriousness`")
        return None
    if len(set(chosen)) > 1 or chosen[0] not in SERIOUSNESS:
        found.fault(where, f"seriousness {', '.join(chosen)}", f"one of {', '.join(SERIOUSNESS)}")
        return None
    serious = SERIOUSNESS[chosen[0]]
    if criteria and not serious:
        found.fault(where, "not serious, but with criteria")
        return None
    return {"serious": serious, "criteria": [c for c in CRITERIA if c in criteria]}


UNKNOWN = "criterion that is not known"
"""What forms of choices have no place for: there, a box that is not ticked says no."""


def choices_of(value: Mapping[str, Any]) -> list[str]:
    """The choices that `seriousness_of` reads as one list: the class, then the criteria."""
    return ["serious" if value["serious"] else "not serious", *value.get("criteria", ())]


def llt_of(code: Any, words: str, where: str, found: Findings) -> str | None:
    """The LLT code at the beginning of a label ("90000001 Rash"); a fault for anything else."""
    parts = str(code).split()
    if parts and LLT_CODE.fullmatch(parts[0]):
        return parts[0]
    found.fault(where, f"{words!r} is coded {code!r}", "give one LLT code of 8 digits")
    return None
