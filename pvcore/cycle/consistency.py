"""The consistency of a batch or dataset on demand: the report, doubtful labels, and work lists of pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pvcore.annotations import consistency
from pvcore.annotations import dataset as datasets
from pvcore.annotations.agreement import consensus, judgements
from pvcore.annotations.batch import Batch, case_from_dict
from pvcore.annotations.consistency import Consistency, Pair, Period
from pvcore.annotations.contradictions import cluster_names
from pvcore.annotations.discussion import write_pairs
from pvcore.annotations.doubtful_codes import doubtful_codes
from pvcore.annotations.label_errors import rank
from pvcore.annotations.merge import CASE_FIELDS, JSON_FIELDS
from pvcore.config import Workspace
from pvcore.cycle import arrivals, data, dictionaries, holding
from pvcore.cycle.datasets import LATEST, find
from pvcore.errors import ConfigError, NotFound
from pvcore.evaluation.baseline import tfidf_classes
from pvcore.meddra.release import Dictionary
from pvcore.problems import PROBLEMS
from pvcore.problems.coding import CODING
from pvcore.records import Annotation, Case, Example, digest

FOLDS = 5


@dataclass(frozen=True)
class Material:
    """Cases with what was said of them, by whomever: those of a batch or of a dataset, with their clusters."""

    name: str
    cases: tuple[Case, ...]
    annotations: tuple[Annotation, ...]
    cluster_of: dict[str, str]
    dictionary: Dictionary | None


def material(workspace: Workspace, name: str = "") -> Material:
    """A batch by name, key or digest, a dataset as `datasets.find` has it, or (empty) the latest dataset.

    Raises NotFound.
    """
    try:
        return _of_dataset(workspace, find(workspace, name or LATEST))
    except NotFound as no_dataset:
        if not name:
            raise
        try:
            batch = arrivals.load_batch(workspace, name)
        except NotFound as no_batch:
            raise NotFound(f"{no_batch} Nor is it a dataset: {no_dataset}") from None
        return _of_batch(workspace, batch, name)


def _of_dataset(workspace: Workspace, name: str) -> Material:
    loaded = datasets.load(workspace.store, name)
    version = data.dataset_entry(workspace, name).body["version"]
    return Material(
        f"dataset {name[:12]}",
        tuple(_case(row) for row in loaded.cases.to_dict("records")),
        tuple(
            Annotation(**{**row, "value": json.loads(row["value"])})
            for row in loaded.annotations.to_dict("records")
        ),
        dict(zip(loaded.cases["case_id"], loaded.cases["cluster"], strict=True)),
        dictionaries.of_version(workspace, version),
    )


def _case(row: dict[Any, Any]) -> Case:
    values = {name: row[name] for name in CASE_FIELDS} | {name: json.loads(row[name]) for name in JSON_FIELDS}
    return case_from_dict(values | {"age_years": None if pd.isna(row["age_years"]) else row["age_years"]})


def _of_batch(workspace: Workspace, batch: Batch, name: str) -> Material:
    """The other annotators of a batch's cases may have come in another file, or stand in the latest dataset."""
    waiting = [arrivals.load_batch(workspace, e.body["digest"]) for e in arrivals.pending_batches(workspace)]
    try:
        base = find(workspace, LATEST)
    except NotFound:
        base = None
    said = holding.together(workspace, waiting, base, {case.case_id for case in batch.cases})
    asked = {(a.case_id, a.problem, a.target) for a in holding.brought(batch, said)}
    versions = {a.meddra_version for a in batch.annotations if a.problem == "coding"}
    known = versions & set(dictionaries.known_releases(workspace))
    dictionary = dictionaries.of_version(workspace, known.pop()) if len(known) == 1 else None
    chosen = tuple(a for a in said if (a.case_id, a.problem, a.target) in asked)
    return Material(f"batch {name}", batch.cases, chosen, cluster_names(batch.cases), dictionary)


def report(found: Material, period: Period = "month") -> Consistency:
    """Agreement, coding by level, spans, contradictions, pairs to talk about."""
    return consistency.measure(
        found.name,
        found.annotations,
        cluster_of=found.cluster_of,
        dictionary=found.dictionary,
        period=period,
    )


def work_list(found: Material, path: Path) -> int:
    """Write all disagreements that nobody has settled to a .csv or (Label Studio) .json file; returns how many."""
    unsettled = {(d.problem, d.case_id, d.target) for d in consensus(found.annotations).disagreements}
    pairs: list[Pair] = consistency.pairs_to_discuss(judgements(found.annotations), unsettled)
    write_pairs(path, pairs, found.cases, found.annotations)
    return len(pairs)


def doubtful(workspace: Workspace, problem: str, name: str = "") -> list[dict[str, Any]]:
    """All labels of a problem in a dataset (empty: the latest) that may be wrong, the most doubtful first.

    Of a problem with classes, a TF-IDF model that has seen neither the case nor one nearly identical to it
    is the judge; of coding, for which `name` may be a batch too, the dictionary and those who coded the same
    words. Raises ConfigError for another problem, and for codes in no MedDRA version that was admitted.
    """
    if problem == CODING.name:
        return _doubtful_codes(material(workspace, name))
    chosen = PROBLEMS.get(problem)
    if chosen is None or chosen.kind != "classification":
        able = ", ".join(p.name for p in PROBLEMS.values() if p.kind == "classification" or p is CODING)
        raise ConfigError(f"doubtful labels are found for {able}; {problem!r} is none of them.")
    found = data.examples(workspace, problem, find(workspace, name or LATEST))
    examples = [example for split in sorted(found) for example in found[split]]
    scores = out_of_fold(examples, chosen.labels)
    return [
        {
            "case": examples[s.index].case_id,
            "given": s.given,
            "suggested": s.suggested,
            "quality": s.quality,
            "likely": s.likely,
        }
        for s in rank([e.label for e in examples], scores, chosen.labels)
    ]


def _doubtful_codes(found: Material) -> list[dict[str, Any]]:
    if found.dictionary is None:
        raise ConfigError(f"{found.name} is coded in no MedDRA version that was admitted, or in several.")
    labels = consensus(a for a in found.annotations if a.problem == CODING.name).resolved
    return [
        {
            "case": d.case_id,
            "verbatim": d.verbatim,
            "given": f"{d.given} {d.given_name}",
            "suggested": f"{d.suggested} {d.suggested_name}",
            "doubt": d.doubt,
            "likely": d.likely,
            "because": d.reason,
        }
        for d in doubtful_codes(labels, found.dictionary)
    ]


def out_of_fold(examples: Sequence[Example], labels: Sequence[str]) -> np.ndarray:
    """P(label) of each example, by a TF-IDF model that saw nothing of its cluster; shape (examples, labels).

    Raises GateError if the examples outside of a fold are all alike.
    """
    fold = np.array([int(digest(e.cluster.encode())[:8], 16) % FOLDS for e in examples])
    scores = np.zeros((len(examples), len(labels)))
    for number in sorted(set(fold.tolist())):
        train = [e for e, at in zip(examples, fold, strict=True) if at != number]
        asked = [e for e, at in zip(examples, fold, strict=True) if at == number]
        found = [dict(answer.ranked) for answer in tfidf_classes(train, asked)]
        scores[fold == number] = [[row.get(label, 0.0) for label in labels] for row in found]
    return scores
