"""What can be said of the consistency of real annotations, printed as tables for docs/consistency.md.

    PV_SHARED=<folder with data/> python benchmarks/consistency.py [identifiers] [duplicates] [codings] [errors]

identifiers  flags per 1,000 reports by kind on VAERS and on two annotated corpora, and how many of the
             invented identifiers are found that are planted in VAERS narratives
duplicates   contradictory labels on nearly identical VAERS narratives, by year
codings      one verbatim in several drug labels (tac2017): how often the codes are the same
errors       label-error ranking on VAERS seriousness with 5% of the labels made wrong on purpose

No identifier, narrative or case id is printed.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from cleanlab.rank import get_label_quality_scores

from pvcore.annotations import vaers
from pvcore.annotations.agreement import consensus
from pvcore.annotations.coefficients import observed
from pvcore.annotations.contradictions import cluster_names, contradictions
from pvcore.annotations.label_errors import rank
from pvcore.annotations.personal_data import KINDS, find, flags, texts
from pvcore.annotations.reading import Content, Source
from pvcore.cycle.consistency import out_of_fold
from pvcore.problems import PROBLEMS
from pvcore.records import Example

SHARED = Path(os.environ.get("PV_SHARED", "shared")) / "data"
NOISE, SEEDS, REPORTS = 0.05, (1, 2, 3), 8000
ERRORS_YEAR, PLANTED = 2001, 200


def years() -> Iterator[tuple[int, Content]]:
    """Every VAERS year that is there."""
    for file in sorted((SHARED / "vaers").glob("*VAERSData.zip")):
        yield int(file.name[:4]), vaers.read(Source.of(file))


# --- identifiers ------------------------------------------------------------------------------------

STREETS, TOWNS, NAMES = (
    ("Alder", "Birch Hill", "Old Mill"),
    ("Springfield, IL", "Salem OR"),
    ("Okonkwo", "Llewellyn"),
)


def invented(kind: str, rng: random.Random) -> tuple[str, str]:
    """A sentence with an invented identifier of a kind, and the identifier. Phones are of the fictional range."""
    d = lambda n: "".join(rng.choice("0123456789") for _ in range(n))  # noqa: E731
    name = rng.choice(
        (*NAMES, "Garcia", "O'Hara", "Van der Berg", "Reed", "Fleming", "Nguyen", "Smith-Jones")
    )
    day = f"{rng.randint(1, 12)}/{rng.randint(1, 28)}/{rng.randint(1930, 2003)}"
    month = rng.choice(("January", "Mar", "OCT"))
    house, town = rng.randint(1, 9999), rng.choice(TOWNS)
    forms: dict[str, Sequence[tuple[str, str]]] = {
        "email": [("Send to {} please.", f"{name.lower().replace(' ', '')}{d(2)}@mail.example.org")],
        "phone": [
            ("Mother can be reached at {}.", f"({rng.randint(201, 799)}) 555-01{d(2)}"),
            ("Call {} after 5 pm.", f"{rng.randint(201, 799)}-555-01{d(2)}"),
            ("Callback {}.", f"555-01{d(2)}"),
            ("Mobile {}.", f"07700 900{d(3)}"),
        ],
        "record_number": [
            ("MRN {}.", d(8)),
            ("SSN {}.", f"{d(3)}-{d(2)}-{d(4)}"),
            ("Medical record number: {}", d(7)),
            ("Patient #{} was seen.", d(6)),
        ],
        "date_of_birth": [
            ("DOB {}.", day),
            ("She was born on {}.", f"{rng.randint(1, 28)} {month} {rng.randint(1930, 2003)}"),
            ("Birthdate is {}.", day.replace("/", "-")),
            ("DOB: {}", f"{month} {rng.randint(1, 28)}, {rng.randint(1930, 2003)}"),
            ("Her birthday, {}, was last week.", day),
        ],
        "titled_name": [
            ("Seen by Dr. {} the same day.", name),
            ("Mrs {} called.", name),
            ("Per mr. {} the arm was sore.", name.lower()),
            ("Dr {} was informed.", name),
            ("Dr. J. {} called back.", name),
        ],
        "address": [
            ("Lives at {}.", f"{house} {rng.choice(STREETS)} Road, {town} {d(5)}"),
            ("Mail to {}.", f"{house} {rng.choice(STREETS)} St., Apt 4, {town} {d(5)}"),
            ("Home: {}", f"{house} Elm Ave {town}"),
        ],
    }
    form, identifier = rng.choice(list(forms[kind]))
    return form.format(identifier), identifier


def identifiers(contents: Iterable[tuple[int, Content]]) -> None:
    """Flags on real text, then what is found of planted identifiers."""
    counts: Counter[str] = Counter()
    reports, files, of_files, narratives, began = 0, 0, Counter[str](), [], time.perf_counter()
    other: Counter[str] = Counter()
    for _, content in contents:
        found = [{kind for kind, *_ in find(case.narrative)} for case in content.cases]
        counts.update(kind for kinds in found for kind in kinds)
        of_files.update(set().union(*found))
        for case in content.cases:
            other["texts"] += len(texts(case)) - 1
            other["flags"] += sum(flag.field != "narrative" for flag in flags(case))
        reports, files = reports + len(found), files + 1
        narratives += [c.narrative for c in content.cases[:: max(1, len(found) // PLANTED)]]
    seconds = time.perf_counter() - began
    labels = json.loads((SHARED / "tac2017_train" / "demner-fushman-train-labels.json").read_text())
    lines = (SHARED / "phee" / "train.json").read_text().splitlines()
    corpora = (
        [row["section_text"] for row in labels],
        [json.loads(line)["context"] for line in lines if line],
    )
    others = [Counter(kind for text in corpus for kind, *_ in find(text)) for corpus in corpora]
    print(f"\n{reports:,} VAERS reports in {files} yearly files, read and searched in {seconds:.0f} s;")
    print(f"{other['texts']:,} other texts of them (drugs, reactions, source) hold {other['flags']} flag(s);")
    print(
        f"{len(corpora[0])} drug-label sections (tac2017), {len(corpora[1]):,} case-report sentences (phee).\n"
    )
    print("| kind | reports flagged | per 1,000 | yearly files | tac2017 | phee | planted | found |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    rng = random.Random(17)
    for kind in KINDS:
        hits = 0
        for _ in range(PLANTED):
            sentence, identifier = invented(kind, rng)
            text = f"{rng.choice(narratives)} {sentence} {rng.choice(narratives)}"
            start = text.index(sentence) + sentence.index(identifier)
            hits += any(k == kind and a < start + len(identifier) and start < b for k, a, b, _ in find(text))
        print(
            f"| {kind} | {counts[kind]} | {1000 * counts[kind] / reports:.3f} | {of_files[kind]} of {files} | "
            f"{others[0][kind]} | {others[1][kind]} | {PLANTED} | {100 * hits / PLANTED:.0f}% |"
        )


# --- contradictions ---------------------------------------------------------------------------------


def duplicates(contents: Iterable[tuple[int, Content]]) -> None:
    """Clusters of nearly identical narratives within a year, and those whose seriousness differs."""
    print("\n| year | reports | in clusters of two and more | clusters | contradictory in seriousness "
          "| reports in them | labels to change | s |")  # fmt: skip
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    total: Counter[str] = Counter()
    for year, content in contents:
        began = time.perf_counter()
        names = cluster_names(content.cases)
        sizes = Counter(names.values())
        labels = consensus(a for a in content.annotations if a.problem == "seriousness").resolved
        found = contradictions(labels, names)
        row = {
            "reports": len(names),
            "members": sum(n for n in sizes.values() if n > 1),
            "clusters": sum(n > 1 for n in sizes.values()),
            "contradictory": len(found),
            "inside": sum(sum(c.answers.values()) for c in found),
            "minority": sum(c.minority for c in found),
        }
        total.update(row)
        shown = " | ".join(f"{value:,}" for value in row.values())
        print(f"| {year} | {shown} | {time.perf_counter() - began:.1f} |")
    print(f"| all | {' | '.join(f'{value:,}' for value in total.values())} | |")


# --- codings ----------------------------------------------------------------------------------------


def codings() -> None:
    """tac2017 has one annotator a section, so what can be asked is whether the same words got the same code."""
    labels = json.loads((SHARED / "tac2017_train" / "demner-fushman-train-labels.json").read_text())
    said: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for number, section in enumerate(labels):
        for verbatim, _, pt, _, llt, *_ in section["adverse_events"]:
            if pt == pt and llt == llt and pt and llt:  # no NaN: a mention without a code
                said[" ".join(verbatim.casefold().split())][str(number)] = (int(llt), int(pt))
    repeated = {verbatim: codes for verbatim, codes in said.items() if len(codes) > 1}
    print("\n| level | verbatims in two sections and more | always one code | pairs of sections that agree |")
    print("|---|---:|---:|---:|")
    for place, level in enumerate(("LLT", "PT")):
        things = [{where: code[place] for where, code in codes.items()} for codes in repeated.values()]
        same = sum(len(set(thing.values())) == 1 for thing in things)
        print(f"| {level} | {len(things):,} | {same / len(things):.1%} | {observed(things):.1%} |")


# --- label errors -----------------------------------------------------------------------------------


def errors(content: Content) -> None:
    """Labels made wrong at random, and how many of them the ranking puts first; beside one adjusted by class."""
    problem = PROBLEMS["seriousness"]
    cases = content.cases[:: max(1, len(content.cases) // REPORTS)][:REPORTS]
    truth = {a.case_id: bool(a.value["serious"]) for a in content.annotations if a.problem == "seriousness"}
    names = cluster_names(cases)
    share = sum(truth[case.case_id] for case in cases) / len(cases)
    print(
        f"\n{len(cases):,} reports of {ERRORS_YEAR}, {share:.1%} serious; {NOISE:.0%} of the labels turned over.\n"
    )
    print("| seed | planted | top 5%: by chance | ranked | adjusted by class | precision of `likely` "
          "| recall of `likely` | s |")  # fmt: skip
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for seed in SEEDS:
        began = time.perf_counter()
        rng = random.Random(seed)
        wrong = set(rng.sample(range(len(cases)), round(NOISE * len(cases))))
        given = [problem.labels[truth[case.case_id] ^ (i in wrong)] for i, case in enumerate(cases)]
        examples = [
            Example(case.case_id, case.case_id, case.narrative, label, names[case.case_id])
            for case, label in zip(cases, given, strict=True)
        ]
        positive = out_of_fold(examples, positive=str(problem.positive))
        scores = np.column_stack([1 - positive, positive])
        ranked = rank(given, scores, problem.labels)
        first = {s.index for s in ranked[: len(wrong)]}
        codes = np.array([problem.labels.index(label) for label in given])
        margin = get_label_quality_scores(codes, scores, method="normalized_margin", adjust_pred_probs=True)
        adjusted = set(np.argsort(margin, kind="stable")[: len(wrong)].tolist())
        likely = {s.index for s in ranked if s.likely}
        kept, hits = len(likely & wrong), len(first & wrong)
        print(
            f"| {seed} | {len(wrong)} | {NOISE * len(wrong):.0f} | {hits} ({hits / len(wrong):.0%}) "
            f"| {len(adjusted & wrong)} | {kept / max(len(likely), 1):.0%} of {len(likely)} "
            f"| {kept / len(wrong):.0%} | {time.perf_counter() - began:.0f} |",
            flush=True,
        )


def main(parts: Sequence[str]) -> None:
    """Print the tables of `parts`, or all."""
    for name in parts or ("identifiers", "duplicates", "codings", "errors"):
        if name == "codings":
            codings()
        elif name == "errors":
            errors(next(content for year, content in years() if year == ERRORS_YEAR))
        else:
            {"identifiers": identifiers, "duplicates": duplicates}[name](years())


if __name__ == "__main__":
    main(sys.argv[1:])
