"""From a dataset to a registered candidate: specify, train, evaluate, register, rebuild."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvcore.config import Workspace
from pvcore.cycle import data
from pvcore.dossier import plots
from pvcore.dossier import report as pages
from pvcore.errors import NotFound
from pvcore.evaluation.baseline import nearest_terms, tfidf_predictions
from pvcore.evaluation.compare import evaluate as measure
from pvcore.evaluation.compare import frame, held_out_digest
from pvcore.evaluation.gate import Decision, decide
from pvcore.evaluation.report import Report
from pvcore.problems import PROBLEMS
from pvcore.records import Example, Prediction, canonical, digest
from pvcore.registry.ledger import Entry
from pvcore.registry.manifest import Version, fetch_adapter, resolve
from pvcore.registry.manifest import register as enter
from pvcore.registry.store import get_blob, get_folder, put_blob, put_folder
from pvcore.training.specification import Specification, code_digest

TRAINER = "retrain"
"""The actor under which candidates are registered; it has no key and can approve nothing."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a rebuild showed: the same bytes, or which files differ."""

    same: bool
    line: str


def specify(workspace: Workspace, problem: str, dataset: str, *, scratch: bool = False) -> str | None:
    """Write down what a training run gets; returns its digest, or None where there is nothing to learn.

    Training continues from the champion's adapter unless `scratch`, or the champion was adapted from
    another base. Nothing to learn means: no labels, or all of them were the champion's already.
    """
    recipe = workspace.recipe(problem)
    examples = data.examples(workspace, problem, dataset)
    if not examples.get("train"):
        return None
    champion = champion_of(workspace, problem)
    parent = (
        champion if champion and not scratch and _same_base(workspace, champion, recipe.base.digest) else None
    )
    if parent and not fresh_rows(workspace, problem, examples["train"], parent):
        return None
    specification = Specification(
        problem=problem,
        family=recipe.family,
        settings=recipe.trained_by(),
        dataset=dataset,
        seed=recipe.seed,
        code=code_digest(),
        parent=parent.digest if parent else None,
        parent_files={name: item["sha256"] for name, item in parent.manifest.adapter["files"].items()}
        if parent
        else None,
        dictionary=data.dictionary_digest(workspace, dataset)
        if PROBLEMS[problem].kind == "ranking"
        else None,
    )
    return put_blob(workspace.store, specification.to_json())


def champion_of(workspace: Workspace, problem: str) -> Version | None:
    """The champion of a problem, or None before the first promotion."""
    try:
        return resolve(workspace.store, workspace.ledger, f"{problem}@champion")
    except NotFound:
        return None


def _same_base(workspace: Workspace, version: Version, base: str) -> bool:
    return bool(
        load_specification(workspace, version.manifest.specification).settings["base"]["digest"] == base
    )


def fresh_rows(workspace: Workspace, problem: str, train: list[Example], parent: Version) -> list[Example]:
    """Training examples that the parent's dataset does not hold with this text and label."""
    known = {_identity(e) for e in data.examples(workspace, problem, parent.manifest.dataset)["train"]}
    return [example for example in train if _identity(example) not in known]


def _identity(example: Example) -> tuple[str, str, str]:
    return example.example_id, example.text, example.label


def load_specification(workspace: Workspace, name: str) -> Specification:
    """A specification by its digest. Raises NotFound."""
    return Specification.from_json(get_blob(workspace.store, name))


