"""From a dataset to a trained adapter: what a run gets, the run itself, and answers of its adapter."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvcore.config import Workspace
from pvcore.cycle import data
from pvcore.cycle.bases import places, read_before, source_of
from pvcore.cycle.lineage import BY_TEXT, told_by_text, trained_on, unseen
from pvcore.errors import NotFound
from pvcore.inference.guardrails import GuardrailPolicy
from pvcore.problems import PROBLEMS
from pvcore.records import Example, Prediction, Question, canonical, digest
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.folders import get_folder, put_folder
from pvcore.registry.names import resolve
from pvcore.registry.proof import verify_champion
from pvcore.registry.version import Version, fetch_adapter
from pvcore.training.settings import sections
from pvcore.training.specification import Specification, code_digest

if TYPE_CHECKING:
    from pvcore.training.train import TrainResult


def retraining(workspace: Workspace, problem: str, dataset: str, *, scratch: bool = False) -> str:
    """Digest of what a retraining is asked to do: another recipe, champion, start or program is another retraining."""
    recipe = workspace.recipe(problem).model_dump(mode="json")
    return digest([recipe, dataset, workspace.ledger.state().champion(problem), scratch, code_digest()])


def specify(workspace: Workspace, problem: str, dataset: str, *, scratch: bool = False) -> str | None:
    """Write down what a training run gets; returns its digest, or None where there is nothing to learn.

    Training continues from the champion's adapter unless `scratch`, the recipe starts from the base,
    or the champion was adapted from another one. Nothing to learn means: no labels, or all of them
    were the champion's already.
    """
    recipe = workspace.recipe(problem)
    examples = data.examples(workspace, problem, dataset)
    if not examples.get("train"):
        return None
    champion = champion_of(workspace, problem)
    before = (
        champion if champion and not scratch and _same_base(workspace, champion, recipe.base.digest) else None
    )
    continued = recipe.mixture.start == "champion"
    if before and not fresh_rows(workspace, problem, examples["train"], before, continued=continued):
        return None
    parent = before if continued else None
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
        dictionary=data.dictionary_digest(workspace, dataset) if PROBLEMS[problem].terms else None,
    )
    return put_blob(workspace.store, specification.to_json())


def champion_of(workspace: Workspace, problem: str) -> Version | None:
    """The champion of a problem, its switch and bytes proven anew, or None before the first promotion.

    Raises SignatureRefused, LedgerBroken, RegistryError: nothing is trained from, or judged beside, what took no door.
    """
    if workspace.ledger.state().champion(problem) is None:
        return None
    found, _ = verify_champion(workspace.ledger, workspace.store, problem, keys=workspace.keys)
    return found


def _same_base(workspace: Workspace, version: Version, base: str) -> bool:
    return bool(
        load_specification(workspace, version.manifest.specification).settings["base"]["digest"] == base
    )


def fresh_rows(
    workspace: Workspace, problem: str, train: list[Example], parent: Version, *, continued: bool = True
) -> list[Example]:
    """Training examples that the parent did not learn with this text, label and criteria.

    Of what its dataset holds that is what it, or a run before it, was trained on: what `training.max_rows` cut off
    comes with the next update. A start from the base (not `continued`) cuts off anew, so there the dataset counts, as
    it does for a run of a time that did not record what it read.
    """
    theirs = load_specification(workspace, parent.manifest.specification).settings
    before = data.examples(workspace, problem, parent.manifest.dataset, theirs)["train"]
    if continued:
        with suppress(NotFound):
            learned = trained_on(workspace, parent.manifest.specification)
            before = [example for example in before if learned(example)]
    known = {_identity(e) for e in before}
    return [example for example in train if _identity(example) not in known]


def _identity(example: Example) -> tuple[str, str, str, bytes]:
    return example.example_id, example.text, example.label, canonical(example.criteria)


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
    from pvcore.training.job import train_with
    from pvcore.training.mixture import mix
    from pvcore.training.several import wanted

    kind = "Rebuilt" if rebuild else "Trained"
    done = workspace.ledger.find("Trained", specification)
    if done and not rebuild:
        return done.body
    by_text = done is None or told_by_text(done.body)  # a run of before is rebuilt as it was
    asked = load_specification(workspace, specification)
    examples = data.examples(workspace, asked.problem, asked.dataset, asked.settings)
    data.refuse_leakage(workspace, asked.dataset, examples["train"])
    settings = sections(asked.settings)
    with tempfile.TemporaryDirectory(prefix="pv-train-") as scratch:
        parent_folder, learned = None, []
        new, tune = examples["train"], examples.get("tune", [])
        if asked.parent:
            parent = resolve(workspace.store, workspace.ledger, asked.parent)
            parent_folder = fetch_adapter(workspace.store, parent, Path(scratch, "parent"))
            new = fresh_rows(workspace, asked.problem, examples["train"], parent)
            ids = {e.example_id for e in new}
            learned = [e for e in examples["train"] if e.example_id not in ids]
            learned_by = [parent.manifest.specification]
            tune = unseen(workspace, asked.dataset, tune, learned_by, by_text=by_text)
        mixed = mix(
            new,
            learned,
            replay=settings.mixture.replay,
            max_rows=settings.training.max_rows,
            seed=asked.seed,
            keep=settings.mixture.keep,
            labels=PROBLEMS[asked.problem].labels,
        )
        given = {"train": mixed, "tune": tune}
        if settings.training.wordings or settings.training.word_weights:
            # Wordings of nothing that neither this run nor one before it is trained on; words of all rows, whatever
            # bounds those of the network: they cost little, and count as consumed. But of a sample alone where it is
            # asked about.
            there = {example.example_id for example in mixed}
            known = examples["train"] if settings.training.word_weights is True else learned
            given["known"] = [*mixed, *(e for e in known if e.example_id not in there)]
        base = base_folder(workspace, asked.settings["base"])
        work = Path(scratch, "rebuild") if rebuild else workspace.checkpoints
        result = train_with(
            wanted(workspace.settings.processes),
            asked,
            given,
            base=base,
            parent=parent_folder,
            terms=data.terms(workspace, asked),
            threads=workspace.settings.threads,
            workdir=work,
            output=Path(scratch, "adapter"),
            vectors=Path(scratch, "vectors.npz"),
            progress=progress,
        )
        files = put_folder(workspace.store, result.adapter)
        _keep(workspace, files, asked.settings["base"], result.environment, Path(scratch, "vectors.npz"))
    before = {example.example_id for example in learned}
    replayed = sum(example.example_id in before for example in mixed)
    record = {
        "specification": specification,
        "problem": asked.problem,
        "adapter": result.digest,
        "files": files,
        "consumed": put_blob(workspace.store, canonical(result.consumed)),
        **(BY_TEXT if by_text else {}),
        "examples": put_blob(workspace.store, canonical(sorted(example.example_id for example in mixed))),
        "fitted": put_blob(workspace.store, canonical(result.fitted)),
        "pretrained": put_blob(
            workspace.store, canonical(read_before(workspace, base, asked.settings["base"]["digest"]))
        ),
        "new_rows": len(mixed) - replayed,
        "rows": len(mixed),
        "replayed": replayed,
        **_words(result, given),
        "seconds": round(result.seconds, 1),
        "peak_bytes": result.peak_bytes,
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


def _words(result: TrainResult, given: Mapping[str, Sequence[Example]]) -> dict[str, Any]:
    """What a record says of the words that are heard beside the network, where there are any."""
    if not (result.word_share or result.criteria_share):
        return {}
    criteria = {"criteria": result.criteria_share} if result.criteria_share else {}
    return {"words": {"rows": len(given["known"]), "share": result.word_share, **criteria}}


def _keep(
    workspace: Workspace,
    files: Mapping[str, Any],
    base: Mapping[str, Any],
    environment: Mapping[str, str],
    made: Path,
) -> None:
    """Leave the vectors that training made of the terms to those who ask the adapter next, where they look for them:
    not if they ask one text at a time, or several processes trained.
    """
    from pvcore.inference import kept
    from pvcore.training.train import environment as of_here

    looked_for = not workspace.settings.exact and environment == of_here(workspace.settings.threads)
    if looked_for and (vectors := kept.read(made)):
        kept.put(workspace.state / "vectors", _vectors(files, base, environment, False), vectors)


def _vectors(
    files: Mapping[str, Any], base: Mapping[str, Any], environment: Mapping[str, str], exact: bool
) -> str:
    """The name of the vectors that an adapter makes of terms.

    They depend on the weights, the code, the machine and the way; on nothing that was asked.
    """
    return digest([files, base, code_digest(), environment, exact])


def base_folder(workspace: Workspace, base: Mapping[str, Any]) -> Path:
    """The base model's folder, checked against its digest. A relative folder is the workspace's."""
    from pvcore.inference.base import resolve_base

    return resolve_base(source_of(workspace, base["source"]), base["digest"], **places(workspace))


def predict(
    workspace: Workspace,
    files: Mapping[str, Any],
    base: Mapping[str, Any],
    examples: Sequence[Example | Question | tuple[str, str]],
    terms: Any,
    policy: GuardrailPolicy,
    *,
    exact: bool | None = None,
) -> list[Prediction]:
    """Answers of an adapter, given by its files, to examples, as far as the guardrails let them through.

    `exact`, one text at a time, is the workspace's setting where it is not given.
    """
    with opened(workspace, files, base, exact=exact) as ask:
        return ask(examples, terms=terms, policy=policy)


@contextmanager
def opened(
    workspace: Workspace, files: Mapping[str, Any], base: Mapping[str, Any], *, exact: bool | None = None
) -> Iterator[Callable[..., list[Prediction]]]:
    """An adapter fetched out of the store and loaded once: `ask(examples, terms=..., policy=...)`.

    `exact` as in `predict`.
    """
    from pvcore.inference.kept import on_disk
    from pvcore.inference.predict import load
    from pvcore.training.train import environment

    threads = workspace.settings.threads
    one_by_one = workspace.settings.exact if exact is None else exact
    name = _vectors(files, base, environment(threads), one_by_one)
    with tempfile.TemporaryDirectory(prefix="pv-predict-") as folder:
        adapter = get_folder(workspace.store, files, Path(folder, "adapter"))
        model = load(adapter, base_folder(workspace, base))
        keep = on_disk(model, workspace.state / "vectors", name) if model.head.vectors else nullcontext()
        with keep:
            yield partial(model.predict, threads=threads, exact=one_by_one)


def curve(workspace: Workspace, specification: str) -> list[tuple[int, float]]:
    """(step, loss) of a finished training run."""
    body = train(workspace, specification)
    return [(int(step), float(loss)) for step, loss in json.loads(get_blob(workspace.store, body["curve"]))]
