"""Tasks of the watchers, and the bound on retries that every flow starts with."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.events import Event, Resource
from prefect.runtime import flow_run

from expectations import validate_batch, validate_release
from pvcore.config import open_workspace
from pvcore.cycle import admission, dictionaries
from pvcore.cycle import inbox as inboxes
from pvcore.cycle.admission import Outcome
from pvcore.cycle.inbox import Found, Inbox
from pvcore.errors import InputError, PlatformError, ReleaseError
from pvcore.plain import inert

RUNS = 6
"""How often a run may start: the automation that reschedules crashed runs has no bound of its own."""


def bound_retries(most: int = RUNS) -> None:
    """Fail a run that was started more than `most` times. Raises PlatformError."""
    count = flow_run.get_run_count() or 0
    if count > most:
        raise PlatformError(
            f"This run crashed and was started again {count - 1} times; it stops here. "
            "Look at its logs, mend the cause and start a new run: finished steps are not done again."
        )


@task(retries=3, retry_delay_seconds=5, cache_policy=NO_CACHE)
def look(inbox: Inbox) -> list[Found]:
    """Objects that are new in an inbox."""
    return inboxes.look(open_workspace(), inbox)


@task(task_run_name="admit {found.name}", cache_policy=NO_CACHE, retries=2, retry_delay_seconds=5)
def admit(found: Found) -> Outcome:
    """Read, verify and validate one object; then record it as admitted, or quarantine it with its report."""
    workspace = open_workspace()
    validation = None
    try:
        if found.inbox == "meddra":
            dictionary = inboxes.read_release(workspace, found)
            validation = validate_release(
                dictionary, previous=dictionaries.release_before(workspace, dictionary)
            )
            validation.require()
            outcome = admission.admit_release(workspace, found, dictionary, validation.to_json())
        else:
            batch = inboxes.read_batch(workspace, found)
            validation = validate_batch(
                batch,
                dictionaries=dictionaries.of_batch(workspace, batch),
                personal_data=workspace.personal_data(),
            )
            validation.require()
            outcome = admission.admit_batch(workspace, found, batch, validation.to_json())
        show(f"validation-{outcome.digest[:12]}", validation.markdown(), f"Validation of {inert(found.name)}")
    except InputError as error:
        page = validation.to_html() if validation else ""
        outcome = admission.quarantine(workspace, found, error, page)
        noun = "release" if isinstance(error, ReleaseError) else "batch"
        show(f"quarantine-{found.etag}", admission.page(found, error), f"Faults of this {noun}")
    get_run_logger().info(outcome.line)
    return outcome


@task(cache_policy=NO_CACHE)
def announce() -> None:
    """Emit the events that start an update, for all that was admitted and not yet announced.

    The ledger says what was announced, so an announcement lost with a crashed run is made by the next.
    """
    workspace = open_workspace()
    new = admission.unannounced(workspace)
    events, batches = [], []
    for entry in new:
        body = entry.body
        if entry.kind == "BatchAdmitted":
            batches.append(body["digest"])
        elif entry.kind == "Quarantined":
            told = {"object": body["object"]["key"], "report": body["report"]}
            events.append(_event("pv.inbox.quarantined", "pv.inbox", told))
        # Another language starts no update.
        elif body["digest"] in dictionaries.known_releases(workspace).values():
            told = {"version": body["version"], "digest": body["digest"]}
            events.append(_event("pv.release.admitted", f"pv.release.{body['version']}", told))
    if batches:
        events.append(_event("pv.batches.admitted", "pv.batches", {"batches": batches}))
    _send(events)
    for entry in new:
        admission.mark_announced(workspace, entry)


def _event(name: str, resource: str, payload: dict[str, Any]) -> Event:
    return Event(event=name, resource=Resource({"prefect.resource.id": resource}), payload=payload)


def _send(events: list[Event]) -> None:
    """Hand events to the server and wait for its answer: `emit_event` only queues, and a queue dies with its run."""
    if events:
        with get_client(sync_client=True) as client:
            said = [event.model_dump(mode="json") for event in events]
            client.request("POST", "/events", json=said).raise_for_status()


def show(key: str, markdown: str, description: str) -> None:
    """A markdown artifact in the Prefect UI."""
    create_markdown_artifact(markdown, key=key_of(key), description=description)


def key_of(name: str) -> str:
    """The key of an artifact, which takes lower-case letters, digits and dashes only."""
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")
