"""From admitted releases and batches to a dataset: compare, migrate, adopt, build, and read it back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import pandas as pd

from pvcore.annotations import agreement, consistency, leakage
from pvcore.annotations import batch as batches
from pvcore.annotations import dataset as datasets
from pvcore.annotations.batch import Batch
from pvcore.annotations.consistency import Consistency
from pvcore.annotations.consistency_tables import inert, markdown
from pvcore.annotations.dataset import DatasetInfo
from pvcore.config import Workspace
from pvcore.cycle import holding
from pvcore.cycle.inbox import known_releases, load_dictionary, version_order
from pvcore.errors import NotFound, RegistryError
from pvcore.meddra.chain import migrate_through as carry
from pvcore.meddra.diff import DictionaryDiff, diff
from pvcore.meddra.mapping import Migration
from pvcore.meddra.migrate import Nearest
from pvcore.meddra.release import Dictionary
from pvcore.problems import PROBLEMS
from pvcore.records import Annotation, Example, digest
from pvcore.registry.ledger import Entry, State
from pvcore.registry.store import get_blob, put_blob
from pvcore.training.specification import Specification

EARLY = timedelta(days=31)
"""A release that is adopted so long before its due date is the one that was due."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The difference of two releases, kept as a blob, with its table."""

    blob: str
    markdown: str


@dataclass(frozen=True)
class Migrated:
    """Mappings (blobs) into one version, and how many rows fell into which class."""

    mappings: list[str]
    classes: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Built:
    """A dataset, with the page that says what is in it."""

    digest: str
    line: str
    markdown: str


# --- releases ---------------------------------------------------------------------------------------


def adopted_version(workspace: Workspace) -> str | None:
    """The MedDRA version that the labels are in, or None before the first release."""
    entry = _last(workspace, "DictionaryAdopted")
    return str(entry.body["version"]) if entry else None


def newest_release(workspace: Workspace, version: str = "", *, today: date | None = None) -> str | None:
    """The release to update to, never older than the adopted one; None if a release is overdue.

    An update to the adopted release finds done what was done and goes on where it was cut off. A
    `version` older than the adopted one only brings the codes that labels are carried over from, so
    it too leads to the adopted one. Without `version`, a release is overdue if none was adopted
    since the last due date. Raises NotFound for a version that was not admitted.
    """
    known, adopted = known_releases(workspace), _last(workspace, "DictionaryAdopted")
    if version and version not in known:
        raise NotFound(
            f"MedDRA {version} {workspace.settings.language} was not admitted. Put its zip into inbox/meddra/ "
            f"(`pv ingest FILE`). Admitted: {', '.join(known) or 'none'}"
        )
    newest = max([version] if version else known, key=version_order, default=None)
    if adopted is None:
        return newest
    current = str(adopted.body["version"])
    if newest and version_order(newest) > version_order(current):
        return newest
    since = last_due(today or date.today()) - EARLY
    return current if version or date.fromisoformat(adopted.time[:10]) >= since else None


def last_due(today: date) -> date:
    """The last day on which a MedDRA release was due: 1 March and 1 September."""
    due = (date(today.year, 9, 1), date(today.year, 3, 1), date(today.year - 1, 9, 1))
    return next(day for day in due if day <= today)


def overdue_text(workspace: Workspace) -> str:
    """What the alert says when a scheduled update finds no release."""
    adopted = adopted_version(workspace)
    return (
        f"A MedDRA release is due and none newer than {adopted or 'nothing'} was admitted. Download it from the "
        "maintenance organisation and put the zip into inbox/meddra/ (`pv ingest FILE`); the watcher starts the update."
    )


def compare(workspace: Workspace, old: str, new: str) -> Compared:
    """Compare two admitted releases and keep the difference."""
    found = difference(workspace, old, new)
    return Compared(put_blob(workspace.store, found.to_json().encode()), found.summary())


def difference(workspace: Workspace, old: str, new: str) -> DictionaryDiff:
    """The difference of two admitted releases."""
    return diff(load_dictionary(workspace, old), load_dictionary(workspace, new))


def adopt(workspace: Workspace, version: str, mappings: list[str]) -> None:
    """Record that labels are in `version` from here on. Raises RegistryError where a newer one was adopted."""
    name = known_releases(workspace)[version]

    def body(state: State) -> dict[str, Any]:
        before = next((e for e in reversed(state.entries) if e.kind == "DictionaryAdopted"), None)
        current = str(before.body["version"]) if before else None
        if current and version_order(current) > version_order(version):
            raise RegistryError(f"MedDRA {current} was adopted already: labels do not go back to {version}.")
        return {"version": version, "digest": name, "from": current, "mappings": mappings}

    workspace.ledger.append("DictionaryAdopted", body, actor="update", key=version)


# --- batches and migration ----------------------------------------------------------------------------


