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
from pvcore.annotations.e2b_r2_codes import AGE_UNITS, FLAGS, OUTCOMES, ROLES, SEXES
from pvcore.annotations.e2b_r2_write import write
from pvcore.annotations.reading import LLT_CODE, MEDDRA_VERSION, Content, Findings, Source, refuse
from pvcore.records import Annotation, Case, Drug, Reaction

__all__ = ["DESCRIPTION", "NAME", "detect", "read", "write"]

NAME = "e2b_r2"
DESCRIPTION = "ICH E2B(R2) XML"
DEFAULT_SENDER = "E2B sender"
ROOT, HEADER, REPORT = "ichicsr", "ichicsrmessageheader", "safetyreport"


def detect(source: Source) -> bool:
    """Whether the first element of an XML file is `ichicsr`."""
    if not defused.is_xml(source.head):
        return False
    head = source.head.replace(b"\0", b"")  # UTF-16, as far as this look is concerned
    head = re.sub(rb"<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>\[]*(\[.*?\]\s*)?>", b"", head, flags=re.DOTALL)
    return re.match(rb"[^<]*<ichicsr[\s/>]", head) is not None


def read(source: Source, meddra_version: str | None = None) -> Content:
    """All safety reports of a file, read as a stream. `meddra_version` is used for codes without one.

    Raises BatchError with all faults.
    """
    found = Findings(source.name)
    return found.gather(records(source, meddra_version, found))


def records(
    source: Source, meddra_version: str | None, found: Findings
) -> Iterator[tuple[Case, Iterator[Annotation]]]:
    """Each case with what its sender says of it, as the file is read: nothing of an earlier one is held.

    Raises BatchError for what is no E2B(R2) at all; all other faults are put into `found`.
    """
    tag = defused.root(source, external=True)
    if tag != ROOT:
        raise refuse(source.name, f"<{tag}>", "not an E2B(R2) message", f"expected {ROOT}")
    annotator, time, number = DEFAULT_SENDER, None, 0
    for element in defused.elements(source, HEADER, REPORT):
        if element.tag == HEADER:
            header = _texts(element)
            annotator = header.get("messagesenderidentifier") or DEFAULT_SENDER
            time = _time(header.get("messagedate", ""))
            continue
        number += 1
        report = _texts(element)
        case = _report(element, report, f"safetyreport {number}", meddra_version, found)
        if case is not None:
            yield case, _annotations(report, case, annotator, time, found)
    if not number:
        found.fault("file", "holds no safetyreport")


def _texts(node: Any) -> dict[str, str]:
    """Name -> text of the children that have one: one pass, where a look-up by path costs ten times as much."""
    made: dict[str, str] = {}
    for child in node:
        text = child.text
        if text and (text := text.strip()):
            made.setdefault(child.tag, text)
    return made


def _time(value: str) -> str | None:
    """M.1.7 (CCYYMMDDHHMMSS) as ISO 8601."""
    match = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", value, re.ASCII)
    return "{}-{}-{}T{}:{}:{}".format(*match.groups()) if match else None


def _report(
    node: Any, report: Mapping[str, str], where: str, meddra_version: str | None, found: Findings
) -> Case | None:
    case_id = report.get("safetyreportid")
    if not case_id:
        found.fault(where, "no case id (A.1.0.1 safetyreportid)")
        return None
    at = f"case {case_id}"
    for entity in node.iter(defused.Entity):  # what a document type could have defined
        found.fault(at, f"{entity.text} is defined nowhere", "write the character itself")
    if report.get("casenullification") == "1":
        found.drop("nullified case (A.1.13)")
        return None
    patients = node.findall("patient")
    if not patients:
        found.fault(at, "no patient")
        return None
    found.drop("second patient of a case", len(patients) - 1)
    person = _texts(patients[0])
    narrative = ""
    reactions: list[Reaction] = []
    drugs: list[Drug] = []
    for part in patients[0]:
        if part.tag == "reaction":
            reactions.append(
                _reaction(_texts(part), f"{at}, reaction {len(reactions) + 1}", meddra_version, found)
            )
        elif part.tag == "drug":
            drugs += _drug(_texts(part), found)
        elif part.tag == "summary":
            narrative = narrative or _texts(part).get("narrativeincludeclinical", "")
    if not narrative:
        found.fault(at, "no narrative (B.5.1 narrativeincludeclinical)")
    return Case(
        case_id=case_id, narrative=narrative, source="E2B(R2)", received=_date(report, at, found),
        age_years=_age(person, at, found), sex=SEXES.get(person.get("patientsex", "")),
        country=report.get("occurcountry") or report.get("primarysourcecountry"),
        drugs=tuple(drugs), reactions=tuple(reactions),
    )  # fmt: skip


