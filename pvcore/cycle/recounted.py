"""An evaluation counted again from its stored answers: the report's numbers, and what its ledger entry says."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pvcore.config import PolicyDocument, Workspace
from pvcore.cycle import behaviours, data, judging, learned, stored
from pvcore.cycle.baselines import Splits, baselines
from pvcore.cycle.checks import differences, require_same
from pvcore.cycle.claims import DEFAULTS, assumed, later_program, plain, program, registered_version, told
from pvcore.cycle.predictions import read_answers
from pvcore.cycle.references import references_of
from pvcore.cycle.stored import Stored
from pvcore.errors import RegistryError
from pvcore.evaluation.behaviour import Conduct
from pvcore.evaluation.compare import changed_answers
from pvcore.evaluation.comparing import ANCHOR, CHAMPION
from pvcore.evaluation.report import EDITION, Report
from pvcore.problems import PROBLEMS
from pvcore.records import Prediction, canonical, digest
from pvcore.registry.ledger import Entry, State
from pvcore.training.specification import Specification

ASIDE = ("effects", "unavailable")
"""Parts of a report with a check of their own, for `report` does not make them again."""
ROUNDED, TIED = 1e-4, 0.01
"""What another processor may make of a baseline's scores, and of how many answers where scores tie."""


def report(workspace: Workspace, entry: Entry) -> str:
    """Every number of the report but those of `ASIDE`, and the rest of its entry, from stored answers and labels.

    Raises RegistryError, NotChecked.
    """
    body, kept = entry.body, stored.read(workspace, entry)
    asked, test, gate = kept.asked, kept.test, kept.policy.gate
    said = Report.from_json(kept.report)
    later = later_program(entry)
    edition = said.edition if later else EDITION
    _require_references(workspace, entry, kept, said)
    made = dataclasses.replace(
        judging.spent(
            workspace,
            judging.reported(workspace, asked, test, kept.answered, kept.named, gate, edition),
            kept.before,
            test,
            gate,
        ),
        behaviour=_behaviour(workspace, entry, asked) if "tests" in body else said.behaviour,
        **{part: getattr(said, part) for part in ASIDE},
    )
    wrong = differences(kept.report, plain(made.to_json()), defaults=DEFAULTS if later else {})
    if wrong:
        raise RegistryError(f"the answers give other numbers: {told(wrong)}{program(entry)}")
    require_same(
        "they do not fit",
        {
            "held_out": (body["held_out"], made.held_out),
            "uses": (body["uses"], made.uses),
            "allowed": (body["allowed"], gate.evaluation.maximum_uses),
            "seen": (body["seen"], len(kept.examples.get("test", [])) - len(test)),
            "cases": (stored.blob(workspace, body["cases"]), sorted({example.case_id for example in test})),
            "changed": (stored.blob(workspace, body["changed"]), _changed(kept)),
        },
        f"ledger entry {entry.sequence}",
        "what its answers give",
    )
    if not later:
        _require_baselines(workspace, asked, {**kept.examples, "test": test}, kept.named, entry)
    _require_curve(workspace, entry, kept.policy, kept.before)
    again = {name: value for name, value in kept.report.items() if name not in ASIDE}
    return f"{_numbers(again)} numbers from {len(test)} cases{assumed(entry)}"


def _require_references(workspace: Workspace, entry: Entry, kept: Stored, said: Report) -> None:
    """It was compared with the champion of its entry, and with the anchor that its policy names, or says why not."""
    body = entry.body
    champion = registered_version(workspace, body["champion"])
    expected = references_of(workspace, kept.before, body["problem"], kept.policy.gate, champion)
    wanted = {name: version.digest for name, version in expected.versions.items()}
    asked = {*expected.versions, *expected.unavailable}
    if ANCHOR in said.unavailable and ANCHOR not in body["references"]:
        wanted.pop(ANCHOR, None)
    answered = {*body["answers"]} & {CHAMPION, ANCHOR}
    require_same(
        "it was not compared with what it should be",
        {
            "references": (dict(body["references"]), wanted),
            "answers of": (sorted(answered), sorted(asked - {*said.unavailable})),
            "unavailable": (sorted(said.unavailable), sorted(asked & {ANCHOR} - answered)),
        },
        f"ledger entry {entry.sequence} or its report",
        "its champion and policy",
    )


def _require_baselines(
    workspace: Workspace,
    asked: Specification,
    examples: Splits,
    named: Mapping[str, list[Prediction]],
    entry: Entry,
) -> None:
    """The baselines, fitted to the same rows again, answer as they did.

    Another processor may round otherwise: scores within ROUNDED are the same, and where scores tie, so may answers.
    """
    terms = data.terms(workspace, asked)
    for name, made in baselines(PROBLEMS[asked.problem], examples, terms).items():
        kept = named.get(name, [])
        pairs = list(zip(kept, made, strict=False))
        other = sum(abs(old.score - new.score) > ROUNDED for old, new in pairs)
        tied = sum(old.answer != new.answer for old, new in pairs)
        if len(kept) != len(made) or other or tied > TIED * len(made):
            raise RegistryError(
                f"{name}, fitted again, gives other answers than ledger entry {entry.sequence} keeps: "
                f"{len(kept)} of {len(made)} are kept, {other} with another score, {tied} with another answer"
            )


def _require_curve(workspace: Workspace, entry: Entry, policy: PolicyDocument, before: State) -> None:
    """The learning curve that was kept is the one that the ledger's points gave until then.

    By the metric that was kept, if the policy has a floor for it: which of them was read has changed with the program.
    """
    kept = entry.body.get("learning")
    if kept is None and later_program(entry):
        return
    said = stored.blob(workspace, kept) if kept else {}
    metric = str(said.get("metric", ""))
    made = plain(learned.then(workspace, entry.body["problem"], policy, before.entries, metric)) or {}
    if later_program(entry):  # it may put a sentence into other words, and read the curve anew
        said, made = ({part: of.get(part) for part in learned.MEASURED} for of in (said, made))
    if wrong := differences(said, made):
        raise RegistryError(
            f"the learning curve is not the one that was measured: {told(wrong)}{program(entry)}"
        )


def _changed(kept: Stored) -> Any:
    theirs = kept.frame(kept.named[CHAMPION]) if CHAMPION in kept.named else None
    positive = PROBLEMS[kept.asked.problem].positive
    return plain(changed_answers(kept.frame(kept.answered), theirs, positive=positive))


def _behaviour(workspace: Workspace, entry: Entry, asked: Specification) -> Conduct | None:
    """What came of the behaviour tests, from the tests and replies that were kept. Raises RegistryError."""
    kept = stored.blob(workspace, entry.body["tests"])
    given = [reply["answer"] for row in kept["candidate"] for reply in row if reply["answer"]]
    require_same(
        "the replies to the behaviour tests are others",
        {
            "replies": (
                digest(b"".join(canonical(answer) + b"\n" for answer in given)),
                entry.body["replies"],
            ),
            "tests": (digest([digest(text.encode()) for text in kept["texts"]]), entry.body["behaviour"]),
        },
        "what was kept of them",
        f"ledger entry {entry.sequence}",
    )
    terms = data.terms(workspace, asked)
    return behaviours.again(
        PROBLEMS[asked.problem], kept, terms, lambda answer: read_answers(canonical(answer))[0]
    )


def _numbers(value: Any) -> int:
    if isinstance(value, dict | list):
        return sum(map(_numbers, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int | float) and not isinstance(value, bool)
