"""An evaluation counted again from its stored answers: the report's numbers, and what its ledger entry says."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from pvcore.config import PolicyDocument, Workspace
from pvcore.cycle import behaviours, data, hearing, judging, learned
from pvcore.cycle.baselines import Splits, baselines
from pvcore.cycle.candidate import load_specification
from pvcore.cycle.checks import NotChecked, differences, require_same
from pvcore.cycle.claims import DEFAULTS, assumed, later_program, plain, program, registered_version, told
from pvcore.cycle.predictions import read_answers
from pvcore.cycle.references import references_of
from pvcore.errors import RegistryError
from pvcore.evaluation.behaviour import Conduct
from pvcore.evaluation.compare import changed_answers, frame
from pvcore.evaluation.comparing import ANCHOR, CHAMPION
from pvcore.evaluation.report import Report
from pvcore.problems import PROBLEMS
from pvcore.records import Example, Prediction, canonical, digest
from pvcore.registry.blobs import get_blob
from pvcore.registry.ledger import Entry, State
from pvcore.training.specification import Specification

NOT_MADE_AGAIN = ("effects", "unavailable")
"""Parts of a report that follow from answers which were not kept."""
ROUNDED, TIED = 1e-4, 0.01
"""What another processor may make of a baseline's scores, and of how many answers where scores tie."""
WRITTEN = ("answers", "references", "cases", "changed", "uses", "allowed", "held_out", "seen", "reasons")
"""What an entry says beside its report, since entries name the program that wrote them."""


def report(workspace: Workspace, entry: Entry) -> str:
    """Every number of the report, and the rest of its entry, from stored answers and labels. Raises RegistryError."""
    body = entry.body
    if "program" not in body and "answers" not in body:
        raise NotChecked("the answers of what it was compared with were not kept when it was judged")
    if absent := [name for name in WRITTEN if name not in body]:
        raise RegistryError(f"ledger entry {entry.sequence} does not say {', '.join(absent)}: it was altered")
    asked = load_specification(workspace, body["specification"])
    policy = judging.stored_policy(workspace, body["policy"])
    beside = [registered_version(workspace, name) for name in body["references"].values()]
    theirs = [version.manifest.specification for version in beside if version]
    examples, test = hearing.asked_of(workspace, asked, theirs, policy.gate)
    answered, *others = (
        read_answers(get_blob(workspace.store, blob))
        for blob in (body["predictions"], *body["answers"].values())
    )
    named = dict(zip(body["answers"], others, strict=True))
    stored = json.loads(get_blob(workspace.store, body["report"]))
    said = Report.from_json(stored)
    _require_references(workspace, entry, policy, said)
    made = dataclasses.replace(
        judging.spent(
            workspace,
            judging.reported(workspace, asked, test, answered, named, policy.gate),
            State(workspace.ledger.entries()[: entry.sequence - 1]),
            test,
            policy.gate,
        ),
        behaviour=_behaviour(workspace, entry, asked) if "tests" in body else said.behaviour,
        # Asked of the models beside the cases: nothing that is stored gives these again.
        **{part: getattr(said, part) for part in NOT_MADE_AGAIN},
    )
    later = later_program(entry)
    wrong = differences(stored, plain(made.to_json()), defaults=DEFAULTS if later else {})
    if wrong:
        raise RegistryError(f"the answers give other numbers: {told(wrong)}{program(entry)}")
    require_same(
        "they do not fit",
        {
            "held_out": (body["held_out"], made.held_out),
            "uses": (body["uses"], made.uses),
            "allowed": (body["allowed"], policy.gate.evaluation.maximum_uses),
            "seen": (body["seen"], len(examples.get("test", [])) - len(test)),
            "cases": (_blob(workspace, body["cases"]), sorted({example.case_id for example in test})),
            "changed": (_blob(workspace, body["changed"]), _changed(test, answered, named, asked.problem)),
        },
        f"ledger entry {entry.sequence}",
        "what its answers give",
    )
    if not later:
        _require_baselines(workspace, asked, {**examples, "test": test}, named, entry)
    _require_curve(workspace, entry, policy)
    again = {name: value for name, value in stored.items() if name not in NOT_MADE_AGAIN}
    return f"{_numbers(again)} numbers from {len(test)} cases{assumed(entry)}"


def _require_references(workspace: Workspace, entry: Entry, policy: PolicyDocument, said: Report) -> None:
    """It was compared with the champion of its entry, and with the anchor that its policy names."""
    body = entry.body
    champion = registered_version(workspace, body["champion"])
    expected = references_of(workspace, body["problem"], policy.gate, champion).versions
    wanted = {name: version.digest for name, version in expected.items()}
    if ANCHOR in said.unavailable and ANCHOR not in body["references"]:
        wanted.pop(ANCHOR, None)
    answered = {name for name in wanted if name not in said.unavailable}
    require_same(
        "it was not compared with what it should be",
        {
            "references": (dict(body["references"]), wanted),
            "answers of": (sorted({*body["answers"]} & {CHAMPION, ANCHOR}), sorted(answered)),
        },
        f"ledger entry {entry.sequence}",
        "its champion and policy",
    )


def _require_baselines(
    workspace: Workspace,
    asked: Specification,
    examples: Splits,
    named: dict[str, list[Prediction]],
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


def _require_curve(workspace: Workspace, entry: Entry, policy: PolicyDocument) -> None:
    """The learning curve that was kept is the one that the ledger's points gave until then."""
    kept = entry.body.get("learning")
    if kept is None and later_program(entry):
        return
    stored = _blob(workspace, kept) if kept else {}
    before = workspace.ledger.entries()[: entry.sequence - 1]
    made = plain(learned.then(workspace, entry.body["problem"], policy, before)) or {}
    if later_program(entry):  # it may put a sentence into other words, and read the curve anew
        stored, made = ({part: of.get(part) for part in learned.MEASURED} for of in (stored, made))
    if wrong := differences(stored, made):
        raise RegistryError(
            f"the learning curve is not the one that was measured: {told(wrong)}{program(entry)}"
        )


def _changed(
    test: list[Example], answered: list[Prediction], named: dict[str, list[Prediction]], problem: str
) -> Any:
    asked = PROBLEMS[problem]
    theirs = frame(test, named[CHAMPION], asked.judged) if CHAMPION in named else None
    return plain(changed_answers(frame(test, answered, asked.judged), theirs, positive=asked.positive))


def _behaviour(workspace: Workspace, entry: Entry, asked: Specification) -> Conduct | None:
    """What came of the behaviour tests, from the tests and replies that were kept. Raises RegistryError."""
    stored = _blob(workspace, entry.body["tests"])
    given = [reply["answer"] for row in stored["candidate"] for reply in row if reply["answer"]]
    require_same(
        "the replies to the behaviour tests are others",
        {
            "replies": (
                digest(b"".join(canonical(answer) + b"\n" for answer in given)),
                entry.body["replies"],
            ),
            "tests": (digest([digest(text.encode()) for text in stored["texts"]]), entry.body["behaviour"]),
        },
        "what was kept of them",
        f"ledger entry {entry.sequence}",
    )
    terms = data.terms(workspace, asked)
    return behaviours.again(
        PROBLEMS[asked.problem], stored, terms, lambda answer: read_answers(canonical(answer))[0]
    )


def _blob(workspace: Workspace, digest: str) -> Any:
    return json.loads(get_blob(workspace.store, digest))


def _numbers(value: Any) -> int:
    if isinstance(value, dict | list):
        return sum(map(_numbers, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int | float) and not isinstance(value, bool)
