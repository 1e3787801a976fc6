"""An investigationEvent of E2B(R3) as a case: found in one pass over each element's children.

A path costs most of the time of a reader; a loop over the children, a third of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pvcore.annotations.e2b_r3_codes import (
    AGE_UNITS,
    CASE_ID,
    CODES,
    DRUGS,
    FLAGS,
    MEDDRA,
    NS,
    OUTCOMES,
    REACTION,
    ROLES,
    SEXES,
)  # fmt: skip
from pvcore.annotations.reading import LLT_CODE, MEDDRA_VERSION, Findings
from pvcore.records import Case, Drug, Reaction


def tag_of(name: str) -> str:
    """A name in the namespace of HL7 version 3."""
    return f"{{{NS}}}{name}"


ID, TEXT, TIME, LOW = map(tag_of, ("id", "text", "effectiveTime", "low"))
COMPONENT, ASSESSMENT, SUBJECT = map(tag_of, ("component", "adverseEventAssessment", "subject1"))
PATIENT, PERSON, SEX = map(tag_of, ("primaryRole", "player1", "administrativeGenderCode"))
LINK, CHARACTERISTIC = map(tag_of, ("subjectOf2", "investigationCharacteristic"))
OBSERVATION, CODE, VALUE, RELATED = map(tag_of, ("observation", "code", "value", "outboundRelationship2"))
LOCATION, ORGANIZER, CAUSALITY = map(tag_of, ("location", "organizer", "causalityAssessment"))

CODED_PLACE = tuple(map(tag_of, ("locatedEntity", "locatedPlace", "code")))
ADMINISTRATION, CONSUMABLE = map(tag_of, ("substanceAdministration", "consumable"))
PRODUCT = tuple(map(tag_of, ("instanceOfKind", "kindOfProduct", "name")))
USED = tuple(map(tag_of, ("subject2", "productUseReference", "id")))
_TIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{2,6}(\.\d+)?)?([+-]\d{4})?", re.ASCII)


class Parts(NamedTuple):
    """What an investigationEvent holds; `roles` is id of a drug -> code of G.k.1."""

    case_id: str
    narrative: str
    received: str
    nullified: bool
    patients: list[Any]
    roles: dict[str, str]


def parts_of(event: Any) -> Parts:
    """What stands in an investigationEvent, as it stands there."""
    case_id = received = ""
    narrative: str | None = None
    nullified = False
    patients: list[Any] = []
    roles: dict[str, str] = {}
    for part in event:
        tag = part.tag
        if tag == ID:
            if part.get("root") == CASE_ID:
                case_id = case_id or part.get("extension", "").strip()
        elif tag == TEXT:
            narrative = _content(part) if narrative is None else narrative
        elif tag == TIME:
            received = received or next((low.get("value", "") for low in part if low.tag == LOW), "").strip()
        elif tag == LINK:
            nullified = nullified or any(_nullifies(item) for item in part)
        elif tag == COMPONENT:
            for assessment in part:
                if assessment.tag == ASSESSMENT:
                    _assessment(assessment, patients, roles)
    return Parts(case_id, narrative or "", received, nullified, patients, roles)


def _content(node: Any) -> str:
    text = "".join(node.itertext()) if len(node) else node.text
    return text.strip() if text else ""


def _nullifies(node: Any) -> bool:
    """C.1.11.1 = 1."""
    if node.tag != CHARACTERISTIC:
        return False
    code, value = _code_and_value(node)
    return code == "3" and value is not None and value.get("code") == "1"


def _code_and_value(node: Any) -> tuple[str | None, Any]:
    """The code of an observation or the like, and its value as an element."""
    code = value = None
    for part in node:
        tag = part.tag
        if tag == CODE:
            code = part.get("code")
        elif tag == VALUE:
            value = part
    return code, value


def _assessment(node: Any, patients: list[Any], roles: dict[str, str]) -> None:
    """The patient, and the role of each drug: G.k.1 stands in the assessment and names the drug's id."""
    for part in node:
        tag = part.tag
        if tag == SUBJECT:
            patients += [role for role in part if role.tag == PATIENT]
        elif tag == COMPONENT:
            for item in part:
                if item.tag == CAUSALITY:
                    code, value = _code_and_value(item)
                    used = _down(item, *USED)
                    if code == "20" and used is not None and value is not None:
                        roles[used.get("root", "").strip().lower()] = value.get("code", "").strip()


def _down(node: Any, *tags: str) -> Any:
    """The first element below at this path, or None. A compiled XPath costs three times as much."""
    for tag in tags:
        for child in node:
            if child.tag == tag:
                node = child
                break
        else:
            return None
    return node


def case_of(parts: Parts, at: str, meddra_version: str | None, found: Findings) -> Case:
    """The case, with the first patient; what is wrong with it goes to `found`."""
    if len(parts.patients) > 1:
        found.drop("second patient of a case", len(parts.patients) - 1)
    if not parts.narrative:
        found.fault(at, "no narrative (H.1)")
    reactions: list[Reaction] = []
    drugs: list[Drug] = []
    age: float | None = None
    sex = country = None
    if not parts.patients:
        found.fault(at, "no patient (primaryRole)")
    for part in parts.patients[0] if parts.patients else ():
        tag = part.tag
        if tag == PERSON:
            sex = sex or next((SEXES.get(item.get("code", "")) for item in part if item.tag == SEX), None)
        elif tag == LINK:
            for node in part:
                if node.tag == OBSERVATION:
                    made = _observation(node, len(reactions) + 1, at, meddra_version, found)
                    if isinstance(made, float):
                        age = made if age is None else age
                    elif made is not None:
                        reactions.append(made[0])
                        country = country or made[1]
                elif node.tag == ORGANIZER:
                    drugs += _drugs(node, parts.roles, found)
    return Case(
        case_id=parts.case_id, narrative=parts.narrative, source="E2B(R3)",
        received=_date(parts.received, at, found), age_years=age, sex=sex, country=country, drugs=tuple(drugs),
        reactions=tuple(reactions),
    )  # fmt: skip


