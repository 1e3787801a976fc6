"""Labels carried into a release: those of the latest dataset and those that wait, by the workspace's policy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import pandas as pd

from pvcore.annotations import dataset as datasets
from pvcore.annotations import reactions
from pvcore.annotations.coded import COLUMNS
from pvcore.annotations.passage import Passage, coded_as
from pvcore.config import Workspace
from pvcore.cycle.arrivals import last, load_batch, pending_batches
from pvcore.cycle.dictionaries import known_releases, load_dictionary, version_order
from pvcore.inference.guardrails import GuardrailPolicy
from pvcore.meddra.chain import migrate_through as carry
from pvcore.meddra.release import Dictionary
from pvcore.meddra.suggestions import Nearest
from pvcore.records import Case, digest
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.ledger import Entry


@dataclass(frozen=True)
class Migrated:
    """Mappings (blobs) into one version, and how many rows fell into which class."""

    mappings: list[str]
    classes: list[dict[str, Any]] = field(default_factory=list)


def migrate(workspace: Workspace, version: str) -> Migrated:
    """Map every coded label that is in another version into `version`, by the workspace's policy.

    Through every admitted release in between, so that an update that comes late decides as the updates
    in time would have (`pvcore.meddra.chain`). PT names need no release of their own version. What is
    in a newer version than `version` is not touched: its batch waits for its update. What is in `version`
    and cannot be used there (a batch that came before its release was not checked) is recoded, or waits for a person.
    """
    latest = last(workspace, "DatasetBuilt")
    done = latest is not None and latest.body["version"] == version
    coded = _coded(workspace, latest, done=done)
    # What the dataset's own mappings left open stays decided as it was: they go with it.
    mappings: list[str] = list(latest.body["mappings"]) if latest and done else []
    classes: list[dict[str, Any]] = []
    release = cache(lambda name: load_dictionary(workspace, name))
    for old, label in sorted(
        {(c.version, c.label) for c in coded}, key=lambda c: (version_order(c[0]), c[1])
    ):
        found = [c for c in coded if (c.version, c.label) == (old, label)]
        way = _way(workspace, old, label, version)
        if old == version:
            way, found = [version], _unusable(found, release(version))
        if not way or not found:
            continue
        rows = pd.DataFrame(
            [(c.row_id, c.coded, c.verbatim) for c in found], columns=["row_id", label, "verbatim"]
        )
        start = release(old) if label == "llt_code" or old in known_releases(workspace) else old
        moved = carry(
            rows,
            [start, *map(release, way)],
            policy=workspace.settings.meddra_policy,
            nearest=_nearest(workspace),
        )
        blob = put_blob(workspace.store, moved.to_json().encode())
        entry = workspace.ledger.append(
            "Migrated",
            {"from": old, "to": version, "label": label, "mapping": blob, "counts": dict(moved.counts),
             "rows": len(rows)},
            actor="update",
            key=digest([old, version, blob]),
        )  # fmt: skip
        mappings += [blob] if blob not in mappings else []
        classes += [
            {"from": old, "to": version, "label": label, "class": name, "rows": count}
            for name, count in entry.body["counts"].items()
        ]
    return Migrated(mappings, classes)


def _unusable(coded: Sequence[Coded], dictionary: Dictionary) -> list[Coded]:
    """Rows in the dictionary's own version that are on no current LLT of it, or on no name of a PT."""
    pts = set(dictionary.tables["pt"]["pt_name"])

    def usable(row: Coded) -> bool:
        if row.label == "pt_name":
            return row.coded in pts
        return row.coded in dictionary and dictionary.is_current(row.coded)

    return [row for row in coded if not usable(row)]


def _way(workspace: Workspace, old: str, label: str, version: str) -> list[str]:
    """The releases that labels in `old` go through, the last being `version`; [] where they do not go."""
    known = known_releases(workspace)
    if version_order(old) >= version_order(version) or (label == "llt_code" and old not in known):
        return []
    order = (version_order(old), version_order(version))
    return sorted((v for v in known if order[0] < version_order(v) <= order[1]), key=version_order)


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
        # A suggestion is for the person who codes: the ranking is shown whatever would be withheld.
        answers = candidate.predict(workspace, files, base, questions, terms, GuardrailPolicy())
        return [[code for code, _ in answer.ranked] for answer in answers]

    return ranked


