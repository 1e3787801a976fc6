"""Seriousness: is the case serious in the sense of ICH E2A / E2B(R3) E.i.3.2, and which criteria are met?

    >>> text = "She was not admitted, and she recovered at home within a day."
    >>> SERIOUSNESS.slices(text)
    ('negation',)
    >>> SERIOUSNESS.parse(" Non-serious ")
    'non-serious'
    >>> SERIOUSNESS.prompt(text).endswith("Answer:")
    True
    >>> [name for name, met in judged({"serious": True, "criteria": ["death"]}).items() if met]
    ['death']
    >>> judged({"serious": True})
    {}

The question is about this report's reaction: a word such as "hospitalised" says little, because it
may be denied, in the past, planned for something else, or about a relative. The slices name these.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pvcore.errors import Fault, InputError
from pvcore.evaluation import metrics
from pvcore.evaluation.criteria import criteria_metrics
from pvcore.problems.posing import case_questions, one_of
from pvcore.problems.problem import SPLITS, Problem, cases_by_id, example_id, value_of
from pvcore.records import CRITERIA, Case, Example, Question, listed

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.meddra.release import Dictionary

NAME = "seriousness"
LABELS = ("non-serious", "serious")
POSITIVE = "serious"
KEYS = ("serious", "criteria", "unknown")
"""What an annotation's value may say."""
ASKED = {
    "death": " death:",
    "life_threatening": " life-threatening:",
    "hospitalisation": " hospitalisation:",
    "disabling": " disability:",
    "congenital_anomaly": " congenital anomaly:",
    "other": " other medically important condition:",
}
"""How a causal model is asked whether a criterion is met."""

_GRAVE = (
    r"(?:hospital\w*|admi(?:t\w*|ssion)|readmi\w*|inpatient|intensive care|icu|wards?|ambulance|emergency|"
    r"life.threatening|shock|arrest|resuscitat\w*|ventilat\w*|intubat\w*|coma|breathing|critical\w*|"
    r"fatal\w*|death|dead|die[ds]?|surviv\w*|disab\w+|paraly\w+|amputat\w*|wheelchair|bedridden|"
    r"serious\w*|prolong\w+|congenital|anomal\w+|malformation|convulsions?|seizures?|dialysis|surgery)"
)
_NO = r"(?:not|no|never|without|denie[sd]|denying|neither|nor|n't)"
SLICES = {
    # A denial and what it denies, within one sentence and eight words.
    "negation": rf"\b{_NO}\b(?:[\s,]+[\w'/-]+){{0,8}}?[\s,-]+{_GRAVE}|\bnon-?serious",
    "history": r"\b(?:history of|previous(?:ly)?|past medical|years? (?:ago|earlier|before)|in (?:19|20)\d\d)\b",
    "rule_out": r"\b(?:rul(?:e|ed|ing) out|excluded|suspected|suspicion|to exclude|work-?up)\b",
    "relative": r"\b(?:mother|father|brother|sister|husband|wife|son|daughter|aunt|uncle|grand\w+|relatives?)\b",
    "planned": r"\b(?:planned|elective(?:ly)?|scheduled|pre-?arranged)\b",
}
_SLICES = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in SLICES.items()}

INSTRUCTION = (
    "An individual case safety report is serious if the reaction led to death, was life-threatening, "
    "required or prolonged hospitalisation, led to disability or a congenital anomaly, or was another "
    "medically important condition. Is this case serious or non-serious?\n\nReport: "
)


def prompt(text: str) -> str:
    """Instruction, report and the opening of the answer; the answer is " serious" or " non-serious"."""
    return f"{INSTRUCTION}{text}\nAnswer:"


def parse(answer: str) -> str:
    """The label that an answer says. ValueError for anything but a label, whatever the case."""
    return one_of(LABELS, answer)


def judged(value: Mapping[str, Any]) -> dict[str, bool]:
    """The criteria of which a label says whether they are met, in the standard's order.

    A case that is not serious meets none (ICH E2A II.B). Where `criteria` names any, the others are not
    met, but for those under `unknown`. A serious case for which none is named must meet one, and nobody
    said which: nothing is known of any.
    """
    named = set(listed(value, "criteria"))
    if value["serious"] and not named:
        return {}
    unknown = set(listed(value, "unknown"))
    return {name: name in named for name in CRITERIA if name in named or name not in unknown}


def fault(value: Mapping[str, Any], narrative: str = "") -> str | None:
    """What is wrong with an annotation's value, but for what the suite `batch` says of `serious` and `criteria`."""
    if odd := sorted(map(str, value.keys() - KEYS)):
        return f"{', '.join(odd)}, expected {', '.join(KEYS)} and nothing else"
    criteria, unknown = (value.get(name, []) for name in KEYS[1:])
    if not isinstance(criteria, list | tuple):
        return f"criteria {criteria!r}, expected a list"
    if not isinstance(unknown, list | tuple) or not set(map(str, unknown)) <= set(CRITERIA):
        return f"unknown {unknown!r}, expected a list of {', '.join(CRITERIA)}"
    return None


def slices(text: str, age_years: float | None = None) -> tuple[str, ...]:
    """Names of the groups a case belongs to, sorted: wording (SLICES) and age (ICH E11, E7)."""
    found = {name for name, pattern in _SLICES.items() if pattern.search(text)}
    if age_years is not None and age_years == age_years:  # NaN is how a table says that nothing is known
        found |= ({"paediatric"} if age_years < 18 else set()) | ({"elderly"} if age_years >= 65 else set())
    return tuple(sorted(found))


def examples(
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    dictionary: Dictionary | None = None,
    *,
    new_terms: Collection[str] = (),
) -> dict[str, list[Example]]:
    """One example a labelled case, in the order of the case ids.

    `cases` and `labels` are the tables of a dataset. Raises InputError naming every label that
    does not say serious true or false, or whose case is not there.
    """
    known = cases_by_id(cases)
    made: dict[str, list[Example]] = {split: [] for split in SPLITS}
    faults = []
    for row in labels[labels["problem"] == NAME].sort_values("case_id").itertuples():
        value = value_of(row)
        if row.case_id not in known or not isinstance(value.get("serious"), bool):
            faults.append(
                Fault(f"case {row.case_id}", "no such case, or `serious` is neither true nor false")
            )
            continue
        case = known[row.case_id]
        made[case["split"]].append(
            Example(
                example_id=example_id(row.case_id, NAME),
                case_id=row.case_id,
                text=case["narrative"],
                label=LABELS[value["serious"]],
                cluster=str(case["cluster"]),
                slices=slices(case["narrative"], case.get("age_years")),
                criteria=judged(value),
            )
        )
    if faults:
        raise InputError("labels of seriousness", faults)
    return made


def questions(cases: Sequence[Case]) -> list[Question]:
    """One question a case: its narrative."""
    return case_questions(NAME, cases)


SERIOUSNESS = Problem(
    name=NAME,
    kind="classification",
    labels=LABELS,
    positive=POSITIVE,
    prompt=prompt,
    parse=parse,
    examples=examples,
    questions=questions,
    slices=slices,
    metrics={
        metric.name: metric
        for metric in (
            metrics.average_precision(POSITIVE),
            metrics.roc_auc(POSITIVE),
            metrics.recall(POSITIVE),
            metrics.precision(POSITIVE),
            metrics.specificity(POSITIVE),
            metrics.f1(POSITIVE),
            metrics.accuracy(),
            *criteria_metrics(CRITERIA),
        )
    },
    criteria=ASKED,
    fault=fault,
)
