"""What the quality benchmarks share: answers that are kept, and tables of several draws with intervals by case."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pvcore.evaluation.metrics import Floats, Metric
from pvcore.evaluation.paired import Resamples, percentile_interval
from pvcore.inference.base import resolve_base
from pvcore.inference.predict import load
from pvcore.records import Example, Prediction, digest
from pvcore.training.specification import Specification, code_digest
from pvcore.training.train import train

SEEDS, FOLDS = 5, 5
RESAMPLES = 1000


class Answered(NamedTuple):
    """Answers in the order of the rows, and processor seconds of training and asking (NaN where it was cut off)."""

    answers: list[Prediction]
    seconds: float


def rows_digest(rows: Sequence[Example]) -> str:
    """Digest of a list of rows, in its order."""
    return digest([dataclasses.asdict(row) for row in rows])


def by_recipe(
    problem: str,
    settings: Mapping[str, Any],
    rows: Mapping[str, Sequence[Example]],
    *,
    seed: int,
    work: Path,
    threads: int,
    terms: pd.DataFrame | None = None,
    alone: bool = False,
) -> Answered:
    """An encoder trained by a recipe's sections on rows["train"] (threshold from rows["tune"]), asked rows["test"].

    `alone` leaves the wordings out that the adapter keeps. Adapter and answers are kept in `work` by all that decides
    them; a run that was cut off goes on from its last checkpoint.
    """
    held = {split: found for split, found in rows.items() if split != "test"}
    given = digest([rows_digest(found) for found in held.values()])
    asked = Specification(problem, "encoder", dict(settings), given, seed, code=code_digest())
    among = None if terms is None else digest(terms.to_dict("list"))

    def answer() -> Answered:
        base = resolve_base(settings["base"]["source"], settings["base"]["digest"])
        started, adapter = time.process_time(), work / f"adapter-{digest([asked.digest, among])}"
        spent = work / f"{adapter.name}.json"
        if not adapter.is_dir():
            made = train(asked, held, base=base, workdir=work, output=adapter, terms=terms, threads=threads)
            write(spent, math.nan if made.resumed_from else time.process_time() - started)
            shutil.rmtree(work / asked.digest)  # its checkpoints
        started = time.process_time()
        model = load(adapter, base)
        if alone:
            model.wordings = None
        answers = model.predict(rows["test"], terms=terms, threads=threads)
        asking = time.process_time() - started
        # A run killed right after the training leaves an adapter whose seconds nobody knows.
        training = json.loads(spent.read_text("utf-8")) if spent.is_file() else math.nan
        return Answered(answers, training + asking)

    return kept(work, [asked.digest, among, alone, rows_digest(rows["test"])], rows["test"], answer)


def kept(work: Path, key: Any, rows: Sequence[Example], make: Callable[[], Answered]) -> Answered:
    """Answers to `rows`, made once for a key and this code."""
    file = work / f"answers-{digest([key, code_digest()])}.json"
    if not file.is_file():
        made = make()
        table = [(p.answer, p.score, p.ranked, p.withheld) for p in made.answers]
        write(file, {"answers": table, "seconds": made.seconds})
    read = json.loads(file.read_text("utf-8"))
    answers = [
        Prediction(row.example_id, answer, score, tuple(map(tuple, ranked)), withheld=withheld)
        for row, (answer, score, ranked, withheld) in zip(rows, read["answers"], strict=True)
    ]
    return Answered(answers, read["seconds"])


def fold(rows: Sequence[Example], number: int) -> tuple[list[Example], list[Example]]:
    """(train, test): of FOLDS parts by cluster the one of that number is held out."""
    held = {*sorted({row.cluster for row in rows}, key=digest)[number::FOLDS]}
    return [r for r in rows if r.cluster not in held], [r for r in rows if r.cluster in held]


def timed(make: Callable[[], list[Prediction]]) -> Callable[[], Answered]:
    """A yardstick's answers with the processor seconds that they took."""

    def answer() -> Answered:
        started = time.process_time()
        return Answered(make(), time.process_time() - started)

    return answer


def write(file: Path, value: Any) -> None:
    """A file that is there whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(value), "utf-8")
    part.rename(file)


def resampled(frames: Sequence[pd.DataFrame], metric: Metric, draws: Resamples) -> tuple[Floats, Floats]:
    """The metric of each seed's frame, and its mean over the seeds under every resample of the cases."""
    return np.array([metric(f) for f in frames]), np.mean([draws.values(metric, f) for f in frames], axis=0)


def cell(values: Floats, draws: Floats, signed: bool = False) -> str:
    """A value with its 95% interval, and ± the standard deviation between the seeds where there are several."""
    if np.isnan(values).any():
        return "not defined"
    low, high = percentile_interval(draws, 0.95)
    form = "+.3f" if signed else ".3f"
    spread = f" ±{values.std(ddof=1):.3f}" if len(values) > 1 else ""
    return f"{values.mean():{form}} [{low:{form}}, {high:{form}}]{spread}"


def table(
    made: Mapping[str, Sequence[pd.DataFrame]],
    metrics: Sequence[Metric],
    against: Sequence[tuple[str, str]],
    resamples: int = RESAMPLES,
) -> list[str]:
    """Markdown rows: each side's metrics, then the paired differences (first - second of `against`).

    A side has a frame for each seed, all of the same rows. Whole clusters are drawn where frames name them, else rows.
    """
    first = next(iter(made.values()))[0]
    codes, names = pd.factorize(first.get("cluster", first.index))
    draws = Resamples(codes, len(names), resamples, seed=1)
    found = {name: [resampled(frames, m, draws) for m in metrics] for name, frames in made.items()}
    lines = [
        f"| | {' | '.join(metric.name for metric in metrics)} |",
        "|---|" + "---|" * len(metrics),
    ]
    for name, columns in found.items():
        lines.append(f"| {name} | " + " | ".join(cell(*column) for column in columns) + " |")
    for ours, theirs in against:
        pairs = zip(found[ours], found[theirs], strict=True)
        gaps = [cell(a[0] - b[0], a[1] - b[1], signed=True) for a, b in pairs]
        lines.append(f"| {ours} less {theirs} | " + " | ".join(gaps) + " |")
    return lines
