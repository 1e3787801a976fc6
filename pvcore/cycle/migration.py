"""Labels carried into a release: those of the latest dataset and those that wait, by the workspace's policy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pvcore.annotations import dataset as datasets
from pvcore.config import Workspace
from pvcore.cycle.arrivals import last, load_batch, pending_batches
from pvcore.cycle.inbox import known_releases, load_dictionary, version_order
from pvcore.meddra.chain import migrate_through as carry
from pvcore.meddra.mapping import Migration
from pvcore.meddra.migrate import Nearest
from pvcore.records import digest
from pvcore.registry.store import put_blob


@dataclass(frozen=True)
class Migrated:
    """Mappings (blobs) into one version, and how many rows fell into which class."""

    mappings: list[str]
    classes: list[dict[str, Any]] = field(default_factory=list)


def migrate(workspace: Workspace, version: str) -> Migrated:
    """Map every coded label that is in another version into `version`, by the workspace's policy.

    Through every admitted release in between, so that an update that comes late decides as the updates
    in time would have (`pvcore.meddra.chain`). Labels in a newer version than `version` are not
    touched: their batch waits for its update.
    """
    latest = last(workspace, "DatasetBuilt")
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
    latest = last(workspace, "DatasetBuilt")
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
    latest = last(workspace, "DatasetBuilt")
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
