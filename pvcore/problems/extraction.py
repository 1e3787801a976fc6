"""Extraction: a narrative -> the spans of its drugs and adverse reactions, and which belong together.

    >>> import json
    >>> from pvcore.problems.quoting import quoted
    >>> text = "After aspirin she had pain in both arms and no rash."
    >>> value = {"spans": [{"start": 6, "end": 13, "label": "Drug"}, {"start": 22, "end": 39, "label": "Reaction"}]}
    >>> label = parse(json.dumps(value))
    >>> label
    '{"spans":[{"end":13,"label":"Drug","start":6},{"end":39,"label":"Reaction","start":22}]}'
    >>> quoted(text, read(label))
    '[["Drug","aspirin"],["Reaction","pain in both arms"]]'
    >>> EXTRACTION.slices(text, read(label))
    ('negation',)
    >>> import pandas
    >>> said = parse('{"spans": [{"start": 22, "end": 26, "label": "Reaction"}]}')
    >>> frame = pandas.DataFrame({"label": [label], "answer": [said]})
    >>> {name: round(metric(frame), 2) for name, metric in EXTRACTION.metrics.items() if "reaction" in name}
    {'reaction_f1': 0.0, 'reaction_f1_overlap': 1.0}

What is marked is what the report says happened: a reaction that is denied, feared or treated is none.
Spans may be discontinuous ("pain ... in the back") and may lie in one another ("lithium tremor").
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pvcore.annotations.spans import EXTRACTION as NAME
from pvcore.annotations.spans import find
from pvcore.errors import Fault, InputError
from pvcore.evaluation.span_metrics import relation_f1, span_f1
from pvcore.evaluation.spans import DRUG, REACTION, Marked, Span, marked_of, meet, read, written
from pvcore.problems.posing import case_questions
from pvcore.problems.problem import SPLITS, Problem, cases_by_id, example_id, value_of
from pvcore.records import Case, Example, Question

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.meddra.release import Dictionary

LABELS = (DRUG, REACTION)
ALIASES = {
    **dict.fromkeys(("drug", "medication"), DRUG),
    **dict.fromkeys(("reaction", "adversereaction", "adverseevent", "adr", "ade"), REACTION),
}
"""How corpora and tools name the two (n2c2: Drug, ADE; CADEC: Drug, ADR; TAC: AdverseReaction), in letters only."""
SUSPECT = ("suspect", "interacting")
INSTRUCTION = (
    "Quote from the report every drug and every adverse reaction that happened, in the report's order, as "
    'JSON: [["Drug","words"],["Reaction","words","words of its next part"]].\n\nReport: '
)
_CUES = {
    "negation": r"\b(?:no|not|never|without|denie[sd]|denying|absence of|negative for|ruled out|neither|nor)\b",
    "history": r"\b(?:history of|previous(?:ly)?|past medical|pre-?existing|known|years? (?:ago|earlier|before))\b",
}
CUES = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _CUES.items()}


def judged(label: str, answer: str) -> str:
    """The answer without its relations where the label says nothing of them; a withheld one ("") as it is.

    >>> judged('{"spans":[]}', '{"relations":[],"spans":[]}')
    '{"spans":[]}'
    """
    if not answer or read(label).pairs is not None:
        return answer
    return written(read(answer)._replace(pairs=None))


def prompt(text: str) -> str:
    """Instruction, report and the opening of the answer, which is a list of quotations (`quoting`)."""
    return f"{INSTRUCTION}{text}\nAnswer:"


def parse(answer: str) -> str:
    """The canonical JSON of an answer. ValueError for no such JSON, or a label that there is not."""
    if not answer:  # which is how an answer that was withheld reads, and no model's own
        raise ValueError("expected the JSON of spans, found nothing")
    marked = read(answer)
    foreign = sorted({span.label for span in marked.spans} - set(LABELS))
    if foreign:
        raise ValueError(f"expected the labels {', '.join(LABELS)}, found {', '.join(foreign)}")
    return written(marked)


def fault(value: Mapping[str, Any], narrative: str) -> str | None:
    """What is wrong with an annotation's value: its form, or a place that the narrative does not have."""
    try:
        _refuse_outside(marked_of(value), narrative)
    except ValueError as error:
        return str(error)
    return None


def slices(text: str, marked: Marked | None = None) -> tuple[str, ...]:
    """Names of the groups a report belongs to, sorted: by its words (CUES) and by what is marked in it."""
    found = {name for name, pattern in CUES.items() if pattern.search(text)}
    if marked is not None:
        spans = sorted(marked.spans)
        drugs = {_words(text, span) for span in spans if span.label == DRUG}
        found |= {"discontinuous"} if any(len(span.parts) > 1 for span in spans) else set()
        found |= {"several_drugs"} if len(drugs) > 1 else set()
        inside = any(meet(a, b) for n, a in enumerate(spans) for b in spans[n + 1 :])
        found |= {"overlapping"} if inside else set()
    return tuple(sorted(found))


