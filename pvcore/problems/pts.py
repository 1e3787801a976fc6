"""PTs: a narrative -> the set of Preferred Terms that are coded for the case.

    >>> case = {"reactions": '[{"verbatim": "spots"}, {"verbatim": "", "pt_name": "Pain", "meddra_version": "29.1"}]'}
    >>> sorted(_pts(case, {"spots": "90000001"}, {"Pain": "90000007"}, "29.1"))
    ['90000001', '90000007']
    >>> _pts(case, {}, {"Pain": "90000007"}, "29.1")
    set()
    >>> PTS.slices("He was not admitted.", 80.0)
    ('elderly', 'negation')
    >>> parse("90000001 90000007")
    '90000001 90000007'
    >>> import pandas
    >>> said = pandas.DataFrame({"label": ["90000001 90000007"], "answer": ["90000007"], "ranked": [("90000007",)]})
    >>> {name: round(metric(said), 2) for name, metric in PTS.metrics.items()}
    {'micro_f1': 0.67, 'macro_f1': 0.5, 'precision_at_5': 0.2}

The label of a case is the codes of its PTs, sorted, with a space between: the PTs of its "coding" labels, and
those that its source itself coded it by (VAERS names PTs and no verbatim). Nobody says it twice: there is no
annotation of this problem. A reaction whose code is open (annotators disagree, the migration found no successor)
leaves its case out until it is settled, for a set with a hole in it would teach that the term is not there. The
other reactions that a narrative mentions in passing are no part of it.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pvcore.errors import Fault, InputError
from pvcore.evaluation import sets
from pvcore.problems import coding, seriousness
from pvcore.problems.posing import case_questions
from pvcore.problems.problem import SPLITS, Problem, cases_by_id, example_id, value_of
from pvcore.records import Case, Example, Question

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.meddra.release import Dictionary

NAME = "pts"
LEAST = 10
"""Training cases below which there is nothing to learn yet."""


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


slices = seriousness.slices


def fault(value: Mapping[str, Any], narrative: str) -> str | None:
    """Whatever is said: an annotation of this problem would never be read."""
    return "a set of PTs is made of codings: annotate the reactions for coding"


def examples(
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    dictionary: Dictionary | None = None,
    *,
    new_terms: Collection[str] = (),
) -> dict[str, list[Example]]:
    """The examples of `sets_of`; none while fewer than LEAST train or none is held out.

    Nobody labelled cases for this problem, so too few of them are no fault of a dataset: the others go on.
    Raises InputError as `sets_of` does.
    """
    made = sets_of(cases, labels, dictionary, new_terms=new_terms)
    enough = len(made["train"]) >= LEAST and made["test"]
    return made if enough else {split: [] for split in SPLITS}


def sets_of(
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    dictionary: Dictionary | None = None,
    *,
    new_terms: Collection[str] = (),
) -> dict[str, list[Example]]:
    """One example a case whose reactions are all coded, in the order of the case ids; none without a dictionary.

    Slices: those of seriousness (wording and age), "several_reactions", "new_terms" for a PT in `new_terms`, and
    "unseen_terms" for a held-out case with a PT that no training row has. Raises InputError naming every label
    whose PT the dictionary does not have.
    """
    made: dict[str, list[Example]] = {split: [] for split in SPLITS}
    if dictionary is None:
        return made
    known = cases_by_id(cases)
    table = dictionary.tables["pt"]
    by_name = dict(zip(table["pt_name"], table["pt_code"], strict=True))
    coded = _coded(labels, set(known), by_name, dictionary)
    for case_id, case in sorted(known.items()):
        codes = _pts(case, coded.get(case_id, {}), by_name, dictionary.version)
        if not codes:
            continue
        found = {
            *slices(case["narrative"], case.get("age_years")),
            *(("several_reactions",) if len(codes) > 1 else ()),
            *(("new_terms",) if codes & set(new_terms) else ()),
        }
        text, label, cluster = case["narrative"], " ".join(sorted(codes)), str(case["cluster"])
        identity = example_id(case_id, NAME)
        made[case["split"]].append(Example(identity, case_id, text, label, cluster, tuple(sorted(found))))
    return _unseen(made)


def _coded(
    labels: pd.DataFrame, known: Collection[str], by_name: Mapping[str, str], dictionary: Dictionary
) -> dict[str, dict[str, str]]:
    """Case -> verbatim -> PT, by the labels of coding. Raises InputError."""
    llt = dictionary.tables["llt"]
    pt_of = dict(zip(llt["llt_code"], llt["pt_code"], strict=True))
    found: dict[str, dict[str, str]] = defaultdict(dict)
    faults = []
    for row in labels[labels["problem"] == coding.NAME].sort_values(["case_id", "target"]).itertuples():
        value = value_of(row)
        code = pt_of.get(str(value.get("llt_code"))) or by_name.get(str(value.get("pt_name")))
        where = f"case {row.case_id}, {row.target!r}"
        if row.case_id not in known:
            faults.append(Fault(where, "no such case"))
        elif code is None:
            what = f"no PT of MedDRA {dictionary.version} in {json.dumps(value)}"
            faults.append(Fault(where, what, "run the migration"))
        else:
            found[row.case_id][row.target] = code
    if faults:
        raise InputError("labels of pts", faults)
    return found


def _pts(
    case: Mapping[str, Any], coded: Mapping[str, str], by_name: Mapping[str, str], version: str
) -> set[str]:
    """The PTs of a case, by its labels and the names that its source coded it by; none where one is open."""
    codes = set(coded.values())
    for reaction in json.loads(case.get("reactions") or "[]"):
        name = reaction.get("pt_name")
        if (reaction.get("verbatim") or name) in coded:
            continue
        if name not in by_name or reaction.get("meddra_version") != version:
            return set()
        codes.add(by_name[name])
    return codes


def _unseen(made: dict[str, list[Example]]) -> dict[str, list[Example]]:
    """The examples with a slice for held-out cases with a PT that training never saw."""
    trained = {code for example in made["train"] for code in example.label.split()}
    for split in SPLITS[1:]:
        for place, example in enumerate(made[split]):
            if not set(example.label.split()) <= trained:
                found = tuple(sorted((*example.slices, "unseen_terms")))
                made[split][place] = dataclasses.replace(example, slices=found)
    return made


def terms(dictionary: Dictionary) -> pd.DataFrame:
    """Every PT as the LLT of its own name and code: llt_code, llt_name, pt_code, in order of the code."""
    table = dictionary.tables["pt"]
    named = table.assign(llt_code=table["pt_code"], llt_name=table["pt_name"])
    return named[["llt_code", "llt_name", "pt_code"]].sort_values("llt_code", ignore_index=True)


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
    terms=terms,
    fault=fault,
)
