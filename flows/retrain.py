"""Cases -> candidate -> decision -> approval requested.

Starting it twice trains, evaluates and registers once: each step finds its own result in the ledger
under the digest of what it was asked to do.
"""

from __future__ import annotations

from prefect import flow
from prefect.states import Failed, State

from tasks import advice, candidate, data, inbox, runs


@flow(
    name="retrain",
    persist_result=True,
    description="Train a candidate from a dataset, judge it, ask for approval.",
)
def retrain(problem: str = "", dataset: str = "", scratch: bool = False) -> list[str] | State:
    """Retrain `problem` (empty: all recipes) on `dataset` (digest; empty: all that was ingested so far)."""
    inbox.bound_retries()
    if not dataset:
        version = data.adopted_version()
        built = data.build_dataset(version, data.migrate(version) if version else [])
        if built is None:
            return ["no labelled cases yet"]
        dataset = built
    if not problem:
        return retrain_all(dataset, scratch)
    specification = candidate.specify(problem, dataset, scratch)
    if specification is None:
        return [f"{problem}: the dataset has no labels for it, or its champion was trained on them"]
    data.validate_for(problem, dataset)  # here, so that too few labels of one problem stop no other
    runs.wait_for(runs.start_once("train/train", {"specification": specification}, key=specification))
    candidate.training_curve(specification)
    evaluation = candidate.evaluate(specification)
    version_name = candidate.register(specification, evaluation)
    candidate.load_for_real(version_name)
    if asked := advice.next_phase(problem, version_name):
        runs.start_once("phases/phases", asked, key=version_name, as_subflow=False)
    standing = candidate.standing(version_name)
    if standing:
        return [f"{version_name}: {standing}"]
    runs.start_once("promote/promote", {"version": version_name}, key=version_name, as_subflow=False)
    return [f"{version_name}: approval requested"]


def retrain_all(dataset: str, scratch: bool = False) -> list[str] | State:
    """Start `retrain` for every recipe at once and wait for all. Returns a line each; fails if one did not complete."""
    started = {
        problem: runs.start_once(
            "retrain/retrain",
            {"problem": problem, "dataset": dataset, "scratch": scratch},
            key=f"{problem}-{candidate.retraining(problem, dataset, scratch)}",
        )
        for problem in data.problems()
    }
    ended = {problem: runs.wait_for(run, return_state=True) for problem, run in started.items()}
    lines = [f"{name}: {s.result() if s.is_completed() else s.message}" for name, s in ended.items()]
    completed = all(state.is_completed() for state in ended.values())
    return lines if completed else Failed(message="; ".join(lines))