def _date(value: str, at: str, found: Findings) -> str | None:
    """C.1.4 as YYYY-MM-DD. A date without a day is not used, and counted."""
    if not value:
        return None
    match = _TIME.fullmatch(value)
    if not match or not "01" <= (match[2] or "01") <= "12" or not "01" <= (match[3] or "01") <= "31":
        found.fault(at, f"date of receipt (C.1.4) {value!r} is not of the form YYYYMMDD")
        return None
    if not match[3]:
        found.drop("date of receipt without a day")
        return None
    return f"{match[1]}-{match[2]}-{match[3]}"


def _observation(
    node: Any, number: int, at: str, meddra_version: str | None, found: Findings
) -> float | tuple[Reaction, str | None] | None:
    """What an observation of the patient says: the age (D.2.2), a reaction (E.i) with its country, or neither."""
    code = value = country = None
    related: dict[str | None, Any] = {}
    for part in node:
        tag = part.tag
        if tag == CODE:
            if part.get("codeSystem") == CODES:
                code = part.get("code")
            if code != REACTION and code != "3":
                return None
        elif tag == VALUE:
            value = part
        elif tag == RELATED:
            for item in part:
                key = said = None
                for inner in item:
                    tag = inner.tag
                    if tag == CODE:
                        key = inner.get("code")
                    elif tag == VALUE:
                        said = inner
                related[key] = said
        elif tag == LOCATION and country is None:
            place = _down(part, *CODED_PLACE)
            country = None if place is None else place.get("code", "").strip() or None
    if code == "3":
        return _age(value, at, found)
    return (
        (_reaction(value, related, number, at, meddra_version, found), country) if code == REACTION else None
    )


def _age(node: Any, at: str, found: Findings) -> float | None:
    """D.2.2 in years."""
    value = None if node is None else node.get("value")
    if value is None:
        return None
    unit = node.get("unit", "")
    if unit not in AGE_UNITS or not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value):
        found.fault(at, f"age (D.2.2) {value!r} {unit!r}", f"units are {', '.join(AGE_UNITS)}")
        return None
    return round(float(value) * AGE_UNITS[unit], 3)


def _reaction(
    value: Any,
    related: dict[str | None, Any],
    number: int,
    at: str,
    meddra_version: str | None,
    found: Findings,
) -> Reaction:
    translated = related.get("30")
    verbatim = "" if translated is None else _content(translated)
    code = version = None
    if value is not None:
        if not verbatim:
            verbatim = next((_content(item) for item in value), "")  # originalText is its one element
        code, version = value.get("code"), value.get("codeSystemVersion") or meddra_version
        if code:
            code = _llt(code, version, value.get("codeSystem"), f"{at}, reaction {number}", found)
    outcome = related.get("27")
    return Reaction(
        verbatim=verbatim, llt_code=code or None, meddra_version=version if code else None,
        seriousness=_flags(related, f"{at}, reaction {number}", found),
        outcome=None if outcome is None else OUTCOMES.get(outcome.get("code", "")),
    )  # fmt: skip


def _llt(code: str, version: str | None, system: str | None, at: str, found: Findings) -> str | None:
    if system != MEDDRA:
        found.drop("reaction coded in another system than MedDRA")
        return None
    if not LLT_CODE.fullmatch(code):
        found.fault(at, f"MedDRA code (E.i.2.1b) {code!r} is not of 8 digits")
    elif not (version and MEDDRA_VERSION.fullmatch(version)):
        found.fault(at, f"MedDRA version (E.i.2.1a) {version!r} is not of the form 29.0", "name the version")
    return code


def _flags(related: dict[str | None, Any], at: str, found: Findings) -> dict[str, bool]:
    """E.i.3.2: what is absent, or NI, is not known and no key."""
    flags: dict[str, bool] = {}
    for criterion, code in FLAGS.items():
        said = related.get(code)
        text = None if said is None else said.get("value")
        if text in ("true", "1"):
            flags[criterion] = True
        elif text in ("false", "0"):
            flags[criterion] = False
        elif text:
            found.fault(
                at, f"seriousness flag {criterion} (E.i.3.2) is {text!r}", "true, false or nullFlavor NI"
            )
    return flags


def _drugs(organizer: Any, roles: dict[str, str], found: Findings) -> Iterator[Drug]:
    """G.k of an organizer of drugs."""
    code = _down(organizer, CODE)
    if code is None or code.get("code") != "4" or code.get("codeSystem") != DRUGS:
        return
    for node in (
        item for part in organizer if part.tag == COMPONENT for item in part if item.tag == ADMINISTRATION
    ):
        key = name = ""
        for part in node:
            tag = part.tag
            if tag == ID:
                key = key or part.get("root", "").strip().lower()
            elif tag == CONSUMABLE:
                product = _down(part, *PRODUCT)
                name = name or ("" if product is None else _content(product))
        role = roles.get(key, "") if key else ""
        if role == "4":
            found.drop("drug that was not administered (G.k.1 = 4)")
        elif name:
            yield Drug(name, ROLES.get(role))
        else:
            found.drop("drug without a name (G.k.2.2)")
