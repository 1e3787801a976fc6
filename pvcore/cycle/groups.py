"""Held-out cases put into the groups that the gate looks at one by one, with the policy's designated events."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from pvcore.annotations import dataset as datasets
from pvcore.config import Workspace
from pvcore.cycle import data, dictionaries
from pvcore.errors import ConfigError
from pvcore.evaluation.policy import Policy
from pvcore.meddra.mapping import Migration
from pvcore.problems import PROBLEMS
from pvcore.problems.safety import Changes, Designated, with_slices
from pvcore.records import Example
from pvcore.registry.blobs import get_blob


def grouped(
    workspace: Workspace, problem: str, dataset: str, examples: Sequence[Example], policy: Policy
) -> list[Example]:
    """Held-out examples of a dataset with the safety slices of their cases (`problems.safety`).

    Raises ConfigError for designated events that the dataset's dictionary does not have: a list that silently
    names nothing protects nobody.
    """
    loaded = datasets.load(workspace.store, dataset)
    dictionary = dictionaries.by_digest(workspace, data.dictionary_digest(workspace, dataset))
    designated, unknown = Designated.of(policy.designated_events, dictionary)
    if unknown:
        where = (
            f"MedDRA {dictionary.version}" if dictionary else "no dictionary was adopted, so no code is known"
        )
        raise ConfigError(
            f"designated_events of the policy: {len(unknown)} entries are no term ({where}): "
            f"{', '.join(unknown)}. Look them up: pv meddra show NAME."
        )
    changes = _changes(workspace, dataset)
    return with_slices(
        examples,
        PROBLEMS[problem],
        loaded.cases,
        loaded.labels,
        dictionary,
        changes=changes,
        designated=designated,
    )


@lru_cache(maxsize=4)
def _changes(workspace: Workspace, dataset: str) -> Changes:
    """Terms that the dataset's release brought or changed, and those that labels of changed terms were carried to."""
    found = data.release_change(workspace, dataset)
    if found is None:
        return Changes()
    changed = found.changed_terms()
    for blob in datasets.load(workspace.store, dataset).info.migrated_by:
        moved = Migration.from_json(get_blob(workspace.store, blob))
        if moved.new_version == found.new_version:
            rows = moved.rows[
                (moved.rows["old_code"] != "") & (moved.rows["old_code"] != moved.rows["new_code"])
            ]
            changed |= set(rows["new_code"].dropna())
    return Changes(frozenset(found.new_terms()), frozenset(changed))
