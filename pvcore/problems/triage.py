"""Triage: how soon a case must be reported to authorities, by a safety team's own policy table.

    >>> facts = {"criteria": ["death"], "expected": False, "study": False, "special": []}
    >>> table = read_table([{"class": "expedited 15 days", "serious": True, "expected": False}, {"class": LABELS[0]}])
    >>> class_of(facts, table)
    'expedited 15 days'
    >>> class_of({**facts, "expected": True}, table)
    'non-expedited'
    >>> print(text_of("Rash on day two. It is not listed.", 4.0, "F"))
    Patient: 4 years, F. Rash on day two. It is not listed.
    >>> TRIAGE.slices("Rash on day two.", 4.0)
    ('paediatric',)
    >>> TRIAGE.parse(" Non-expedited")
    'non-expedited'

ICH E2A III.B: a fatal or life-threatening unexpected reaction in a clinical investigation goes to
authorities within 7 calendar days, any other serious unexpected one within 15. ICH E2D asks for 15
days after approval. What else is expedited (special situations, serious but listed) differs by region and
company: so the table stands in the recipe, and is part of what a version was trained by. To call a case
less urgent than it is, is the error that matters: `under_triage` counts it, and `cost` weighs it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pvcore.errors import ConfigError
from pvcore.evaluation import confusion, metrics
from pvcore.problems import seriousness
from pvcore.problems.posing import case_examples, case_questions, one_of
from pvcore.problems.problem import Problem, Table
from pvcore.records import CRITERIA, Case, Example, Question

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.meddra.release import Dictionary

NAME = "triage"
LABELS = ("non-expedited", "expedited 15 days", "expedited 7 days")
"""From the least to the most urgent."""
UNDER = 5.0
"""What a class too low costs, where a class too high costs 1."""
SPECIAL = (
    "pregnancy",
    "breastfeeding",
    "paediatric",
    "elderly",
    "overdose",
    "abuse",
    "misuse",
    "medication_error",
    "occupational_exposure",
    "off_label",
    "lack_of_effect",
)
"""Special situations: ICH E2B(R3) E.i.4 and EU GVP VI.B.6, with the age groups of ICH E11 and E7."""
FLAGS = ("expected", "study")
FACTS = ("criteria", *FLAGS, "special")
"""What an annotator says of a case: E2A criteria met (none: not serious), whether the reaction is expected
(listed), whether it comes from a clinical investigation, and special situations."""
INSTRUCTION = (
    "How soon must this individual case safety report go to authorities: expedited 7 days (fatal or "
    "life-threatening, unexpected, from a study), expedited 15 days (serious and unexpected), or "
    "non-expedited?\n\nReport: "
)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the policy table: a class, and the conditions under which it is given. None asks nothing.

    `criteria` and `special` are met by any one of those named; `serious` says whether any criterion is met.
    """

    label: str
    criteria: tuple[str, ...] | None = None
    serious: bool | None = None
    expected: bool | None = None
    study: bool | None = None
    special: tuple[str, ...] | None = None

    def fits(self, facts: Mapping[str, Any]) -> bool:
        """Whether all conditions hold of an annotation's facts."""
        said = {"serious": bool(facts["criteria"]), **{name: facts[name] for name in FLAGS}}
        named = all(
            wanted is None or set(wanted) & set(facts[name])
            for name, wanted in (("criteria", self.criteria), ("special", self.special))
        )
        return named and all(getattr(self, name) in (None, value) for name, value in said.items())


def read_table(table: Table) -> tuple[Row, ...]:
    """The rows of a recipe's `table`. Raises ConfigError naming every row that cannot be used."""
    words, faults = {"criteria": CRITERIA, "special": SPECIAL}, []
    for number, row in enumerate(table, 1):
        if row.get("class") not in LABELS:
            faults.append(f"row {number}: class {row.get('class')!r}, expected one of {', '.join(LABELS)}")
        for name, value in row.items():
            if name in words and not (
                isinstance(value, list) and value and set(map(str, value)) <= set(words[name])
            ):
                faults.append(f"row {number}: {name} {value!r}, expected a list of {', '.join(words[name])}")
            elif name in ("serious", *FLAGS) and not isinstance(value, bool):
                faults.append(f"row {number}: {name} {value!r}, expected true or false")
            elif name not in ("class", "serious", *FACTS):
                faults.append(f"row {number}: unknown condition {name!r}")
    if table and set(table[-1]) != {"class"}:
        faults.append("the last row has conditions: give it a class alone, for all other cases")
    if faults:
        raise ConfigError("the table of the recipe of triage\n" + "\n".join(f"  {fault}" for fault in faults))
    return tuple(Row(**{{"class": "label"}.get(n, n): _plain(v) for n, v in row.items()}) for row in table)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def class_of(value: Mapping[str, Any], table: Sequence[Row]) -> str:
    """The class that an annotation gives, or the first fitting row gives its facts; the last row fits every case."""
    return str(value["class"]) if "class" in value else next(row.label for row in table if row.fits(value))


