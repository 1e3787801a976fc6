"""A judged candidate becomes a version: its dossier and its entry in the registry."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pvcore.config import Workspace
from pvcore.cycle import absence, data
from pvcore.cycle.candidate import curve, load_specification, train
from pvcore.cycle.documents import beside
from pvcore.cycle.judging import Evaluation, evaluation, stored_policy
from pvcore.cycle.material import material, spread
from pvcore.dossier import report as pages
from pvcore.errors import NumberTaken
from pvcore.problems import PROBLEMS
from pvcore.registry.blobs import put_blob
from pvcore.registry.names import resolve
from pvcore.registry.version import register as enter

TRAINER = "retrain"
"""The actor under which candidates are registered; it has no key and can approve nothing."""


def register(workspace: Workspace, specification: str, key: str) -> str:
    """Put the candidate into the registry with its dossier, whatever the decision; returns its name."""
    asked, judged = load_specification(workspace, specification), evaluation(workspace, key)
    while True:
        known = workspace.ledger.find("Registered", f"{asked.problem} {specification}")
        if known:
            return f"{asked.problem}@{known.body['number']}"
        number = next_number(workspace, asked.problem)
        fields = _fields(workspace, specification, judged, number)
        # Dossier and card name the number: where another candidate got it meanwhile, they are written again.
        with suppress(NumberTaken):
            return enter(workspace.store, workspace.ledger, fields, TRAINER, number).name


def _fields(workspace: Workspace, specification: str, judged: Evaluation, number: int) -> dict[str, Any]:
    """The manifest's fields, with the documents of a version of this number as blobs."""
    asked, trained = load_specification(workspace, specification), train(workspace, specification)
    return {
        "problem": asked.problem,
        "adapter": {"digest": trained["adapter"], "files": trained["files"]},
        "base": asked.settings["base"],
        "specification": specification,
        "dataset": asked.dataset,
        "parent": asked.parent,
        "champion": judged.entry.body["champion"],
        "recipe": {**asked.settings, "family": asked.family, "seed": asked.seed},
        "dictionary": data.dictionary_digest(workspace, asked.dataset),
        "report": judged.entry.body["report"],
        "decision": judged.decision.to_json(),
        "policy": judged.entry.body["policy"],
        "dossier": put_blob(workspace.store, dossier(workspace, specification, judged, number).encode()),
        "environment": trained["environment"],
        "read": absence.commit(workspace, specification),
        "beside": beside(workspace, asked, judged, trained, number),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def next_number(workspace: Workspace, problem: str) -> int:
    """The number that a version of `problem` would get now."""
    return len(workspace.ledger.state().versions(problem)) + 1


def dossier(workspace: Workspace, specification: str, judged: Evaluation, number: int) -> str:
    """The dossier of a version of this number: one HTML page that needs nothing else."""
    asked, trained = load_specification(workspace, specification), train(workspace, specification)
    built = data.dataset_entry(workspace, asked.dataset)
    policy = stored_policy(workspace, judged.entry.body["policy"])
    champion = judged.entry.body["champion"]
    before = resolve(workspace.store, workspace.ledger, champion).name if champion else None
    migrations = [
        e.body
        for e in workspace.ledger.entries()
        if e.kind == "Migrated" and e.body["mapping"] in built.body["mappings"]
    ]
    classes: dict[str, int] = {}
    for body in migrations:
        for name, count in body["counts"].items():
            classes[name] = classes.get(name, 0) + count
    version = built.body["version"]
    return pages.dossier(
        version=f"{asked.problem}@{number}",
        problem=asked.problem,
        report=judged.report,
        decision=judged.decision,
        policy=policy.gate,
        champion=before,
        positive=PROBLEMS[asked.problem].positive,
        **material(workspace, asked, judged, built.body.get("consistency")),
        dataset={
            "digest": asked.dataset,
            "batches": len(built.body["batches"]),
            **built.body["counts"],
            "left out": built.body.get("excluded"),
            **spread(workspace, asked.dataset),
        },
        agreement={
            f"kappa, {who}": f"{value} over {of}"
            for who, (value, of) in built.body["kappa"].items()
            if who.startswith(f"{asked.problem}: ")
        },
        dictionary={"MedDRA version": version, "digest": data.dictionary_digest(workspace, asked.dataset)}
        if version
        else None,
        migration=classes,
        training={
            "rows": trained["rows"],
            "new rows": trained["new_rows"],
            "replayed rows": trained["replayed"],
            **_words(trained.get("words")),
            "held-out cases not asked, as a model had learned from their like": judged.entry.body.get(
                "seen", 0
            ),
            "seconds": trained["seconds"],
            "continued from": resolve(workspace.store, workspace.ledger, asked.parent).name
            if asked.parent
            else "the base",
        },
        curve=curve(workspace, specification),
        specification={**asked.settings, "family": asked.family, "seed": asked.seed, "code": asked.code},
        environment=trained["environment"],
        approvers=", ".join(f"{s.name} ({', '.join(s.roles)})" for s in policy.approval.signers),
        signatures=policy.approval.signatures,
        reproduce=pages.commands(f"{asked.problem}@{number}"),
        digests={
            "specification": specification,
            "dataset": asked.dataset,
            "adapter": trained["adapter"],
            "report": judged.entry.body["report"],
            "policy": judged.entry.body["policy"],
        },
        created=judged.entry.time,
    )


def _words(recorded: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a dossier says of the list of words that is heard beside a network, where a run recorded one."""
    if recorded is None:
        return {}
    return {
        "rows whose words are weighed beside the network": recorded["rows"],
        "share of these words in an answer": recorded["share"],
        **({"share of these words in the criteria": share} if (share := recorded.get("criteria")) else {}),
    }


def specification_of(workspace: Workspace, version: str) -> str:
    """The specification that a version was trained by. Raises NotFound."""
    return resolve(workspace.store, workspace.ledger, version).manifest.specification
