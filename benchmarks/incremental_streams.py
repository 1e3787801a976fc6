"""What comes after what, for benchmarks/incremental.py: years of VAERS reports, and releases of a dictionary.

An update holds all rows known by then, as they are labelled at that time, and the test sets of all updates
so far, the newest last.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from pvcore.annotations.batch import read
from pvcore.annotations.duplicates import clusters
from pvcore.annotations.generate import generate_cases
from pvcore.meddra.diff import diff
from pvcore.meddra.generate import Size, generate
from pvcore.meddra.migrate import migrate
from pvcore.meddra.release import Dictionary
from pvcore.problems import coding, seriousness
from pvcore.records import Annotation, Case, Example, digest

Tests = Mapping[str, Sequence[Example]]


@dataclass(frozen=True)
class Update:
    """One update of a stream; `new` are the rows of `train` that the update before did not hold so."""

    name: str
    train: Sequence[Example]
    new: Sequence[Example]
    tune: Sequence[Example]
    tests: Tests
    terms: pd.DataFrame | None = None


@dataclass(frozen=True)
class Sizes:
    """Rows: of the first training set, and of each update to train on and to test on."""

    base: int
    new: int
    test: int
    tune: int = 150


def vaers(folder: Path, base: Sequence[int], years: Sequence[int], sizes: Sizes) -> Iterator[Update]:
    """Seriousness of real reports: the years of `base` together, then a year an update.

    Rows are taken by digest, one serious to two that are not (of all reports about one in ten is
    serious, and few test rows would then say little). Of a cluster of near-identical reports only the
    earliest is taken, so that no test set knows another set's rows.
    """
    asked = {str(year): (sizes.new, 0, sizes.test) for year in years}
    share = -(-sizes.base // len(base)), -(-sizes.tune // len(base)), -(-sizes.test // len(base))
    asked = {str(year): share for year in base} | asked
    pools = _distinct(
        {name: _reports(folder / f"{name}VAERSData.zip", 3 * sum(n)) for name, n in asked.items()}
    )
    train: list[Example] = []
    tune: list[Example] = []
    tests: dict[str, list[Example]] = {}
    first = f"{min(base)}-{max(base)}"
    new: list[Example] = []
    for name, numbers in asked.items():
        of_new, of_tune, of_test = _shared_out(pools[name], numbers)
        key = first if int(name) in base else name
        new, tune = [*new, *of_new], [*tune, *of_tune]
        tests.setdefault(key, []).extend(of_test)
        if int(name) in base and int(name) != max(base):
            continue
        train = [*train, *new]
        yield Update(key, train, new, tune, {name: list(rows) for name, rows in tests.items()})
        new = []


def _reports(file: Path, number: int) -> dict[str, list[Case]]:
    """Label -> reports of a year with it, those with the smallest digests."""
    batch = read(file)
    said = {a.case_id: seriousness.LABELS[a.value["serious"]] for a in batch.annotations}
    found: dict[str, list[Case]] = {label: [] for label in seriousness.LABELS}
    for case in sorted(batch.cases, key=lambda case: digest(case.case_id)):
        if len(found[said[case.case_id]]) < number:
            found[said[case.case_id]].append(case)
    return found


def _distinct(pools: dict[str, dict[str, list[Case]]]) -> dict[str, dict[str, list[Example]]]:
    """The reports as examples, without those that nearly repeat an earlier one."""
    listed = [(year, label, case) for year, pool in pools.items() for label in pool for case in pool[label]]
    cluster_of = clusters([case.narrative for _, _, case in listed])
    seen: set[str] = set()
    kept: dict[str, dict[str, list[Example]]] = {
        year: {label: [] for label in seriousness.LABELS} for year in pools
    }
    for (year, label, case), cluster in zip(listed, map(str, cluster_of), strict=True):
        if cluster in seen:
            continue
        seen.add(cluster)
        slices = seriousness.slices(case.narrative, case.age_years)
        kept[year][label].append(Example(case.case_id, case.case_id, case.narrative, label, cluster, slices))
    return kept


def _shared_out(pool: Mapping[str, list[Example]], numbers: Sequence[int]) -> list[list[Example]]:
    """Disjoint lists of these lengths, a third of each serious."""
    rest = {label: iter(rows) for label, rows in pool.items()}
    parts = []
    for number in numbers:
        serious = round(number / 3)
        wanted = {seriousness.POSITIVE: serious, seriousness.LABELS[0]: number - serious}
        parts.append([next(rest[label]) for label, n in wanted.items() for _ in range(n)])
    return parts


def releases(number: int, sizes: Sizes) -> Iterator[Update]:
    """Coding with generated releases: a first one, then `number` later ones with cases of their new terms.

    Labels of earlier rows and test sets are carried into each release; a row whose term needs a person
    is left out from then on.
    """
    seed, before, favoured = 1, None, set[str]()
    train: list[Example] = []
    tune: list[Example] = []
    tests: dict[str, list[Example]] = {}
    seen: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        for index in range(number + 1):
            version = f"{90 + index // 2}.{index % 2}"
            made = generate(Path(folder), version=version, seed=seed, size=Size.small(), previous=before)
            now = made.dictionary
            known = {_identity(row) for row in train}
            if before is not None:
                favoured = set(diff(before, now).new_terms())
                carried = [_carried(rows, before, now) for rows in (train, tune, *tests.values())]
                train, tune = carried[:2]
                tests = dict(zip(tests, carried[2:], strict=True))
            wanted = (sizes.new, 0, sizes.test) if index else (sizes.base, sizes.tune, sizes.test)
            _, said = generate_cases(
                now, n=3 * sum(wanted), seed=seed + index, prefix=version, terms=sorted(favoured),
                disagreement=0, annotators=("annotator-a",), duplicates=0,
            )  # fmt: skip
            rows = _verbatims(said, favoured, seen)[: sum(wanted)]
            parts = [rows[sum(wanted[:i]) : sum(wanted[: i + 1])] for i in range(3)]
            train, tune = [*train, *parts[0]], [*tune, *parts[1]]
            tests[version] = parts[2]
            new = [row for row in train if _identity(row) not in known]
            yield Update(version, train, new, tune, dict(tests), now.current_llts())
            before = now


def _identity(row: Example) -> tuple[str, str, str]:
    return row.example_id, row.text, row.label


def _verbatims(said: Sequence[Annotation], favoured: set[str], seen: set[str]) -> list[Example]:
    """One row a wording that no update had before: what is tested was never trained on word for word."""
    rows = []
    for a in said:
        wording = coding.normal(a.target)
        if a.problem == coding.NAME and wording not in seen:
            seen.add(wording)
            code, name = a.value["llt_code"], f"{a.case_id}:{digest(a.target)[:16]}"
            slices = ("new_terms",) if code in favoured else ()
            rows.append(Example(name, a.case_id, a.target, code, name, slices))
    return rows


def _carried(rows: Sequence[Example], old: Dictionary, new: Dictionary) -> list[Example]:
    """Rows with the labels that their codes have in a release, without those that need a person."""
    table = pd.DataFrame(
        [(row.example_id, row.label, row.text) for row in rows], columns=["row_id", "llt_code", "verbatim"]
    )
    moved = migrate(table, old, new, policy=3).rows
    code = dict(zip(moved["row_id"], moved["new_code"], strict=True))
    return [
        dataclasses.replace(row, label=code[row.example_id], slices=())
        for row in rows
        if isinstance(code[row.example_id], str)
    ]
