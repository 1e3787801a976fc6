"""Drug-drug interaction: do these two drugs interact?

    >>> from pvcore.annotations.pairs import Described
    >>> a, b = Described("Zelafib", genes=("CYP3A4", "ABCB1")), Described("abacol", genes=("CYP3A4",))
    >>> text = pair_text(a, b)
    >>> text == pair_text(b, a)
    True
    >>> DDI.slices(text)
    ('no_structure', 'shared_gene')
    >>> DDI.prompt(text).endswith("Answer:")
    True
    >>> DDI.parse(" No interaction")
    'no interaction'

A model can do well on pairs by knowing which drugs stand in many of them. So a `popularity` baseline stands
beside each candidate, a workspace with `split: {by: drug}` holds out drugs, not pairs, and precision is
given at the prevalence of use (`precision_at_2pc`), not at that of a balanced benchmark (arXiv 2502.06890).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pvcore.annotations.pairs import DDI as NAME
from pvcore.annotations.pairs import drug_key, drugs_of, pair_text
from pvcore.evaluation import confusion, metrics
from pvcore.evaluation.popularity import popularity
from pvcore.problems.posing import case_examples, case_questions, one_of
from pvcore.problems.problem import SPLITS, Problem
from pvcore.records import Case, Example, Question

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.meddra.release import Dictionary

LABELS = ("no interaction", "interaction")
POSITIVE = "interaction"
PREVALENCE = 0.02
"""Share of interacting pairs among all: the study's own imbalanced set has one in 53."""
INSTRUCTION = "Two drugs are given together. Is there an interaction or no interaction between them?\n\n"


def prompt(text: str) -> str:
    """Instruction, both drugs and the opening of the answer."""
    return f"{INSTRUCTION}{text}\nAnswer:"


def slices(text: str) -> tuple[str, ...]:
    """ "shared_gene" where both drugs target one, "no_structure" where a SMILES is missing."""
    pair = drugs_of(text)
    if pair is None:
        return ()
    first, second = pair
    shared = {gene.split(" ")[0] for gene in first.genes} & {gene.split(" ")[0] for gene in second.genes}
    bare = not (first.smiles and second.smiles)
    return (*(("no_structure",) if bare else ()), *(("shared_gene",) if shared else ()))


def fault(value: Mapping[str, Any], narrative: str) -> str | None:
    """What is wrong with an annotation's value (`interaction` must be true or false), or with what it is about."""
    if drugs_of(narrative) is None:
        return "the case does not describe two drugs (docs/reference/labels.md)"
    said = value.get("interaction")
    return None if isinstance(said, bool) else f"interaction {said!r}, expected true or false"


def examples(
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    dictionary: Dictionary | None = None,
    *,
    new_terms: Collection[str] = (),
) -> dict[str, list[Example]]:
    """One example a labelled pair, in the order of the case ids; its text is the same for swapped drugs.

    Slices: those of `slices`, and "one_drug_unseen" or "both_drugs_unseen" for held-out pairs by their drugs
    in no training pair. Raises InputError naming every label that cannot be used.
    """
    return _seen(case_examples(NAME, pose, fault, cases, labels))


def pose(value: Mapping[str, Any], case: Mapping[str, Any]) -> tuple[str, str, tuple[str, ...]]:
    """Text, label and slices of a pair."""
    text = canonical_text(case["narrative"])
    return text, LABELS[value["interaction"]], slices(text)


def canonical_text(narrative: str) -> str:
    """The pair that a narrative describes, in the one order. ValueError for a narrative that describes none."""
    pair = drugs_of(narrative)
    if pair is None:
        raise ValueError("no pair of drugs")
    return pair_text(*pair)


def _seen(made: dict[str, list[Example]]) -> dict[str, list[Example]]:
    """The examples with a slice for held-out pairs of drugs that training never saw."""
    trained = {drug for example in made["train"] for drug in drugs(example)}
    names = {1: ("one_drug_unseen",), 2: ("both_drugs_unseen",)}
    for split in SPLITS[1:]:
        for place, example in enumerate(made[split]):
            unseen = sum(drug not in trained for drug in drugs(example))
            found = tuple(sorted((*example.slices, *names.get(unseen, ()))))
            made[split][place] = dataclasses.replace(example, slices=found)
    return made


def drugs(example: Example) -> tuple[str, str]:
    """The names of an example's two drugs, as they are compared. ValueError for a text that describes no pair."""
    pair = drugs_of(example.text)
    if pair is None:
        raise ValueError(f"{example.example_id} describes no pair of drugs")
    return drug_key(pair[0].name), drug_key(pair[1].name)


def questions(cases: Sequence[Case]) -> list[Question]:
    """One question for each case that is a pair of drugs."""
    pairs = [case for case in cases if drugs_of(case.narrative)]
    return case_questions(NAME, pairs, lambda case: canonical_text(case.narrative))


DDI = Problem(
    name=NAME,
    kind="classification",
    labels=LABELS,
    positive=POSITIVE,
    prompt=prompt,
    parse=partial(one_of, LABELS),
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
            metrics.accuracy(),
            confusion.precision_at(POSITIVE, LABELS[0], prevalence=PREVALENCE, name="precision_at_2pc"),
        )
    },
    baselines={"popularity": partial(popularity, drugs=drugs, positive=POSITIVE, negative=LABELS[0])},
    fault=fault,
)
