"""What evaluations have spent of the held-out cases, read from the ledger: it counts cases, not names of sets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from pvcore.evaluation import uses
from pvcore.records import Example, canonical
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.ledger import State
from pvcore.registry.store import Store


class Spending(NamedTuple):
    """How often half of some held-out cases decided, this time included, and how many fresh clusters are due."""

    uses: int
    fresh: int


def spending(store: Store, state: State, problem: str, held: Sequence[Example], maximum: int) -> Spending:
    """What the held-out examples have decided by a state of the ledger, with the evaluation that follows it.

    Every evaluation of the problem spends, whoever was the candidate and whatever the policy.
    """
    clusters = {example.case_id: example.cluster for example in held}
    earlier = [
        # An evaluation of a version of the platform that did not write its cases down may have asked all of these.
        json.loads(get_blob(store, entry.body["cases"])) if "cases" in entry.body else clusters.keys()
        for entry in state.entries
        if entry.kind == "Evaluated" and entry.body["problem"] == problem
    ]
    return Spending(1 + uses.uses(clusters, earlier), uses.fresh(clusters, earlier, maximum))


def cases_blob(store: Store, held: Sequence[Example]) -> str:
    """The cases that an evaluation asks, kept; the same cases are one blob."""
    return put_blob(store, canonical(sorted({example.case_id for example in held})))


def told(body: dict[str, Any]) -> str:
    """What an evaluation spent, in words; "" where it was not written down."""
    return f"use {body['uses']} of {body['allowed']} of its held-out cases" if "uses" in body else ""
