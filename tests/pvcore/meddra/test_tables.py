"""The quick way and the careful way through a table agree on every text, and so do sorting here and there."""

from __future__ import annotations

import pandas as pd
from hypothesis import example, given
from hypothesis import strategies as st

from pvcore.meddra.columns import joined, sorted_lines
from pvcore.meddra.tables import TABLES, _by_line, _whole, lines, parse

LINK = TABLES["hlt_pt"]
FIELD = st.sampled_from(
    ["90000001", "NA", "", " ", "Ménière", '"', "\t", "\r", "\x0b", "\x85", "\ufffd", "\ufeff"]
)
LINE = st.builds("$".join, st.lists(FIELD, min_size=1, max_size=4))
TEXT = st.builds(
    lambda rows, end, last: end.join(rows) + (end if last else ""),
    st.lists(LINE, max_size=4),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)


@given(TEXT)
@example("90000001$90000002$\r\n90000003$90000004$\r\n")
@example("90000001$90000002\n90000003$90000004$\n")
@example("90000001$90000002$\n90000003$90000004$x\n")
@example("90000001$90000002$\n\n90000003$90000004$\n")
@example("90000001$90000002$\n\x1a")
@example("\ufeff90000001$90000002$\n")
@example("90000001$90000002$\r\n9000\r0003$90000004$\n")
def test_both_ways_through_a_table_agree(text: str) -> None:
    frame, faults = _by_line(LINK, text)
    whole = _whole(LINK, text)
    if whole is None:
        found, same = parse(LINK, text)
        assert same == faults
    else:
        found = whole
        assert not faults
    pd.testing.assert_frame_equal(found, frame)


def test_a_whole_table_goes_the_quick_way() -> None:
    text = "90000001$Ménière$\r\n90000002$NA$\r\n"
    whole = _whole(LINK, text)
    assert whole is not None and whole.to_numpy().tolist() == [["90000001", "Ménière"], ["90000002", "NA"]]
    assert _whole(LINK, text.replace("NA", "N\x07A")) is None


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.text("aé~"))))
def test_lines_are_sorted_by_their_characters(rows: list[tuple[str, str]]) -> None:
    frame = pd.DataFrame(rows, columns=list(LINK.columns), dtype="str")
    assert lines(frame) == ["$".join(row) for row in rows]
    assert bytes(sorted_lines(joined(frame, "$"))) == "\n".join(sorted(lines(frame))).encode()