def pending_batches(workspace: Workspace) -> list[Entry]:
    """Admitted batches that are in no dataset yet, in the order of admission."""
    latest = _last(workspace, "DatasetBuilt")
    taken = set(latest.body["batches"]) if latest else set()
    return [
        entry
        for entry in workspace.ledger.entries()
        if entry.kind == "BatchAdmitted" and entry.body["digest"] not in taken
    ]


def load_batch(workspace: Workspace, name: str) -> Batch:
    """An admitted batch by its digest or the key that it lay under. Raises NotFound."""
    for entry in workspace.ledger.entries():
        body = entry.body
        if entry.kind == "BatchAdmitted" and name in (body["digest"], body["object"]["key"], body["name"]):
            return batches.batch_from_bytes(
                get_blob(workspace.store, body["blob"]),
                name=body["name"],
                format=body["format"],
                dropped=body["dropped"],
            )
    raise NotFound(f"no batch {name} was admitted. `pv status` lists the batches.")


def migrate(workspace: Workspace, version: str) -> Migrated:
    """Map every coded label that is in another version into `version`, by the workspace's policy.

    Through every admitted release in between, so that an update that comes late decides as the updates
    in time would have (`pvcore.meddra.chain`). Labels in a newer version than `version` are not
    touched: their batch waits for its update.
    """
    latest = _last(workspace, "DatasetBuilt")
    done = latest is not None and latest.body["version"] == version
    coded = _coded(workspace, pending_only=done)
    # What the dataset's own mappings left open stays decided as it was: they go with it.
    mappings: list[str] = list(latest.body["mappings"]) if latest and done else []
    classes: list[dict[str, Any]] = []
    releases = sorted(known_releases(workspace), key=version_order)
    for old in sorted({row["version"] for row in coded} & set(releases), key=version_order):
        if version_order(old) >= version_order(version):
            continue
        rows = pd.DataFrame([row for row in coded if row["version"] == old])[
            ["row_id", "llt_code", "verbatim"]
        ]
        between = [v for v in releases if version_order(old) <= version_order(v) < version_order(version)]
        moved = carry(
            rows,
            [load_dictionary(workspace, v) for v in (*between, version)],
            policy=workspace.settings.meddra_policy,
            nearest=_nearest(workspace),
        )
        blob = put_blob(workspace.store, _bytes(moved))
        entry = workspace.ledger.append(
            "Migrated",
            {"from": old, "to": version, "mapping": blob, "counts": dict(moved.counts), "rows": len(rows)},
            actor="update",
            key=digest([old, version, blob]),
        )
        mappings += [blob] if blob not in mappings else []
        classes += [
            {"from": old, "to": version, "class": name, "rows": count}
            for name, count in entry.body["counts"].items()
        ]
    return Migrated(mappings, classes)


def _nearest(workspace: Workspace) -> Nearest | None:
    """The coding champion, asked for suggestions only where a row needs a person; None without one.

    It costs what scoring costs: the dictionary's current terms are embedded once.
    """
    from pvcore.cycle import candidate  # which knows this module

    champion = candidate.champion_of(workspace, "coding")
    if champion is None:
        return None
    trained = candidate.load_specification(workspace, champion.manifest.specification)

    def ranked(texts: Sequence[str], terms: pd.DataFrame) -> list[list[str]]:
        questions = [(str(number), text) for number, text in enumerate(texts)]
        files, base = champion.manifest.adapter["files"], trained.settings["base"]
        answers = candidate.predict(workspace, files, base, questions, terms)
        return [[code for code, _ in answer.ranked] for answer in answers]

    return ranked


def _coded(workspace: Workspace, *, pending_only: bool) -> list[dict[str, str]]:
    """All coded labels, of the latest dataset (unless `pending_only`) and of pending batches.

    A row has row_id, llt_code, verbatim, version.
    """
    said: list[tuple[str, str, Mapping[str, Any], str | None]] = []
    latest = _last(workspace, "DatasetBuilt")
    if latest and not pending_only:
        loaded = datasets.load(workspace.store, latest.body["dataset"])
        coded = loaded.labels[loaded.labels["problem"] == "coding"]
        said += [(r.case_id, r.target, json.loads(r.value), r.meddra_version) for r in coded.itertuples()]
        waiting = [item.annotation for item in datasets.open_items(workspace.store, loaded.info)]
        said += [(a.case_id, a.target, a.value, a.meddra_version) for a in waiting if a.problem == "coding"]
    for entry in pending_batches(workspace):
        for a in load_batch(workspace, entry.body["digest"]).annotations:
            if a.problem == "coding":
                said.append((a.case_id, a.target, a.value, a.meddra_version))
    unique = {
        (version, datasets.row_id(case, target, value["llt_code"])): {
            "row_id": datasets.row_id(case, target, value["llt_code"]),
            "llt_code": value["llt_code"],
            "verbatim": target,
            "version": version,
        }
        for case, target, value, version in said
        if value.get("llt_code") and version
    }
    return [unique[key] for key in sorted(unique)]