def _date(node: Mapping[str, str], at: str, found: Findings) -> str | None:
    """A.1.6 as YYYY-MM-DD. A date without a day (format 610 or 602) is not used, and counted."""
    value = node.get("receivedate", "")
    match = re.fullmatch(r"(\d{4})(0[1-9]|1[0-2])?(0[1-9]|[12]\d|3[01])?", value, re.ASCII)
    if value and not match:
        found.fault(at, f"date of receipt (A.1.6) {value!r} is not of the form YYYYMMDD")
    elif match and not match[3]:
        found.drop("date of receipt without a day")
    return f"{match[1]}-{match[2]}-{match[3]}" if match and match[3] else None


def _age(patient: Mapping[str, str], at: str, found: Findings) -> float | None:
    """B.1.2.2 in years."""
    value, unit = patient.get("patientonsetage", ""), patient.get("patientonsetageunit", "")
    if not value:
        return None
    if unit not in AGE_UNITS or not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value):
        found.fault(at, f"age (B.1.2.2) {value!r} {unit!r}", f"units are {', '.join(AGE_UNITS)}")
        return None
    return round(float(value) * AGE_UNITS[unit], 3)


def _reaction(node: Mapping[str, str], at: str, meddra_version: str | None, found: Findings) -> Reaction:
    llt, pt = node.get("reactionmeddrallt", ""), node.get("reactionmeddrapt", "")
    stated = node.get("reactionmeddraversionllt", "") if llt else node.get("reactionmeddraversionpt", "")
    code = name = None
    if LLT_CODE.fullmatch(llt):
        code = llt
    elif llt.isdigit():
        found.fault(at, f"MedDRA code (B.2.i.1.b) {llt!r} is not of 8 digits")
    elif LLT_CODE.fullmatch(pt):
        code = pt
        found.drop("reaction coded at the level of PT only, taken as the LLT of the same code")
    if llt and not code and not llt.isdigit():
        found.drop("LLT by its name instead of its code")
    if pt and not pt.isdigit():
        name = pt
    version = (stated or node.get("reactionmeddraversionpt", "") or meddra_version) if code or name else None
    if (code or name) and not (version and MEDDRA_VERSION.fullmatch(version)):
        found.fault(at, f"MedDRA version (B.2.i.1.a) {version!r} is not of the form 29.0", "name the version")
    return Reaction(
        verbatim=node.get("primarysourcereaction", ""), llt_code=code, meddra_version=version, pt_name=name,
        outcome=OUTCOMES.get(node.get("reactionoutcome", "")),
    )  # fmt: skip


def _drug(drug: Mapping[str, str], found: Findings) -> Iterator[Drug]:
    name = drug.get("medicinalproduct")
    if name:
        yield Drug(name, ROLES.get(drug.get("drugcharacterization", "")))
    else:
        found.drop("drug without a name (B.4.k.2.1)")


def _annotations(
    node: Mapping[str, str], case: Case, annotator: str, time: str | None, found: Findings
) -> Iterator[Annotation]:
    value = _seriousness(node, f"case {case.case_id}", found)
    if value is None:
        found.drop("case whose seriousness is not known")
    else:
        yield Annotation(case.case_id, "seriousness", value, annotator, time=time)
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


def _seriousness(node: Mapping[str, str], at: str, found: Findings) -> dict[str, Any] | None:
    """A.1.5: 1 is yes, 2 is no, absent is not known."""
    said = {name: node.get(element, "") for name, element in FLAGS.items()} | {"": node.get("serious", "")}
    for name, text in said.items():
        if text not in ("", "1", "2"):
            found.fault(
                at, f"{FLAGS.get(name, 'serious')} (A.1.5) is {text!r}", "1 (yes), 2 (no) or no element"
            )
    criteria = [name for name in FLAGS if said[name] == "1"]
    if said[""] == "2" and criteria:
        found.fault(at, f"not serious (A.1.5.1), but {', '.join(criteria)} (A.1.5.2)", "mend one of them")
    if said[""] == "2":
        return {"serious": False, "criteria": []}
    return {"serious": True, "criteria": criteria} if said[""] == "1" or criteria else None
