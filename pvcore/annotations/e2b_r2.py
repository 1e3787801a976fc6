"""ICH E2B(R2) individual case safety reports (ichicsr 2.1): one safety report or many in a file.

Elements: ICH ICSR DTD 2.1. R2 says seriousness of the case as a whole (A.1.5.1 `serious`, A.1.5.2
`seriousness*`; 1 is yes, 2 is no), so it becomes an annotation and no flags of reactions. An absent
element is not known: a case without `serious` has a label only if a criterion says yes. Codes stand in
`reactionmeddrallt` (B.2.i.1), or as the PT in `reactionmeddrapt` (B.2.i.2) where a sender gives no LLT;
a PT's code is that of an LLT, too. The annotator is the sender of the message (M.1.5).

A document type that only names the external DTD, as most senders write it, is accepted and never
loaded; one that defines anything is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pvcore.annotations import defused
from pvcore.annotations.e2b_common import codings, years
from pvcore.annotations.e2b_r2_codes import AGE_UNITS, FLAGS, OUTCOMES, ROLES, SEXES
from pvcore.annotations.e2b_r2_write import write
from pvcore.annotations.fields import serious_for
from pvcore.annotations.reading import LLT_CODE, MEDDRA_VERSION, Content, Findings, Source, refuse
from pvcore.records import Annotation, Case, Drug, Reaction

__all__ = ["DESCRIPTION", "NAME", "detect", "read", "write"]

NAME = "e2b_r2"
DESCRIPTION = "ICH E2B(R2) XML"
DEFAULT_SENDER = "E2B sender"
ROOT, HEADER, REPORT = "ichicsr", "ichicsrmessageheader", "safetyreport"
SERIOUS = (*FLAGS.values(), "serious")
_KNOWN = frozenset({"1", "2", None})
SECTIONS = frozenset({"patient", "reaction", "drug", "summary"})
TEXTS = frozenset({
    "messagesenderidentifier", "messagedate",
    "safetyreportid", "casenullification", "primarysourcecountry", "occurcountry", "receivedate", *SERIOUS,
    "patientonsetage", "patientonsetageunit", "patientsex",
    "primarysourcereaction", "reactionmeddraversionllt", "reactionmeddrallt", "reactionmeddraversionpt",
    "reactionmeddrapt", "reactionoutcome",
    "medicinalproduct", "drugcharacterization", "narrativeincludeclinical",
})  # fmt: skip
"""The elements that are read, with children and with a text; nobody looks into the others."""

_DATE = re.compile(r"(\d{4})(0[1-9]|1[0-2])?(0[1-9]|[12]\d|3[01])?", re.ASCII)


def detect(source: Source) -> bool:
    """Whether the first element of an XML file is `ichicsr`."""
    if not defused.is_xml(source.head):
        return False
    head = source.head.replace(b"\0", b"")  # UTF-16, as far as this look is concerned
    return re.match(rb"<ichicsr[\s/>]", head[defused.first_element(head) :][:16]) is not None


def read(source: Source, meddra_version: str | None = None) -> Content:
    """All safety reports of a file, read as a stream. `meddra_version` is used for codes without one.

    Raises BatchError with all faults.
    """
    found = Findings(source.name)
    return found.gather(records(source, meddra_version, found))


def records(
    source: Source, meddra_version: str | None, found: Findings
) -> Iterator[tuple[Case, list[Annotation]]]:
    """Each case with what its sender says of it, as the file is read: nothing of an earlier one is held.

    Raises BatchError for what is no E2B(R2) at all; all other faults are put into `found`.
    """
    tag = defused.root(source, external=True)
    if tag != ROOT:
        raise refuse(source.name, f"<{tag}>", "not an E2B(R2) message", f"expected {ROOT}")
    annotator, time, number = DEFAULT_SENDER, None, 0
    for element in defused.elements(source, HEADER, REPORT):
        if element.tag == HEADER:
            header, _ = _split(element)
            annotator = header.get("messagesenderidentifier") or DEFAULT_SENDER
            time = _time(header.get("messagedate", ""))
            continue
        number += 1
        report, sections = _split(element)
        case = _report(element, report, sections, number, meddra_version, found)
        if case is not None:
            yield case, _annotations(report, case, annotator, time, found)
    if not number:
        found.fault("file", "holds no safetyreport")


def _split(node: Any) -> tuple[dict[str, str], list[tuple[str, Any]]]:
    """Name -> text of the children that are read, and the sections among them with their names.

    One pass, because each look at an element costs as much as lxml takes to parse it.
    """
    texts: dict[str, str] = {}
    sections: list[tuple[str, Any]] = []
    for child in node:
        tag = child.tag
        if tag in TEXTS:
            if (text := child.text) and (text := text.strip()):
                texts.setdefault(tag, text)
        elif tag in SECTIONS:
            sections.append((tag, child))
    return texts, sections


def _time(value: str) -> str | None:
    """M.1.7 (CCYYMMDDHHMMSS) as ISO 8601."""
    match = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", value, re.ASCII)
    return "{}-{}-{}T{}:{}:{}".format(*match.groups()) if match else None


def _report(
    node: Any,
    report: Mapping[str, str],
    sections: list[tuple[str, Any]],
    number: int,
    meddra_version: str | None,
    found: Findings,
) -> Case | None:
    case_id = report.get("safetyreportid")
    if not case_id:
        found.fault(f"safetyreport {number}", "no case id (A.1.0.1 safetyreportid)")
        return None
    at = f"case {case_id}"
    for entity in node.iter(defused.Entity):  # what a document type could have defined
        found.fault(at, f"{entity.text} is defined nowhere", "write the character itself")
    if report.get("casenullification") == "1":
        found.drop("nullified case (A.1.13)")
        found.nullified.add(case_id)
        return None
    patients = [section for tag, section in sections if tag == "patient"]
    if not patients:
        found.fault(at, "no patient")
        return None
    found.drop("second patient of a case", len(patients) - 1)
    person, parts = _split(patients[0])
    narrative = ""
    reactions: list[Reaction] = []
    drugs: list[Drug] = []
    for tag, part in parts:
        texts, _ = _split(part)
        if tag == "reaction":
            reactions.append(_reaction(texts, at, len(reactions) + 1, meddra_version, found))
        elif tag == "drug":
            if name := texts.get("medicinalproduct"):
                drugs.append(Drug(name, ROLES.get(texts.get("drugcharacterization", ""))))
            else:
                found.drop("drug without a name (B.4.k.2.1)")
        elif tag == "summary":
            narrative = narrative or texts.get("narrativeincludeclinical", "")
    if not narrative:
        found.fault(at, "no narrative (B.5.1 narrativeincludeclinical)")
    return Case(
        case_id=case_id, narrative=narrative, source="E2B(R2)",
        received=_date(report.get("receivedate", ""), at, found),
        age_years=_age(person, at, found), sex=SEXES.get(person.get("patientsex", "")),
        country=report.get("occurcountry") or report.get("primarysourcecountry"),
        drugs=tuple(drugs), reactions=tuple(reactions),
    )  # fmt: skip


def _date(value: str, at: str, found: Findings) -> str | None:
    """A.1.6 as YYYY-MM-DD. A date without a day (format 610 or 602) is not used, and counted."""
    match = _DATE.fullmatch(value)
    if not match:
        if value:
            found.fault(at, f"date of receipt (A.1.6) {value!r} is not of the form YYYYMMDD")
        return None
    year, month, day = match.groups()
    if day:
        return f"{year}-{month}-{day}"
    found.drop("date of receipt without a day")
    return None


def _age(patient: Mapping[str, str], at: str, found: Findings) -> float | None:
    """B.1.2.2 in years."""
    value, unit = patient.get("patientonsetage", ""), patient.get("patientonsetageunit", "")
    if not value:
        return None
    age = years(value, AGE_UNITS[unit]) if unit in AGE_UNITS else None
    if age is None:
        found.fault(at, f"age (B.1.2.2) {value!r} {unit!r}", f"units are {', '.join(AGE_UNITS)}")
    return age


def _reaction(
    node: Mapping[str, str], case: str, number: int, meddra_version: str | None, found: Findings
) -> Reaction:
    llt, pt = node.get("reactionmeddrallt", ""), node.get("reactionmeddrapt", "")
    stated = node.get("reactionmeddraversionllt") if llt else None
    code = name = version = None
    if LLT_CODE.fullmatch(llt):
        code = llt
    elif llt.isdigit():
        found.fault(f"{case}, reaction {number}", f"MedDRA code (B.2.i.1.b) {llt!r} is not of 8 digits")
    elif LLT_CODE.fullmatch(pt):
        code = pt
        found.drop("reaction coded at the level of PT only, taken as the LLT of the same code")
    if llt and not code and not llt.isdigit():
        found.drop("LLT by its name instead of its code")
    if pt and not pt.isdigit():
        name = pt
    if code or name:
        version = stated or node.get("reactionmeddraversionpt") or meddra_version
        if not (version and MEDDRA_VERSION.fullmatch(version)):
            what = f"MedDRA version (B.2.i.1.a) {version!r} is not of the form 29.0"
            found.fault(f"{case}, reaction {number}", what, "name the version")
    outcome = OUTCOMES.get(node.get("reactionoutcome", ""))
    return Reaction(node.get("primarysourcereaction", ""), code, version, name, outcome=outcome)


def _annotations(
    report: Mapping[str, str], case: Case, annotator: str, time: str | None, found: Findings
) -> list[Annotation]:
    value = _seriousness(report, case.case_id, found)
    coded = codings(case, annotator, time, found)
    if value is None:
        found.drop("case whose seriousness is not known")
        return coded
    return [Annotation(case.case_id, "seriousness", value, annotator, "", time), *coded]


def _seriousness(report: Mapping[str, str], case_id: str, found: Findings) -> dict[str, Any] | None:
    """A.1.5: 1 is yes, 2 is no, absent is not known."""
    said = [report.get(element) for element in SERIOUS]
    if not _KNOWN.issuperset(said):
        for element, text in zip(SERIOUS, said, strict=True):
            if text not in _KNOWN:
                what = f"{element} (A.1.5) is {text!r}"
                found.fault(f"case {case_id}", what, "1 (yes), 2 (no) or no element")
    criteria = [name for name, text in zip(FLAGS, said, strict=False) if text == "1"]
    serious = said[-1]
    if serious == "2" and criteria:
        what = f"not serious (A.1.5.1), but {', '.join(criteria)} (A.1.5.2)"
        found.fault(f"case {case_id}", what, "mend one of them")
    if serious == "2":
        return {"serious": False, "criteria": []}
    silent = {name for name, text in zip(FLAGS, said, strict=False) if text is None}
    return serious_for(criteria, silent) if serious == "1" or criteria else None
