"""Loaded for real: a fresh process fetches a version from the registry and answers the golden cases.

    python -m pvcore.cycle.loaded WORKSPACE VERSION GOLDEN RESULT

The golden cases are held-out examples and the texts of the behaviour tests, with the answers that the evaluation
recorded, kept as a blob. The process resolves the version, fetches and verifies its adapter, answers twice,
and is timed beside the champion in turns. What it must show: the same bytes twice, those of the evaluation, and
no more time than the policy allows.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from pvcore.config import Workspace, open_workspace
from pvcore.cycle import behaviours, candidate, data, judging, scoring
from pvcore.cycle.judging import Evaluation
from pvcore.errors import GateError
from pvcore.problems import PROBLEMS
from pvcore.problems.behaviour import questions
from pvcore.records import Prediction, Question, canonical, digest
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.ledger import Entry
from pvcore.registry.loading import LOADED, LoadedPolicy, last_check
from pvcore.registry.names import resolve
from pvcore.registry.version import Version

PATIENCE = 1800.0
"""Seconds that the process may take; a base of 8B parameters needs a minute or two to load."""
LEAST = 0.2
"""Seconds that one timing takes at least: a round asks the cases as often as that needs."""


def check(workspace: Workspace, name: str, *, again: bool = False) -> Entry | None:
    """Load a version for real and record what came of it; None where nothing is asked of it.

    Nothing is asked of a version that the gate did not pass, and by a policy that asks for no check. Done once a
    version and evaluation, unless it is asked for `again`. Raises NotFound, GateError where the evaluation
    is no longer of today's policy, tests or champion.
    """
    version = resolve(workspace.store, workspace.ledger, name)
    policy = workspace.policy(workspace.recipe(version.problem).policy).loaded
    judged = judging.latest_evaluation(workspace, version)
    if not policy.required or judged.decision.outcome != "pass":
        return None
    report = judged.entry.body["report"]
    known = last_check(workspace.ledger.state(), version.digest, report)
    if known and not again:
        return known
    if judging.stale(workspace, version.digest):
        raise GateError(
            f"{version.name} was judged by another policy, other tests or beside another champion than there are "
            f"today. Judge it again: pv run promote version={version.name}"
        )
    golden = put_blob(workspace.store, canonical(_golden(workspace, version, judged, policy)))
    found, reasons = _outcome(workspace, version, golden, policy)
    body = {
        "problem": version.problem, "version": version.digest, "name": version.name, "report": report,
        "champion": judged.entry.body["champion"], "golden": golden, "policy": policy.model_dump(),
        "outcome": "fail" if reasons else "pass", "reasons": reasons, **found,
    }  # fmt: skip
    return workspace.ledger.append(
        LOADED, body, actor="loaded", key="" if again else f"{version.digest} {report}"
    )


def standing(workspace: Workspace, name: str) -> str:
    """Why a version may not be asked approval for by its last check; "" where nothing stands against it."""
    version = resolve(workspace.store, workspace.ledger, name)
    report = judging.latest_evaluation(workspace, version).entry.body["report"]
    found = last_check(workspace.ledger.state(), version.digest, report)
    failed = found is not None and found.body["outcome"] != "pass"
    return f"loaded for real and failed: {'; '.join(found.body['reasons'])}" if found and failed else ""


def _golden(
    workspace: Workspace, version: Version, judged: Evaluation, policy: LoadedPolicy
) -> dict[str, Any]:
    """What is asked, in order, and the answers that the evaluation recorded, by id."""
    asked = candidate.load_specification(workspace, version.manifest.specification)
    body = judged.entry.body
    answers = {
        answer["example_id"]: answer
        for blob in (body["predictions"], body["replies"])
        for answer in map(json.loads, get_blob(workspace.store, blob).splitlines())
    }
    held = data.examples(workspace, asked.problem, asked.dataset, asked.settings)["test"]
    chosen = sorted((e for e in held if e.example_id in answers), key=lambda e: digest(e.example_id))
    cases = [Question(e.example_id, e.text, e.given) for e in chosen[: policy.cases]]
    suite = behaviours.suite(workspace, asked.problem, data.terms(workspace, asked))
    posed = questions(PROBLEMS[asked.problem], suite)
    # Drawn by the text, so that a file that grows does not change which of the others are asked.
    texts = sorted(
        {q.text: q for row in posed for q in row if q and q.example_id in answers}.values(),
        key=lambda q: digest(q.text),
    )[: 2 * policy.cases]
    return {
        "champion": body["champion"], "rounds": policy.rounds, "latency": policy.latency,
        "cases": cases, "texts": texts, "answers": {q.example_id: answers[q.example_id] for q in [*cases, *texts]},
    }  # fmt: skip


def _outcome(
    workspace: Workspace, version: Version, golden: str, policy: LoadedPolicy
) -> tuple[dict[str, Any], list[str]]:
    """What the fresh process measured, and every reason against the version."""
    with tempfile.TemporaryDirectory(prefix="pv-loaded-") as folder:
        result = Path(folder, "result.json")
        command = [sys.executable, "-m", "pvcore.cycle.loaded", str(workspace.root), version.digest, golden]
        began = time.monotonic()
        try:
            done = subprocess.run(
                [*command, str(result)], capture_output=True, check=False, timeout=PATIENCE, text=True
            )
        except subprocess.TimeoutExpired:
            return {"seconds": PATIENCE}, [f"a fresh process did not end within {PATIENCE:.0f} s"]
        seconds = round(time.monotonic() - began, 1)
        if done.returncode or not result.is_file():
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            return {"seconds": seconds}, [f"a fresh process could not answer with it: {last[:500]}"]
        found = json.loads(result.read_bytes())
    reasons = []
    if found["first"] != found["second"]:
        reasons.append("the same cases answered twice gave different bytes")
    if found["differ"]:
        some = ", ".join(found["differ"][:5])
        reasons.append(f"{len(found['differ'])} answers are not those of the evaluation ({some})")
    if found["ratio"] is not None and found["ratio"] > policy.latency:
        reasons.append(
            f"takes {found['ratio']:.2f} times as long as the champion, measured twice; "
            f"the policy allows {policy.latency:g}"
        )
    return {**found, "differ": len(found["differ"]), "seconds": seconds}, reasons


# --- in the fresh process --------------------------------------------------------------------------------------


def answer(workspace: Workspace, name: str, golden: Mapping[str, Any]) -> dict[str, Any]:
    """Load a version through the registry, answer twice, and take the time beside the champion's.

    {"answers", "first", "second": digests of the bytes, "differ": ids that the evaluation answered otherwise,
    "milliseconds": median of a golden case, "champion_milliseconds" and "ratio": None without a champion,
    "measured": how often}.
    """
    version = scoring.trusted(workspace, name)
    asked = candidate.load_specification(workspace, version.manifest.specification)
    champion = scoring.trusted(workspace, golden["champion"]) if golden["champion"] else None
    policy = workspace.policy(workspace.recipe(version.problem).policy).guardrails
    within = {"terms": data.terms(workspace, asked), "policy": policy}
    cases, texts = (
        [Question(name, text, tuple(given)) for name, text, given in golden[part]]
        for part in ("cases", "texts")
    )
    every = [*cases, *texts]
    with candidate.opened(workspace, version.manifest.adapter["files"], asked.settings["base"]) as ask:
        first, second = (_lines(ask(every, **within)) for _ in range(2))
        wanted = _json_lines([golden["answers"][question.example_id] for question in every])
        found: dict[str, Any] = {
            "answers": len(every),
            "first": digest(b"".join(first)),
            "second": digest(b"".join(second)),
            "differ": [q.example_id for q, a, b in zip(every, first, wanted, strict=True) if a != b],
        }
        mine = partial(ask, cases, **within)
        if champion is None:
            return {**found, **_timed([mine], golden["rounds"], len(cases))}
        theirs = candidate.load_specification(workspace, champion.manifest.specification)
        with candidate.opened(
            workspace, champion.manifest.adapter["files"], theirs.settings["base"]
        ) as other:
            both = [mine, partial(other, cases, **within)]
            times = _timed(both, golden["rounds"], len(cases))
            if times["ratio"] > golden["latency"]:
                times = {**_timed(both, golden["rounds"], len(cases)), "measured": 2}
    return {**found, **times}


def _timed(asking: Sequence[Callable[[], Any]], rounds: int, cases: int) -> dict[str, Any]:
    """Median milliseconds a case of one or two models, asked in turns after a warm-up that does not count."""
    repeats = []
    for ask in asking:
        ask()
        repeats.append(_seconds(ask, 1))
    times = max(1, round(LEAST / max(min(repeats), 1e-6)))
    taken = [[_seconds(ask, times) for ask in asking] for _ in range(rounds)]
    each = [1000 * median(round_[n] for round_ in taken) / (times * cases) for n in range(len(asking))]
    # The ratio of each round, so that what slows the machine down for a while slows both.
    ratio = median(first / second for first, second in taken) if len(asking) == 2 else None
    return {
        "milliseconds": round(each[0], 3),
        "champion_milliseconds": round(each[1], 3) if len(each) == 2 else None,
        "ratio": None if ratio is None else round(ratio, 3),
        "measured": 1,
    }


def _seconds(ask: Callable[[], Any], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        ask()
    return time.perf_counter() - began


def _lines(predictions: Sequence[Prediction]) -> list[bytes]:
    return _json_lines([dataclasses.asdict(prediction) for prediction in predictions])


def _json_lines(values: Sequence[Any]) -> list[bytes]:
    return [canonical(value) + b"\n" for value in values]


def main(root: str, version: str, golden: str, result: str) -> None:
    """What the fresh process does: the result as JSON in a file."""
    workspace = open_workspace(root)
    found = answer(workspace, version, json.loads(get_blob(workspace.store, golden)))
    Path(result).write_bytes(canonical(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
