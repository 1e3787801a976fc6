"""The invented files of the demonstration for problems whose labels come without a dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from pvcore.cli.demo_data import Drop, Say
from pvcore.records import Annotation, Case

REPORTS_FIRST, REPORTS_SECOND = 1300, 600
PAIRS_FIRST, PAIRS_SECOND = 2600, 1200
MARKED_FIRST, MARKED_SECOND = 700, 350
SCORED = 40


class Triage:
    """Reports of two annotators who say what makes a report urgent; the recipe's table makes classes of it."""

    problems = ("triage",)
    describe = "invented reports with facts that two annotators saw, as CSV; the class follows from the recipe's table"
    arrivals = "the next reports, and with them a file whose facts are none"
    update = "validate -> agreement -> split -> retrain with replay -> gate against the champion"

    def __init__(self, workspace: Path) -> None:
        self.folder = workspace / ".pv" / "arrivals"

    def first(self, say: Say) -> Drop:
        from pvcore.annotations import table
        from pvcore.annotations.generate_triage import generate_triage

        drop = self._drop("triage-first", REPORTS_FIRST, 1, say)
        unseen, _ = generate_triage(self.dictionary, n=SCORED, seed=9, prefix="NEW", year=2025)
        table.write(unseen, [], self.to_score())
        return drop

    def second(self, say: Say) -> Drop:
        drop = self._drop("triage-second", REPORTS_SECOND, 2, say)
        wrong = self.folder / "triage-wrong.csv"
        wrong.write_text(
            "case_id,narrative,annotator,problem,value\n"
            'W-1,She had a rash after the second dose.,annotator-a,triage,"{""class"": ""soon""}"\n'
        )
        return Drop(
            [*drop.files, ("annotations", wrong, None)], [*drop.lines, "a file with a class that is none"]
        )

    def to_score(self) -> Path:
        return self.folder / "triage-to-score.csv"

    def _drop(self, name: str, number: int, seed: int, say: Say) -> Drop:
        from pvcore.annotations import table
        from pvcore.annotations.generate_triage import generate_triage
        from pvcore.meddra.generate import Size, generate

        say(f"writing {number} reports")
        if seed == 1:
            self.dictionary = generate(
                self.folder / "words", version="90.0", seed=1, size=Size.small()
            ).dictionary
        made, said = generate_triage(self.dictionary, n=number, seed=seed, prefix=name, year=2025)
        files = _each(self.folder, name, sorted({a.annotator for a in said}))
        for annotator, file in files.items():
            table.write(made, [a for a in said if a.annotator == annotator], file)
        line = f"{' and '.join(f.name for f in files.values())}: {number} reports, {len(said)} annotations"
        return Drop([("annotations", file, None) for file in files.values()], [line])


class Marked:
    """Reports in which two annotators marked drugs and reactions."""

    problems = ("extraction",)
    describe = "invented reports whose drugs and reactions two annotators marked, as exports of Prodigy"
    arrivals = "the next reports, and with them an export whose span lies outside its text"
    update = (
        "validate -> agreement -> split -> retrain with replay -> gate against the champion and a lexicon"
    )

    def __init__(self, workspace: Path) -> None:
        self.folder = workspace / ".pv" / "arrivals"

    def first(self, say: Say) -> Drop:
        from pvcore.annotations import table
        from pvcore.annotations.generate_spans import generate_spans

        drop = self._drop("marked-first", MARKED_FIRST, 1, say)
        unseen, _ = generate_spans(self.dictionary, n=SCORED, seed=9, prefix="NEW", year=2025)
        table.write(unseen, [], self.to_score())
        return drop

    def second(self, say: Say) -> Drop:
        drop = self._drop("marked-second", MARKED_SECOND, 2, say)
        wrong = self.folder / "marked-wrong.jsonl"
        wrong.write_text(
            '{"text": "A rash.", "meta": {"case_id": "W-1"}, "spans": [{"start": 2, "end": 90, "label": "Drug"}], '
            '"answer": "accept", "_annotator_id": "annotator-a", "_task_hash": 1}\n'
        )
        return Drop([*drop.files, ("annotations", wrong, None)], [*drop.lines, "an export with a wrong span"])

    def to_score(self) -> Path:
        return self.folder / "marked-to-score.csv"

    def _drop(self, name: str, number: int, seed: int, say: Say) -> Drop:
        from pvcore.annotations import prodigy
        from pvcore.annotations.generate_spans import generate_spans
        from pvcore.meddra.generate import Size, generate

        say(f"writing {number} reports")
        if seed == 1:
            release = generate(self.folder / "words", version="90.0", seed=1, size=Size.small())
            self.dictionary = release.dictionary
        made, said = generate_spans(self.dictionary, n=number, seed=seed, prefix=name, year=2025)
        file = self.folder / f"{name}.jsonl"
        prodigy.write(made, said, file)
        return Drop(
            [("annotations", file, None)], [f"{file.name}: {number} reports, {len(said)} annotations"]
        )


class Pairs:
    """Pairs of invented drugs that interact by a known rule; drugs, not pairs, are held out."""

    problems = ("ddi",)
    describe = "pairs of invented drugs as CSV; no drug of a held-out pair is in a pair that is trained on"
    arrivals = "the next pairs of the same drugs, and with them a file with a drug that meets itself"
    update = "validate -> split by drug -> retrain with replay -> gate against the champion and popularity"

    def __init__(self, workspace: Path) -> None:
        self.folder = workspace / ".pv" / "arrivals"
        settings = workspace / "pv.yaml"
        split = {"split": {"by": "drug", "test": 0.3, "tune": 0.15}}
        settings.write_text(f"{settings.read_text('utf-8')}\n{yaml.safe_dump(split)}", "utf-8")

    def first(self, say: Say) -> Drop:
        from pvcore.annotations import pair_files
        from pvcore.annotations.generate_pairs import generate_pairs

        self.folder.mkdir(parents=True, exist_ok=True)
        self.made, said = generate_pairs(n=PAIRS_FIRST, seed=1)
        unseen, _ = generate_pairs(n=SCORED, seed=9, avoid=self.made)
        pair_files.write(unseen, [], self.to_score())
        return self._drop("pairs-first", self.made, said, say)

    def second(self, say: Say) -> Drop:
        from pvcore.annotations.generate_pairs import generate_pairs

        drop = self._drop("pairs-second", *generate_pairs(n=PAIRS_SECOND, seed=2, avoid=self.made), say)
        wrong = self.folder / "pairs-wrong.csv"
        wrong.write_text("drug_name1,drug_name2,target,annotator\nAmrizol,amrizol,1,annotator-a\n")
        return Drop(
            [*drop.files, ("annotations", wrong, None)], [*drop.lines, "a file with one drug for two"]
        )

    def to_score(self) -> Path:
        return self.folder / "pairs-to-score.csv"

    def _drop(self, name: str, made: Sequence[Case], said: Sequence[Annotation], say: Say) -> Drop:
        from pvcore.annotations import pair_files

        say(f"writing {len(made)} pairs")
        file = self.folder / f"{name}.csv"
        pair_files.write(made, said, file)
        return Drop([("annotations", file, None)], [f"{file.name}: {len(made)} pairs"])


def _each(folder: Path, name: str, annotators: Sequence[str]) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return {annotator: folder / f"{name}-{annotator}.csv" for annotator in annotators}
