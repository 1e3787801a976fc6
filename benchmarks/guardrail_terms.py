"""What the hard guardrails of terms make of annotators' own marks, as they are and spoiled.

    PV_SHARED=<folder with data/> python benchmarks/guardrail_terms.py

The marks stand in the place of a model's answer: what is withheld of them is withheld falsely. Spoiled are they by a
drug of another text, and by one term left out. The last two rows are a rule that the platform does not have: that
every name of a list which stands in the text must be in the answer.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from quality_extraction import sentences

from pvcore.annotations.generate import generate_cases
from pvcore.annotations.generate_spans import truth
from pvcore.evaluation.spans import Marked, Span, read, written
from pvcore.inference.heads.head import Named, named
from pvcore.inference.support import lost, unsupported
from pvcore.meddra.generate import Size, generate
from pvcore.problems.extraction import EXTRACTION
from pvcore.records import Example


def reports(count: int) -> list[Example]:
    """Invented reports with their drugs and reactions marked, and the fields of their cases."""
    with tempfile.TemporaryDirectory() as folder:
        dictionary = generate(Path(folder), version="90.0", seed=1, size=Size.small()).dictionary
    cases, _ = generate_cases(
        dictionary, n=count, seed=1, prefix="S", brief=True, disagreement=0, duplicates=0
    )
    asked = zip(cases, EXTRACTION.questions(cases), strict=True)
    return [
        Example(case.case_id, case.case_id, text, written(Marked.of(Span(s.parts, s.label) for s in truth(case))),
                case.case_id, given=given)
        for case, (_, text, given) in asked
    ]  # fmt: skip


def of(row: Example) -> Named:
    """The terms that a row's label marks."""
    return named(row.text, read(row.label).spans)


def show(name: str, rows: Sequence[Example], lists: dict[str, Sequence[str]]) -> None:
    marked = [(row.text, of(row)) for row in rows]
    false = [(text, unsupported(text, *found)) for text, found in marked]
    halves = [text for text, terms in false if not all(whole(term, text) for term in terms)]
    print(f"\n{name}: {len(rows)} texts")
    count = sum(bool(terms) for _, terms in false)
    print(f"  unsupported      {count:5} withheld, {len(halves)} for a mark that cuts a word")
    kept = [lost(row.text, row.given, (*of(row).drugs, *of(row).events)) for row in rows if row.given]
    print(f"  lost             {sum(map(bool, kept)):5} withheld of {len(kept)} whose case has fields")
    theirs = [found.drugs[:1] for _, found in marked[1:] + marked[:1]]
    foreign = [
        (text, drug)
        for (text, _), drug in zip(marked, theirs, strict=True)
        if drug and not whole(drug[0], text)
    ]
    caught = sum(bool(unsupported(text, drug, ())) for text, drug in foreign)
    print(f"  a foreign drug   {caught:5} withheld of {len(foreign)}")
    all_of = [(text, tuple(dict.fromkeys((*found.drugs, *found.events)))) for text, found in marked]
    less = [(text, terms, terms[:n] + terms[n + 1 :]) for text, terms in all_of for n in range(len(terms))]
    caught = sum(bool(lost(*one)) for one in less)
    print(f"  one term missing {caught:5} withheld of {len(less)}, had the fields held all of them")
    for what, names in lists.items():
        gone = sum(bool(lost(text, [n for n in names if n in text.lower()], terms)) for text, terms in all_of)
        print(f"  by a list        {gone:5} withheld, had {len(names):,} {what} to be kept", flush=True)


def whole(term: str, text: str) -> bool:
    """Whether a term stands in a text as whole words."""
    return bool(re.search(rf"(?<!\w){re.escape(term)}(?!\w)", text, re.IGNORECASE))


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    data = Path(os.environ["PV_SHARED"], "data")
    drugs = {
        drug.lower()
        for row in sentences(data / "phee" / "train.json")
        for drug in of(row).drugs
        if len(drug) > 2
    }
    labels = json.loads((data / "tac2017_train" / "demner-fushman-train-labels.json").read_text("utf-8"))
    events = {event[1].lower() for section in labels for event in section["adverse_events"] if event[1]}
    lists = {"drugs of its training part": sorted(drugs), "PTs of TAC 2017": sorted(events)}
    show("PHEE, dev", sentences(data / "phee" / "dev.json"), lists)
    show("invented reports", reports(1000), lists)


if __name__ == "__main__":
    main()