def coded_labels(workspace: Workspace, version: str) -> pd.DataFrame | None:
    """Coded labels of the latest dataset: row_id, case_id, verbatim, llt_code, pt_name, meddra_version.

    None if there is no dataset, or its labels are in another version than `version`.
    """
    latest = _last(workspace, "DatasetBuilt")
    if latest is None or latest.body["version"] != version:
        return None
    labels = datasets.load(workspace.store, latest.body["dataset"]).labels
    coded = labels[labels["problem"] == "coding"]
    values = [json.loads(value) for value in coded["value"]]
    codes = [str(value.get("llt_code") or "") for value in values]
    said = zip(coded["case_id"], coded["target"], codes, strict=True)
    return pd.DataFrame(
        {
            "row_id": [datasets.row_id(*one) for one in said],
            "case_id": coded["case_id"].tolist(),
            "verbatim": coded["target"].tolist(),
            "llt_code": codes,
            "pt_name": [str(value.get("pt_name") or "") for value in values],
            "meddra_version": coded["meddra_version"].tolist(),
        },
        dtype="str",
    )


def _bytes(migration: Migration) -> bytes:
    text = migration.to_json()
    return text if isinstance(text, bytes) else text.encode()


# --- datasets ---------------------------------------------------------------------------------------


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
    latest = _last(workspace, "DatasetBuilt")
    needs = any(PROBLEMS[name].kind == "ranking" for name in workspace.recipes())
    if not needs:
        # No recipe asks for terms: a new release changes nothing that is trained on.
        version = latest.body["version"] if latest else None
    fits = {version, *known_releases(workspace)} if version else set()
    newer = {v for v in fits if v and version and version_order(v) > version_order(version)}
    taken: list[Entry] = []
    later: list[Entry] = []
    for entry in pending_batches(workspace):
        versions = set(entry.body["meddra_versions"])
        waits = needs and versions and (not version or not versions <= fits or versions & newer)
        (later if waits else taken).append(entry)
    arrived = [(entry, _sampled(workspace, load_batch(workspace, entry.body["digest"]))) for entry in taken]
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
        newest = next((e for e in reversed(state.entries) if e.kind == "DatasetBuilt"), None)
        if (newest and newest.digest) != (latest and latest.digest):
            raise _Overtaken(f"dataset {info.digest[:12]}: another one was built meanwhile")
        return body

    entry = workspace.ledger.append("DatasetBuilt", unless_overtaken, actor="update", key=info.digest)
    return _built(workspace, entry, later, held)


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


def _sampled(workspace: Workspace, batch: Batch) -> Batch:
    """At most `max_rows_per_batch` cases of a batch, those with the smallest digests: the same each time."""
    most = workspace.settings.max_rows_per_batch
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
    lines += [f"| left out: {reason} | {number} |" for reason, number in info.excluded.items()]
    lines += [f"| kappa, {who} (of {of}) | {value} |" for who, (value, of) in kappas.items()]
    lines += [f"\nWaits for its MedDRA update: {entry.body['name']}" for entry in later]
    lines += [f"\nHeld: {inert(entry.body['name'])}: {inert(entry.body['reason'])}" for entry in held]
    return "\n".join(lines)


def _last(workspace: Workspace, kind: str) -> Entry | None:
    return next((entry for entry in reversed(workspace.ledger.entries()) if entry.kind == kind), None)


# --- reading a dataset back ---------------------------------------------------------------------------


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
def _examples(workspace: Workspace, problem: str, dataset: str) -> dict[str, list[Example]]:
    loaded = datasets.load(workspace.store, dataset)
    dictionary = dictionary_by_digest(workspace, dictionary_digest(workspace, dataset))
    return PROBLEMS[problem].examples(
        loaded.cases, loaded.labels, dictionary, new_terms=new_terms(workspace, dataset)
    )


def examples(workspace: Workspace, problem: str, dataset: str) -> dict[str, list[Example]]:
    """Split -> examples of a problem in a dataset."""
    return _examples(workspace, problem, dataset)


def new_terms(workspace: Workspace, dataset: str) -> set[str]:
    """LLTs that the dataset's MedDRA version brought or renamed, since the version before it."""
    version = dataset_entry(workspace, dataset).body["version"]
    adopted = workspace.ledger.find("DictionaryAdopted", version) if version else None
    before = adopted.body["from"] if adopted else None
    return difference(workspace, before, version).new_terms() if before and before != version else set()


def terms(workspace: Workspace, asked: Specification) -> pd.DataFrame | None:
    """The current LLTs that a coding model may answer with; None for other problems."""
    dictionary = dictionary_by_digest(workspace, asked.dictionary)
    return dictionary.current_llts() if dictionary else None


def refuse_leakage(train: list[Example], held_out: list[Example]) -> None:
    """Raises LeakageError if a training example shares a cluster with a held-out one, with the pairs."""
    rows = [{"case_id": e.case_id, "cluster": e.cluster, "split": "train"} for e in train]
    rows += [{"case_id": e.case_id, "cluster": e.cluster, "split": "test"} for e in held_out]
    leakage.check_leakage(pd.DataFrame(rows).drop_duplicates())


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
