"""Tasks from a dataset to a registered candidate. Each is one call of pvcore.cycle and what the UI shows of it."""

from __future__ import annotations

import time
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE

from pvcore.config import open_workspace
from pvcore.cycle import approval as approvals
from pvcore.cycle import candidate as candidates
from pvcore.cycle import judging, loaded, pictures, rebuilding, registration
from pvcore.cycle.rebuilding import Receipt
from tasks.inbox import show


@task(cache_policy=NO_CACHE)
def retraining(problem: str, dataset: str, scratch: bool) -> str:
    """The digest of what a retraining is asked to do."""
    return candidates.retraining(open_workspace(), problem, dataset, scratch=scratch)


@task(cache_policy=NO_CACHE)
def specify(problem: str, dataset: str, scratch: bool) -> str | None:
    """The specification's digest, or None where there is nothing new to learn."""
    return candidates.specify(open_workspace(), problem, dataset, scratch=scratch)


@task(task_run_name="train {specification}", cache_policy=NO_CACHE)
def train(specification: str, rebuild: bool) -> str:
    """Train, with a progress bar in the UI; returns the adapter's digest."""
    bar: Any = create_progress_artifact(0.0, description="training steps")
    logger = get_run_logger()
    shown = time.monotonic()

    def progress(step: int, total: int, loss: float) -> None:
        nonlocal shown
        if step == total or time.monotonic() - shown > 5:
            shown = time.monotonic()
            update_progress_artifact(bar, progress=100.0 * step / total)
            logger.info("step %d of %d, loss %.4f", step, total, loss)

    trained = candidates.train(open_workspace(), specification, rebuild=rebuild, progress=progress)
    if trained["resumed_from"]:
        logger.info("resumed at step %d of a run that was cut off", trained["resumed_from"])
    return str(trained["adapter"])


@task(cache_policy=NO_CACHE)
def training_curve(specification: str) -> None:
    """The training curve as an artifact."""
    show(
        f"curve-{specification[:12]}",
        pictures.curve_markdown(open_workspace(), specification),
        "Training curve",
    )


# Not cached by its input: another champion or policy asks for another evaluation. The ledger has those made.
@task(cache_policy=NO_CACHE)
def evaluate(specification: str) -> str:
    """Predict, measure, compare with the champion, decide; returns the evaluation's ledger key."""
    workspace = open_workspace()
    key = judging.evaluate(workspace, specification)
    show(
        f"gate-{specification[:12]}",
        pictures.gate_markdown(workspace, key),
        "Gate: candidate against champion",
    )
    return key


@task(cache_policy=NO_CACHE)
def register(specification: str, evaluation: str) -> str:
    """Put the candidate with its dossier into the registry; returns its name ("seriousness@2")."""
    name = registration.register(open_workspace(), specification, evaluation)
    get_run_logger().info("registered %s", name)
    return name


@task(cache_policy=NO_CACHE)
def load_for_real(version: str) -> None:
    """Let a fresh process load a version from the registry and answer with it, where the policy asks for it."""
    entry = loaded.check(open_workspace(), version)
    if entry:
        said = (
            "; ".join(entry.body["reasons"]) or f"{entry.body['answers']} answers twice with the same bytes"
        )
        get_run_logger().info("%s loaded for real: %s (%s)", version, entry.body["outcome"], said)


@task(cache_policy=NO_CACHE)
def judge_again(version: str) -> None:
    """Evaluate a registered version under today's policy and champion, unless that was done."""
    workspace = open_workspace()
    if judging.stale(workspace, version):
        evaluate.fn(registration.specification_of(workspace, version))


@task(cache_policy=NO_CACHE)
def standing(version: str) -> str:
    """Why no person is to be asked about a version; empty where one may be."""
    return approvals.standing(open_workspace(), version)


@task(cache_policy=NO_CACHE)
def specification_of(version: str) -> str:
    """The specification that a registered version was trained by."""
    return registration.specification_of(open_workspace(), version)


@task(cache_policy=NO_CACHE)
def to_rebuild(version: str, parents: bool) -> list[str]:
    """The versions to train again, in their order."""
    return rebuilding.lineage(open_workspace(), version, parents)


@task(cache_policy=NO_CACHE)
def refused_rebuild(version: str) -> Receipt | None:
    """The receipt of a version whose data, parent or base is not as it was; None where it can be trained again."""
    receipt = rebuilding.refused(open_workspace(), version)
    return _shown(version, receipt) if receipt else None


@task(cache_policy=NO_CACHE)
def compare_rebuilt(version: str) -> Receipt:
    """Compare a rebuilt adapter with the registered one and record the receipt."""
    return _shown(version, rebuilding.compare(open_workspace(), version))


def _shown(version: str, receipt: Receipt) -> Receipt:
    show(f"rebuilt-{version}", f"## {version} rebuilt\n\n{receipt.line}", "Receipt of a rebuild")
    return receipt
