"""From admitted batches to a dataset: which of them fit, what is kept of them, and the page that says so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pvcore.annotations import agreement, consistency
from pvcore.annotations import dataset as datasets
from pvcore.annotations.batch import Batch, make_batch
from pvcore.annotations.consistency import Consistency
from pvcore.annotations.consistency_tables import markdown
from pvcore.annotations.dataset import DatasetInfo
from pvcore.config import Workspace
from pvcore.cycle import holding
from pvcore.cycle.arrivals import last, load_batch, pending_batches
from pvcore.cycle.dictionaries import known_releases, of_version, version_order
from pvcore.errors import RegistryError
from pvcore.meddra.release import Dictionary
from pvcore.plain import inert
from pvcore.problems import PROBLEMS
from pvcore.records import Annotation, digest
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.ledger import Entry, State


@dataclass(frozen=True, slots=True)
class Built:
    """A dataset, with the page that says what is in it."""

    digest: str
    line: str
    markdown: str


class _Overtaken(RegistryError):
    """Another run recorded a dataset meanwhile."""


def build_dataset(workspace: Workspace, version: str | None, mappings: list[str]) -> Built | None:
    """The dataset of the latest one and all pending batches that fit `version`; None if there is no case yet.

    Where nothing is new it is the latest one: a run that was cut off after it was built goes on with it.
    A batch that is coded in a version that is not adopted waits for that version's update; one whose
    annotators agree less than the policy asks is held until they do or somebody releases it. Raises
    RegistryError if the latest dataset is in a newer version: an update overtook this run.
    """
    while True:
        try:
            return _build_dataset(workspace, version, mappings)
        except _Overtaken:  # what the other run took is no longer pending
            continue


def _build_dataset(workspace: Workspace, version: str | None, mappings: list[str]) -> Built | None:
    latest = last(workspace, "DatasetBuilt")
    coded = any(PROBLEMS[name].terms for name in workspace.recipes())
    if not coded:
        # No recipe asks for terms: a new release changes nothing that is trained on.
        version = latest.body["version"] if latest else None
    _require_no_way_back(latest, version)
    arrived, later = _arrived(workspace, version, coded)
    passed, held = holding.hold(workspace, arrived, latest.body["dataset"] if latest else None)
    if not latest and not any(batch.cases for _, batch in passed):
        return None  # nullifications alone wait for the first case
    moved = bool(latest and version and latest.body["version"] != version)
    if not passed and not moved:
        return _built(workspace, latest, later, held) if latest else None
    waiting = [entry.body["name"] for entry in (*later, *held)]
    entry = _record(workspace, latest, version, mappings, passed, waiting)
    return _built(workspace, entry, later, held)


def _require_no_way_back(latest: Entry | None, version: str | None) -> None:
    """No mapping leads to an older version: a dataset in it would lose every label that was carried over."""
    newest = latest.body["version"] if latest else None
    if newest and (not version or version_order(version) < version_order(newest)):
        raise RegistryError(
            f"the latest dataset is in MedDRA {newest}: labels do not go back to {version or 'no version'}. "
            "An update overtook this run: start it again."
        )


def _arrived(
    workspace: Workspace, version: str | None, coded: bool
) -> tuple[list[holding.Arrived], list[Entry]]:
    """The pending batches that fit `version`, and the records of those that wait for a release."""
    arrived: list[holding.Arrived] = []
    later: list[Entry] = []
    for entry in pending_batches(workspace):
        if coded and _waits(workspace, entry, version):
            later.append(entry)
        else:
            batch = load_batch(workspace, entry.body["digest"])
            arrived.append((entry, sampled(batch, workspace.settings.max_rows_per_batch)))
    return arrived, later


def _waits(workspace: Workspace, entry: Entry, version: str | None) -> bool:
    """Whether a batch waits for a release: codes in one not at hand, or anything newer than `version`.

    PT names of an older version that is not at hand need not wait: they are carried by name.
    """
    versions = set(entry.body["meddra_versions"])
    if not version or not versions:
        return bool(versions)
    absent = versions - set(known_releases(workspace))
    if any(version_order(v) > version_order(version) for v in versions):
        return True
    return bool(absent) and any(
        a.problem == "coding" and a.meddra_version in absent and a.value.get("llt_code")
        for a in load_batch(workspace, entry.body["digest"]).annotations
    )


def _record(
    workspace: Workspace,
    latest: Entry | None,
    version: str | None,
    mappings: list[str],
    passed: list[holding.Arrived],
    waiting: list[str],
) -> Entry:
    """Build a dataset from the latest one and what passed, and record it. Raises _Overtaken."""
    batches = [batch for _, batch in passed]
    base, known = (latest.body["dataset"], latest.body["batches"]) if latest else (None, [])
    info = datasets.build(
        workspace.store,
        batches=batches,
        mappings=mappings,
        meddra_version=version,
        base=base,
        split=workspace.settings.split,
        seed=workspace.settings.seed,
    )
    report = _measured(workspace, info, of_version(workspace, version))
    body = {
        "kappa": _kappas(batches),
        "consistency": put_blob(workspace.store, report.to_json()),
        "dataset": info.digest,
        "parent": base,
        "version": version,
        "batches": [*known, *(entry.body["digest"] for entry, _ in passed)],
        "sampled": workspace.settings.max_rows_per_batch,
        "mappings": mappings,
        "held": waiting,
        "counts": info.counts,
        "excluded": info.excluded,
    }
    unless = partial(_unless_overtaken, latest, body)
    return workspace.ledger.append("DatasetBuilt", unless, actor="update", key=info.digest)


def _measured(workspace: Workspace, info: DatasetInfo, dictionary: Dictionary | None) -> Consistency:
    """How consistent the annotations of a dataset are, with contradictions within its clusters."""
    loaded = datasets.load(workspace.store, info.digest)
    rows = loaded.annotations.to_dict("records")
    return consistency.measure(
        f"dataset {info.digest[:12]}",
        [Annotation(**{**row, "value": json.loads(row["value"])}) for row in rows],
        cluster_of=dict(zip(loaded.cases["case_id"], loaded.cases["cluster"], strict=True)),
        dictionary=dictionary,
    )


def _kappas(batches: Sequence[Batch]) -> dict[str, list[float | int | None]]:
    """Problem and pair of annotators -> kappa (None where it is not defined), and of how many judgements."""
    agreed = agreement.kappa(a for batch in batches for a in batch.annotations)
    return {
        f"{problem}: {first} and {second}": [None if value is None else round(value, 4), number]
        for problem, pairs in agreed.items()
        for (first, second), (value, number) in pairs.items()
    }


def _unless_overtaken(latest: Entry | None, body: Mapping[str, Any], state: State) -> Mapping[str, Any]:
    """The body of the entry, if `latest` is the newest dataset still. Raises _Overtaken."""
    newest = state.last("DatasetBuilt")
    if (newest and newest.digest) != (latest and latest.digest):
        raise _Overtaken(f"dataset {body['dataset'][:12]}: another one was built meanwhile")
    return body


def _built(workspace: Workspace, entry: Entry, later: list[Entry], held: list[Entry]) -> Built:
    """What the ledger's record of a dataset says, with what waits beside it now."""
    name = str(entry.body["dataset"])
    info = datasets.load(workspace.store, name).info
    report = json.loads(get_blob(workspace.store, entry.body["consistency"]))
    page = f"{_page(info, later, held, entry.body['kappa'])}\n\n{markdown(report)}"
    return Built(name, f"dataset {name[:12]}: {_line(info.counts)}", page)