def examples(
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    dictionary: Dictionary | None = None,
    *,
    new_terms: Collection[str] = (),
    whole_words: bool = True,
) -> dict[str, list[Example]]:
    """One example a case whose spans were marked, in the order of the case ids.

    Readers keep a coded span as a coding, so a coded verbatim that stands in the narrative where no
    reaction is marked is one (`whole_words` as in `spans.find`). Raises InputError naming every label whose
    spans cannot be used, and where none of all spans is of this problem.
    """
    by_id = cases_by_id(cases)
    coded = labels[labels["problem"] == "coding"].groupby("case_id")["target"].apply(sorted).to_dict()
    made: dict[str, list[Example]] = {split: [] for split in SPLITS}
    faults, names = [], set()
    for row in labels[labels["problem"] == NAME].sort_values("case_id").itertuples():
        where = f"case {row.case_id}"
        if row.case_id not in by_id:
            faults.append(Fault(where, "no such case"))
            continue
        case = by_id[row.case_id]
        text = case["narrative"]
        try:
            said = marked_of(value_of(row))
            _refuse_outside(said, text)
        except ValueError as error:
            faults.append(Fault(where, str(error), "mark the narrative's own words"))
            continue
        names |= {span.label for span in said.spans}
        marked = _with_coded(_named(said), text, coded.get(row.case_id, []), whole_words)
        found = slices(text, marked)
        identity, cluster = example_id(row.case_id, NAME), str(case["cluster"])
        known = given(
            ((drug["name"], drug["role"]) for drug in json.loads(case["drugs"])),
            (reaction["verbatim"] for reaction in json.loads(case["reactions"])),
        )
        made[case["split"]].append(
            Example(identity, row.case_id, text, written(marked), cluster, found, given=known)
        )
    if names and not any(map(_label, names)):
        advice = f"name them {' and '.join(LABELS)}"
        faults.append(
            Fault("all cases", f"no span is a drug or a reaction, only {', '.join(sorted(names))}", advice)
        )
    if faults:
        raise InputError("labels of extraction", faults)
    return made


def _label(name: str) -> str | None:
    return ALIASES.get("".join(filter(str.isalpha, name)).lower())


def _named(said: Marked) -> Marked:
    """What is marked as one of LABELS, under that name. Other labels (a dose, an indication) are not asked for."""
    kept = {span: span._replace(label=label) for span in said.spans if (label := _label(span.label))}
    pairs = None
    if said.pairs is not None:
        pairs = [(kept[drug], kept[event]) for drug, event in said.pairs if drug in kept and event in kept]
    return Marked.of(kept.values(), pairs)


def _refuse_outside(marked: Marked, text: str) -> None:
    end = max((span.parts[-1][1] for span in marked.spans), default=0)
    if end > len(text):
        raise ValueError(f"a span ends at {end}, the narrative at {len(text)}")


def _with_coded(marked: Marked, text: str, targets: Sequence[str], whole_words: bool) -> Marked:
    """With the verbatims that were coded and stand in the text where nothing of that label is marked."""
    spans = set(marked.spans)
    for target in targets:
        parts = find(target, text, whole_words=whole_words)
        span = Span(parts, REACTION) if parts else None
        if span and not any(other.label == REACTION and meet(span, other) for other in spans):
            spans.add(span)
    return marked._replace(spans=frozenset(spans))


def _words(text: str, span: Span) -> str:
    return " ".join(text[start:end] for start, end in span.parts).casefold()


def questions(cases: Sequence[Case]) -> list[Question]:
    """One question a case: its narrative, and what of the case's own fields the answer must not lose."""
    return [
        question._replace(
            given=given(((d.name, d.role) for d in case.drugs), (r.verbatim for r in case.reactions))
        )
        for question, case in zip(case_questions(NAME, cases), cases, strict=True)
    ]


def given(drugs: Iterable[tuple[str, str | None]], verbatims: Iterable[str]) -> tuple[str, ...]:
    """What the answer to a case must keep: the drugs by their role that are suspect or interacting, and the
    verbatims. A concomitant drug need not be marked, and one without a role may be any.
    """
    named = (name for name, role in drugs if role in SUSPECT)
    return tuple(dict.fromkeys(term for term in (*named, *verbatims) if term))


EXTRACTION = Problem(
    name=NAME,
    kind="extraction",
    labels=LABELS,
    positive=None,
    prompt=prompt,
    parse=parse,
    examples=examples,
    questions=questions,
    slices=slices,
    judged=judged,
    fault=fault,
    metrics={
        metric.name: metric
        for metric in (
            *(span_f1(label, overlap=part) for part in (False, True) for label in (None, *LABELS)),
            relation_f1(),
        )
    },
)
WHOLE_WORDS = "whole words"
"""What a specification's `marks` says if its run found coded verbatims so; one of before does not say it."""
AS_BEFORE = dataclasses.replace(EXTRACTION, examples=partial(examples, whole_words=False))
