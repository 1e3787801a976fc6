"""What a check of drift looks at."""

from __future__ import annotations

from typing import Any

from pvcore.cycle import approval, drifting, scoring


def test_what_was_scored_before_a_rollback_and_the_way_back_counts(own: Any) -> None:
    ws = own.workspace
    scoring.score_batch(ws, "seriousness@champion", "second.xml")
    assert drifting.scored_problems(ws) == ["seriousness"]
    assert own.sign(approval.request(ws, "seriousness@1", "rollback")).switched
    assert drifting.scored_problems(ws) == []
    assert own.sign(approval.request(ws, "seriousness@2", "rollback")).switched
    scoring.score_batch(ws, "seriousness@champion", "second.xml")  # the same answers are the same entry
    assert drifting.scored_problems(ws) == ["seriousness"]
