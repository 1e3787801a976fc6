"""Write cases as an E2B(R3) batch: the elements that the reader reads, where the standard has them."""

from __future__ import annotations

import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lxml import etree

from pvcore.annotations.e2b_r3_codes import (
    BATCH_ID,
    BATCH_RECEIVER,
    BATCH_SENDER,
    CASE_ID,
    CODES,
    DRUGS,
    FLAG_NAMES,
    FLAGS,
    ICH,
    MEDDRA,
    NS,
    OUTCOMES,
    REACTION,
    RECEIVER,
    ROLES,
    SENDER,
    SEXES,
    WORLDWIDE_ID,
    XSI,
)  # fmt: skip
from pvcore.annotations.e2b_r3_lost import lost
from pvcore.records import Annotation, Case, Drug, Reaction

TYPE = f"{{{XSI}}}type"
NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(
    cases: Iterable[Case],
    annotations: Iterable[Annotation],
    path: str | Path,
    meddra_version: str,
    *,
    sender: str | None = None,
) -> dict[str, int]:
    """Write a batch file; the same records give the same bytes. Returns what it could not express, counted.

    A message has one sender and so one opinion: `sender` is the annotator whose labels are written (the
    first by name if not given); those of others are counted as dropped. Codes of annotations in another
    MedDRA version than `meddra_version` keep their own.
    """
    said = list(annotations)
    names = sorted({a.annotator for a in said})
    sender = sender or (names[0] if names else "PV-RETRAIN")
    dropped: Counter[str] = Counter()
    labels: dict[str, list[Annotation]] = defaultdict(list)
    for annotation in said:
        if annotation.annotator == sender and annotation.problem in ("seriousness", "coding"):
            labels[annotation.case_id].append(annotation)
        else:
            other = "annotation of another annotator" if annotation.annotator != sender else "other problem"
            dropped[other] += 1
    root = etree.Element(
        f"{{{NS}}}MCCI_IN200100UV01", {"ITSVersion": "XML_1.0"}, nsmap={None: NS, "xsi": XSI}
    )
    name = Path(path).stem
    _add(root, "id", extension=name, root=BATCH_ID)
    _add(root, "creationTime", value="20260101000000+0000")
    _add(root, "responseModeCode", code="D")
    _add(root, "interactionId", extension="MCCI_IN200100UV01", root="2.16.840.1.113883.1.6")
    _add(root, "name", code="1", codeSystem=f"{ICH}.1.1", displayName="ichicsr")
    for case in cases:
        root.append(_message(case, labels[case.case_id], sender, meddra_version, dropped))
    _device(root, "receiver", "RCV", BATCH_RECEIVER, "PV-RETRAIN")
    _device(root, "sender", "SND", BATCH_SENDER, sender)
    etree.indent(root)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))
    return dict(sorted(dropped.items()))


def _add(parent: Any, tag: str, text: str | None = None, /, **attributes: str) -> Any:
    """A child element; `xsi` is xsi:type; characters that XML cannot hold are left out of texts."""
    node = etree.SubElement(parent, f"{{{NS}}}{tag}")
    if "xsi" in attributes:
        node.set(TYPE, attributes.pop("xsi"))
    for key, value in attributes.items():
        node.set(key, NO_XML.sub("", value))
    if text is not None:
        node.text = NO_XML.sub("", text)
    return node


def _device(parent: Any, tag: str, kind: str, root: str, name: str) -> None:
    device = _add(_add(parent, tag, typeCode=kind), "device", classCode="DEV", determinerCode="INSTANCE")
    _add(device, "id", extension=name, root=root)


def _coded(parent: Any, code: str, name: str, system: str = CODES) -> None:
    _add(parent, "code", code=code, codeSystem=system, displayName=name)


