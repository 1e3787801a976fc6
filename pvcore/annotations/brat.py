"""brat standoff: a zip of .txt files with their .ann files, one folder an annotator.

`<annotator>/<case id>.txt` is the narrative, `<annotator>/<case id>.ann` what the annotator said of it
(names percent-encoded where a file's name cannot hold them). brat names no annotator, keeps no MedDRA
version and no fields of a case. Of its lines (https://brat.nlplab.org/standoff.html)

* T, a text-bound annotation, discontinuous or not, with an N that normalises it to MedDRA
  (`N1 Reference T1 MedDRA:90000001 Rash`) -> coding, with the words as target;
* T without one -> extraction (see spans.py), where the parts of a discontinuous one are kept.

Relations (R), events (E), attributes (A, M), equivalences (*), notes (#) and normalisations to other
resources have no place in the records and are counted.
"""

from __future__ import annotations

import io
import re
import zipfile
from codecs import BOM_UTF8
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote

from pvcore.annotations.fields import case_of, fields_of, require_versions, version_of
from pvcore.annotations.prodigy import merged
from pvcore.annotations.reading import LLT_CODE, Content, Findings, Source, members, text_of
from pvcore.annotations.spans import Parts, Span, annotations_of, parts_of, spans_of, words_of
from pvcore.records import Annotation, Case

NAME = "brat"
DESCRIPTION = "zip of brat .txt and .ann files"
KINDS = {"R": "relation", "E": "event", "A": "attribute", "M": "attribute", "*": "equivalence", "#": "note"}
_MARKED = re.compile(r"(T\d+)\t(\S+) (\d+ \d+(?:;\d+ \d+)*)\t(.*)", re.ASCII)
_NORMAL = re.compile(r"N\d+\tReference (T\d+) ([^\s:]+):(\S+)(?:\t.*)?", re.ASCII)


def detect(source: Source) -> bool:
    """Whether the file is a zip with .ann files."""
    return any(name.lower().endswith(".ann") for name in source.members)


def read(source: Source, meddra_version: str | None = None) -> Content:
    """All pairs of files. `meddra_version` is that of the codes. Raises BatchError with all faults."""
    found = Findings(source.name)
    version = version_of(None, meddra_version, "batch", found)
    files = {
        name: data for name, data in members(source).items() if PurePosixPath(name).suffix in (".txt", ".ann")
    }
    found.drop("file that is neither .txt nor .ann", len(source.members) - len(files))
    stems = sorted({name[:-4] for name in files})
    cases: dict[str, Case] = {}
    annotations: list[Annotation] = []
    for stem in stems:
        if f"{stem}.txt" not in files:
            found.fault(f"{stem}.ann", "has no .txt beside it", "pack both files of a document")
            continue
        standoff = text_of(files.get(f"{stem}.ann", b""), source.name, f"{stem}.ann")
        text = _counted(
            files[f"{stem}.txt"], standoff, text_of(files[f"{stem}.txt"], source.name, f"{stem}.txt")
        )
        place = PurePosixPath(stem)
        case_id, annotator = unquote(place.name), unquote(place.parent.name)
        spans = _spans(standoff, text, f"{stem}.ann", found)
        if spans and not annotator:
            found.fault(
                f"{stem}.ann",
                "does not say who made it",
                "put the files into a folder with the annotator's name",
            )
        said = annotations_of(spans, text, case_id=case_id, annotator=annotator, meddra_version=version)
        annotations += said
        case = case_of({}, case_id, text, said, f"{stem}.txt", found)
        if case is not None:
            cases[case_id] = merged(cases.get(case_id), case, f"{stem}.txt", found)
    require_versions(annotations, found)
    return found.finish(list(cases.values()), annotations)


def _counted(data: bytes, standoff: str, text: str) -> str:
    """The text as offsets count it: brat takes a byte-order mark for a character, others do not, and the words tell."""
    if data.startswith(BOM_UTF8):
        marked, tried = f" {text}", Findings("")
        _spans(standoff, marked, "", tried)
        return text if tried.faults else marked
    return text


