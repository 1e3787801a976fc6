"""Look into the inboxes, admit what is sound, quarantine what is not, announce what is new.

What was handled is read from the ledger, so looking twice, or after a crash, does everything once.
"""

from __future__ import annotations

from typing import Literal

from prefect import flow
from prefect.states import Failed, State

from tasks import inbox as inboxes


@flow(name="watch", persist_result=True, description="Look into one inbox; admit, quarantine, announce.")
def watch(inbox: Literal["meddra", "annotations"] = "annotations") -> list[str] | State:
    """One look. Returns a line per object that was handled; fails at its end if one could not be."""
    inboxes.bound_retries()
    states = [inboxes.admit(found, return_state=True) for found in inboxes.look(inbox)]
    inboxes.announce()
    failed = [str(state.message) for state in states if not state.is_completed()]
    return Failed(message="; ".join(failed)) if failed else [state.result().line for state in states]
