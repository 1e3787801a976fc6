"""A batch: one file of cases and annotations as it arrived, whatever its format.

    >>> batch = read("inbox/reports.xml")                                        # doctest: +SKIP
    >>> batch.format, len(batch.cases), batch.dropped                            # doctest: +SKIP
    ('e2b_r3', 250, {'region without a code': 3})

Formats are recognised by content, never by name. To add one: a module with `detect` and `read` as
below, and a line in READERS.

What a batch is, is its records alone: the same cases and annotations have one digest, whatever the
format, the name and the order of the file that they came in.
"""

from __future__ import annotations

import gc
import hashlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cmp_to_key
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from pvcore.annotations import brat, doccano, e2b_r2, e2b_r3, label_studio, pair_files, prodigy, table, vaers
from pvcore.annotations.batch_check import check
from pvcore.annotations.json_stream import read_object
from pvcore.annotations.reading import Content, Source, refuse
from pvcore.errors import BatchError, Fault
from pvcore.records import Annotation, Case, Drug, Reaction, canonical

FORMAT = 2
"""Of the stored bytes of a batch; 1 held the file's format and what was dropped as well."""

AT_ONCE = 500
"""Records that are written as JSON together."""


class Reader(Protocol):
    """A module that reads one format."""

    NAME: str
    DESCRIPTION: str

    def detect(self, source: Source) -> bool: ...
    def read(self, source: Source, meddra_version: str | None) -> Content: ...


READERS: tuple[Reader, ...] = (e2b_r2, e2b_r3, pair_files, prodigy, doccano, label_studio, brat, vaers, table)
"""Asked in this order; E2B(R3) takes any XML and Label Studio any JSON, to say what is wrong with it."""


@dataclass(frozen=True)
class Batch:
    """Cases in order of their ids, annotations in order of case, problem, target and annotator.

    `nullified` are the ids, in order, of cases that their sender took back; it may be all that a batch says.
    `digest` is that of the stored bytes, which hold the records alone. `format` and `dropped` say how
    they arrived; the ledger keeps both.
    """

    name: str
    format: str
    digest: str
    cases: tuple[Case, ...] = field(repr=False)
    annotations: tuple[Annotation, ...] = field(repr=False)
    dropped: Mapping[str, int] = field(default_factory=dict)
    nullified: tuple[str, ...] = ()


def make_batch(
    name: str,
    format: str,
    cases: Iterable[Case],
    annotations: Iterable[Annotation],
    dropped: Mapping[str, int] | None = None,
    nullified: Iterable[str] = (),
) -> Batch:
    """A batch of records, in order and with its digest."""
    ordered = tuple(sorted(cases, key=lambda case: case.case_id))
    said = tuple(sorted(annotations, key=_place))
    taken_back = tuple(sorted(set(nullified)))
    hashed = hashlib.sha256()
    # Never all bytes at once: a batch of 2 GB has its records only.
    for piece in _pieces(ordered, said, taken_back):
        hashed.update(piece)
    left_out = dict(sorted((dropped or {}).items()))
    return Batch(name, format, hashed.hexdigest(), ordered, said, left_out, taken_back)


def _place(annotation: Annotation) -> tuple[Any, ...]:
    a = annotation
    return a.case_id, a.problem, a.target, a.annotator, a.time or "", _by_value(a.value)


@cmp_to_key
def _by_value(one: Any, two: Any) -> int:
    """The order of what is said; asked only where all else is the same, because it costs most."""
    first, second = canonical(one), canonical(two)
    return (first > second) - (first < second)


def read(source: str | Path | bytes, *, name: str | None = None, meddra_version: str | None = None) -> Batch:
    """Read a batch of any known format.

    `meddra_version` ("29.0") is needed where codings come from a tool that stores none. Raises
    BatchError with all faults: nothing of a faulty batch is used. A file at a path is read as a stream
    where its format allows (E2B), so that a file of gigabytes needs the room of its records only.
    """
    file = Source.of(source, name)
    reader = next((reader for reader in READERS if reader.detect(file)), None)
    if reader is None:
        known = "; ".join(f"{reader.NAME} ({reader.DESCRIPTION})" for reader in READERS)
        what = "of no known format" if file.head.strip() else "empty"
        if file.head[:2] in (BOM_UTF16_LE, BOM_UTF16_BE):  # also what > of PowerShell writes
            raise refuse(file.name, "file", "is UTF-16", "save it as UTF-8")
        raise refuse(file.name, "file", what, f"known are {known}")
    with _no_collection():
        content = reader.read(file, meddra_version)
        faults = check(content)
        if faults:
            raise BatchError(file.name, faults, "Nothing of this batch was used.")
        try:
            return make_batch(
                file.name,
                reader.NAME,
                content.cases,
                content.annotations,
                content.dropped,
                content.nullified,
            )
        except UnicodeEncodeError:
            raise BatchError(file.name, _halves(content), "Nothing of this batch was used.") from None


