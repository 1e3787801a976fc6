"""A prediction made again: the same input, the same version, the conditions of that time, and the bytes compared."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pvcore.annotations import batch as batches
from pvcore.config import Workspace
from pvcore.cycle import arrivals, scoring
from pvcore.cycle.inbox import version_in_name
from pvcore.cycle.recorded import Recorded, recorded, version_of
from pvcore.errors import Fault, InputError, NotFound
from pvcore.problems import PROBLEMS
from pvcore.records import Question, canonical, digest
from pvcore.registry.version import Version
from pvcore.training.specification import code_digest

ONE_AT_A_TIME = "one text at a time"
"""What a prediction notes of itself where it was made so."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reproduced:
    """The digests of the record and of the new one, the fields that differ, and what is not as it was then.

    `conditions` says what was used again though something else is in force now; `surroundings` what could not be:
    code, packages, machine.
    """

    version: str
    example: str
    then: str
    now: str
    differs: tuple[Row, ...]
    conditions: tuple[Row, ...]
    surroundings: tuple[Row, ...]

    @property
    def same(self) -> bool:
        return self.then == self.now


def reproduce(
    workspace: Workspace,
    name: str,
    *,
    source: Path | None = None,
    example: str | None = None,
    meddra_version: str | None = None,
) -> Reproduced:
    """Make a prediction again (`name` as in `recorded`); `source` is the file of cases where it was made from one.

    Raises NotFound where record, version, input or policy is not here, and as `scoring.trusted`.
    """
    found = recorded(workspace, name, example)
    version = scoring.trusted(workspace, version_of(workspace, found).digest)
    policy = found.record["policy"]
    if not isinstance(policy, str):
        raise NotFound(
            f"{found.digest[:12]} names no policy of its guardrails: it was made before that was recorded."
        )
    given = scoring.Conditions(found.record["dictionary"], policy, ONE_AT_A_TIME in found.record["notes"])
    question = _question(workspace, found, version, source, meddra_version)
    (answered,) = scoring.answer(workspace, version, [question], given)
    again = json.loads(canonical(asdict(answered)))
    return Reproduced(
        version.name,
        found.example,
        found.digest,
        digest(again),
        tuple(_differences(dict(found.record), again)),
        tuple(_differences(asdict(given), asdict(scoring.conditions_now(workspace, version.problem)))),
        tuple(_surroundings(workspace, found)),
    )


def _question(
    workspace: Workspace, found: Recorded, version: Version, source: Path | None, meddra_version: str | None
) -> Question:
    if source is not None:
        batch = batches.read(source, meddra_version=meddra_version or version_in_name(source.name))
    elif found.entry is not None:
        batch = arrivals.load_batch(workspace, found.entry.body["batch"])
    else:
        raise InputError(
            found.example,
            [
                Fault(
                    "input",
                    "this ledger has no record of it",
                    "give the file of cases that was scored with --input",
                )
            ],
        )
    questions = PROBLEMS[version.problem].questions(batch.cases)
    question = next((q for q in questions if q.example_id == found.example), None)
    if question is None:
        raise NotFound(f"{batch.name} has no {found.example}: it is not what was scored.")
    return question


def _differences(then: Row, now: Row) -> list[Row]:
    names = sorted({*then, *now})
    return [{"field": n, "then": then.get(n), "now": now.get(n)} for n in names if then.get(n) != now.get(n)]


def _surroundings(workspace: Workspace, found: Recorded) -> list[Row]:
    """How code, packages and machine differ from those that a Scored entry recorded; of a file nobody knows."""
    from pvcore.training.train import environment

    if found.entry is None or "environment" not in found.entry.body:
        return []
    body = found.entry.body
    now = {"code": code_digest(), **environment(workspace.settings.threads)}
    return _differences({"code": body["code"], **body["environment"]}, now)
