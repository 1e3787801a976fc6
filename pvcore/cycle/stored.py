"""What an evaluation was made of, read back from the ledger and the store by who counts it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pvcore.config import PolicyDocument, Workspace
from pvcore.cycle import hearing, judging
from pvcore.cycle.baselines import Splits
from pvcore.cycle.candidate import load_specification
from pvcore.cycle.checks import NotChecked
from pvcore.cycle.claims import registered_version
from pvcore.cycle.lineage import told_by_text
from pvcore.cycle.predictions import read_answers
from pvcore.errors import RegistryError
from pvcore.evaluation import compare
from pvcore.problems import PROBLEMS
from pvcore.records import Example, Prediction
from pvcore.registry.blobs import get_blob
from pvcore.registry.ledger import Entry, State
from pvcore.training.specification import Specification

if TYPE_CHECKING:
    import pandas as pd

WRITTEN = ("answers", "references", "cases", "changed", "uses", "allowed", "held_out", "seen", "reasons")
"""What an entry says beside its report, since entries name the program that wrote them."""


@dataclass(frozen=True)
class Stored:
    """What an evaluation was made of, and its report as it is stored."""

    asked: Specification
    policy: PolicyDocument
    before: State
    """The ledger until the evaluation was entered."""
    examples: Splits
    test: list[Example]
    answered: list[Prediction]
    named: Mapping[str, list[Prediction]]
    report: dict[str, Any]

    def frame(self, answers: list[Prediction]) -> pd.DataFrame:
        """The evaluation frame of somebody's answers."""
        return compare.frame(self.test, answers, PROBLEMS[self.asked.problem].judged)


def read(workspace: Workspace, entry: Entry) -> Stored:
    """Raises RegistryError, and NotChecked for an entry of a time that did not keep all answers."""
    body = entry.body
    if "program" not in body and "answers" not in body:
        raise NotChecked("the answers of what it was compared with were not kept when it was judged")
    if absent := [name for name in WRITTEN if name not in body]:
        raise RegistryError(f"ledger entry {entry.sequence} does not say {', '.join(absent)}: it was altered")
    asked = load_specification(workspace, body["specification"])
    policy = judging.stored_policy(workspace, body["policy"])
    beside = [registered_version(workspace, name) for name in body["references"].values()]
    theirs = [version.manifest.specification for version in beside if version]
    examples, test = hearing.asked_of(workspace, asked, theirs, policy.gate, by_text=told_by_text(body))
    answered, *others = (
        read_answers(get_blob(workspace.store, blob))
        for blob in (body["predictions"], *body["answers"].values())
    )
    named = dict(zip(body["answers"], others, strict=True))
    value = blob(workspace, body["report"])
    return Stored(asked, policy, before(workspace, entry), examples, test, answered, named, value)


def before(workspace: Workspace, entry: Entry) -> State:
    """The ledger until an entry was appended."""
    return State(workspace.ledger.entries()[: entry.sequence - 1])


def blob(workspace: Workspace, digest: str) -> Any:
    """A JSON value that is stored under this digest."""
    return json.loads(get_blob(workspace.store, digest))
