"""What every reader needs: what it returns, how it collects faults, and how it guards against bad files."""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pvcore.errors import BatchError, Fault
from pvcore.records import Annotation, Case

MAX_BYTES = 512 * 2**20
"""The largest file, packed or unpacked, that is read."""
MAX_RATIO = 200
"""The largest ratio of unpacked to packed size of a zip member; text packs about 3 to 20 times."""

ADJUDICATION = "adjudication"
"""As the guideline of an annotation: it settles what other annotators disagree on."""

LLT_CODE = re.compile(r"[0-9]{8}")
MEDDRA_VERSION = re.compile(r"[0-9]{1,2}\.[0-9]")


@dataclass(frozen=True, slots=True)
class Content:
    """What a reader found. `dropped` counts, by reason, what the records cannot express."""

    cases: tuple[Case, ...]
    annotations: tuple[Annotation, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Findings:
    """Faults and counts as they come up while a file is read; all faults are raised together."""

    source: str
    faults: list[Fault] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    def fault(self, where: str, what: str, advice: str = "") -> None:
        self.faults.append(Fault(where, what, advice))

    def drop(self, reason: str, number: int = 1) -> None:
        if number:
            self.dropped[reason] += number

    def finish(self, cases: list[Case], annotations: list[Annotation]) -> Content:
        """The content, or BatchError with every fault."""
        if self.faults:
            raise BatchError(self.source, self.faults, "Nothing of this batch was used.")
        return Content(tuple(cases), tuple(annotations), dict(sorted(self.dropped.items())))


def refuse(source: str, where: str, what: str, advice: str = "") -> BatchError:
    """The error for a file that cannot be read any further."""
    return BatchError(source, [Fault(where, what, advice)], "Nothing of this batch was used.")


def members(data: bytes, source: str) -> dict[str, bytes]:
    """Name -> bytes of every file of a zip, unpacked in memory with bounds on size and ratio.

    Raises BatchError for one that is no zip, truncated, protected, damaged or far too large.
    """
    found: dict[str, bytes] = {}
    faults: list[Fault] = []
    total = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                total += info.file_size
                if info.is_dir():
                    continue
                if total > MAX_BYTES or info.file_size > MAX_RATIO * max(info.compress_size, 1):
                    raise refuse(
                        source, info.filename, f"unpacks to {info.file_size} bytes, which is too large"
                    )
                if info.flag_bits & 1:
                    faults.append(Fault(info.filename, "is protected by a password", "unpack it first"))
                    continue
                try:
                    found[info.filename] = archive.read(info)
                except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
                    faults.append(
                        Fault(info.filename, f"damaged: {error}", "copy or download the file again")
                    )
                except Exception as error:  # zlib.error and friends have no common base
                    faults.append(
                        Fault(info.filename, f"damaged: {error}", "copy or download the file again")
                    )
    except zipfile.BadZipFile as error:
        raise refuse(
            source, "zip", f"not a complete zip: {error}", "copy or download the file again"
        ) from error
    if faults:
        raise BatchError(source, faults, "Nothing of this batch was used.")
    return found