@contextmanager
def _no_collection() -> Iterator[None]:
    """No search for cycles meanwhile: records form none, and looking through all of them again and again
    takes a sixth of the time of 100,000 reports."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _halves(content: Content) -> list[Fault]:
    """Which records hold half a character, which no file in UTF-8 can."""
    advice = "the export cut a text inside a character"
    places = [(f"case {case.case_id!r}", case_to_dict(case)) for case in content.cases]
    places += [(f"annotation of case {a.case_id!r}", _annotation(a)) for a in content.annotations]
    return [Fault(w, "holds half a character", advice) for w, value in places if not _written(value)]


def _written(value: Mapping[str, Any]) -> bool:
    try:
        return bool(canonical(value))
    except UnicodeEncodeError:
        return False


def stored(batch: Batch) -> Iterator[bytes]:
    """What is kept of a batch, a record at a time: the same content has the same bytes."""
    return _pieces(batch.cases, batch.annotations, batch.nullified)


def _pieces(
    cases: Iterable[Case], annotations: Iterable[Annotation], nullified: Sequence[str]
) -> Iterator[bytes]:
    """The canonical JSON of {"annotations": [...], "batch": 2, "cases": [...]}, some records at a time.

    "nullified" stands there only where a case was taken back: other batches are the bytes that they always were.
    """
    yield b'{"annotations":['
    yield from _items(map(_annotation, annotations))
    yield b'],"batch":%d,"cases":[' % FORMAT
    yield from _items(map(case_to_dict, cases))
    yield b'],"nullified":' + canonical(list(nullified)) + b"}" if nullified else b"]}"


def _items(values: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """What stands in an array of these values; each alone would need an encoder of its own."""
    comma = b""
    while some := list(islice(values, AT_ONCE)):
        yield comma + canonical(some)[1:-1]
        comma = b","


def _to_dict(kind: type) -> Callable[[Any], dict[str, Any]]:
    """A record's fields by name, in order: five times as fast as `dataclasses.asdict`, which copies each value."""
    names = sorted(kind.__dataclass_fields__)  # type: ignore[attr-defined]
    fields = attrgetter(*names)
    return lambda record: dict(zip(names, fields(record), strict=True))


_annotation, _case, _drug, _reaction = map(_to_dict, (Annotation, Case, Drug, Reaction))


def case_to_dict(case: Case) -> dict[str, Any]:
    """The JSON form of a case."""
    value = _case(case)
    value["drugs"] = list(map(_drug, case.drugs))
    value["reactions"] = list(map(_reaction, case.reactions))
    return value


def read_stored(
    file: BinaryIO, *, name: str = "", format: str = "", dropped: Mapping[str, int] | None = None
) -> Batch:
    """The batch whose `stored` pieces a file holds, read a record at a time.

    How it arrived is not stored, and given if it is known. Raises BatchError for another file.
    """
    cases: list[Case] = []
    annotations: list[Annotation] = []
    takers = {
        "cases": lambda value: cases.append(case_from_dict(value)),
        "annotations": lambda value: annotations.append(Annotation(**value)),
    }
    try:
        with _no_collection():
            value, found = read_object(file, takers)
        if value["batch"] not in (1, FORMAT):
            raise ValueError(f"batch format {value['batch']!r}, expected {FORMAT}")
        if absent := sorted(set(takers) - set(value)):
            raise ValueError(f"it has no {' and no '.join(absent)}")
        nullified = tuple(value.get("nullified", ()))
    except (ValueError, KeyError, TypeError) as error:
        raise refuse(name or "batch", "JSON", f"not a stored batch: {error}") from error
    return Batch(
        name or found[:12],
        value.get("format", format),
        found,
        tuple(cases),
        tuple(annotations),
        value.get("dropped", dict(dropped or {})),
        nullified,
    )


def case_from_dict(value: Mapping[str, Any]) -> Case:
    """A case from its JSON form. Raises TypeError or KeyError for anything else."""
    return Case(
        **{
            **value,
            "drugs": tuple(Drug(**drug) for drug in value["drugs"]),
            "reactions": tuple(Reaction(**reaction) for reaction in value["reactions"]),
        }
    )
