"""Batches that are held back because their annotators do not agree, and their release.

The check stands where a dataset is built, since two annotators of one case often come in two files. A
held batch is looked at again each time: new answers of the annotators, in a batch of their own, take the
place of the old ones and may lift the agreement; or a person releases it, with a reason.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Sequence

from pvcore.annotations import consistency
from pvcore.annotations import dataset as datasets
from pvcore.annotations.agreement import Thing, judgements
from pvcore.annotations.batch import Batch
from pvcore.annotations.consistency_tables import markdown
from pvcore.annotations.merge import Pool
from pvcore.annotations.pairs import DDI
from pvcore.config import Workspace
from pvcore.errors import NotFound
from pvcore.plain import inert
from pvcore.records import Annotation, digest
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.ledger import Entry

HELD, RELEASED = "Held", "Released"
Arrived = tuple[Entry, Batch]
"""The record of admission and the batch as it is used."""


def hold(
    workspace: Workspace, arrived: Sequence[Arrived], base: str | None
) -> tuple[list[Arrived], list[Entry]]:
    """Those that may go into the dataset, and the records of those that may not.

    `base` is the dataset that they would be added to: its annotators are compared too. What is asked of the
    annotations for a problem stands in the policy that its recipe names.
    """
    policies = {problem: found.annotations for problem, found in workspace.policies().items()}
    asked = {problem: p for problem, p in policies.items() if problem in p.minimum_kappa}
    if not asked or not arrived:
        return list(arrived), []
    batches = [batch for _, batch in arrived]
    said = together(workspace, batches, base, {case.case_id for batch in batches for case in batch.cases})
    judged = judgements(a for a in said if a.problem in asked)
    passed: list[Arrived] = []
    held: list[Entry] = []
    for entry, batch in arrived:
        own = [(_thing(a), a.annotator) for a in brought(batch, said)]
        released = workspace.ledger.find(RELEASED, entry.body["digest"])
        reasons = [
            reason
            for problem, policy in sorted(asked.items())
            if not released
            for reason in consistency.too_low({problem: judged.get(problem, {})}, own, policy)
        ]
        if not reasons:
            passed.append((entry, batch))
        else:
            held.append(_record(workspace, entry, batch, said, reasons))
    return passed, held


def together(
    workspace: Workspace, batches: Sequence[Batch], base: str | None, asked: Collection[str]
) -> list[Annotation]:
    """What stands of all annotations of the cases `asked`, as `base` with the batches would have it."""
    pool = Pool(None, [])
    if base:
        before = datasets.load(workspace.store, base)
        cases, said = (frame[frame["case_id"].isin(asked)] for frame in (before.cases, before.annotations))
        waiting = datasets.open_items(workspace.store, before.info)
        pool.start(cases, said, waiting, datasets.nullified(workspace.store, before.info))
    for batch in batches:
        pool.add(batch.digest, batch.cases, batch.annotations, batch.nullified)
    return [a for key in sorted(pool.said) if key[0] in asked for a in pool.said[key]]


def brought(batch: Batch, said: Sequence[Annotation]) -> list[Annotation]:
    """What a batch says, as it stands `together`: there all that is said of a pair of drugs has one target."""
    targets = {a.case_id: a.target for a in said if a.problem == DDI}
    return [
        dataclasses.replace(a, target=targets.get(a.case_id, a.target)) if a.problem == DDI else a
        for a in batch.annotations
    ]


def _thing(a: Annotation) -> Thing:
    return a.problem, a.case_id, a.target, a.meddra_version or ""


def _record(
    workspace: Workspace, entry: Entry, batch: Batch, said: Sequence[Annotation], reasons: Sequence[str]
) -> Entry:
    """Once for a batch and what was found of it."""
    asked = {(a.case_id, a.problem, a.target) for a in brought(batch, said)}
    own = [a for a in said if (a.case_id, a.problem, a.target) in asked]
    report = consistency.measure(entry.body["name"], own)
    blob = put_blob(workspace.store, report.to_json())
    pairs = len(report.pairs)
    body = {
        "batch": entry.body["digest"],
        "name": entry.body["name"],
        "reason": f"{'; '.join(reasons)}: batch held, here are the {pairs} pairs to talk about",
        "report": blob,
    }
    return workspace.ledger.append(HELD, body, actor="update", key=digest([entry.body["digest"], blob]))


def held(workspace: Workspace, pending: Sequence[Entry]) -> list[Entry]:
    """The newest Held record of each of the `pending` batches that was held and not released."""
    newest: dict[str, Entry] = {}
    for entry in workspace.ledger.entries():
        if entry.kind == HELD:
            newest[entry.body["batch"]] = entry
    waiting = [entry.body["digest"] for entry in pending]
    return [newest[name] for name in waiting if name in newest and not workspace.ledger.find(RELEASED, name)]


def release(workspace: Workspace, pending: Sequence[Entry], name: str, reason: str, by: str) -> Entry:
    """Let a held batch, by digest (or its beginning), name or key, into the next dataset. Raises NotFound.

    What was found of it stays in the ledger beside the reason. `by` is whom the machine knows, unsigned.
    """
    admitted = {entry.body["digest"]: entry.body["object"]["key"] for entry in pending}
    waiting = held(workspace, pending)
    matching = [
        e
        for e in waiting
        if name in (e.body["name"], admitted[e.body["batch"]])
        or (len(name) >= 6 and e.body["batch"].startswith(name))
    ]
    if len(matching) != 1:
        known = ", ".join(f"{e.body['name']} ({e.body['batch'][:12]})" for e in waiting) or "none"
        raise NotFound(f"{len(matching)} held batches are called {name}. Held: {known}.")
    (entry,) = matching
    body = {
        "batch": entry.body["batch"],
        "name": entry.body["name"],
        "held": entry.sequence,
        "reason": reason,
        "by": by,
    }
    return workspace.ledger.append(RELEASED, body, actor="release", key=entry.body["batch"])


def page(workspace: Workspace, entry: Entry) -> str:
    """The report of a Held record as a page, with its reason and what to do."""
    report = json.loads(get_blob(workspace.store, entry.body["report"]))
    batch = entry.body["batch"]
    return (
        f"**{inert(entry.body['reason'])}**\n\nTalk about them (`pv consistency {batch} --work-list FILE`) and send "
        f"the new answers as a batch; or let it pass: `pv release {batch[:12]} --reason ...`\n\n{markdown(report)}"
    )
