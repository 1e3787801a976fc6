"""ICH E2B(R3) individual case safety reports: one message or a batch of many.

Elements and paths: ICH E2B(R3) implementation guide; the sample messages of the US FDA. What counts
as a label: `seriousness` from E.i.3.2 of all reactions (serious if any flag of any is true; not
serious only if all six flags of all reactions say false, for an absent flag, nullFlavor NI, means
not known), and `coding` from E.i.2.1 where a verbatim stands beside the code. The annotator is the
sender of the message (N.2.r.2).

The ICH guide lets senders leave a flag at NI rather than say false. `write` says false for a case
that somebody judged not serious, because the label would be lost otherwise: such files are for
exchange with this platform, not for submission to an authority.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from lxml import etree

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
    SENDER,
    SEXES,
)  # fmt: skip
from pvcore.annotations.e2b_r3_write import write
from pvcore.annotations.reading import LLT_CODE, MEDDRA_VERSION, Content, Findings, refuse
from pvcore.records import CRITERIA, Annotation, Case, Drug, Reaction

__all__ = ["DESCRIPTION", "NAME", "detect", "read", "write"]

NAME = "e2b_r3"
DESCRIPTION = "ICH E2B(R3) XML"
DEFAULT_SENDER = "E2B sender"
MESSAGE = f"{{{NS}}}PORR_IN049016UV"

_H = {"h": NS}
_TIME = re.compile(r"(\d{4})(\d{2})?(\d{2})?(\d{2,6}(\.\d+)?)?([+-]\d{4})?")


def detect(head: bytes) -> bool:
    """Whether the file is XML; which XML, `read` looks up, to say what is wrong with another one."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" or head[:4] in (b"\xff\xfe<\x00", b"\xfe\xff\x00<")


def read(data: bytes, name: str, meddra_version: str | None = None) -> Content:
    """All messages of a file. `meddra_version` is used for codes without a version of their own.

    Raises BatchError. A document type is refused as such: it is what carries entities.
    """
    _refuse_other_xml(data, name)
    found = Findings(name)
    cases: list[Case] = []
    annotations: list[Annotation] = []
    # huge_tree, because attachments in Base64 exceed the parser's default; the size of the file is bounded
    events = etree.iterparse(
        io.BytesIO(data), events=("end",), tag=MESSAGE, resolve_entities=False, no_network=True,
        load_dtd=False, huge_tree=True, remove_comments=True, remove_pis=True,
    )  # fmt: skip
    number = 0
    try:
        for number, (_, message) in enumerate(events, 1):
            _message(message, f"message {number}", meddra_version, cases, annotations, found)
            message.clear()
    except etree.XMLSyntaxError as error:
        raise refuse(name, f"line {error.lineno}", f"not well-formed XML: {error.msg}") from error
    if not number:
        found.fault("file", "holds no message (PORR_IN049016UV)")
    return found.finish(cases, annotations)


class _Stop(Exception):
    """Ends the look at the beginning of a document."""


def _refuse_other_xml(data: bytes, name: str) -> None:
    """Look at the beginning with a parser that stops at the root, before anything can be expanded."""
    root: list[str] = []

    def element(tag: str, attributes: dict[str, str]) -> None:
        root.append(tag)
        raise _Stop

    def doctype(*_: Any) -> None:
        raise refuse(name, "document type", "a DOCTYPE is not accepted", "E2B(R3) needs none: remove it")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = element
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except _Stop:
        pass
    except expat.ExpatError as error:
        raise refuse(
            name, f"line {error.lineno}", f"not well-formed XML: {expat.errors.messages[error.code]}"
        ) from error
    tag = root[0]
    if tag in (f"{NS} MCCI_IN200100UV01", f"{NS} PORR_IN049016UV"):
        return
    if tag.endswith("ichicsr"):
        raise refuse(name, f"<{tag}>", "an E2B(R2) message", "convert it to E2B(R3)")
    raise refuse(name, f"<{tag}>", "not an E2B(R3) message", f"expected MCCI_IN200100UV01 of {NS}")