def sampled(batch: Batch, most: int | None) -> Batch:
    """At most so many cases of a batch, those with the smallest digests: the same each time. None: all."""
    if most is None or len(batch.cases) <= most:
        return batch
    chosen = {case.case_id for case in sorted(batch.cases, key=lambda case: digest(case.case_id))[:most]}
    return make_batch(
        batch.name,
        batch.format,
        [case for case in batch.cases if case.case_id in chosen],
        [a for a in batch.annotations if a.case_id in chosen],
        {**batch.dropped, "cases not sampled": len(batch.cases) - most},
        batch.nullified,
    )


def _line(counts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in counts.items() if not isinstance(value, Mapping))


def _page(info: DatasetInfo, later: list[Entry], held: list[Entry], kappas: Mapping[str, Any]) -> str:
    lines = [f"## Dataset `{info.digest[:12]}`", "", "| what | count |", "|---|---:|"]
    for name, value in info.counts.items():
        if isinstance(value, Mapping):
            lines += [f"| {name}: {key} | {number} |" for key, number in value.items()]
        else:
            lines.append(f"| {name} | {value} |")
    lines += [f"| left out: {inert(reason)} | {number} |" for reason, number in info.excluded.items()]
    lines += [f"| kappa, {inert(who)} (of {of}) | {value} |" for who, (value, of) in kappas.items()]
    lines += [f"\nWaits for its MedDRA update: {inert(entry.body['name'])}" for entry in later]
    lines += [f"\nHeld: {inert(entry.body['name'])}: {inert(entry.body['reason'])}" for entry in held]
    return "\n".join(lines)
