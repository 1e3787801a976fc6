"""What a report says beside its cases, made again: a new dictionary's effect, and why an anchor did not answer."""

from __future__ import annotations

import dataclasses

from pvcore.config import Workspace
from pvcore.cycle import effects as telling
from pvcore.cycle import judging, stored
from pvcore.cycle.candidate import load_specification
from pvcore.cycle.checks import NotChecked, differences
from pvcore.cycle.claims import assumed, later_program, plain, program, registered_version, told
from pvcore.cycle.predictions import read_answers
from pvcore.cycle.references import UNASKED, anchor_entry
from pvcore.errors import NotFound, RegistryError
from pvcore.evaluation.comparing import ANCHOR, CHAMPION
from pvcore.evaluation.report import EDITION, Effects, Report
from pvcore.records import Example, Prediction
from pvcore.registry.blobs import get_blob
from pvcore.registry.ledger import Entry


def effects(workspace: Workspace, entry: Entry) -> str:
    """The dictionary's effect, from the champion's answers in both releases. Raises RegistryError, NotChecked."""
    kept = stored.read(workspace, entry)
    if later_program(entry) and "effects" not in kept.report:
        raise NotChecked("it was not told from the model's when it was judged")
    made = _effects(workspace, entry, kept)
    again = plain(dataclasses.asdict(made)) if made else None
    wrong = differences(kept.report.get("effects"), again, "effects")
    if later_program(entry):  # it may put them into other words
        wrong = [line for line in wrong if not line.startswith("effects.words is ")]
    if wrong:
        raise RegistryError(f"the answers give another effect: {told(wrong)}{program(entry)}")
    if made is None or not made.results:
        return f"there is none to tell from the model's{assumed(entry)}"
    metrics = ", ".join(found.metric for found in made.results)
    return f"{metrics} of {made.cases} examples in {made.old} and {made.new}{assumed(entry)}"


def _effects(workspace: Workspace, entry: Entry, kept: stored.Stored) -> Effects | None:
    champion = registered_version(workspace, entry.body["champion"])
    if champion is None:
        _old_answers(workspace, entry, [])
        return None
    theirs = load_specification(workspace, champion.manifest.specification)
    test = telling.asked_again(workspace, kept.asked, theirs, kept.test)
    again = test, _old_answers(workspace, entry, test)
    frames = kept.frame(kept.answered), kept.frame(kept.named[CHAMPION])
    edition = int(kept.report.get("edition", 1)) if later_program(entry) else EDITION
    return telling.of_dictionary(workspace, kept.asked, theirs, *frames, again, kept.policy.gate, edition)


def _old_answers(workspace: Workspace, entry: Entry, test: list[Example]) -> list[Prediction]:
    """What the champion answered in its own release, kept where it was to be asked."""
    kept = entry.body.get("old_answers")
    if bool(kept) == bool(test):
        return read_answers(get_blob(workspace.store, kept)) if kept else []
    if "old_answers" not in entry.body and later_program(entry):
        raise NotChecked("the champion's answers in its own release were not kept when it was judged")
    raise RegistryError(
        f"{len(test)} examples are to be asked in the champion's own release, and ledger entry "
        f"{entry.sequence} {'names' if kept else 'does not name'} answers to them: it was altered"
    )


def unavailable(workspace: Workspace, entry: Entry) -> str:
    """Why the anchor did not answer, by the ledger and the policy of then. Raises RegistryError.

    Raises NotChecked where neither tells. That who did not answer has no answers is for `recounted.report` to say.
    """
    body, problem = entry.body, entry.body["problem"]
    why = Report.from_json(stored.blob(workspace, body["report"])).unavailable.get(ANCHOR)
    asked = judging.stored_policy(workspace, body["policy"]).gate.problems.get(problem)
    if why is None:
        return "nobody"
    if asked is None or asked.anchor is None:
        raise RegistryError(f"the policy names no anchor, and the report says why it did not answer: {why}")
    if named := registered_version(workspace, body.get("references", {}).get(ANCHOR)):
        if not why.startswith(UNASKED.format(named.name)):
            raise RegistryError(f"{named.name} was there to be asked, and the report says: {why}")
        raise NotChecked(f"taken as given, for what kept it from answering left no other record: {why}")
    try:
        found = anchor_entry(stored.before(workspace, entry), problem, asked.anchor.version).body
    except NotFound as missing:
        if _first_sentence(str(missing)) != _first_sentence(why) and not later_program(entry):
            raise RegistryError(f"the ledger says: {missing} The report says: {why}") from None
        return f"{missing}{assumed(entry)}"
    name = f"{found['problem']}@{found['number']}"
    raise NotChecked(
        f"taken as given, for the ledger has {name} and does not tell how it could be read then: {why}"
    )


def _first_sentence(reason: str) -> str:
    """Without what there was instead: that may have grown between the question and its entry."""
    return reason.partition(". ")[0]