@dataclass(slots=True)
class _Standoff:
    """The lines of a file that are used: id -> parts and label, id -> codes."""

    marked: dict[str, tuple[Parts, str]] = field(default_factory=dict)
    codes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def _spans(standoff: str, text: str, name: str, found: Findings) -> list[Span]:
    lines = _Standoff()
    for number, line in enumerate(standoff.split("\n"), 1):
        if line.strip():
            _line(line.rstrip("\r"), text, f"{name}, line {number}", lines, found)
    made = []
    for key, (parts, label) in lines.marked.items():
        codes = lines.codes.pop(key, [])
        if len(codes) > 1:
            found.fault(name, f"{key} is coded {', '.join(codes)}", "give one LLT code")
        made.append(Span(parts, label, codes[0] if codes else None))
    for key in lines.codes:
        found.fault(name, f"{key} is normalised, but not in the file", "save the document in brat again")
    return made


def _line(line: str, text: str, at: str, lines: _Standoff, found: Findings) -> None:
    marked, normal = _MARKED.fullmatch(line), _NORMAL.fullmatch(line)
    if marked:
        key, label, offsets, words = marked.groups()
        parts = parts_of([[int(n) for n in pair.split()] for pair in offsets.split(";")], text, at, found)
        if parts is not None and " ".join(words_of(text, parts).split()) != " ".join(words.split()):
            stands = words_of(text, parts)
            found.fault(
                at,
                f"{key} is {words!r:.100}, the text has {stands!r:.100}",
                "the text was changed afterwards",
            )
        elif parts is not None:
            lines.marked[key] = (parts, label)
    elif normal:
        key, resource, code = normal.groups()
        if not resource.lower().startswith("meddra"):
            found.drop("normalisation to another resource than MedDRA")
        elif LLT_CODE.fullmatch(code):
            lines.codes[key].append(code)
        else:
            found.fault(at, f"MedDRA code {code!r} is not of 8 digits")
    elif line[0] in KINDS:
        found.drop(KINDS[line[0]])
    else:
        found.fault(
            at, f"{line!r:.100} is no line of brat's standoff format", "save the document in brat again"
        )


def write(cases: Iterable[Case], annotations: Iterable[Annotation], path: str | Path) -> dict[str, int]:
    """A zip of pairs, one folder an annotator; the same records give the same bytes.

    A case that nobody marked stands in the folder `unmarked`. Returns what could not be expressed, counted.
    """
    dropped: Counter[str] = Counter()
    grouped: dict[str, dict[str, list[Annotation]]] = defaultdict(lambda: defaultdict(list))
    for a in annotations:
        grouped[a.case_id][a.annotator].append(a)
        dropped["seriousness"] += a.problem == "seriousness"
        dropped["time of an annotation"] += a.problem != "seriousness" and a.time is not None
        dropped["guideline of an annotation"] += a.problem != "seriousness" and a.guideline is not None
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for case in cases:
            for key in fields_of(case):
                dropped[f"field {key} of a case"] += key != "reactions"
            dropped["reaction that nobody marked"] += _unmarked(case, grouped[case.case_id])
            for annotator, said in sorted(grouped[case.case_id].items()) or [("unmarked", [])]:
                stem = f"{quote(annotator, safe='@ ')}/{quote(case.case_id, safe=' ')}"
                for suffix, text in ((".txt", case.narrative), (".ann", _standoff(said, case, dropped))):
                    archive.writestr(zipfile.ZipInfo(stem + suffix), text, zipfile.ZIP_DEFLATED)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(buffer.getvalue())
    return dict(sorted((reason, number) for reason, number in dropped.items() if number))


def _unmarked(case: Case, said: Mapping[str, list[Annotation]]) -> int:
    marked = {a.target for listed in said.values() for a in listed if a.problem == "coding"}
    return sum(reaction.verbatim not in marked for reaction in case.reactions)


def _standoff(said: list[Annotation], case: Case, dropped: Counter[str]) -> str:
    lines = []
    for number, span in enumerate(spans_of(said, case.narrative, dropped), 1):
        offsets = ";".join(f"{start} {end}" for start, end in span.parts)
        label = re.sub(r"\s+", "_", span.label) or "Span"
        words = re.sub(r"\s", " ", words_of(case.narrative, span.parts))
        lines.append(f"T{number}\t{label} {offsets}\t{words}\n")
        if span.llt_code:
            lines.append(f"N{number}\tReference T{number} MedDRA:{span.llt_code}\t{words}\n")
    return "".join(lines)
