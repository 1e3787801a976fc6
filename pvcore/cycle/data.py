"""From admitted batches to a dataset, and a dataset read back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd

from pvcore.annotations import agreement, consistency, leakage
from pvcore.annotations import batch as batches
from pvcore.annotations import dataset as datasets
from pvcore.annotations.batch import Batch
from pvcore.annotations.consistency import Consistency
from pvcore.annotations.consistency_tables import markdown
from pvcore.annotations.dataset import DatasetInfo
from pvcore.config import Workspace
from pvcore.cycle import holding
from pvcore.cycle.arrivals import last, load_batch, pending_batches
from pvcore.cycle.dictionaries import known_releases, load_dictionary, version_order
from pvcore.cycle.releases import difference
from pvcore.errors import NotFound, RegistryError
from pvcore.meddra.diff import DictionaryDiff
from pvcore.meddra.release import Dictionary
from pvcore.plain import inert
from pvcore.problems import PROBLEMS
from pvcore.problems.problem import by_table
from pvcore.records import Annotation, Example, canonical, digest
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.ledger import Entry, State
from pvcore.training.specification import Specification


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
    annotators agree less than the policy asks is held until they do or somebody releases it.
    """
    while True:
        try:
            return _build_dataset(workspace, version, mappings)
        except _Overtaken:  # what the other run took is no longer pending
            continue


def _build_dataset(workspace: Workspace, version: str | None, mappings: list[str]) -> Built | None:
    latest = last(workspace, "DatasetBuilt")
    needs = any(PROBLEMS[name].terms for name in workspace.recipes())
    if not needs:
        # No recipe asks for terms: a new release changes nothing that is trained on.
        version = latest.body["version"] if latest else None
    taken: list[Entry] = []
    later: list[Entry] = []
    for entry in pending_batches(workspace):
        (later if needs and _waits(workspace, entry, version) else taken).append(entry)
    arrived = [
        (entry, sampled(load_batch(workspace, entry.body["digest"]), workspace.settings.max_rows_per_batch))
        for entry in taken
    ]
    passed, held = holding.hold(workspace, arrived, latest.body["dataset"] if latest else None)
    moved = bool(latest and version and latest.body["version"] != version)
    if not passed and not moved:
        return _built(workspace, latest, later, held) if latest else None
    loaded = [batch for _, batch in passed]
    info = datasets.build(
        workspace.store,
        batches=loaded,
        mappings=mappings,
        meddra_version=version,
        base=latest.body["dataset"] if latest else None,
        split=workspace.settings.split,
        seed=workspace.settings.seed,
    )
    agreed = agreement.kappa(a for batch in loaded for a in batch.annotations)
    kappas = {
        f"{problem}: {first} and {second}": [None if value is None else round(value, 4), number]
        for problem, pairs in agreed.items()
        for (first, second), (value, number) in pairs.items()
    }
    known = latest.body["batches"] if latest else []
    report = measured(workspace, info, dictionary_of(workspace, version))
    body = {
        "kappa": kappas,
        "consistency": put_blob(workspace.store, report.to_json()),
        "dataset": info.digest,
        "parent": latest.body["dataset"] if latest else None,
        "version": version,
        "batches": [*known, *(entry.body["digest"] for entry, _ in passed)],
        "sampled": workspace.settings.max_rows_per_batch,
        "mappings": mappings,
        "held": [entry.body["name"] for entry in (*later, *held)],
        "counts": info.counts,
        "excluded": info.excluded,
    }

    def unless_overtaken(state: State) -> dict[str, Any]:
        newest = state.last("DatasetBuilt")
        if (newest and newest.digest) != (latest and latest.digest):
            raise _Overtaken(f"dataset {info.digest[:12]}: another one was built meanwhile")
        return body

    entry = workspace.ledger.append("DatasetBuilt", unless_overtaken, actor="update", key=info.digest)
    return _built(workspace, entry, later, held)


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


def _built(workspace: Workspace, entry: Entry, later: list[Entry], held: list[Entry]) -> Built:
    """What the ledger's record of a dataset says, with what waits beside it now."""
    name = str(entry.body["dataset"])
    info = datasets.load(workspace.store, name).info
    report = json.loads(get_blob(workspace.store, entry.body["consistency"]))
    page = f"{_page(info, later, held, entry.body['kappa'])}\n\n{markdown(report)}"
    return Built(name, f"dataset {name[:12]}: {_line(info.counts)}", page)


def measured(workspace: Workspace, info: DatasetInfo, dictionary: Dictionary | None) -> Consistency:
    """How consistent the annotations of a dataset are, with contradictions within its clusters."""
    loaded = datasets.load(workspace.store, info.digest)
    rows = loaded.annotations.to_dict("records")
    return consistency.measure(
        f"dataset {info.digest[:12]}",
        [Annotation(**{**row, "value": json.loads(row["value"])}) for row in rows],
        cluster_of=dict(zip(loaded.cases["case_id"], loaded.cases["cluster"], strict=True)),
        dictionary=dictionary,
    )


