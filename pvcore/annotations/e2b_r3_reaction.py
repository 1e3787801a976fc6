"""What an observation of E2B(R3) says of a patient: an age, or a reaction with its code, criteria and outcome."""

from __future__ import annotations

from typing import Any

from pvcore.annotations.e2b_common import years
from pvcore.annotations.e2b_r3_codes import AGE_UNITS, CODES, FLAGS, MEDDRA, OUTCOMES, REACTION
from pvcore.annotations.e2b_r3_nodes import CODE, VALUE, content, down, tag_of
from pvcore.annotations.reading import LLT_CODE, MEDDRA_VERSION, Findings
from pvcore.records import Reaction

RELATED, LOCATION = map(tag_of, ("outboundRelationship2", "location"))
CODED_PLACE = tuple(map(tag_of, ("locatedEntity", "locatedPlace", "code")))


def observation(
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
            place = down(part, *CODED_PLACE)
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
    age = years(value, AGE_UNITS[unit]) if unit in AGE_UNITS else None
    if age is None:
        found.fault(at, f"age (D.2.2) {value!r} {unit!r}", f"units are {', '.join(AGE_UNITS)}")
    return age


def _reaction(
    value: Any,
    related: dict[str | None, Any],
    number: int,
    at: str,
    meddra_version: str | None,
    found: Findings,
) -> Reaction:
    translated = related.get("30")
    verbatim = "" if translated is None else content(translated)
    code = version = None
    if value is not None:
        if not verbatim:
            verbatim = next((content(item) for item in value), "")  # originalText is its one element
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