def _message(
    message: Any, where: str, meddra_version: str | None, cases: list[Case], annotations: list[Annotation],
    found: Findings,
) -> None:  # fmt: skip
    events = message.findall("h:controlActProcess/h:subject/h:investigationEvent", _H)
    if not events:
        found.fault(where, "holds no investigationEvent")
    sender = message.xpath(
        "string(h:sender/h:device/h:id[@root=$root]/@extension)", namespaces=_H, root=SENDER
    )
    annotator = sender.strip() or DEFAULT_SENDER
    for event in events:
        case_id = _text(event, "string(h:id[@root=$root]/@extension)", root=CASE_ID)
        if not case_id:
            found.fault(where, "no case id (C.1.1)")
            continue
        at = f"case {case_id}"
        if (
            _text(event, "string(h:subjectOf2/h:investigationCharacteristic[h:code/@code='3']/h:value/@code)")
            == "1"
        ):
            found.drop("nullified case (C.1.11.1)")
            continue
        case = _case(event, case_id, at, meddra_version, found)
        cases.append(case)
        annotations += _annotations(case, annotator, _created(message), at, found)


def _created(message: Any) -> str | None:
    """N.2.r.4 as ISO 8601, or None: later messages of one sender supersede earlier ones."""
    value = _text(message, "string(h:creationTime/@value)")
    match = re.match(r"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?", value)
    return "{}-{}-{}T{}:{}:{}".format(*(part or "00" for part in match.groups())) if match else None


def _text(node: Any, path: str, **variables: str) -> str:
    return str(node.xpath(path, namespaces=_H, **variables)).strip()


