"""What the demonstration drops into the inbox: invented releases and cases, or yearly VAERS files."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import yaml

from pvcore.errors import ConfigError
from pvcore.problems import PROBLEMS

Say = Callable[[str], None]
FIRST, SECOND = "90.0", "90.1"
"""Versions of the invented dictionary, far from any real one."""
CASES_FIRST, CASES_SECOND, CASES_SCORED = 1400, 700, 40
YEARS_BEFORE = 5
"""Years before the update: the last of them chooses thresholds, the others train the first champion."""
REPORTS_A_YEAR = 2000


@dataclass(frozen=True)
class Drop:
    """Files for the inboxes as (inbox, path, MedDRA version to put into the name), and what to say of them."""

    files: Sequence[tuple[str, Path, str | None]]
    lines: Sequence[str]


class Source(Protocol):
    """Two drops of files: what the first champions learn from, and the update with its broken companions."""

    @property
    def problems(self) -> tuple[str, ...]: ...
    @property
    def describe(self) -> str: ...
    @property
    def arrivals(self) -> str: ...
    @property
    def update(self) -> str: ...

    def first(self, say: Say) -> Drop: ...
    def second(self, say: Say) -> Drop: ...
    def to_score(self) -> Path: ...


class Invented:
    """Two invented dictionary releases, and cases labelled by two annotators who sometimes disagree."""

    problems = ("seriousness", "coding")
    describe = (
        "an invented MedDRA release, and cases of two annotators as E2B(R3) XML and as Label Studio JSON"
    )
    arrivals = "the next release and batch, and with them a truncated release and a batch with wrong rows"
    update = "compare -> migrate -> validate -> split -> retrain with replay -> gate against the champion"

    def __init__(self, workspace: Path) -> None:
        self.folder = workspace / ".pv" / "arrivals"

    def first(self, say: Say) -> Drop:
        from pvcore.meddra.generate import Size, generate

        say("writing the release")
        self.truth = generate(self.folder, version=FIRST, seed=1, size=Size.small())
        return self._drop("first", self.truth, CASES_FIRST, 1, (), say)

    def second(self, say: Say) -> Drop:
        from pvcore.meddra.diff import diff
        from pvcore.meddra.generate import Size, generate

        say("writing the next release")
        old = self.truth.dictionary
        new = generate(self.folder, version=SECOND, seed=1, size=Size.small(), previous=old)
        fresh = diff(old, new.dictionary).new_terms()
        drop = self._drop("second", new, CASES_SECOND, 2, sorted(fresh), say)
        broken = [("meddra", self._truncated(new.archive), None), ("annotations", self._wrong(), SECOND)]
        return Drop([*drop.files, *broken], [*drop.lines, "a truncated release and a batch with wrong rows"])

    def to_score(self) -> Path:
        return self.folder / "to-score.xml"

    def _drop(self, name: str, truth, cases: int, seed: int, terms, say: Say) -> Drop:  # type: ignore[no-untyped-def]
        from pvcore.annotations import e2b_r3, label_studio
        from pvcore.annotations.generate import generate_cases

        say(f"writing {cases} cases")
        made, said = generate_cases(
            truth.dictionary, n=cases, seed=seed, prefix=f"INV-{name}", terms=terms, year=2025, brief=True
        )
        xml, export = self.folder / f"{name}.xml", self.folder / f"{name}.json"
        first, second = sorted({a.annotator for a in said})
        e2b_r3.write(made, said, xml, truth.version, sender=first)
        label_studio.write(made, [a for a in said if a.annotator == second], export)
        if name == "first":
            unseen, _ = generate_cases(
                truth.dictionary, n=CASES_SCORED, seed=9, prefix="NEW", year=2025, brief=True
            )
            e2b_r3.write(unseen, [], self.to_score(), truth.version)
        lines = [
            f"{truth.archive.name}: {len(truth.dictionary.tables['llt'])} LLTs",
            f"{xml.name} ({first}) and {export.name} ({second}): {cases} cases, {len(said)} annotations",
        ]
        files = [
            ("meddra", truth.archive, None),
            ("annotations", xml, None),
            ("annotations", export, truth.version),
        ]
        return Drop(files, lines)

    def _truncated(self, archive: Path) -> Path:
        target = self.folder / "truncated.zip"
        target.write_bytes(archive.read_bytes()[:-2000])
        return target

    def _wrong(self) -> Path:
        target = self.folder / "wrong-rows.json"
        text = '[{"id": 1, "data": {"text": "No case id."}}, {"id": 2, "data": "nothing"}, {"id": 3}]'
        target.write_text(text, "utf-8")
        return target


class Vaers:
    """Yearly VAERS files as published: earlier years train, the next is the update, the last is the test."""

    problems = ("seriousness",)
    arrivals = "the reports of the next year, and with them a truncated file"
    update = "validate -> duplicates and split by year -> retrain with replay -> gate against the champion"

    def __init__(self, workspace: Path, data: Path) -> None:
        self.folder = workspace / ".pv" / "arrivals"
        self.folder.mkdir(parents=True, exist_ok=True)
        found = {
            int(m[1]): f
            for f in data.iterdir()
            if (m := re.fullmatch(r"(\d{4})VAERSData\.zip", f.name, re.I))
        }
        years = sorted(found)
        if len(years) < 4:
            raise ConfigError(
                f"{data} holds {len(years)} yearly file(s); four are needed: train, tune, update, test."
            )
        self.files, self.years = found, years
        self.before = years[max(0, len(years) - 2 - YEARS_BEFORE) : -2]
        self.describe = (
            f"VAERS reports: {self.before[0]} to {self.before[-2]} train, {self.before[-1]} chooses the threshold, "
            f"{years[-2]} is the update, {years[-1]} the test; at most {REPORTS_A_YEAR} of a year, sampled by digest"
        )
        _settle(workspace, tune=self.before[-1], test=years[-1])

    def first(self, say: Say) -> Drop:
        chosen = [*self.before, self.years[-1]]
        files = [("annotations", self.files[year], None) for year in chosen]
        return Drop(files, [f"{len(files)} yearly files: {', '.join(map(str, chosen))}"])

    def second(self, say: Say) -> Drop:
        update = self.files[self.years[-2]]
        broken = self.folder / "truncated.zip"
        broken.write_bytes(update.read_bytes()[:-5000])
        files = [("annotations", update, None), ("annotations", broken, None)]
        return Drop(files, [f"{update.name} and a truncated file"])

    def to_score(self) -> Path:
        from pvcore.annotations import batch, table

        # A few reports of the smallest year: what is scored twice here shows bytes, not quality.
        smallest = min(self.files.values(), key=lambda file: file.stat().st_size)
        target = self.folder / "to-score.csv"
        table.write(batch.read(smallest).cases[:CASES_SCORED], [], target)
        return target


def _settle(workspace: Path, *, tune: int, test: int) -> None:
    """Settings and recipe for real reports: seriousness only, split by year, bounded rows."""
    settings = workspace / "pv.yaml"
    chosen = {
        "split": {"by": "time", "tune_years": [tune], "test_years": [test]},
        "max_rows_per_batch": REPORTS_A_YEAR,
    }
    settings.write_text(settings.read_text("utf-8") + "\n" + yaml.safe_dump(chosen), "utf-8")
    keep_recipes(workspace, ("seriousness",))
    shutil.copy(Path(__file__).parents[1] / "recipes" / "vaers" / "seriousness.yaml", workspace / "recipes")
    shutil.copy(Path(__file__).parents[1] / "recipes" / "vaers" / "policy.yaml", workspace / "recipes")


def keep_recipes(workspace: Path, problems: Sequence[str]) -> None:
    """Remove the recipes of all other problems: the demonstration is about these."""
    for name in set(PROBLEMS) - set(problems):
        (workspace / "recipes" / f"{name}.yaml").unlink(missing_ok=True)
