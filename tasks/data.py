"""Tasks from an admitted release and batches to a validated dataset."""

from __future__ import annotations

from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from expectations import validate_training_set
from pvcore.config import open_workspace
from pvcore.cycle import arrivals, building, data, holding, migration, releases
from tasks.inbox import show


@task(cache_policy=NO_CACHE)
def newest_release(version: str) -> str | None:
    """The release to update to: `version`, or the newest admitted one; None if that is adopted already."""
    return releases.newest_release(open_workspace(), version)


@task(cache_policy=NO_CACHE)
def adopted_version() -> str:
    """The MedDRA version that the labels are in; empty before the first release."""
    return releases.adopted_version(open_workspace()) or ""


@task(cache_policy=NO_CACHE)
def alert_overdue() -> None:
    """Say in the UI and by an event that the release which is due has not arrived."""
    text = releases.overdue_text(open_workspace())
    show("release-overdue", text, "A MedDRA release is due")
    emit_event("pv.release.overdue", resource={"prefect.resource.id": "pv.inbox"}, payload={"line": text})
    get_run_logger().warning(text)


@task(cache_policy=NO_CACHE)
def compare(old: str, new: str) -> str:
    """Compare two releases; returns the difference's blob."""
    difference = releases.compare(open_workspace(), old, new)
    show(f"difference-{old}-{new}", difference.markdown, f"MedDRA {old} to {new}")
    return difference.blob


@task(cache_policy=NO_CACHE)
def migrate(version: str) -> list[str]:
    """Carry all labels that are not in `version` into it; returns the mappings' blobs."""
    migrated = migration.migrate(open_workspace(), version)
    if migrated.classes:
        create_table_artifact(
            migrated.classes, key=f"migration-{version.replace('.', '-')}", description="Migration classes"
        )
    return migrated.mappings


@task(cache_policy=NO_CACHE)
def adopt(version: str, mappings: list[str]) -> None:
    """Record that the labels are in `version` from here on."""
    releases.adopt(open_workspace(), version, mappings)


@task(cache_policy=NO_CACHE)
def build_dataset(version: str, mappings: list[str]) -> str | None:
    """The dataset of all that was admitted and fits `version`; None where nothing new is there."""
    workspace = open_workspace()
    built = building.build_dataset(workspace, version, mappings)
    for entry in holding.held(workspace, arrivals.pending_batches(workspace)):
        show(f"held-{entry.body['batch'][:12]}", holding.page(workspace, entry), "Batch held: agreement")
        get_run_logger().warning(f"{entry.body['name']}: {entry.body['reason']}")
    if built:
        show(f"dataset-{built.digest[:12]}", built.markdown, "Dataset: batches, agreement, splits, work list")
        get_run_logger().info(built.line)
    return built.digest if built else None


@task(cache_policy=NO_CACHE)
def validate_for(problem: str, dataset: str) -> None:
    """Great Expectations over the training set of a problem. Raises with all faults."""
    workspace = open_workspace()
    cases, labels, examples, dictionary = data.training_set(workspace, problem, dataset)
    table = workspace.recipe(problem).table
    validation = validate_training_set(
        cases, labels, examples, problem=problem, dictionary=dictionary, table=table
    )
    show(f"training-set-{problem}-{dataset[:12]}", validation.markdown(), f"Validation: {problem}")
    validation.require()


@task(cache_policy=NO_CACHE)
def problems() -> list[str]:
    """The problems that this workspace has recipes for."""
    return list(open_workspace().recipes())
