"""A batch: one file of cases and annotations as it arrived, whatever its format.

    >>> batch = read("inbox/reports.xml")                                        # doctest: +SKIP
    >>> batch.format, len(batch.cases), batch.dropped                            # doctest: +SKIP
    ('e2b_r3', 250, {'region without a code': 3})

Formats are recognised by content, never by name. To add one: a module with `detect` and `read` as
below, and a line in READERS.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pvcore.annotations import e2b_r3, label_studio, vaers
from pvcore.annotations.reading import MAX_BYTES, Content, refuse
from pvcore.errors import BatchError, Fault
from pvcore.records import Annotation, Case, Drug, Reaction, canonical, digest

FORMAT = 1
"""Of the stored bytes of a batch."""


class Reader(Protocol):
    """A module that reads one format. `head` is the beginning of the file, 64 kB at most."""

    NAME: str
    DESCRIPTION: str

    def detect(self, head: bytes) -> bool: ...
    def read(self, data: bytes, name: str, meddra_version: str | None) -> Content: ...


READERS: tuple[Reader, ...] = (e2b_r3, label_studio, vaers)


@dataclass(frozen=True)
class Batch:
    """Cases in order of their ids, annotations in order of case, problem, target and annotator.

    `digest` is that of the stored bytes, so it is independent of the file's name and of the order in it.
    """

    name: str
    format: str
    digest: str
    cases: tuple[Case, ...] = field(repr=False)
    annotations: tuple[Annotation, ...] = field(repr=False)
    dropped: Mapping[str, int] = field(default_factory=dict)


def make_batch(
    name: str,
    format: str,
    cases: Iterable[Case],
    annotations: Iterable[Annotation],
    dropped: Mapping[str, int] | None = None,
) -> Batch:
    """A batch of records, in order and with its digest."""
    ordered = tuple(sorted(cases, key=lambda case: case.case_id))
    said = tuple(sorted(annotations, key=_place))
    batch = Batch(name, format, "", ordered, said, dict(sorted((dropped or {}).items())))
    return dataclasses.replace(batch, digest=digest(batch_to_bytes(batch)))


def _place(annotation: Annotation) -> tuple[str, ...]:
    a = annotation
    return a.case_id, a.problem, a.target, a.annotator, a.time or "", canonical(a.value).decode()


def read(source: str | Path | bytes, *, name: str | None = None, meddra_version: str | None = None) -> Batch:
    """Read a batch of any known format.

    `meddra_version` ("29.0") is needed where codings come from a tool that stores none. Raises
    BatchError with all faults: nothing of a faulty batch is used.
    """
    if isinstance(source, bytes):
        name, data = name or "batch", source
    else:
        name = name or Path(source).name
        data = _bytes(Path(source), name)
    if len(data) > MAX_BYTES:
        raise refuse(name, "file", f"{len(data)} bytes; at most {MAX_BYTES} are read", "split the batch")
    reader = next((reader for reader in READERS if reader.detect(data[:65536])), None)
    if reader is None:
        known = "; ".join(f"{reader.NAME} ({reader.DESCRIPTION})" for reader in READERS)
        raise refuse(
            name, "file", "empty" if not data.strip() else "of no known format", f"known are {known}"
        )
    content = reader.read(data, name, meddra_version)
    faults = check(content)
    if faults:
        raise BatchError(name, faults, "Nothing of this batch was used.")
    return make_batch(name, reader.NAME, content.cases, content.annotations, content.dropped)


def _bytes(path: Path, name: str) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise refuse(name, "file", f"{size} bytes; at most {MAX_BYTES} are read", "split the batch")
        return path.read_bytes()
    except OSError as error:
        raise refuse(name, "file", f"cannot be read: {error.strerror or error}") from error


def check(content: Content) -> list[Fault]:
    """What must hold of every batch, whatever its format."""
    faults = [] if content.cases else [Fault("batch", "holds no case")]
    seen = Counter(case.case_id for case in content.cases)
    faults += [
        Fault(f"case {case_id!r}", f"stands in the batch {number} times", "keep the latest version only")
        for case_id, number in seen.items()
        if number > 1
    ]
    faults += [Fault(f"case {c.case_id!r}", "has no id") for c in content.cases if not c.case_id.strip()]
    strangers = sorted({a.case_id for a in content.annotations} - set(seen))
    faults += [Fault(f"case {case_id!r}", "is annotated but not in the batch") for case_id in strangers]
    return faults


def batch_to_bytes(batch: Batch) -> bytes:
    """Canonical JSON without the file's name: the same content has the same bytes."""
    return canonical(
        {
            "batch": FORMAT,
            "format": batch.format,
            "cases": [case_to_dict(case) for case in batch.cases],
            "annotations": [_said(annotation) for annotation in batch.annotations],
            "dropped": dict(batch.dropped),
        }
    )


def _said(a: Annotation) -> dict[str, Any]:
    return {name: getattr(a, name) for name in a.__dataclass_fields__}


def case_to_dict(case: Case) -> dict[str, Any]:
    """The JSON form of a case; five times as fast as `dataclasses.asdict`, which copies every value."""
    value = {name: getattr(case, name) for name in case.__dataclass_fields__}
    value["drugs"] = [{"name": drug.name, "role": drug.role} for drug in case.drugs]
    value["reactions"] = [{name: getattr(r, name) for name in r.__dataclass_fields__} for r in case.reactions]
    return value


def batch_from_bytes(data: bytes, *, name: str = "") -> Batch:
    """The batch that `batch_to_bytes` wrote; its name is not stored. Raises BatchError for other bytes."""
    try:
        value = json.loads(data)
        if value["batch"] != FORMAT:
            raise ValueError(f"batch format {value['batch']!r}, expected {FORMAT}")
        cases = tuple(case_from_dict(case) for case in value["cases"])
        annotations = tuple(Annotation(**annotation) for annotation in value["annotations"])
        found = digest(data)
        return Batch(name or found[:12], value["format"], found, cases, annotations, value["dropped"])
    except (ValueError, KeyError, TypeError) as error:
        raise refuse(name or "batch", "JSON", f"not a stored batch: {error}") from error


def case_from_dict(value: Mapping[str, Any]) -> Case:
    """A case from its JSON form. Raises TypeError or KeyError for anything else."""
    return Case(
        **{
            **value,
            "drugs": tuple(Drug(**drug) for drug in value["drugs"]),
            "reactions": tuple(Reaction(**reaction) for reaction in value["reactions"]),
        }
    )