def _case(event: Any, case_id: str, at: str, meddra_version: str | None, found: Findings) -> Case:
    patients = event.findall("h:component/h:adverseEventAssessment/h:subject1/h:primaryRole", _H)
    if len(patients) > 1:
        found.drop("second patient of a case", len(patients) - 1)
    patient = patients[0] if patients else None
    narrative = _text(event, "string(h:text)")
    if not narrative:
        found.fault(at, "no narrative (H.1)")
    reactions: list[Reaction] = []
    age: float | None = None
    sex = country = None
    drugs: tuple[Drug, ...] = ()
    if patient is None:
        found.fault(at, "no patient (primaryRole)")
    else:
        observations = patient.xpath(
            "h:subjectOf2/h:observation[h:code/@code=$code and h:code/@codeSystem=$system]", namespaces=_H,
            code=REACTION, system=CODES,
        )  # fmt: skip
        reactions = [_reaction(node, i, at, meddra_version, found) for i, node in enumerate(observations, 1)]
        age = _age(patient, at, found)
        code = _text(patient, "string(h:player1/h:administrativeGenderCode/@code)")
        sex = SEXES.get(code)
        drugs = tuple(_drugs(event, patient, at, found))
        places = "h:subjectOf2/h:observation/h:location/h:locatedEntity/h:locatedPlace/h:code/@code"
        country = _text(patient, f"string(({places})[1])") or None
    received = _date(_text(event, "string(h:effectiveTime/h:low/@value)"), at, found)
    return Case(
        case_id=case_id, narrative=narrative, source="E2B(R3)", received=received, age_years=age, sex=sex,
        country=country, drugs=drugs, reactions=tuple(reactions),
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


def _age(patient: Any, at: str, found: Findings) -> float | None:
    """D.2.2 in years."""
    values = patient.xpath("h:subjectOf2/h:observation[h:code/@code='3' and h:code/@codeSystem=$system]/h:value",
                           namespaces=_H, system=CODES)  # fmt: skip
    if not values or values[0].get("value") is None:
        return None
    value, unit = values[0].get("value"), values[0].get("unit", "")
    if unit not in AGE_UNITS or not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", value):
        found.fault(at, f"age (D.2.2) {value!r} {unit!r}", f"units are {', '.join(AGE_UNITS)}")
        return None
    return round(float(value) * AGE_UNITS[unit], 3)


def _reaction(node: Any, number: int, at: str, meddra_version: str | None, found: Findings) -> Reaction:
    at = f"{at}, reaction {number}"
    related = {
        _text(o, "string(h:code/@code)"): o.find("h:value", _H)
        for o in node.findall("h:outboundRelationship2/h:observation", _H)
    }
    value = node.find("h:value", _H)
    translated = related.get("30")
    verbatim = _text(translated, "string(.)") if translated is not None else ""
    code = version = None
    if value is not None:
        verbatim = verbatim or _text(value, "string(h:originalText)")
        code, version = value.get("code"), value.get("codeSystemVersion") or meddra_version
        if code and value.get("codeSystem") != MEDDRA:
            found.drop("reaction coded in another system than MedDRA")
            code = None
        elif code and not LLT_CODE.fullmatch(code):
            found.fault(at, f"MedDRA code (E.i.2.1b) {code!r} is not of 8 digits")
        elif code and not (version and MEDDRA_VERSION.fullmatch(version)):
            found.fault(
                at, f"MedDRA version (E.i.2.1a) {version!r} is not of the form 29.0", "name the version"
            )
    flags: dict[str, bool] = {}
    for criterion, flag in FLAGS.items():
        said = related.get(flag)
        text = (said.get("value") or "").lower() if said is not None else ""
        if text in ("true", "false", "1", "0"):
            flags[criterion] = text in ("true", "1")
        elif text:
            found.fault(
                at, f"seriousness flag {criterion} (E.i.3.2) is {text!r}", "true, false or nullFlavor NI"
            )
    outcome = related.get("27")
    return Reaction(
        verbatim=verbatim, llt_code=code or None, meddra_version=version if code else None, seriousness=flags,
        outcome=OUTCOMES.get(outcome.get("code", "")) if outcome is not None else None,
    )  # fmt: skip


def _drugs(event: Any, patient: Any, at: str, found: Findings) -> Iterator[Drug]:
    """G.k with the role from G.k.1, which stands in the assessment and names the drug's id."""
    roles: dict[str, str] = {}
    for node in event.xpath(
        "h:component/h:adverseEventAssessment/h:component/h:causalityAssessment[h:code/@code='20']",
        namespaces=_H,
    ):
        drug = _text(node, "string(h:subject2/h:productUseReference/h:id/@root)").lower()
        roles[drug] = _text(node, "string(h:value/@code)")
    organizers = "h:subjectOf2/h:organizer[h:code/@code=$code and h:code/@codeSystem=$system]"
    for node in patient.xpath(
        f"{organizers}/h:component/h:substanceAdministration", namespaces=_H, code="4", system=DRUGS
    ):
        name = _text(node, "string(h:consumable/h:instanceOfKind/h:kindOfProduct/h:name)")
        role = roles.get(_text(node, "string(h:id/@root)").lower(), "")
        if role == "4":
            found.drop("drug that was not administered (G.k.1 = 4)")
        elif name:
            yield Drug(name, ROLES.get(role))
        else:
            found.drop("drug without a name (G.k.2.2)")


def _annotations(
    case: Case, annotator: str, time: str | None, at: str, found: Findings
) -> Iterator[Annotation]:
    true = {name for reaction in case.reactions for name, flag in reaction.seriousness.items() if flag}
    if true:
        value = {"serious": True, "criteria": [name for name in CRITERIA if name in true]}
        yield Annotation(case.case_id, "seriousness", value, annotator, time=time)
    elif case.reactions and all(len(r.seriousness) == len(CRITERIA) for r in case.reactions):
        yield Annotation(
            case.case_id, "seriousness", {"serious": False, "criteria": []}, annotator, time=time
        )
    else:
        found.drop("case whose seriousness is not known")
    seen = set()
    for reaction in case.reactions:
        if not reaction.llt_code:
            found.drop("reaction without a code")
        elif not reaction.verbatim:
            found.drop("coded reaction without a verbatim")
        elif (reaction.verbatim, reaction.llt_code) not in seen:
            seen.add((reaction.verbatim, reaction.llt_code))
            yield Annotation(
                case.case_id, "coding", {"llt_code": reaction.llt_code}, annotator, target=reaction.verbatim,
                time=time, meddra_version=reaction.meddra_version,
            )  # fmt: skip
