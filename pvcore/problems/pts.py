"""PTs: a narrative -> the set of Preferred Terms that are coded for the case.

    >>> parse("90000001 90000007")
    '90000001 90000007'
    >>> parse("")
    ''

The label of a case is the codes of its PTs, sorted, with a space between. It is made of what was coded for
the case ("coding" labels); the other reactions that a narrative mentions in passing are no part of it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pvcore.errors import Fault, InputError
from pvcore.evaluation import sets
from pvcore.problems import coding
from pvcore.problems.posing import case_questions
from pvcore.problems.problem import SPLITS, Problem, example_id, value_of
from pvcore.records import Case, Example, Question

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.meddra.release import Dictionary

NAME = "pts"


def prompt(text: str) -> str:
    """Instruction and narrative."""
    return (
        f"Name the MedDRA Preferred Terms of the reactions in this report.\nReport: {text}\nPreferred Terms:"
    )


def parse(answer: str) -> str:
    """PT codes of eight digits, sorted, each once. ValueError otherwise."""
    found = answer.split()
    if found != sorted(set(found)):
        raise ValueError(f"expected sorted PT codes, each once, found {answer!r}")
    return " ".join(coding.parse(code) for code in found)


def slices(text: str) -> tuple[str, ...]:
    """None: what counts for coding counts here by term, in macro F1."""
    return ()


def examples(
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    dictionary: Dictionary | None = None,
    *,
    new_terms: Collection[str] = (),
) -> dict[str, list[Example]]:
    """One example a case that has coded verbatims, in the order of the case ids; none without a dictionary.

    Slice "new_terms" for a case with a PT in `new_terms`. Raises InputError naming every label whose
    PT the dictionary does not have.
    """
    made: dict[str, list[Example]] = {split: [] for split in SPLITS}
    if dictionary is None:
        return made
    llt, pt = dictionary.tables["llt"], dictionary.tables["pt"]
    pt_of = dict(zip(llt["llt_code"], llt["pt_code"], strict=True))
    by_name = dict(zip(pt["pt_name"], pt["pt_code"], strict=True))
    table = cases.set_index("case_id")
    found: dict[str, set[str]] = defaultdict(set)
    faults = []
    for row in labels[labels["problem"] == coding.NAME].sort_values(["case_id", "target"]).itertuples():
        value = value_of(row)
        code = pt_of.get(str(value.get("llt_code"))) or by_name.get(str(value.get("pt_name")))
        where = f"case {row.case_id}, {row.target!r}"
        if row.case_id not in table.index:
            faults.append(Fault(where, "no such case"))
        elif code is None:
            faults.append(
                Fault(
                    where, f"no PT of MedDRA {dictionary.version} in {json.dumps(value)}", "run the migration"
                )
            )
        else:
            found[row.case_id].add(code)
    if faults:
        raise InputError("labels of pts", faults)
    for case_id, codes in sorted(found.items()):
        case = table.loc[case_id]
        extra = ("new_terms",) if codes & set(new_terms) else ()
        identity = example_id(case_id, NAME)
        label = " ".join(sorted(codes))
        made[case["split"]].append(
            Example(identity, case_id, case["narrative"], label, str(case["cluster"]), extra)
        )
    return made


def questions(cases: Sequence[Case]) -> list[Question]:
    """One question a case: its narrative."""
    return case_questions(NAME, cases)


PTS = Problem(
    name=NAME,
    kind="set",
    labels=(),
    positive=None,
    prompt=prompt,
    parse=parse,
    examples=examples,
    questions=questions,
    slices=slices,
    metrics={metric.name: metric for metric in (sets.micro_f1(), sets.macro_f1(), sets.precision_at_5())},
)