def train(
    workspace: Workspace,
    specification: str,
    *,
    rebuild: bool = False,
    progress: Callable[[int, int, float], None] | None = None,
) -> Mapping[str, Any]:
    """Train once and record it; asked again, return what was recorded. `rebuild` trains anew regardless."""
    from pvcore.training.mixture import mix
    from pvcore.training.train import train as run

    kind = "Rebuilt" if rebuild else "Trained"
    done = None if rebuild else workspace.ledger.find(kind, specification)
    if done:
        return done.body
    asked = load_specification(workspace, specification)
    examples = data.examples(workspace, asked.problem, asked.dataset)
    data.refuse_leakage(workspace, asked.dataset, examples["train"])
    settings = asked.settings
    with tempfile.TemporaryDirectory(prefix="pv-train-") as scratch:
        parent_folder, replayed, new = None, [], examples["train"]
        if asked.parent:
            parent = resolve(workspace.store, workspace.ledger, asked.parent)
            parent_folder = fetch_adapter(workspace.store, parent, Path(scratch, "parent"))
            new = fresh_rows(workspace, asked.problem, examples["train"], parent)
            ids = {e.example_id for e in new}
            replayed = [e for e in examples["train"] if e.example_id not in ids]
        mixed = mix(
            new,
            replayed,
            replay=settings["mixture"]["replay"],
            max_rows=settings["training"]["max_rows"],
            seed=asked.seed,
        )
        work = Path(scratch, "rebuild") if rebuild else workspace.checkpoints
        result = run(
            asked,
            {"train": mixed, "tune": examples.get("tune", [])},
            base=base_folder(workspace, settings["base"]),
            parent=parent_folder,
            terms=data.terms(workspace, asked),
            threads=workspace.settings.threads,
            workdir=work,
            output=Path(scratch, "adapter"),
            progress=progress,
        )
        files = put_folder(workspace.store, result.adapter)
    record = {
        "specification": specification,
        "problem": asked.problem,
        "adapter": result.digest,
        "files": files,
        "consumed": put_blob(workspace.store, canonical(sorted({e.case_id for e in mixed}))),
        "new_rows": len(new),
        "rows": len(mixed),
        "replayed": len(mixed) - min(len(mixed), len(new)),
        "seconds": round(result.seconds, 1),
        "curve": put_blob(workspace.store, canonical([[s, float(v)] for s, v in result.curve])),
        "tune": dict(result.tune),
        "resumed_from": result.resumed_from,
        "environment": dict(result.environment),
    }
    # A rebuild is recorded each time; a training run once, whoever finishes first.
    entry = workspace.ledger.append(kind, record, actor="train", key="" if rebuild else specification)
    if not rebuild:
        shutil.rmtree(workspace.checkpoints / specification, ignore_errors=True)
    return entry.body


def base_folder(workspace: Workspace, base: Mapping[str, Any]) -> Path:
    """The base model's folder, checked against its digest. A relative folder is the workspace's."""
    from pvcore.inference.base import resolve_base

    source = base["source"]
    if ":" not in source and not Path(source).is_absolute():
        source = str(workspace.root / source)
    return resolve_base(source, base["digest"], cache=workspace.state / "bases", store=workspace.store)


def predict(
    workspace: Workspace,
    files: Mapping[str, Any],
    base: Mapping[str, Any],
    examples: Sequence[Example | tuple[str, str]],
    terms: Any,
) -> list[Prediction]:
    """Answers of an adapter, given by its files, to examples."""
    from pvcore.inference.predict import load

    with tempfile.TemporaryDirectory(prefix="pv-predict-") as folder:
        adapter = get_folder(workspace.store, files, Path(folder, "adapter"))
        model = load(adapter, base_folder(workspace, base))
        return model.predict(examples, terms=terms, threads=workspace.settings.threads)


