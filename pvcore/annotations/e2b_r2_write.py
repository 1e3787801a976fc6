"""Write cases as an E2B(R2) message: the elements that the reader reads, in the order of the DTD."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lxml import etree

from pvcore.annotations.e2b_r2_codes import FLAGS, OUTCOMES, ROLES, SEXES
from pvcore.annotations.e2b_r3_write import NO_XML
from pvcore.records import Annotation, Case, Drug, Reaction


def write(
    cases: Iterable[Case],
    annotations: Iterable[Annotation],
    path: str | Path,
    meddra_version: str,
    *,
    sender: str | None = None,
) -> dict[str, int]:
    """Write a message; the same records give the same bytes. Returns what it could not express, counted.

    A message has one sender and so one opinion, and one date: `sender` is the annotator whose labels are
    written (the first by name if not given). Codes keep the version of their annotation.
    """
    said = list(annotations)
    names = sorted({a.annotator for a in said})
    sender = sender or (names[0] if names else "PV-RETRAIN")
    dropped: Counter[str] = Counter()
    labels: dict[str, list[Annotation]] = defaultdict(list)
    for annotation in said:
        if annotation.annotator != sender:
            dropped["annotation of another annotator"] += 1
        elif annotation.problem not in ("seriousness", "coding"):
            dropped[f"annotation of problem {annotation.problem}"] += 1
        else:
            labels[annotation.case_id].append(annotation)
    own = [a for listed in labels.values() for a in listed]
    time = max((a.time for a in own if a.time), default=None)
    dropped["time of an annotation, other than that of the message"] += sum(a.time != time for a in own)
    root = etree.Element("ichicsr", lang="en")
    _header(root, sender, time, Path(path).stem)
    for case in cases:
        root.append(_report(case, labels[case.case_id], meddra_version, dropped))
    etree.indent(root)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(etree.tostring(root, xml_declaration=True, encoding="utf-8"))
    return dict(sorted((reason, number) for reason, number in dropped.items() if number))


def _add(parent: Any, tag: str, text: str | None = None) -> Any:
    """A child with a text; None adds nothing, for an absent element is what says "not known"."""
    if text is None:
        return None
    node = etree.SubElement(parent, tag)
    node.text = NO_XML.sub("", text)
    return node


def _header(root: Any, sender: str, time: str | None, number: str) -> None:
    header = etree.SubElement(root, "ichicsrmessageheader")
    stamp = re.sub(r"[^0-9]", "", time)[:14].ljust(14, "0") if time else None
    for tag, text in (
        ("messagetype", "ichicsr"), ("messageformatversion", "2.1"), ("messageformatrelease", "2.0"),
        ("messagenumb", number), ("messagesenderidentifier", sender),
        ("messagereceiveridentifier", "PV-RETRAIN"), ("messagedateformat", "204"), ("messagedate", stamp),
    ):  # fmt: skip
        _add(header, tag, text)


def _report(case: Case, labels: list[Annotation], meddra_version: str, dropped: Counter[str]) -> Any:
    node = etree.Element("safetyreport")
    _add(node, "safetyreportid", case.case_id)
    _add(node, "occurcountry", case.country)
    value = next((a.value for a in labels if a.problem == "seriousness"), None)
    if value is not None:
        _add(node, "serious", "1" if value["serious"] else "2")
        for name, tag in FLAGS.items():
            if name in value.get("unknown", ()):
                continue
            _add(node, tag, "1" if name in value.get("criteria", ()) else "2")
    if case.received:
        _add(node, "receivedateformat", "102")
        _add(node, "receivedate", case.received.replace("-", ""))
    patient = etree.SubElement(node, "patient")
    if case.age_years is not None:
        _add(patient, "patientonsetage", f"{case.age_years:g}")
        _add(patient, "patientonsetageunit", "801")
    _add(patient, "patientsex", _key(SEXES, case.sex))
    for reaction in _coded(case, labels, meddra_version, dropped):
        _reaction(patient, reaction, dropped)
    for drug in case.drugs:
        _drug(patient, drug)
    _add(etree.SubElement(patient, "summary"), "narrativeincludeclinical", case.narrative)
    dropped["language of a case"] += case.language != "en"
    dropped["source of a case"] += case.source not in ("", "E2B(R2)")
    return node


def _key(codes: dict[str, str], name: str | None) -> str | None:
    return next((key for key, value in codes.items() if value == name), None)


def _coded(
    case: Case, labels: list[Annotation], meddra_version: str, dropped: Counter[str]
) -> list[Reaction]:
    """The case's reactions with the sender's codes, and one for each code of other words."""
    codes = {a.target: a for a in labels if a.problem == "coding" and "llt_code" in a.value}
    dropped["code without an LLT"] += sum(a.problem == "coding" and "llt_code" not in a.value for a in labels)
    listed = [*case.reactions]
    listed += [Reaction(target) for target in codes if target not in {r.verbatim for r in listed}]
    made = []
    for known in listed:
        said = codes.get(known.verbatim)
        code, version = known.llt_code, known.meddra_version
        if said is not None:
            code, version = said.value["llt_code"], said.meddra_version or meddra_version
        dropped["seriousness flags of a reaction"] += bool(known.seriousness)
        made.append(Reaction(known.verbatim, code, version, known.pt_name, {}, known.outcome))
    return made


def _reaction(patient: Any, reaction: Reaction, dropped: Counter[str]) -> None:
    node = etree.SubElement(patient, "reaction")
    _add(node, "primarysourcereaction", reaction.verbatim or None)
    if reaction.llt_code:
        _add(node, "reactionmeddraversionllt", reaction.meddra_version)
        _add(node, "reactionmeddrallt", reaction.llt_code)
    if reaction.pt_name:
        _add(node, "reactionmeddraversionpt", reaction.meddra_version)
        _add(node, "reactionmeddrapt", reaction.pt_name)
    outcome = _key(OUTCOMES, reaction.outcome)
    dropped["outcome that is none of B.2.i.8"] += bool(reaction.outcome) and outcome is None
    _add(node, "reactionoutcome", outcome)


def _drug(patient: Any, drug: Drug) -> None:
    node = etree.SubElement(patient, "drug")
    _add(node, "drugcharacterization", _key(ROLES, drug.role))
    _add(node, "medicinalproduct", drug.name)
