"""What the ledger and the store know of a candidate beside its report, as its dossier shows it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pvcore.annotations import dataset as datasets
from pvcore.config import Workspace
from pvcore.cycle import data, learned, mending
from pvcore.cycle.judging import Evaluation, stored_policy
from pvcore.dossier.failures import excerpt, shown
from pvcore.dossier.guardrails import count
from pvcore.dossier.intended import IntendedUse, stated
from pvcore.records import Example
from pvcore.registry.blobs import get_blob
from pvcore.registry.ledger import Entry
from pvcore.training.specification import Specification

SHOWN = 12
"""Labels, sources, countries or languages that a table names; the others are counted together."""
HIDDEN = "(not shown)"
NAME = 60
"""Characters of a source's name, which is a free text of a case, too."""
SPLITS = ("train", "tune", "test")


def material(
    workspace: Workspace, asked: Specification, judged: Evaluation, consistency: str | None
) -> dict[str, Any]:
    """Arguments of `pvcore.dossier.report.dossier` that need reading: intended use, failures, guardrails, data."""
    body = judged.entry.body
    examples = data.examples(workspace, asked.problem, asked.dataset, asked.settings)
    excerpts = stored_policy(workspace, body["policy"]).personal_data.excerpts
    report = json.loads(get_blob(workspace.store, body["report"]))
    predictions = get_blob(workspace.store, body["predictions"]).splitlines()
    return {
        "intended": intended_then(workspace, judged),
        "changed": shown(
            json.loads(get_blob(workspace.store, body["changed"])),
            {e.example_id: e.text for e in examples.get("test", ())},
            excerpts,
            _named(workspace, asked),
        ),
        "mended": mending.shown(json.loads(get_blob(workspace.store, body["mended"])), excerpts)
        if "mended" in body
        else None,
        "learning": learned.shown(json.loads(get_blob(workspace.store, body["learning"])))
        if "learning" in body
        else None,
        "behaviour": report.get("behaviour"),
        "effects": report.get("effects"),
        "guardrails": count(predictions),
        "balance": balance(examples, _named(workspace, asked)),
        "batches": _batches(workspace, asked.dataset),
        "consistency": of_problem(json.loads(get_blob(workspace.store, consistency)), asked.problem, excerpts)
        if consistency
        else None,
    }


def intended_then(workspace: Workspace, judged: Evaluation) -> IntendedUse:
    """What the workspace said of the intended use when a candidate was judged."""
    blob = judged.entry.body["intended"]
    return stated(get_blob(workspace.store, blob), f"intended use {blob[:12]}")


def of_problem(report: Mapping[str, Any], problem: str, excerpts: int) -> dict[str, Any]:
    """What an `annotations.consistency` report says of one problem, its verbatims only as far as the policy allows."""

    def cut(row: Mapping[str, Any]) -> dict[str, Any]:
        texts = {key: excerpt(row[key], excerpts) or HIDDEN for key in ("target", "verbatim") if row.get(key)}
        return {**row, **texts}

    own = {
        part: [cut(row) for row in rows if row.get("problem", "coding") == problem]
        for part, rows in report.items()
        if isinstance(rows, list)
    }
    named = [row for row in own["agreement"] if row["by"] == "label"]
    worst = sorted(named, key=lambda row: 1.0 if row["alpha"] is None else row["alpha"])[:SHOWN]
    own["agreement"] = [row for row in own["agreement"] if row["by"] != "label" or row in worst]
    return {**report, **own}


def spread(workspace: Workspace, dataset: str) -> dict[str, Any]:
    """When the cases of a dataset were received, and from where: what a reader needs to know of its reach."""
    cases = datasets.load(workspace.store, dataset).cases
    days = sorted(day for day in cases["received"] if day)
    unknown = int(len(cases) - len(days))
    found = {"cases received": f"{days[0]} to {days[-1]}" if days else "not known"}
    if days and unknown:
        found["cases received"] += f" ({unknown:,} without a date)"
    for name, column in (("sources", "source"), ("countries", "country"), ("languages", "language")):
        counts = Counter(excerpt(str(value or "not known"), NAME) for value in cases[column])
        found[name] = ", ".join(f"{key} {number:,}" for key, number in _top(counts))
    return found


def balance(examples: Mapping[str, Sequence[Example]], named: Callable[[str], str]) -> list[list[Any]]:
    """A table, names of its columns first: examples of every label in every split, the most frequent labels first."""
    counts = {split: Counter(e.label for e in examples.get(split, ())) for split in SPLITS}
    total: Counter[str] = sum(counts.values(), Counter())
    # Spans are labels of their own: there are as many as texts.
    if any(label.startswith("{") for label in total):
        marked = {split: _marked(examples.get(split, ())) for split in SPLITS}
        return [
            ["Marked", *SPLITS],
            *([name, *(marked[s][name] for s in SPLITS)] for name in marked["train"]),
        ]
    rows = [[named(label), *(f"{counts[s][label]:,}" for s in SPLITS)] for label, _ in _ranked(total)[:SHOWN]]
    if len(total) > SHOWN:
        rest = [label for label, _ in _ranked(total)[SHOWN:]]
        others = (f"{sum(counts[s][label] for label in rest):,}" for s in SPLITS)
        rows.append([f"{len(rest):,} other labels", *others])
    return [["Label", *SPLITS], *rows, ["all", *(f"{counts[s].total():,}" for s in SPLITS)]]


def _marked(examples: Sequence[Example]) -> Counter[str]:
    """Texts, those without a mark, and marks by their label."""
    found: Counter[str] = Counter({"texts": len(examples), "texts with nothing marked": 0})
    for example in examples:
        spans = json.loads(example.label).get("spans", [])
        found["texts with nothing marked"] += not spans
        found.update(span["label"] for span in spans)
    return found


def _named(workspace: Workspace, asked: Specification) -> Callable[[str], str]:
    """A code with its term, where the problem answers with terms."""
    terms = data.terms(workspace, asked)
    if terms is None:
        return str
    names = dict(zip(terms.iloc[:, 0], terms.iloc[:, 1], strict=True))
    return lambda label: f"{names[label]} ({label})" if label in names else label


def _batches(workspace: Workspace, dataset: str) -> list[list[str]]:
    wanted = set(data.dataset_entry(workspace, dataset).body["batches"])
    entries = [
        e for e in workspace.ledger.entries() if e.kind == "BatchAdmitted" and e.body["digest"] in wanted
    ]
    columns = ["Batch", "Format", "Annotators", "Cases", "Annotations", "MedDRA", "Admitted"]
    return [columns, *map(_batch, entries)]


def _batch(entry: Entry) -> list[str]:
    body = entry.body
    nullified = body.get("nullified", 0)
    return [
        f"{body['name']} ({body['digest'][:12]})",
        body["format"].replace("_", " "),
        ", ".join(body.get("annotators", ())),
        f"{body['cases']:,}" + (f" ({nullified:,} nullified)" if nullified else ""),
        f"{body['annotations']:,}",
        ", ".join(body["meddra_versions"]),
        entry.time[:10],
    ]


def _ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _top(counts: Counter[str]) -> list[tuple[str, int]]:
    ranked = _ranked(counts)
    rest = sum(number for _, number in ranked[SHOWN:])
    return ranked[:SHOWN] + ([(f"{len(ranked) - SHOWN:,} others", rest)] if rest else [])