def _message(
    case: Case, labels: list[Annotation], sender: str, meddra_version: str, dropped: Counter[str]
) -> Any:
    message = etree.Element(f"{{{NS}}}PORR_IN049016UV")
    stamp = (case.received or "2026-01-01").replace("-", "")
    time = next((a.time for a in labels if a.time), None)
    dropped.update(lost(case, labels, time))
    created = re.sub(r"[^0-9]", "", time)[:14].ljust(14, "0") if time else f"{stamp}000000"
    _add(message, "id", extension=str(_uuid(case.case_id, "message")), root=CASE_ID)
    _add(message, "creationTime", value=f"{created}+0000")
    _add(message, "interactionId", extension="PORR_IN049016UV", root="2.16.840.1.113883.1.6")
    _add(message, "processingCode", code="P")
    _add(message, "processingModeCode", code="T")
    _add(message, "acceptAckCode", code="AL")
    _device(message, "receiver", "RCV", RECEIVER, "PV-RETRAIN")
    _device(message, "sender", "SND", SENDER, sender)
    process = _add(message, "controlActProcess", classCode="CACT", moodCode="EVN")
    _add(process, "code", code="PORR_TE049016UV", codeSystem="2.16.840.1.113883.1.18")
    _add(process, "effectiveTime", value=f"{created}+0000")
    event = _add(
        _add(process, "subject", typeCode="SUBJ"), "investigationEvent", classCode="INVSTG", moodCode="EVN"
    )
    _add(event, "id", extension=case.case_id, root=CASE_ID)
    _add(event, "id", extension=case.case_id, root=WORLDWIDE_ID)
    _add(event, "code", code="PAT_ADV_EVNT", codeSystem="2.16.840.1.113883.5.4")
    _add(event, "text", case.narrative)
    _add(event, "statusCode", code="active")
    if case.received:
        _add(_add(event, "effectiveTime"), "low", value=stamp)
        _add(event, "availabilityTime", value=stamp)
    assessment = _add(_add(event, "component", typeCode="COMP"), "adverseEventAssessment", classCode="INVSTG",
                      moodCode="EVN")  # fmt: skip
    patient = _add(_add(assessment, "subject1", typeCode="SBJ"), "primaryRole", classCode="INVSBJ")
    _patient(patient, case, labels, meddra_version)
    for number, drug in enumerate(case.drugs):
        _role(assessment, case, drug, number)
    return message


def _uuid(*parts: str) -> uuid.UUID:
    """An id that is the same for the same case, so that a file can be written again byte for byte."""
    return uuid.uuid5(uuid.NAMESPACE_OID, "/".join(parts))


def _patient(patient: Any, case: Case, labels: list[Annotation], meddra_version: str) -> None:
    person = _add(patient, "player1", classCode="PSN", determinerCode="INSTANCE")
    _add(person, "name", nullFlavor="MSK")
    code = {name: key for key, name in SEXES.items()}.get(case.sex or "")
    if code:
        _add(person, "administrativeGenderCode", code=code, codeSystem="1.0.5218")
    if case.age_years is not None:
        node = _observation(_add(patient, "subjectOf2", typeCode="SBJ"))
        _coded(node, "3", "age")
        _add(node, "value", value=f"{case.age_years:g}", unit="a", xsi="PQ")
    reactions = _reactions(case, labels, meddra_version)
    for number, reaction in enumerate(reactions):
        _reaction(patient, case, reaction, number)
    if case.drugs:
        node = _add(
            _add(patient, "subjectOf2", typeCode="SBJ"), "organizer", classCode="CATEGORY", moodCode="EVN"
        )
        _coded(node, "4", "drugInformation", DRUGS)
        for number, drug in enumerate(case.drugs):
            _drug(node, case, drug, number)


def _observation(parent: Any) -> Any:
    return _add(parent, "observation", classCode="OBS", moodCode="EVN")


def _reactions(case: Case, labels: list[Annotation], meddra_version: str) -> list[Reaction]:
    """The case's reactions with the sender's codes, and the criteria on the first one, as E.i.3.2 wants them."""
    codes = {a.target: a for a in labels if a.problem == "coding"}
    flags = _flags(next((a.value for a in labels if a.problem == "seriousness"), None))
    plain = {r.verbatim: r for r in case.reactions}
    verbatims = list(dict.fromkeys([*plain, *codes])) or [""]
    made = []
    for number, verbatim in enumerate(verbatims):
        known, said = plain.get(verbatim, Reaction(verbatim)), codes.get(verbatim)
        code, version = known.llt_code, known.meddra_version
        if said is not None and "llt_code" in said.value:
            code, version = said.value["llt_code"], said.meddra_version or meddra_version
        seriousness = dict(known.seriousness)
        if flags:
            seriousness = flags if number == 0 or not any(flags.values()) else dict.fromkeys(flags, False)
        made.append(Reaction(verbatim, code, version, None, seriousness, known.outcome))
    return made


