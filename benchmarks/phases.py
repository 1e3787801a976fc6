"""Which cases to annotate next, phase by phase: every way of choosing beside chance, on real data.

    python benchmarks/phases.py vaers VAERS_FOLDER [--runs random:3 mixed:2 uncertainty:1 ...] [--plot FILE.svg]
    python benchmarks/phases.py phee PHEE_FOLDER

A cold start of 500 examples drawn by chance, then three phases: a way of pvcore.advice.choosing picks the next
cases of a pool, their labels are revealed from the data, and the adapter is trained on from the last phase's as the
platform updates one (new rows and replay, by the recipe's mixture). Failures and doubts come from the tune rows and
the pool, never from the test rows. WAY:SEEDS runs the first SEEDS draws of cold start and pool; a draw is the same
for every way, and its cold start is trained once.

vaers: seriousness; pool of the newest reports up to 2001, tune 2002, test 2003; average precision. phee: extraction;
pool and tune from train.json, test is dev.json without their abstracts; span F1. Intervals are 95%, by report (vaers)
or abstract (phee), paired on the same test rows and draws. What was trained and answered is kept below --work by the
digest of its specification, and a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from coding_parts import recipe
from phases_page import Phase, Run, page, plot
from quality_extraction import sentences
from quality_parts import rows_digest, write
from quality_seriousness import FIRST, LAST, TEST, TUNE, draw, read_year, some

from pvcore.advice import choosing
from pvcore.advice.failures import Answered, closed, failure_modes
from pvcore.advice.sufficiency import labels_of
from pvcore.advice.vectors import vectors
from pvcore.cycle.targeting import judged, unsure
from pvcore.evaluation import metrics
from pvcore.evaluation.compare import frame
from pvcore.evaluation.metrics import Metric
from pvcore.evaluation.span_metrics import span_f1
from pvcore.inference.base import resolve_base
from pvcore.inference.predict import load
from pvcore.problems import PROBLEMS, seriousness
from pvcore.records import Example, Prediction, digest
from pvcore.training import qlora
from pvcore.training.mixture import mix
from pvcore.training.specification import Specification
from pvcore.training.thresholds import best_threshold
from pvcore.training.train import train

COLD, PHASES, HELD_SEED = 500, 3, 99
RUNS = ("random:3", "mixed:2", "uncertainty:1", "failures:1", "diversity:1")


@dataclass(frozen=True)
class Task:
    """What is learned: rows to draw cold start and pool from (by seed), the held-out rows, the metric, the recipe."""

    name: str
    problem: str
    drawn: Mapping[int, Sequence[Example]]
    tune: Sequence[Example]
    test: Sequence[Example]
    metric: Metric
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Learned:
    """A trained adapter with the specification and the rows that made it."""

    folder: Path
    specification: Specification
    rows: Sequence[Example]
    seconds: float


def vaers(folder: Path, options: argparse.Namespace) -> Task:
    """Seriousness by time."""

    def sliced(rows: Sequence[Example]) -> list[Example]:
        return [dataclasses.replace(row, slices=seriousness.slices(row.text)) for row in rows]

    def year(number: int) -> list[Example]:
        return read_year(folder, number, options.reports or options.work)

    years = {number: year(number) for number in range(FIRST, LAST + 1)}
    return Task(
        name="vaers",
        problem="seriousness",
        drawn={s: sliced(draw(years, COLD + options.pool, s)) for s in range(options.draws)},
        tune=sliced(some(year(TUNE), options.tune, HELD_SEED)),
        test=sliced(some(year(TEST), options.test, HELD_SEED)),
        metric=metrics.average_precision(seriousness.POSITIVE, "AP"),
        settings=recipe(
            "vaers/seriousness", text__max_tokens=128, training__epochs=2, training__learning_rate=1.5e-3,
            training__max_rows=None, training__word_weights=False, training__checkpoint_every=10_000,
            quantisation__compute="bfloat16",
        ),
    )  # fmt: skip


def phee(folder: Path, options: argparse.Namespace) -> Task:
    """Extraction; no abstract stands in two of pool, tune and test."""
    rows = sentences(folder / "train.json")
    held = set(some(sorted({row.cluster for row in rows}), None, HELD_SEED)[: options.tune])
    tune = [row for row in rows if row.cluster in held][: options.tune]
    pool = [row for row in rows if row.cluster not in held]
    known = {row.cluster for row in rows}
    return Task(
        name="phee",
        problem="extraction",
        drawn={seed: some(pool, COLD + options.pool, seed) for seed in range(options.draws)},
        tune=tune,
        test=[row for row in sentences(folder / "dev.json") if row.cluster not in known][: options.test],
        metric=span_f1(),
        settings=recipe(
            "extraction", training__epochs=3, training__checkpoint_every=10_000, quantisation__compute="bfloat16"
        ),
    )  # fmt: skip


def learn(task: Task, rows: Sequence[Example], parent: Learned | None, seed: int, work: Path) -> Learned:
    """Train on `rows`, from the base or on from `parent`; found again if it was trained before."""
    asked = Specification(
        task.problem, "encoder", task.settings, dataset=rows_digest(rows), seed=seed,
        parent=parent.specification.digest if parent else None,
        parent_files=qlora.adapter_files(parent.folder) if parent else None,
    )  # fmt: skip
    folder, took = work / f"adapter-{asked.digest}", work / f"took-{asked.digest}.json"
    if not took.is_file():
        base = resolve_base(task.settings["base"]["source"], task.settings["base"]["digest"])
        started = time.process_time()
        train(
            asked, {"train": rows}, base=base, workdir=work / "checkpoints", output=folder,
            parent=parent.folder if parent else None, threads=1,
        )  # fmt: skip
        write(took, time.process_time() - started)
    return Learned(folder, asked, rows, json.loads(took.read_text("utf-8")))


def ask(task: Task, learned: Learned, rows: Sequence[Example], work: Path) -> list[Prediction]:
    """What an adapter answers, kept."""
    kept = work / f"answers-{digest([learned.specification.digest, rows_digest(rows)])}.json"
    if not kept.is_file():
        base = resolve_base(task.settings["base"]["source"], task.settings["base"]["digest"])
        found = load(learned.folder, base).predict(rows, threads=1)
        write(kept, [[p.said, p.score, p.ranked] for p in found])
    table = json.loads(kept.read_text("utf-8"))
    return [
        Prediction(row.example_id, said, score, ranked=tuple(map(tuple, ranked)))
        for row, (said, score, ranked) in zip(rows, table, strict=True)
    ]


def _counts(task: Task, rows: Sequence[Example]) -> Counter[str]:
    kind = PROBLEMS[task.problem].kind
    return Counter(name for row in rows for name in labels_of(row.label, kind))


def failing(task: Task, learned: Learned, work: Path) -> list[Answered]:
    """The tune rows as answered, at the threshold that is best there where the problem has one."""
    answers = ask(task, learned, task.tune, work)
    if positive := PROBLEMS[task.problem].positive:
        at = best_threshold([p.score for p in answers], [row.label == positive for row in task.tune])
        other = next(label for label in PROBLEMS[task.problem].labels if label != positive)
        answers = [dataclasses.replace(p, answer=positive if p.score >= at else other) for p in answers]
    return judged(task.problem, task.tune, answers)


def chosen(
    task: Task, way: choosing.Way, learned: Learned, pool: Sequence[Example], size: int, seed: int, work: Path
) -> list[Example]:
    """The next rows to reveal the labels of."""
    if way == "random":
        places = choosing.choose(np.zeros((len(pool), 1)), size, how=way, seed=seed)
        return [pool[place] for place in places]
    wrong = [row.example.text for row in failing(task, learned, work) if not row.right]
    seen = vectors([*(row.text for row in pool), *wrong])
    doubt = np.array([unsure(p) for p in ask(task, learned, pool, work)]) if way != "diversity" else None
    found = choosing.choose(
        seen[: len(pool)], size, how=way, unsure=doubt, failing=seen[len(pool) :], seed=seed
    )
    return [pool[place] for place in found]


def run(task: Task, way: choosing.Way, seed: int, size: int, work: Path) -> Run:
    """A cold start and its phases. Each phase learns its new rows with replay of those before, as an update does."""
    drawn = list(task.drawn[seed])
    have, pool = drawn[:COLD], drawn[COLD:]
    now = learn(task, have, None, seed, work)
    before = failure_modes(failing(task, now, work), _counts(task, have))
    phases = [shown(task, now, len(have), have, work)]
    for number in range(1, PHASES + 1):
        new = chosen(task, way, now, pool, size, 100 * seed + number, work)
        taken = {row.example_id for row in new}
        pool = [row for row in pool if row.example_id not in taken]
        mixture = task.settings["mixture"]
        rows = mix(new, have, replay=mixture["replay"], max_rows=None, seed=seed, keep=mixture["keep"])
        have = [*have, *new]
        now = learn(task, rows, now, seed, work)
        phases.append(shown(task, now, len(have), new, work))
        print(f"{task.name} {way} {seed}: {len(have)} rows, {phases[-1].score:.3f}", flush=True)
    mended = closed(before, failing(task, now, work), _counts(task, have))
    modes = [
        {**after, "kind": mode.kind, "rows": mode.rows, "rest": mode.rest, "example": dict(mode.examples[0])}
        for mode, after in zip(before, mended, strict=True)
    ]
    return Run(way, seed, phases, modes)


def shown(task: Task, learned: Learned, size: int, new: Sequence[Example], work: Path) -> Phase:
    answers = ask(task, learned, task.test, work)
    table = frame(task.test, answers, PROBLEMS[task.problem].judged)
    positive = PROBLEMS[task.problem].positive
    share = sum(row.label == positive for row in new) / len(new) if positive else 0.0
    length = float(np.mean([len(row.text) for row in new]))
    score = float(task.metric(table))
    return Phase(size, score, learned.seconds, share, length, table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", choices=("vaers", "phee"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", nargs="+", default=RUNS, metavar="WAY:SEEDS")
    parser.add_argument("--step", type=int, default=250, help="cases a phase")
    parser.add_argument("--pool", type=int, default=2500)
    parser.add_argument("--tune", type=int, default=400)
    parser.add_argument("--test", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--work", type=Path, default=Path(".pv/phases"))
    parser.add_argument("--reports", type=Path, help="where quality_seriousness.py kept the reports it read")
    parser.add_argument("--plot", type=Path, help="SVG of all that --work holds")
    options = parser.parse_args()
    asked = [(way, int(seeds)) for way, _, seeds in (name.partition(":") for name in options.runs)]
    options.draws = max(seeds for _, seeds in asked)
    task = (vaers if options.data == "vaers" else phee)(options.folder, options)
    print(f"{task.name}: {len(task.tune)} tune, {len(task.test)} test rows", flush=True)
    found = [
        run(task, way, seed, options.step, options.work)
        for seed in range(options.draws)
        for way, seeds in asked
        if seed < seeds
    ]
    clusters = pd.factorize(np.array([row.cluster for row in task.test]))[0]
    print("\n".join(page(task.name, task.metric, found, clusters, options.resamples)))
    series = [[r.way, r.seed, [[phase.size, phase.score] for phase in r.phases]] for r in found]
    write(options.work / f"series-{task.name}.json", {"metric": task.metric.name, "series": series})
    if options.plot:
        options.plot.write_bytes(plot(options.work))


if __name__ == "__main__":
    main()
