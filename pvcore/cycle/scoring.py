"""Scoring with a version out of the registry: verified first, and the same bytes for the same cases."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvcore.annotations import batch as batches
from pvcore.annotations.batch import Batch
from pvcore.config import Workspace
from pvcore.cycle import arrivals, candidate, data, dictionaries, releases
from pvcore.cycle.inbox import version_in_name
from pvcore.cycle.predictions import lines
from pvcore.evaluation.sets import NOTHING
from pvcore.inference.guardrails import GuardrailPolicy
from pvcore.meddra.release import Dictionary
from pvcore.plain import inert
from pvcore.problems import PROBLEMS
from pvcore.records import Prediction, Question, canonical
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.names import resolve
from pvcore.registry.proof import verify_champion
from pvcore.registry.version import Version
from pvcore.training.specification import code_digest


@dataclass(frozen=True, slots=True)
class Scored:
    """Predictions as a blob of JSON lines, by which version, with a table of the first of them."""

    blob: str
    version: str
    markdown: str


def trusted(workspace: Workspace, name: str) -> Version:
    """A version to score with. The champion's signatures, switch and bytes are verified anew first.

    Raises NotFound, SignatureRefused, LedgerBroken, RegistryError.
    """
    state = workspace.ledger.state()  # the whole ledger: what answers does not rest on a snapshot of it
    found = resolve(workspace.store, workspace.ledger, name)
    if state.champion(found.problem) == found.digest:
        # By the roles and the number of signatures of that time: who leaves the team has signed all the same.
        found, _ = verify_champion(workspace.ledger, workspace.store, found.problem, keys=workspace.keys)
    return found


@dataclass(frozen=True, slots=True)
class Conditions:
    """What an answer depends on beside model and input: the MedDRA version that terms are of, the guardrails'
    policy by its digest, and whether texts go one at a time.
    """

    dictionary: str | None
    policy: str
    exact: bool


def conditions_now(workspace: Workspace, problem: str) -> Conditions:
    """Those in force: of the release that is adopted, new terms included, and of the policy as it is written.

    The policy is kept in the store, so that a prediction can be reproduced after it has changed.
    """
    policy = workspace.policy(workspace.recipe(problem).policy)
    return Conditions(
        releases.adopted_version(workspace) if PROBLEMS[problem].terms else None,
        put_blob(workspace.store, canonical(dict(policy.raw))),
        workspace.settings.exact,
    )


def answer(
    workspace: Workspace, version: Version, questions: Sequence[Question], given: Conditions
) -> list[Prediction]:
    """The predictions of a version, in the order of their ids."""
    asked = candidate.load_specification(workspace, version.manifest.specification)
    dictionary = dictionaries.of_version(workspace, given.dictionary)
    raw = json.loads(get_blob(workspace.store, given.policy))
    answered = candidate.predict(
        workspace,
        version.manifest.adapter["files"],
        asked.settings["base"],
        questions,
        data.terms_of(version.problem, dictionary),
        GuardrailPolicy.model_validate(raw.get("guardrails") or {}),
        exact=given.exact,
    )
    marked = [
        dataclasses.replace(p, version=version.name, dictionary=given.dictionary, policy=given.policy)
        for p in answered
    ]
    return sorted(marked, key=lambda p: p.example_id)


def score(workspace: Workspace, name: str, batch: Batch) -> tuple[Version, list[Prediction]]:
    """The predictions of a version on the cases of a batch, in the order of their ids."""
    version = trusted(workspace, name)
    questions = PROBLEMS[version.problem].questions(batch.cases)
    return version, answer(workspace, version, questions, conditions_now(workspace, version.problem))


def read_cases(path: Path, meddra_version: str | None = None) -> Batch:
    """The cases of a file to score. Raises BatchError."""
    return batches.read(path, meddra_version=meddra_version or version_in_name(path.name))


def score_cases(workspace: Workspace, name: str, batch: Batch) -> list[dict[str, Any]]:
    """Predictions for cases that are not in the store, as JSON values. Raises NotFound, SignatureRefused."""
    answered = score(workspace, name, batch)[1]
    for policy in {p.policy for p in answered if p.policy}:
        _name_policy(workspace, policy)
    return [dataclasses.asdict(p) for p in answered]


def wordings(batch: Batch, example_ids: Iterable[str]) -> dict[str, str]:
    """The words that a question is about, by example id, where the id has a digest of them alone (coding)."""
    targeted = {name.rpartition("#")[2].partition(":")[0] for name in example_ids if _has_target(name)}
    asked = [q for problem in targeted for q in PROBLEMS[problem].questions(batch.cases)]
    return {q.example_id: q.text for q in asked}


def _has_target(name: str) -> bool:
    return ":" in name.rpartition("#")[2]


def _name_policy(workspace: Workspace, policy: str) -> None:
    """Have an entry name the policy of answers that are kept in a file alone: no collection takes it then."""
    if all(entry.body.get("policy") != policy for entry in workspace.ledger.entries()):
        workspace.ledger.append("PolicyUsed", {"policy": policy}, actor="predict", key=policy)


def in_words(answer: str, dictionary: Dictionary | None) -> str:
    """An answer as a person reads it: with a dictionary its codes are terms, with their names and PTs."""
    return ("; ".join(map(dictionary.described, answer.split())) if dictionary else answer) or NOTHING


def score_batch(workspace: Workspace, name: str, batch: str) -> Scored:
    """Score an admitted batch (digest, key or name) and keep the predictions; recorded in the ledger."""
    from pvcore.training.train import environment

    loaded = arrivals.load_batch(workspace, batch)
    version, answered = score(workspace, name, loaded)
    blob = put_blob(workspace.store, lines(answered))
    workspace.ledger.append(
        "Scored",
        {
            "problem": version.problem,
            "version": version.digest,
            "batch": loaded.digest,
            "name": loaded.name,
            "predictions": blob,
            "rows": len(answered),
            "withheld": sum(p.stopped for p in answered),
            "code": code_digest(),
            "environment": environment(workspace.settings.threads),
        },
        actor="score",
        key=_key(workspace, version, loaded, blob),
    )
    used = answered[0].dictionary if answered else None
    return Scored(blob, version.name, _markdown(version, answered, dictionaries.of_version(workspace, used)))


def _key(workspace: Workspace, version: Version, batch: Batch, blob: str) -> str:
    """What a scoring is known by: two batches of the same cases have the same predictions, and are two scorings.

    One of before is known by its predictions alone.
    """
    before = workspace.ledger.find("Scored", blob)
    same = before and (before.body["version"], before.body["batch"]) == (version.digest, batch.digest)
    return blob if same else f"{version.digest} {batch.digest} {blob}"


def _markdown(version: Version, answered: Sequence[Prediction], dictionary: Dictionary | None) -> str:
    """The first predictions, terms by their names, with the criteria that are met where the problem has any."""
    raised = Counter(f"{check.name}: {check.outcome}" for p in answered for check in p.raised)
    given = sum(not p.stopped for p in answered)
    further = bool(PROBLEMS[version.problem].criteria)
    lines = [
        f"## {len(answered)} predictions of {version.name}",
        "",
        f"{given} answered, {len(answered) - given} withheld for a person to look at.",
        *(f"- {inert(name)}: {count}" for name, count in sorted(raised.items())),
        "",
        "| example | answer | confidence | score | guardrails |" + (" criteria met |" if further else ""),
        "|---|---|---:|---:|---|" + ("---|" if further else ""),
    ]
    for p in answered[:20]:
        sure = "" if p.confidence is None else f"{p.confidence:.3f}"
        words = "; ".join(f"{inert(check.name)} ({check.outcome})" for check in p.raised)
        scores = dict(p.criteria)
        met = ", ".join(f"{inert(name)} {scores[name]:.3f}" for name in p.met)
        said = "*withheld*" if p.stopped else inert(in_words(p.answer, dictionary))
        row = f"| {inert(p.example_id)} | {said} | {sure} | {p.score:.3f} | {words} |"
        lines.append(row + (f" {met} |" if further else ""))
    return "\n".join(lines)
