"""A run of any head that is cut off after every step, and once more while it is finished, leaves the same bytes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from pvcore.evaluation.spans import Marked, Span, written
from pvcore.training import train as module

HEADS = {
    "classification": ("seriousness", "encoder", {"training__word_weights": True}),
    "tagging": ("extraction", "encoder", {}),
    "embedding": ("coding", "encoder", {"training__wordings": True, "training__dictionary_pairs": 4}),
    "mentions": ("pts", "encoder", {}),
    "label_tokens": ("seriousness", "causal", {"text__max_tokens": 640}),
    "generation": ("extraction", "causal", {"text__max_tokens": 640}),
    "terms": ("coding", "causal", {"training__dictionary_pairs": 4}),
}
"""Head -> problem, family, and what its specification says beside the fixture's."""
STEPS = 3


class Killed(Exception):
    pass


def quoting(rows: Any) -> Any:
    """The rows with the answer of an extraction that marks their first word."""
    span = [Span(((0, len(row.text.split()[0])),), "Drug") for row in rows]
    return [dataclasses.replace(r, label=written(Marked.of([s]))) for r, s in zip(rows, span, strict=True)]


@pytest.mark.parametrize("head", HEADS)
def test_cut_off_after_every_step_and_while_finishing(
    tiny_base, tiny_phi3, specify, rows, verbatims, terms, train, tmp_path, monkeypatch, head
):
    problem, family, options = HEADS[head]
    given, tune = {
        "seriousness": (rows(12, 1), rows(4, 2)),
        "extraction": (quoting(rows(12, 1)), quoting(rows(2, 2))),
        "coding": (verbatims[:8], verbatims[12:14]),  # with four pairs of the dictionary
        "pts": (verbatims[:12], verbatims[12:14]),
    }[problem]
    table = terms.iloc[:16] if problem in ("coding", "pts") else None
    base = tiny_base if family == "encoder" else tiny_phi3
    asked = specify(base, problem, family, training__epochs=1, training__batch=4, **options)
    attempt: list[int] = []

    def killed(step: int, steps: int, loss: float) -> None:
        assert steps == STEPS
        if step > len(attempt):
            attempt.append(step)
            raise Killed

    def broken(*_: Any) -> Any:
        raise Killed

    def made(**how: Any) -> Any:
        return train(asked, given, tune, base=base, terms=table, threads=1, **how)

    whole = made()
    places: dict[str, Path] = {"workdir": tmp_path / "cut", "output": tmp_path / "cut-adapter"}
    for _ in range(STEPS):
        with pytest.raises(Killed):
            made(progress=killed, **places)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(module, "calibrated", broken)
        made(**places)
    assert not places["output"].exists()
    last = made(**places)
    assert (attempt, last.resumed_from) == ([1, 2, 3], STEPS)
    assert (last.digest, last.files, last.curve) == (whole.digest, whole.files, whole.curve)
    assert (last.tune, last.consumed, last.fitted) == (whole.tune, whole.consumed, whole.fitted)
    for name in last.files:
        assert (last.adapter / name).read_bytes() == (whole.adapter / name).read_bytes()
