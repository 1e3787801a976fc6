"""A judged candidate becomes a version: its dossier, its entry in the registry, and the proof of a rebuild."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pvcore.config import Workspace
from pvcore.cycle import absence, data
from pvcore.cycle.candidate import curve, load_specification, train
from pvcore.cycle.documents import beside
from pvcore.cycle.judging import Evaluation, evaluation
from pvcore.cycle.material import material, spread
from pvcore.dossier import report as pages
from pvcore.errors import NotFound
from pvcore.problems import PROBLEMS
from pvcore.registry.manifest import register as enter
from pvcore.registry.manifest import resolve
from pvcore.registry.store import put_blob
from pvcore.training.specification import code_digest

TRAINER = "retrain"
"""The actor under which candidates are registered; it has no key and can approve nothing."""


def register(workspace: Workspace, specification: str, key: str) -> str:
    """Put the candidate into the registry with its dossier, whatever the decision; returns its name."""
    asked, judged = load_specification(workspace, specification), evaluation(workspace, key)
    known = workspace.ledger.find("Registered", f"{asked.problem} {specification}")
    if known:
        return f"{asked.problem}@{known.body['number']}"
    trained = train(workspace, specification)
    champion = judged.entry.body["champion"]
    fields = {
        "problem": asked.problem,
        "adapter": {"digest": trained["adapter"], "files": trained["files"]},
        "base": asked.settings["base"],
        "specification": specification,
        "dataset": asked.dataset,
        "parent": asked.parent,
        "champion": champion,
        "recipe": {**asked.settings, "family": asked.family, "seed": asked.seed},
        "dictionary": data.dictionary_digest(workspace, asked.dataset),
        "report": judged.entry.body["report"],
        "decision": judged.decision.to_json(),
        "policy": judged.entry.body["policy"],
        "dossier": put_blob(workspace.store, dossier(workspace, specification, judged).encode()),
        "environment": trained["environment"],
        "read": absence.commit(workspace, specification),
        "beside": beside(workspace, asked, judged, trained, next_number(workspace, asked.problem)),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return enter(workspace.store, workspace.ledger, fields, TRAINER).name


def next_number(workspace: Workspace, problem: str) -> int:
    """The number that a version of `problem` would get now."""
    return len(workspace.ledger.state().versions(problem)) + 1


def dossier(workspace: Workspace, specification: str, judged: Evaluation) -> str:
    """The candidate's dossier: one HTML page that needs nothing else."""
    asked, trained = load_specification(workspace, specification), train(workspace, specification)
    built = data.dataset_entry(workspace, asked.dataset)
    policy = workspace.policy(workspace.recipe(asked.problem).policy)
    champion = judged.entry.body["champion"]
    before = resolve(workspace.store, workspace.ledger, champion).name if champion else None
    number = next_number(workspace, asked.problem)
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


def specification_of(workspace: Workspace, version: str) -> str:
    """The specification that a version was trained by. Raises NotFound."""
    return resolve(workspace.store, workspace.ledger, version).manifest.specification


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a rebuild showed: the same bytes of the same cases, or which files and cases differ."""

    same: bool
    line: str


def compare_rebuilt(workspace: Workspace, version: str) -> Receipt:
    """Compare the newest rebuild of a version with what is registered, file by file."""
    found = resolve(workspace.store, workspace.ledger, version)
    name = found.manifest.specification
    rebuilt = next(
        (
            e
            for e in reversed(workspace.ledger.entries())
            if e.kind == "Rebuilt" and e.body["specification"] == name
        ),
        None,
    )
    if rebuilt is None:
        raise NotFound(f"{version} was not rebuilt. Start the deployment rebuild/rebuild.")
    before, after = found.manifest.adapter["files"], rebuilt.body["files"]
    differs = sorted(
        f for f in {*before, *after} if before.get(f, {}).get("sha256") != after.get(f, {}).get("sha256")
    )
    code = load_specification(workspace, name).code
    first = train(workspace, name)
    read = [part for part in ("consumed", "fitted") if part in first and first[part] != rebuilt.body[part]]
    if not differs and not read:
        return Receipt(
            True,
            f"{found.name}: trained again, the same {len(before)} files, "
            f"adapter {found.manifest.adapter['digest'][:12]}",
        )
    reasons = [f"files {', '.join(differs)}"] if differs else []
    reasons += [f"the cases {part}" for part in read]
    if code != code_digest():
        reasons.append(f"the code (then {code[:12]}, now {code_digest()[:12]})")
    then, now = found.manifest.environment, rebuilt.body["environment"]
    reasons += [
        f"{k} (then {then.get(k)}, now {now.get(k)})"
        for k in sorted({*then, *now})
        if then.get(k) != now.get(k)
    ]
    return Receipt(False, f"{found.name}: trained again and different: {'; '.join(reasons)}")