def _flags(value: Mapping[str, Any] | None) -> dict[str, bool]:
    if value is None:
        return {}
    if not value["serious"]:
        return dict.fromkeys(FLAGS, False)
    criteria = value.get("criteria")
    if not criteria:  # one must be met for the case to be serious, and nothing is known of the others
        return {"other": True}
    return {name: name in criteria for name in FLAGS if name not in value.get("unknown", ())}


def _reaction(patient: Any, case: Case, reaction: Reaction, number: int) -> None:
    node = _observation(_add(patient, "subjectOf2", typeCode="SBJ"))
    _add(node, "id", root=str(_uuid(case.case_id, "reaction", str(number))))
    _coded(node, REACTION, "reaction")
    coded = (
        {"code": reaction.llt_code, "codeSystemVersion": reaction.meddra_version or ""}
        if reaction.llt_code
        else {}
    )
    value = _add(node, "value", xsi="CE", codeSystem=MEDDRA, **coded)
    if reaction.verbatim:
        _add(value, "originalText", reaction.verbatim, language=_LANGUAGES.get(case.language, "eng"))
    if case.country:
        place = _add(_add(node, "location", typeCode="LOC"), "locatedEntity", classCode="LOCE")
        country = _add(place, "locatedPlace", classCode="COUNTRY", determinerCode="INSTANCE")
        _add(country, "code", code=case.country, codeSystem="1.0.3166.1.2.2")
    for criterion, code in FLAGS.items():
        flag = _observation(_add(node, "outboundRelationship2", typeCode="PERT"))
        _coded(flag, code, FLAG_NAMES[criterion])
        known = reaction.seriousness.get(criterion)
        if known is None:
            _add(flag, "value", xsi="BL", nullFlavor="NI")
        else:
            _add(flag, "value", xsi="BL", value="true" if known else "false")
    outcome = {name: key for key, name in OUTCOMES.items()}.get(reaction.outcome or "")
    if outcome:
        node = _observation(_add(node, "outboundRelationship2", typeCode="PERT"))
        _coded(node, "27", "outcome")
        _add(node, "value", xsi="CE", code=outcome, codeSystem=f"{ICH}.1.11")


_LANGUAGES = {"en": "eng", "de": "deu", "fr": "fra", "es": "spa", "ja": "jpn"}


def _drug(organizer: Any, case: Case, drug: Drug, number: int) -> None:
    node = _add(_add(organizer, "component", typeCode="COMP"), "substanceAdministration", classCode="SBADM",
                moodCode="EVN")  # fmt: skip
    _add(node, "id", root=str(_uuid(case.case_id, "drug", str(number))))
    kind = _add(_add(node, "consumable", typeCode="CSM"), "instanceOfKind", classCode="INST")
    _add(_add(kind, "kindOfProduct", classCode="MMAT", determinerCode="KIND"), "name", drug.name)


def _role(assessment: Any, case: Case, drug: Drug, number: int) -> None:
    code = {name: key for key, name in ROLES.items()}.get(drug.role or "")
    if code is None:
        return
    node = _add(
        _add(assessment, "component", typeCode="COMP"), "causalityAssessment", classCode="OBS", moodCode="EVN"
    )
    _coded(node, "20", "interventionCharacterization")
    _add(node, "value", xsi="CE", code=code, codeSystem=f"{ICH}.1.13")
    reference = _add(
        _add(node, "subject2", typeCode="SUBJ"), "productUseReference", classCode="SBADM", moodCode="EVN"
    )
    _add(reference, "id", root=str(_uuid(case.case_id, "drug", str(number))))