class Coded(NamedTuple):
    """One row to carry: what it is coded by (`label`: llt_code or pt_name), in which version."""

    version: str
    row_id: str
    label: str
    coded: str
    verbatim: str


def _coded(workspace: Workspace, latest: Entry | None, *, done: bool) -> list[Coded]:
    """All coded rows, of the latest dataset and of pending batches, each once.

    These are the annotations for coding, those too that were overruled (a label follows from all that was said),
    and the reactions that are coded by PT names alone. Where the dataset is in the version already (`done`), only
    those of its rows that no migration of it has seen: a batch may come between a migration and its dataset.
    """
    unique: dict[tuple[str, str], Coded] = {}
    if latest:
        loaded = datasets.load(workspace.store, latest.body["dataset"])
        coded = loaded.annotations[loaded.annotations["problem"] == "coding"]
        said = [(r.case_id, r.target, json.loads(r.value), r.meddra_version) for r in coded.itertuples()]
        unique = _rows(said, datasets.cases_of(workspace.store, loaded))
        if done:
            blobs = [get_blob(workspace.store, name) for name in latest.body["mappings"]]
            passage = Passage(blobs, latest.body["version"])
            unique = {key: c for key, c in unique.items() if not passage.has(c.version, c.row_id, c.coded)}
    for entry in pending_batches(workspace):
        batch = load_batch(workspace, entry.body["digest"])
        asked = [a for a in batch.annotations if a.problem == "coding"]
        unique |= _rows([(a.case_id, a.target, a.value, a.meddra_version) for a in asked], batch.cases)
    return [unique[key] for key in sorted(unique)]


def _rows(
    said: Iterable[tuple[str, str, Mapping[str, Any], str | None]], cases: Iterable[Case]
) -> dict[tuple[str, str], Coded]:
    """Codings (case, target, value, version), and reactions of cases, by version and row."""
    unique: dict[tuple[str, str], Coded] = {}
    for case, target, value, version in said:
        term = coded_as(value)
        if term and version:
            row = datasets.row_id(case, target, term)
            label = "llt_code" if value.get("llt_code") else "pt_name"
            unique[version, row] = Coded(version, row, label, term, target)
    for row, found in reactions.all_named(cases):
        unique[found.version, row] = Coded(found.version, row, "pt_name", found.name, found.verbatim)
    return unique


def coded_labels(workspace: Workspace, version: str) -> pd.DataFrame | None:
    """What of the latest dataset is coded: row_id, case_id, verbatim, llt_code, pt_name, meddra_version.

    Labels, and reactions that are coded by a PT name alone and have no label. None if there is no
    dataset, or its labels are in another version than `version`.
    """
    latest = last(workspace, "DatasetBuilt")
    if latest is None or latest.body["version"] != version:
        return None
    loaded = datasets.load(workspace.store, latest.body["dataset"])
    rows: dict[str, tuple[str, ...]] = {}
    for r in loaded.labels[loaded.labels["problem"] == "coding"].itertuples():
        value = json.loads(r.value)
        row = datasets.row_id(r.case_id, r.target, coded_as(value) or "")
        said = (str(value.get(name) or "") for name in ("llt_code", "pt_name"))
        rows[row] = (r.case_id, r.target, *said, r.meddra_version)
    labelled = {(case_id, target) for case_id, target, *_ in rows.values()}
    for case in datasets.cases_of(workspace.store, loaded):
        for row, found in reactions.all_named([case]):
            if (case.case_id, found.words) not in labelled:
                rows[row] = (case.case_id, found.verbatim, "", found.name, found.version)
    return pd.DataFrame([(row, *said) for row, said in rows.items()], columns=list(COLUMNS), dtype="str")
