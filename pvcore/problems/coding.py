"""Coding: a reporter's verbatim -> the Lowest Level Term of MedDRA that says it.

    >>> CODING.prompt("belly ache").endswith("Lowest Level Term:")
    True
    >>> normal("  Abdominal  PAIN ")
    'abdominal pain'

MedDRA Term Selection: Points to Consider asks for the current LLT that most accurately reflects
the reporter's words. The Preferred Term follows from the LLT, so coding to another LLT of the
right PT is the smaller mistake: `pt_accuracy` shows it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from pvcore.errors import Fault, InputError
from pvcore.evaluation import metrics
from pvcore.problems.problem import SPLITS, Problem, cases_by_id, example_id, value_of
from pvcore.records import Case, Example, Question

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.meddra.release import Dictionary

NAME = "coding"


def prompt(text: str) -> str:
    """Instruction and verbatim; the answer is the name of a term."""
    return f"Code the reported reaction in MedDRA.\nReported: {text}\nLowest Level Term:"


def parse(answer: str) -> str:
    """An LLT code of eight digits. ValueError otherwise."""
    found = answer.strip()
    if not (len(found) == 8 and found.isascii() and found.isdigit()):
        raise ValueError(f"expected an LLT code of 8 digits, found {answer!r}")
    return found


def normal(text: str) -> str:
    """Lower case and single spaces: how verbatims and terms are compared for being the same words."""
    return " ".join(text.lower().split())


def slices(text: str, term: str | None = None) -> tuple[str, ...]:
    """ "as_term" where the verbatim is the term's own words, else "free_wording"; () with no term known."""
    if term is None:
        return ()
    return ("as_term",) if normal(text) == normal(term) else ("free_wording",)


def examples(
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    dictionary: Dictionary | None = None,
    *,
    new_terms: Collection[str] = (),
) -> dict[str, list[Example]]:
    """One example a coded verbatim, ordered by case and verbatim.

    With a dictionary a label must be a current LLT of it; a Preferred Term by name becomes the LLT
    of the same name and code. Slices: those of `slices`, "new_terms" for a label in `new_terms`, and
    "unseen_wording" for a held-out verbatim whose words no training row has.
    Raises InputError naming every label that cannot be used.
    """
    known = cases_by_id(cases)
    rows: list[tuple[str, Example, str | None]] = []
    faults = []
    by_pt = _pt_names(dictionary) if dictionary is not None else {}
    names = dict(current_terms(dictionary)) if dictionary is not None else {}
    for row in labels[labels["problem"] == NAME].sort_values(["case_id", "target"]).itertuples():
        value = value_of(row)
        code = value.get("llt_code") or by_pt.get(str(value.get("pt_name")))
        where = f"case {row.case_id}, {row.target!r}"
        if row.case_id not in known:
            faults.append(Fault(where, "no such case"))
        elif code is None:
            faults.append(Fault(where, f"no LLT in {json.dumps(value)}", "code it to an LLT"))
        elif dictionary is not None and code not in names:
            advice = f"run the migration to MedDRA {dictionary.version}"
            faults.append(Fault(where, f"{code} is no current LLT of MedDRA {dictionary.version}", advice))
        else:
            case = known[row.case_id]
            found = (*slices(row.target, names.get(code)), *(("new_terms",) if code in new_terms else ()))
            identity = example_id(row.case_id, NAME, row.target)
            example = Example(identity, row.case_id, row.target, code, str(case["cluster"]), found)
            rows.append((case["split"], example, names.get(code)))
    if faults:
        raise InputError("labels of coding", faults)
    return _split(rows)


def _split(rows: list[tuple[str, Example, str | None]]) -> dict[str, list[Example]]:
    seen = {normal(example.text) for split, example, _ in rows if split == "train"}
    made: dict[str, list[Example]] = {split: [] for split in SPLITS}
    for split, example, _ in rows:
        extra = () if split == "train" or normal(example.text) in seen else ("unseen_wording",)
        made[split].append(dataclasses.replace(example, slices=tuple(sorted((*example.slices, *extra)))))
    return made


def current_terms(dictionary: Dictionary) -> list[tuple[str, str]]:
    """(llt_code, llt_name) of every current LLT."""
    table = dictionary.current_llts()
    return list(zip(table["llt_code"], table["llt_name"], strict=True))


def _pt_names(dictionary: Dictionary) -> Mapping[str, str]:
    table = dictionary.tables["pt"]
    return dict(zip(table["pt_name"], table["pt_code"], strict=True))


def _with_dictionary(dictionary: Dictionary) -> dict[str, metrics.Metric]:
    table = dictionary.current_llts()
    pt_of = dict(zip(table["llt_code"], table["pt_code"], strict=True))
    return {"pt_accuracy": metrics.pt_accuracy(pt_of)}


def questions(cases: Sequence[Case]) -> list[Question]:
    """One question for each reaction that has a verbatim, each wording of a case once."""
    return [
        Question(example_id(case.case_id, NAME, verbatim), verbatim)
        for case in cases
        for verbatim in dict.fromkeys(r.verbatim for r in case.reactions if r.verbatim)
    ]


CODING = Problem(
    name=NAME,
    kind="ranking",
    labels=(),
    positive=None,
    prompt=prompt,
    parse=parse,
    examples=examples,
    questions=questions,
    slices=slices,
    metrics={metric.name: metric for metric in (metrics.accuracy_at_1(), metrics.accuracy_at_5())},
    with_dictionary=_with_dictionary,
    terms=lambda dictionary: dictionary.current_llts(),
)
