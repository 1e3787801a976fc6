"""Look into the inboxes, admit what is sound, quarantine what is not, announce what is new.

What was handled is read from the ledger, so looking twice, or after a crash, does everything once.
"""

from __future__ import annotations

from typing import Literal

from prefect import flow

from tasks import inbox as inboxes


@flow(name="watch", persist_result=True, description="Look into one inbox; admit, quarantine, announce.")
def watch(inbox: Literal["meddra", "annotations"] = "annotations") -> list[str]:
    """One look. Returns a line per object that was handled."""
    outcomes = [inboxes.admit(found) for found in inboxes.look(inbox)]
    inboxes.announce()
    return [outcome.line for outcome in outcomes]