def sampled(batch: Batch, most: int | None) -> Batch:
    """At most so many cases of a batch, those with the smallest digests: the same each time. None: all."""
    if most is None or len(batch.cases) <= most:
        return batch
    chosen = {case.case_id for case in sorted(batch.cases, key=lambda case: digest(case.case_id))[:most]}
    return batches.make_batch(
        batch.name,
        batch.format,
        [case for case in batch.cases if case.case_id in chosen],
        [a for a in batch.annotations if a.case_id in chosen],
        {**batch.dropped, "cases not sampled": len(batch.cases) - most},
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


# --- reading a dataset back -----------------------------------------------------------------------------------


def dataset_entry(workspace: Workspace, dataset: str) -> Entry:
    """The ledger's record of a dataset. Raises NotFound."""
    entry = workspace.ledger.find("DatasetBuilt", dataset)
    if entry is None:
        raise NotFound(f"no dataset {dataset} was built. `pv history` lists the datasets.")
    return entry


def dictionary_digest(workspace: Workspace, dataset: str) -> str | None:
    """The digest of the dictionary that a dataset's labels are in, or None."""
    version = dataset_entry(workspace, dataset).body["version"]
    return known_releases(workspace)[version] if version else None


@lru_cache(maxsize=2)
def _dictionary(workspace: Workspace, name: str) -> Dictionary:
    version = next((v for v, known in known_releases(workspace).items() if known == name), None)
    if version is None:
        raise NotFound(
            f"no MedDRA release with the digest {name[:12]} was admitted in {workspace.settings.language}."
        )
    return load_dictionary(workspace, version)


def dictionary_of(workspace: Workspace, version: str | None) -> Dictionary | None:
    """The admitted release of a version; None for None."""
    return dictionary_by_digest(workspace, known_releases(workspace)[version] if version else None)


def dictionary_by_digest(workspace: Workspace, name: str | None) -> Dictionary | None:
    """An admitted release by its digest; None for None."""
    return _dictionary(workspace, name) if name else None


@lru_cache(maxsize=4)
def _examples(workspace: Workspace, problem: str, dataset: str, table: bytes) -> dict[str, list[Example]]:
    loaded = datasets.load(workspace.store, dataset)
    dictionary = dictionary_by_digest(workspace, dictionary_digest(workspace, dataset))
    return by_table(PROBLEMS[problem], json.loads(table)).examples(
        loaded.cases, loaded.labels, dictionary, new_terms=new_terms(workspace, dataset)
    )


def examples(
    workspace: Workspace, problem: str, dataset: str, settings: Mapping[str, Any] | None = None
) -> dict[str, list[Example]]:
    """Split -> examples of a problem in a dataset.

    Labels that follow from a policy table follow from that of `settings` (a specification's), else from
    the recipe's as it is now.
    """
    if settings is None:
        recipe = workspace.recipes().get(problem)
        settings = recipe.trained_by() if recipe else {}
    return _examples(workspace, problem, dataset, canonical(list(settings.get("table", ()))))


def release_change(workspace: Workspace, dataset: str) -> DictionaryDiff | None:
    """What the dataset's MedDRA version changed, since the version before it; None where there was none."""
    version = dataset_entry(workspace, dataset).body["version"]
    adopted = workspace.ledger.find("DictionaryAdopted", version) if version else None
    before = adopted.body["from"] if adopted else None
    return difference(workspace, before, version) if before and before != version else None


def new_terms(workspace: Workspace, dataset: str) -> set[str]:
    """LLTs that the dataset's MedDRA version brought or renamed, since the version before it."""
    found = release_change(workspace, dataset)
    return found.new_terms() if found else set()


def terms(workspace: Workspace, asked: Specification) -> pd.DataFrame | None:
    """The terms that a model may answer with, by the dictionary that it was trained with; None if it names none."""
    return terms_of(asked.problem, dictionary_by_digest(workspace, asked.dictionary))


def terms_of(problem: str, dictionary: Dictionary | None) -> pd.DataFrame | None:
    """The terms of a dictionary that a problem's answers may name; None without one, or if they name none."""
    chosen = PROBLEMS[problem].terms
    return chosen(dictionary) if chosen and dictionary else None


def refuse_leakage(workspace: Workspace, dataset: str, train: Sequence[Example]) -> None:
    """Raises LeakageError, naming the pairs, if a training case is nearly one that was ever held out.

    The last check before training. It does not believe the clusters and splits that are written in the
    dataset: the narratives are compared anew, with those of all datasets before it too.
    """
    loaded = datasets.load(workspace.store, dataset)
    narrative = dict(zip(loaded.cases["case_id"], loaded.cases["narrative"], strict=True))
    held_out = datasets.once_held_out(workspace.store, loaded)
    leakage.check_held_out(
        {e.case_id: narrative[e.case_id] for e in train}, [(name, text) for name, text, _ in held_out]
    )


def training_sets(workspace: Workspace, dataset: str) -> Iterator[tuple[str, Any]]:
    """For each recipe whose problem the dataset has labels for: (problem, (cases, labels, examples, dictionary))."""
    loaded = datasets.load(workspace.store, dataset)
    dictionary = dictionary_by_digest(workspace, dictionary_digest(workspace, dataset))
    for problem in workspace.recipes():
        found = examples(workspace, problem, dataset)
        if any(found.values()):
            yield (
                problem,
                (loaded.cases, loaded.labels[loaded.labels["problem"] == problem], found, dictionary),
            )
