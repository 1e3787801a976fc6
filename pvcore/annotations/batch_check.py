"""What must hold of every batch, whatever its format."""

from __future__ import annotations

from collections import Counter

from pvcore.annotations.reading import TIME, Content
from pvcore.errors import Fault
from pvcore.plain import CONTROL


def check(content: Content) -> list[Fault]:
    """Every fault of the records of a batch."""
    left_out = ", ".join(f"{number} x {reason}" for reason, number in content.dropped.items())
    nothing = Fault("batch", "holds no case", f"left out: {left_out}" if left_out else "")
    faults = [] if content.cases or content.nullified else [nothing]
    seen = Counter(case.case_id for case in content.cases)
    faults += [
        Fault(f"case {case_id!r}", f"stands in the batch {number} times", "keep the latest version only")
        for case_id, number in seen.items()
        if number > 1
    ]
    faults += [Fault(f"case {c.case_id!r}", "has no id") for c in content.cases if not c.case_id.strip()]
    # Names stand in logs, on pages and in names of files, where a line's end or a terminal's command does harm.
    names = {("case", case_id) for case_id in (*seen, *content.nullified)} | {
        (what, getattr(a, what) or "")
        for a in content.annotations
        for what in ("annotator", "problem", "guideline", "meddra_version")
    }
    faults += [
        Fault(f"{what} {name!r}", "holds control characters", "write it in plain characters")
        for what, name in sorted(names)
        if CONTROL.search(name)
    ]
    # the latest of what somebody says counts, and "3/10/2026" comes before "3/9/2026"
    times = {(a.case_id, a.annotator, a.time) for a in content.annotations if a.time is not None}
    faults += [
        Fault(f"case {case_id!r}", f"time {time!r} ({who}) is not of the form 2026-03-10 or 2026-03-10T09:30:00Z",
              "did a spreadsheet rewrite it?")
        for case_id, who, time in sorted(times)
        if not TIME.fullmatch(time)
    ]  # fmt: skip
    strangers = sorted({a.case_id for a in content.annotations} - set(seen))
    faults += [Fault(f"case {case_id!r}", "is annotated but not in the batch") for case_id in strangers]
    return faults
