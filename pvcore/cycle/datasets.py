"""Datasets as a person asks for them: which one, what is in it, what was learnt from it, what changed."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from pvcore.annotations import dataset as stored
from pvcore.annotations import label_studio, table
from pvcore.annotations.agreement import answer
from pvcore.annotations.batch import Batch
from pvcore.annotations.dataset_diff import DatasetDiff, compare
from pvcore.annotations.leakage import SPLITS
from pvcore.annotations.work_list import WorkList, work_list
from pvcore.config import Workspace
from pvcore.cycle import arrivals, candidate, data, overview
from pvcore.cycle.dictionaries import load_dictionary
from pvcore.errors import ConfigError, NotFound
from pvcore.problems import PROBLEMS
from pvcore.records import Annotation
from pvcore.registry.ledger import Entry
from pvcore.registry.names import resolve

Row = dict[str, Any]
LATEST = "latest"
_PREFIX = re.compile(r"[0-9a-f]{4,64}")


def find(workspace: Workspace, name: str) -> str:
    """The digest of the dataset called `latest`, by a prefix of its digest, or as what a version learnt from.

    `seriousness@champion` is the dataset that the champion was trained on. Raises NotFound.
    """
    if "@" in name:
        return resolve(workspace.store, workspace.ledger, name).manifest.dataset
    built = [entry.body["dataset"] for entry in workspace.ledger.entries() if entry.kind == "DatasetBuilt"]
    if not built:
        raise NotFound("no dataset was built yet. Put a batch into the inbox: pv ingest FILE")
    if name == LATEST:
        return str(built[-1])
    hits = [digest for digest in built if _PREFIX.fullmatch(name) and digest.startswith(name)]
    if len(hits) != 1:
        told = f"fits {', '.join(digest[:16] for digest in hits)}" if hits else "is no dataset"
        known = ", ".join(digest[:12] for digest in built[-5:])
        raise NotFound(
            f"{name!r} {told}. Name one by 4 digits of its digest or more, as latest, or as "
            f"seriousness@champion (what a version was trained on). The latest are {known}."
        )
    return str(hits[0])


def page(workspace: Workspace, digest: str) -> dict[str, Any]:
    """What is in a dataset: batches, splits, labels by class, work list, migrations, versions."""
    entry, loaded = data.dataset_entry(workspace, digest), stored.load(workspace.store, digest)
    info = loaded.info
    return {
        "dataset": digest,
        "built": entry.time,
        "parent": info.parent,
        "meddra_version": info.meddra_version,
        "seed": info.seed,
        "counts": {name: n for name, n in info.counts.items() if not isinstance(n, dict)},
        "batches": batches(workspace, entry),
        "splits": [{"split": name, "cases": info.counts["splits"][name]} for name in SPLITS],
        "labels": _labels(loaded),
        "work_list": _work_list(stored.open_items(workspace.store, info)),
        "migrations": migrations(workspace, info.migrated_by),
        "versions": [
            {name: row[name] for name in ("version", "decision", "digest")}
            for row in overview.versions(workspace)
            if candidate.load_specification(workspace, row["specification"]).dataset == digest
        ],
    }


def batches(workspace: Workspace, entry: Entry) -> list[Row]:
    """The batches of a DatasetBuilt entry, in order, by the names they arrived under."""
    admitted = [workspace.ledger.find("BatchAdmitted", name) for name in entry.body["batches"]]
    return [
        {
            "batch": found.body["name"],
            "format": found.body["format"],
            "cases": found.body["cases"],
            "annotations": found.body["annotations"],
            "nullified": found.body.get("nullified", 0),
            "admitted": found.time,
            "digest": found.body["digest"],
        }
        for found in admitted
        if found is not None
    ]


def migrations(workspace: Workspace, mappings: tuple[str, ...]) -> list[Row]:
    """From, to and rows by class of each mapping, as the ledger recorded it."""
    recorded = {
        entry.body["mapping"]: entry.body for entry in workspace.ledger.entries() if entry.kind == "Migrated"
    }
    return [
        {
            "mapping": name,
            "from": recorded[name]["from"],
            "to": recorded[name]["to"],
            "coded by": "PT name" if recorded[name].get("label") == "pt_name" else "LLT",
            **{kind: number for kind, number in recorded[name]["counts"].items()},
        }
        for name in mappings
        if name in recorded
    ]


def _labels(loaded: stored.Dataset) -> list[Row]:
    """Labels by class and split; for a problem that ranks terms, one row with the number of terms."""
    split = loaded.cases.set_index("case_id")["split"]
    counts: dict[tuple[str, str], Counter[str]] = {}
    terms: dict[str, set[str]] = {}
    for row in loaded.labels.itertuples():
        said = answer(Annotation(row.case_id, row.problem, json.loads(row.value), ""))
        if row.problem in PROBLEMS and PROBLEMS[row.problem].kind == "ranking":
            terms.setdefault(row.problem, set()).add(said)
            said = ""
        counts.setdefault((row.problem, said), Counter())[split[row.case_id]] += 1
    return [
        {
            "problem": problem,
            "class": said or f"{len(terms[problem])} terms",
            **{name: number[name] for name in SPLITS},
            "labels": number.total(),
        }
        for (problem, said), number in sorted(counts.items())
    ]


def _work_list(items: list[stored.Open]) -> list[Row]:
    counts = Counter((item.annotation.problem, item.reason.partition(":")[0]) for item in items)
    return [
        {"problem": problem, "reason": reason, "annotations": number}
        for (problem, reason), number in sorted(counts.items())
    ]


def difference(workspace: Workspace, old: str, new: str) -> DatasetDiff:
    """What changed between two datasets, by the names that batches arrived under."""
    known = set(data.dataset_entry(workspace, old).body["batches"])
    fresh = [name for name in data.dataset_entry(workspace, new).body["batches"] if name not in known]
    return compare(workspace.store, old, new, [_named(workspace, name) for name in fresh])


def _named(workspace: Workspace, name: str) -> Batch:
    admitted = workspace.ledger.find("BatchAdmitted", name)
    batch = arrivals.load_batch(workspace, name)
    return dataclasses.replace(batch, name=admitted.body["name"]) if admitted else batch


def is_built_on(workspace: Workspace, new: str, old: str) -> bool:
    """Whether `old` is an ancestor of `new` (or the same): then nothing of it is lost without a reason."""
    at: str | None = new
    while at and at != old:
        at = data.dataset_entry(workspace, at).body["parent"]
    return at == old


def write_work_list(workspace: Workspace, name: str, file: Path) -> tuple[WorkList, Path | None]:
    """Write what of a dataset waits for a person: a .csv to fill in, or .json tasks for Label Studio.

    The second value is Label Studio's labeling configuration, written beside the tasks. Raises
    ConfigError for another ending, OSError for a place that cannot be written.
    """
    found = work_list(workspace.store, name)
    version = stored.load(workspace.store, name).info.meddra_version
    dictionary = load_dictionary(workspace, version) if version and found.ranked else None
    ranked = (
        {
            place: [(code, dictionary.llt_name(code)) for code in codes]
            for place, codes in found.ranked.items()
        }
        if dictionary
        else {}
    )
    said: dict[str, Any] = {"suggestions": found.suggestions, "reasons": found.reasons, "ranked": ranked}
    if file.suffix == ".csv":
        table.write_tasks(found.cases, file, **said)
        return found, None
    if file.suffix != ".json":
        raise ConfigError(f"{file}: a work list is a .csv file or a .json file for Label Studio.")
    spans = "extraction" in found.problems
    return found, label_studio.write_tasks(found.cases, file, **said, spans=spans)