def evaluate(workspace: Workspace, specification: str) -> str:
    """Judge what a specification trained against the champion on the same held-out cases; returns the key.

    Both are held against the same labels in the same dictionary, so that a change of the dictionary
    is not taken for one of the model. Recorded once a candidate, policy and champion.
    """
    asked = load_specification(workspace, specification)
    recipe = workspace.recipe(asked.problem)
    policy = workspace.policy(recipe.policy)
    champion = champion_of(workspace, asked.problem)
    if champion and champion.manifest.specification == specification:
        # Asked again after its own promotion: the record of that time stands.
        return str(_evaluations(workspace, specification)[-1].key)
    key = digest([specification, policy.digest, champion.digest if champion else None])
    if workspace.ledger.find("Evaluated", key):
        return key
    trained = train(workspace, specification)
    problem = PROBLEMS[asked.problem]
    examples = data.examples(workspace, asked.problem, asked.dataset)
    test, terms = examples.get("test", []), data.terms(workspace, asked)
    answered = predict(workspace, trained["files"], asked.settings["base"], test, terms)
    before = None
    if champion:
        theirs = load_specification(workspace, champion.manifest.specification)
        before = frame(
            test, predict(workspace, champion.manifest.adapter["files"], theirs.settings["base"], test, terms)
        )
    candidate = frame(test, answered)
    held_out = held_out_digest(candidate)
    report = measure(
        asked.problem,
        problem.metrics_for(data.dictionary_by_digest(workspace, asked.dictionary)),
        candidate,
        before,
        policy.gate,
        asked.seed,
        baselines={"TF-IDF": frame(test, baseline(asked.problem, examples, terms))},
        uses=1 + _uses(workspace, held_out),
    )
    decision = decide(report, policy.gate, first=champion is None)
    workspace.ledger.append(
        "Evaluated",
        {
            "specification": specification,
            "problem": asked.problem,
            "adapter": trained["adapter"],
            "champion": champion.digest if champion else None,
            "outcome": decision.outcome,
            "reasons": list(decision.reasons),
            "held_out": held_out,
            "report": put_blob(workspace.store, canonical(report.to_json())),
            "decision": put_blob(workspace.store, canonical(decision.to_json())),
            "policy": put_blob(workspace.store, canonical(dict(policy.raw))),
            "predictions": put_blob(workspace.store, _lines(answered)),
        },
        actor="evaluate",
        key=key,
    )
    return key


def baseline(problem: str, examples: Mapping[str, list[Example]], terms: Any) -> list[Prediction]:
    """What a word list makes of the same rows: TF-IDF with logistic regression, or the nearest term by letters."""
    train, test, chosen = examples["train"], examples.get("test", []), PROBLEMS[problem]
    if chosen.kind == "ranking":
        return nearest_terms(list(zip(terms["llt_code"], terms["llt_name"], strict=True)), train, test)
    negative = next(label for label in chosen.labels if label != chosen.positive)
    return tfidf_predictions(train, test, positive=str(chosen.positive), negative=negative)


def _uses(workspace: Workspace, held_out: str) -> int:
    return sum(e.kind == "Evaluated" and e.body["held_out"] == held_out for e in workspace.ledger.entries())


def _lines(predictions: list[Prediction]) -> bytes:
    return b"".join(canonical(dataclasses.asdict(p)) + b"\n" for p in predictions)


def _evaluations(workspace: Workspace, specification: str) -> list[Entry]:
    return [
        entry
        for entry in workspace.ledger.entries()
        if entry.kind == "Evaluated" and entry.body["specification"] == specification
    ]


@dataclass(frozen=True)
class Evaluation:
    """A recorded evaluation, read back."""

    entry: Entry
    report: Report
    decision: Decision


def evaluation(workspace: Workspace, key: str) -> Evaluation:
    """A recorded evaluation by its key. Raises NotFound."""
    entry = workspace.ledger.find("Evaluated", key)
    if entry is None:
        raise NotFound(f"the ledger has no evaluation {key}")
    report = Report.from_json(json.loads(get_blob(workspace.store, entry.body["report"])))
    decision = Decision.from_json(json.loads(get_blob(workspace.store, entry.body["decision"])))
    return Evaluation(entry, report, decision)


# --- the registry -----------------------------------------------------------------------------------


def register(workspace: Workspace, specification: str, key: str) -> str:
    """Put the candidate into the registry with its dossier, whatever the decision; returns its name."""
    from datetime import UTC, datetime

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
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return enter(workspace.store, workspace.ledger, fields, TRAINER).name


def latest_evaluation(workspace: Workspace, version: Version) -> Evaluation:
    """What the gate said last of a version: it is judged again when the champion or the policy changes."""
    return evaluation(workspace, _evaluations(workspace, version.manifest.specification)[-1].key)


def stale(workspace: Workspace, version: str) -> bool:
    """Whether a version was judged beside another champion, or by another policy, than there is today.

    A version that was champion is not judged again: it is rolled back to.
    """
    found = resolve(workspace.store, workspace.ledger, version)
    state, body = workspace.ledger.state(), latest_evaluation(workspace, found).entry.body
    if found.digest in {entry.body["version"] for entry in state.history(found.problem)}:
        return False
    policy = workspace.policy(workspace.recipe(found.problem).policy)
    return (body["champion"], body["policy"]) != (state.champion(found.problem), policy.digest)


