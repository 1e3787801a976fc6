from __future__ import annotations

import json

import pytest

from pvcore.dossier.failures import answered, excerpt, shown

TEXT = "Mrs Jane Roe, born 1961-07-30, had pain. Call 555-123-4567 or write to jane@example.org."
CHANGED = {
    "wrong": 1, "newly_wrong": 0, "newly_right": 0, "withheld": 0,
    "rows": [{"example_id": "e1", "case_id": "c1", "label": "90000001", "candidate": "90000002", "score": 0.9,
              "champion": None, "slices": []}],
}  # fmt: skip


def test_without_leave_no_word_of_a_case_is_shown() -> None:
    found = shown(CHANGED, {"e1": TEXT}, 0, {"90000001": "Pain"}.get)
    (row,) = found["rows"]
    assert row["excerpt"] == "" and row["label"] == "Pain" and "champion" in row
    assert "Roe" not in json.dumps(found)


def test_identifiers_are_blotted_out_before_a_text_is_cut() -> None:
    whole = excerpt(TEXT, 1000)
    assert whole == ("Mrs [titled name], born [date of birth], had pain. Call [phone] or write to [email].")
    for length in range(1, 90):
        said = excerpt(TEXT, length)
        assert not any(word in said for word in ("Roe", "1961", "555", "jane")) and len(said) <= length + 2


@pytest.mark.parametrize(
    ("leave", "said"), [(0, "1 Drug, 1 Reaction"), (50, "Drug “aspirin”; Reaction “pain”")]
)
def test_marked_words_are_only_counted_without_leave(leave: int, said: str) -> None:
    text = "After aspirin she had pain."
    spans = [{"start": 6, "end": 13, "label": "Drug"}, {"start": 22, "end": 26, "label": "Reaction"}]
    assert answered(json.dumps({"spans": spans}), text, leave) == said
    assert answered('{"spans":[]}', text, leave) == "nothing marked"
