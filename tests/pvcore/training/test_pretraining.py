from __future__ import annotations

import dataclasses
import json

import pytest

from pvcore.errors import TrainingError
from pvcore.inference.base import base_digest
from pvcore.training import pretraining
from pvcore.training.pretraining import RECORD, Pretraining, pretrain

SETTINGS = Pretraining(epochs=6, batch=8, learning_rate=3e-3)


@pytest.fixture
def narratives(rows):
    return {row.case_id: row.text for row in rows(48, 1)}


class Killed(Exception):
    pass


def test_a_base_that_read_narratives_guesses_their_words_better_and_can_be_trained(
    tiny_base, narratives, specify, rows, train, tmp_path
):
    made = pretrain(narratives, SETTINGS, base=tiny_base, workdir=tmp_path / "w", output=tmp_path / "base")
    losses = [loss for _, loss in made.curve]
    assert sum(losses[-6:]) < 0.9 * sum(losses[:6])
    assert made.digest == base_digest(made.folder) != base_digest(tiny_base)
    record = json.loads((made.folder / RECORD).read_text())
    assert record["base"] == base_digest(tiny_base) and record["cases"] == sorted(narratives)
    assert record["before"] is None
    trained = train(specify(made.folder), rows(40, 1), rows(8, 2), base=made.folder)
    assert trained.tune["accuracy"] >= 0.5


def test_the_same_narratives_give_the_same_bytes_whatever_their_order_and_after_a_kill(
    tiny_base, narratives, tmp_path
):
    settings = dataclasses.replace(SETTINGS, epochs=17)  # 102 steps: a checkpoint stands at 100

    def make(name, texts=narratives, progress=None, threads=None):
        return pretrain(
            texts,
            settings,
            base=tiny_base,
            workdir=tmp_path / f"w-{name}",
            output=tmp_path / name,
            progress=progress,
            threads=threads,
        ).digest

    def kill(step, steps, loss):
        if step == 101:
            raise Killed

    whole = make("whole", threads=1)
    with pytest.raises(Killed):
        make("killed", progress=kill)
    assert not (tmp_path / "killed").exists()
    seen = []
    backwards = dict(reversed(narratives.items()))
    assert make("killed", texts=backwards, progress=lambda *at: seen.append(at[0])) == whole
    assert seen[0] == 101


def test_a_base_pretrained_twice_names_the_cases_of_both(tiny_base, narratives, tmp_path):
    settings = dataclasses.replace(SETTINGS, epochs=1)
    first = dict(list(narratives.items())[:8])
    once = pretrain(first, settings, base=tiny_base, workdir=tmp_path, output=tmp_path / "once")
    twice = pretrain(narratives, settings, base=once.folder, workdir=tmp_path, output=tmp_path / "twice")
    record = json.loads((twice.folder / RECORD).read_text())
    assert record["base"] == once.digest and record["before"]["cases"] == sorted(first)


def test_other_narratives_are_another_run_and_a_run_leaves_no_checkpoints(
    tiny_base, narratives, tmp_path, monkeypatch
):
    monkeypatch.setattr(pretraining, "CHECKPOINT_EVERY", 1)
    settings = dataclasses.replace(SETTINGS, epochs=1)
    work = tmp_path / "work"

    def kill(step, steps, loss):
        raise Killed

    with pytest.raises(Killed):
        pretrain(narratives, settings, base=tiny_base, workdir=work, output=tmp_path / "whole", progress=kill)
    assert len(list(work.iterdir())) == 1
    other = dict(list(narratives.items())[:8])
    pretrain(other, settings, base=tiny_base, workdir=work, output=tmp_path / "other")
    assert len(list(work.iterdir())) == 1
    seen = []
    pretrain(
        narratives,
        settings,
        base=tiny_base,
        workdir=work,
        output=tmp_path / "whole",
        progress=lambda *at: seen.append(at[0]),
    )
    assert seen[0] == 2 and not list(work.iterdir())


def test_what_cannot_be_pretrained_is_refused(tiny_base, tiny_phi3, narratives, tmp_path):
    options = {"workdir": tmp_path / "w", "output": tmp_path / "base"}
    with pytest.raises(TrainingError, match="all of them are empty"):
        pretrain({"a": " "}, SETTINGS, base=tiny_base, **options)
    with pytest.raises(TrainingError, match="no mask"):
        pretrain(narratives, SETTINGS, base=tiny_phi3, **options)
    assert not (tmp_path / "base").exists()
