"""An investigationEvent of E2B(R3) as a case: found in one pass over each element's children.

A path costs most of the time of a reader; a loop over the children, a third of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pvcore.annotations.e2b_r3_codes import CASE_ID, DRUGS, ROLES, SEXES
from pvcore.annotations.e2b_r3_nodes import CODE, ID, code_and_value, content, down, tag_of
from pvcore.annotations.e2b_r3_reaction import observation
from pvcore.annotations.reading import Findings
from pvcore.records import Case, Drug, Reaction

TEXT, TIME, LOW = map(tag_of, ("text", "effectiveTime", "low"))
COMPONENT, ASSESSMENT, SUBJECT = map(tag_of, ("component", "adverseEventAssessment", "subject1"))
PATIENT, PERSON, SEX = map(tag_of, ("primaryRole", "player1", "administrativeGenderCode"))
LINK, CHARACTERISTIC = map(tag_of, ("subjectOf2", "investigationCharacteristic"))
OBSERVATION, ORGANIZER, CAUSALITY = map(tag_of, ("observation", "organizer", "causalityAssessment"))
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
            narrative = content(part) if narrative is None else narrative
        elif tag == TIME:
            received = received or next((low.get("value", "") for low in part if low.tag == LOW), "").strip()
        elif tag == LINK:
            nullified = nullified or any(_nullifies(item) for item in part)
        elif tag == COMPONENT:
            for assessment in part:
                if assessment.tag == ASSESSMENT:
                    _assessment(assessment, patients, roles)
    return Parts(case_id, narrative or "", received, nullified, patients, roles)


def _nullifies(node: Any) -> bool:
    """C.1.11.1 = 1."""
    if node.tag != CHARACTERISTIC:
        return False
    code, value = code_and_value(node)
    return code == "3" and value is not None and value.get("code") == "1"


def _assessment(node: Any, patients: list[Any], roles: dict[str, str]) -> None:
    """The patient, and the role of each drug: G.k.1 stands in the assessment and names the drug's id."""
    for part in node:
        tag = part.tag
        if tag == SUBJECT:
            patients += [role for role in part if role.tag == PATIENT]
        elif tag == COMPONENT:
            for item in part:
                if item.tag == CAUSALITY:
                    code, value = code_and_value(item)
                    used = down(item, *USED)
                    if code == "20" and used is not None and value is not None:
                        roles[used.get("root", "").strip().lower()] = value.get("code", "").strip()


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
                    made = observation(node, len(reactions) + 1, at, meddra_version, found)
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


def _drugs(organizer: Any, roles: dict[str, str], found: Findings) -> Iterator[Drug]:
    """G.k of an organizer of drugs."""
    code = down(organizer, CODE)
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
                product = down(part, *PRODUCT)
                name = name or ("" if product is None else content(product))
        role = roles.get(key, "") if key else ""
        if role == "4":
            found.drop("drug that was not administered (G.k.1 = 4)")
        elif name:
            yield Drug(name, ROLES.get(role))
        else:
            found.drop("drug without a name (G.k.2.2)")