def fault(value: Mapping[str, Any], narrative: str = "") -> str | None:
    """What is wrong with an annotation's value: a class, or all facts, and nothing else."""
    if "class" in value:
        known = value["class"] in LABELS and len(value) == 1
        return (
            None
            if known
            else f"class {value['class']!r}, expected one of {', '.join(LABELS)} and nothing else"
        )
    missing = [name for name in FACTS if name not in value]
    if missing or len(value) > len(FACTS):
        return f"{json.dumps(value)}, expected a class, or {', '.join(FACTS)}"
    for name, words in (("criteria", CRITERIA), ("special", SPECIAL)):
        if not isinstance(value[name], list) or not set(map(str, value[name])) <= set(words):
            return f"{name} {value[name]!r}, expected a list of {', '.join(words)}"
    wrong = [name for name in FLAGS if not isinstance(value[name], bool)]
    return f"{wrong[0]} {value[wrong[0]]!r}, expected true or false" if wrong else None


def prompt(text: str) -> str:
    """Instruction, report and the opening of the answer."""
    return f"{INSTRUCTION}{text}\nAnswer:"


def text_of(narrative: str, age_years: float | None = None, sex: str | None = None) -> str:
    """The narrative, opened by age and sex where they are known: special situations may rest on them."""
    age = f"{age_years:g} years" if age_years is not None and age_years == age_years else ""
    who = ", ".join(part for part in (age, sex) if part and isinstance(part, str))
    return f"Patient: {who}. {narrative}" if who else narrative


def examples(
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    dictionary: Dictionary | None = None,
    *,
    new_terms: Collection[str] = (),
    table: Sequence[Row] = (),
) -> dict[str, list[Example]]:
    """One example a labelled case, in the order of the case ids; facts become a class by `table`.

    Slices: those of seriousness (wording and age) and each special situation that was named.
    Raises InputError naming every label that cannot be used.
    """

    def wrong(value: Mapping[str, Any], narrative: str) -> str | None:
        silent = "says facts, and the recipe has no `table` that makes a class of them"
        return fault(value) or (silent if "class" not in value and not table else None)

    return case_examples(NAME, partial(pose, table=table), wrong, cases, labels)


def pose(
    value: Mapping[str, Any], case: Mapping[str, Any], *, table: Sequence[Row]
) -> tuple[str, str, tuple[str, ...]]:
    """Text, label and slices of a case."""
    text = text_of(case["narrative"], case.get("age_years"), case.get("sex"))
    found = slices(case["narrative"], case.get("age_years"))
    return text, class_of(value, table), (*found, *value.get("special", ()))


slices = seriousness.slices


def questions(cases: Sequence[Case]) -> list[Question]:
    """One question a case."""
    return case_questions(NAME, cases, lambda case: text_of(case.narrative, case.age_years, case.sex))


def with_table(table: Table) -> Problem:
    """Triage by a recipe's policy table. Raises ConfigError."""
    rows = read_table(table)
    given = {row.label for row in rows}
    return dataclasses.replace(
        TRIAGE, examples=partial(examples, table=rows), given=tuple(n for n in LABELS if n in given)
    )


TRIAGE = Problem(
    name=NAME,
    kind="classification",
    labels=LABELS,
    positive=None,
    prompt=prompt,
    parse=partial(one_of, LABELS),
    examples=examples,
    questions=questions,
    slices=slices,
    metrics={
        metric.name: metric
        for metric in (
            confusion.under_triage(LABELS),
            confusion.over_triage(LABELS),
            confusion.cost(LABELS, under=UNDER),
            confusion.weighted_kappa(LABELS),
            confusion.macro_f1(LABELS),
            metrics.accuracy(),
        )
    },
    fault=fault,
    with_table=with_table,
)