def specification_of(workspace: Workspace, version: str) -> str:
    """The specification that a version was trained by. Raises NotFound."""
    return resolve(workspace.store, workspace.ledger, version).manifest.specification


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
    if not differs:
        return Receipt(
            True,
            f"{found.name}: trained again, the same {len(before)} files, "
            f"adapter {found.manifest.adapter['digest'][:12]}",
        )
    reasons = [f"files {', '.join(differs)}"]
    if code != code_digest():
        reasons.append(f"the code (then {code[:12]}, now {code_digest()[:12]})")
    then, now = found.manifest.environment, rebuilt.body["environment"]
    reasons += [
        f"{k} (then {then.get(k)}, now {now.get(k)})"
        for k in sorted({*then, *now})
        if then.get(k) != now.get(k)
    ]
    return Receipt(False, f"{found.name}: trained again and different: {'; '.join(reasons)}")


# --- what a person sees -----------------------------------------------------------------------------


def curve(workspace: Workspace, specification: str) -> list[tuple[int, float]]:
    """(step, loss) of a finished training run."""
    body = train(workspace, specification)
    return [(int(step), float(loss)) for step, loss in json.loads(get_blob(workspace.store, body["curve"]))]


def curve_markdown(workspace: Workspace, specification: str) -> str:
    """The training curve as an image in markdown, with its figures."""
    body = train(workspace, specification)
    points = curve(workspace, specification)
    return (
        f"## {body['problem']}: training curve\n\n{image(plots.training_curve(points))}\n\n"
        f"{points[-1][0]} steps, {body['rows']} rows ({body['new_rows']} new, {body['replayed']} replayed), "
        f"{body['seconds']} s, final loss {points[-1][1]:.4f}, adapter `{body['adapter'][:12]}`\n"
    )


def image(svg: bytes, width: int = 640) -> str:
    """A picture that needs no server: inline in markdown."""
    import base64

    return f'<img width="{width}" src="data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"/>'


def gate_markdown(workspace: Workspace, key: str) -> str:
    """The gate's table with intervals, and its plot."""
    judged = evaluation(workspace, key)
    table = pages.markdown_gate_table(judged.report, judged.decision)
    return f"{table}\n\n{image(plots.gate_intervals(judged.decision))}\n"


def dossier(workspace: Workspace, specification: str, judged: Evaluation) -> str:
    """The candidate's dossier: one HTML page that needs nothing else."""
    asked, trained = load_specification(workspace, specification), train(workspace, specification)
    built = data.dataset_entry(workspace, asked.dataset)
    policy = workspace.policy(workspace.recipe(asked.problem).policy)
    champion = judged.entry.body["champion"]
    before = resolve(workspace.store, workspace.ledger, champion).name if champion else None
    number = len(workspace.ledger.state().versions(asked.problem)) + 1
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
        dataset={"digest": asked.dataset, "batches": len(built.body["batches"]), **built.body["counts"]},
        agreement={f"kappa, {who}": f"{value} over {of}" for who, (value, of) in built.body["kappa"].items()},
        consistency=json.loads(get_blob(workspace.store, built.body["consistency"]))
        if "consistency" in built.body
        else None,
        dictionary={"MedDRA version": version, "digest": data.dictionary_digest(workspace, asked.dataset)}
        if version
        else None,
        migration=classes,
        training={
            "rows": trained["rows"],
            "new rows": trained["new_rows"],
            "replayed rows": trained["replayed"],
            "seconds": trained["seconds"],
            "continued from": resolve(workspace.store, workspace.ledger, asked.parent).name
            if asked.parent
            else "the base",
        },
        curve=curve(workspace, specification),
        specification={**asked.settings, "family": asked.family, "seed": asked.seed, "code": asked.code},
        environment=trained["environment"],
        approvers=", ".join(f"{s.name} ({', '.join(s.roles)})" for s in policy.approval.signers),
        reproduce=(f"pv run rebuild version={asked.problem}@{number}",),
        digests={
            "specification": specification,
            "dataset": asked.dataset,
            "adapter": trained["adapter"],
            "report": judged.entry.body["report"],
            "policy": judged.entry.body["policy"],
        },
        created=judged.entry.time,
    )
