"""Rows that left and came, on tables of any content: a row that stands twice, tables that come and go."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvcore.errors import ReleaseError
from pvcore.meddra import delta
from pvcore.meddra.release import content_digest
from pvcore.meddra.tables import TABLES

NAMES = ("soc_hlgt", "hlt_pt", "smq_content", "meddra_release")
TEXT = st.text("ab ", max_size=2)


def _table(name: str) -> st.SearchStrategy[pd.DataFrame]:
    columns = list(TABLES[name].columns)
    rows = st.lists(st.tuples(*[TEXT] * len(columns)), max_size=4)
    return rows.map(lambda values: pd.DataFrame(values, columns=columns, dtype="str"))


RELEASES = st.sets(st.sampled_from(NAMES)).flatmap(
    lambda names: st.fixed_dictionaries({name: _table(name) for name in sorted(names)})
)


@settings(max_examples=40, deadline=None)
@given(old=RELEASES, new=RELEASES)
def test_there_and_back(old: dict[str, pd.DataFrame], new: dict[str, pd.DataFrame]) -> None:
    found = delta.from_value(delta.to_value(delta.delta(old, new)))
    assert found == delta.delta(old, new)
    made = delta.apply(old, found)
    assert content_digest(made) == content_digest(new)
    assert content_digest(delta.apply(made, delta.reverse(found))) == content_digest(old)
    assert (not found) == (content_digest(old) == content_digest(new))


def test_what_does_not_fit_is_all_named() -> None:
    table = pd.DataFrame([["1", "2"]], columns=["soc_code", "hlgt_code"], dtype="str")
    changes = {
        "soc_hlgt": delta.TableDelta(("3$4", "5$6"), ()),
        "hlt_pt": delta.TableDelta(("1$2",), ()),
    }
    with pytest.raises(ReleaseError) as caught:
        delta.apply({"soc_hlgt": table}, changes)
    assert [fault.what for fault in caught.value.faults] == [
        "is missing",
        "has no row '3$4'",
        "has no row '5$6'",
    ]


def test_touched_are_the_values_in_rows_that_left_or_came() -> None:
    row = "pt_code$hlt_code$1$1$pt_name$hlt_name$g$s$s$$1$Y"
    changes = {
        "soc_hlgt": delta.TableDelta(("3$4",), ("3$5",)),
        "mdhier": delta.TableDelta(
            tuple(row.replace("pt_code", code) for code in "abc"),
            (
                row.replace("pt_code", "a").replace("hlt_name", "other"),
                row.replace("pt_code", "b").replace("hlt_code", "other"),
            ),
        ),
    }
    assert delta.touched(changes, "soc_hlgt", "hlgt_code").tolist() == ["4", "5"]
    assert delta.touched(changes, "soc_hlgt", "soc_code").tolist() == ["3"]
    assert delta.touched(changes, "mdhier", "pt_code").tolist() == ["a", "b", "c"]
    assert delta.touched(changes, "mdhier", "pt_code", "hlt_code").tolist() == ["b", "c"]
    assert delta.touched(changes, "hlt_pt", "pt_code").empty


def test_unknown_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="no such tables: inventions"):
        delta.from_value({"inventions": {"removed": [], "added": []}})
