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

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from pvcore.annotations import defused
from pvcore.annotations.e2b_common import codings
from pvcore.annotations.e2b_r3_case import case_of, parts_of
from pvcore.annotations.e2b_r3_codes import NS, SENDER
from pvcore.annotations.e2b_r3_nodes import ID, tag_of
from pvcore.annotations.e2b_r3_write import write
from pvcore.annotations.fields import serious_for
from pvcore.annotations.reading import Content, Findings, Source, refuse
from pvcore.records import CRITERIA, Annotation, Case

__all__ = ["DESCRIPTION", "NAME", "detect", "read", "records", "write"]

NAME = "e2b_r3"
DESCRIPTION = "ICH E2B(R3) XML"
DEFAULT_SENDER = "E2B sender"
MESSAGE, CREATED, FROM = map(tag_of, ("PORR_IN049016UV", "creationTime", "sender"))
DEVICE = tag_of("device")
_EVENTS = etree.XPath("h:controlActProcess/h:subject/h:investigationEvent", namespaces={"h": NS})
_CREATED = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?", re.ASCII)


def detect(source: Source) -> bool:
    """Whether the file is XML; which XML, `read` looks up, to say what is wrong with another one."""
    return defused.is_xml(source.head)


def read(source: Source, meddra_version: str | None = None) -> Content:
    """All messages of a file. `meddra_version` is used for codes without a version of their own.

    The file is read as a stream, a message at a time. Raises BatchError. A document type is refused as
    such: it is what carries entities.
    """
    found = Findings(source.name)
    return found.gather(records(source, meddra_version, found))


def records(
    source: Source, meddra_version: str | None, found: Findings
) -> Iterator[tuple[Case, list[Annotation]]]:
    """Each case with what its sender says of it, as the file is read: nothing of an earlier one is held.

    Raises BatchError for what is no E2B(R3) at all; all other faults are put into `found`.
    """
    tag = defused.root(source)
    if tag not in (f"{NS} MCCI_IN200100UV01", f"{NS} PORR_IN049016UV"):
        expected = f"expected MCCI_IN200100UV01 of {NS}, or ichicsr of E2B(R2)"
        raise refuse(source.name, f"<{tag}>", "not an E2B message", expected)
    number = 0
    for number, message in enumerate(defused.elements(source, MESSAGE), 1):
        yield from _message(message, f"message {number}", meddra_version, found)
    if not number:
        found.fault("file", "holds no message (PORR_IN049016UV)")


def _message(
    message: Any, where: str, meddra_version: str | None, found: Findings
) -> Iterator[tuple[Case, list[Annotation]]]:
    events = _EVENTS(message)
    if not events:
        found.fault(where, "holds no investigationEvent")
    annotator, time = _envelope(message)
    for event in events:
        parts = parts_of(event)
        if not parts.case_id:
            found.fault(where, "no case id (C.1.1)")
            continue
        at = f"case {parts.case_id}"
        if parts.nullified:
            found.drop("nullified case (C.1.11.1)")
            found.nullified.add(parts.case_id)
            continue
        case = case_of(parts, at, meddra_version, found)
        yield case, _annotations(case, annotator, time, found)


def _envelope(message: Any) -> tuple[str, str | None]:
    """Who sent a message (N.2.r.2), and when it was made (N.2.r.4): a sender's later ones supersede earlier ones."""
    sender, time = "", None
    for part in message:
        tag = part.tag
        if tag == CREATED:
            match = _CREATED.match(part.get("value", "").strip())
            time = "{}-{}-{}T{}:{}:{}".format(*(text or "00" for text in match.groups())) if match else None
        elif tag == FROM:
            ids = (node for device in part if device.tag == DEVICE for node in device if node.tag == ID)
            sender = next(
                (node.get("extension", "") for node in ids if node.get("root") == SENDER), ""
            ).strip()
    return sender or DEFAULT_SENDER, time


def _annotations(case: Case, annotator: str, time: str | None, found: Findings) -> list[Annotation]:
    coded = codings(case, annotator, time, found)
    value = _seriousness(case)
    if value is None:
        found.drop("case whose seriousness is not known")
        return coded
    return [Annotation(case.case_id, "seriousness", value, annotator, time=time), *coded]


def _seriousness(case: Case) -> dict[str, Any] | None:
    true = {name for reaction in case.reactions for name, flag in reaction.seriousness.items() if flag}
    if true:
        silent = {name for name in CRITERIA if all(name not in r.seriousness for r in case.reactions)}
        return serious_for([name for name in CRITERIA if name in true], silent)
    denied = case.reactions and all(len(r.seriousness) == len(CRITERIA) for r in case.reactions)
    return {"serious": False, "criteria": []} if denied else None
