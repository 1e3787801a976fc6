"""What a report says beside its cases: an altered effect is found, and so is a reason that nobody gave."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from pvcore.cycle import beside, claims, export, recounted, stored
from pvcore.cycle.checks import NotChecked
from pvcore.errors import GateError, RegistryError
from pvcore.records import canonical
from pvcore.registry import reach
from pvcore.registry.blobs import BLOBS, get_blob, put_blob
from pvcore.registry.names import resolve
from pvcore.standalone import verify as verifier


def evaluated(ws: Any, name: str) -> Any:
    return claims.evaluated(ws, resolve(ws.store, ws.ledger, name))


def other(ws: Any, entry: Any, change: Any = lambda report: None, **body: Any) -> Any:
    """The entry with another report, and other words of its own: its program, though, says that it wrote it."""
    report = json.loads(get_blob(ws.store, entry.body["report"]))
    change(report)
    fields = {**entry.body, "report": put_blob(ws.store, canonical(report)), **body}
    return dataclasses.replace(entry, body=fields)


def better(report: dict[str, Any]) -> None:
    report["effects"]["results"][0]["model"]["low"] += 0.5


@pytest.mark.parametrize(
    "change",
    [
        lambda effects: effects.update(cases=effects["cases"] + 1),
        lambda effects: effects.update(words="All is well."),
        lambda effects: effects["results"].clear(),
        lambda effects: effects.update(only_old=7, relabelled=0),
    ],
)
def test_every_part_of_an_effect_is_made_again(told: Any, change: Any) -> None:
    ws, entry = told.workspace, evaluated(told.workspace, "coding@2")
    with pytest.raises(RegistryError, match="the answers give another effect"):
        beside.effects(ws, other(ws, entry, lambda report: change(report["effects"])))


def test_the_answers_in_the_champions_own_release_are_those_that_were_asked_for(told: Any) -> None:
    ws, entry = told.workspace, evaluated(told.workspace, "coding@2")
    answers = get_blob(ws.store, entry.body["old_answers"]).splitlines(keepends=True)
    wrong = [canonical(json.loads(line) | {"ranked": [], "answer": "?"}) + b"\n" for line in answers]
    with pytest.raises(RegistryError, match=r"effects\.results, 1\.champion_old\.value is"):
        beside.effects(ws, other(ws, entry, old_answers=put_blob(ws.store, b"".join(wrong))))
    with pytest.raises(GateError, match="examples without an answer"):
        beside.effects(ws, other(ws, entry, old_answers=put_blob(ws.store, b"".join(answers[1:]))))
    with pytest.raises(RegistryError, match="does not name answers to them: it was altered"):
        beside.effects(ws, other(ws, entry, old_answers=None))
    none = evaluated(ws, "seriousness@2")
    assert none.body["old_answers"] is None and "none to tell" in beside.effects(ws, none)
    with pytest.raises(RegistryError, match="names answers to them: it was altered"):
        beside.effects(ws, other(ws, none, old_answers=entry.body["old_answers"]))


def test_an_entry_of_a_time_that_did_not_keep_them_is_not_checked(told: Any) -> None:
    ws, entry = told.workspace, evaluated(told.workspace, "coding@2")
    told_nothing = {name: value for name, value in entry.body.items() if name != "old_answers"}
    same = dataclasses.replace(entry, body=told_nothing)
    with pytest.raises(RegistryError, match="it was altered"):  # by this program, which keeps them
        beside.effects(ws, same)
    earlier = other(ws, same, better, program="0" * 64)
    with pytest.raises(NotChecked, match="were not kept when it was judged"):
        beside.effects(ws, earlier)
    assert "another state of this program" in recounted.report(ws, earlier)
    # With its answers it is counted, whoever wrote it; the words alone may be others.
    reworded = other(ws, entry, lambda report: report["effects"].update(words="Anew."), program="0" * 64)
    assert "another state of this program" in beside.effects(ws, reworded)
    with pytest.raises(RegistryError, match="another effect"):
        beside.effects(ws, other(ws, entry, better, program="0" * 64))
    # One of before is counted by the rules of then, whose intervals were narrower.
    first = other(ws, entry, lambda report: report.pop("edition"), program="0" * 64)
    with pytest.raises(RegistryError, match="another effect"):
        beside.effects(ws, first)
    then = beside._effects(ws, first, stored.read(ws, first))
    counted = other(ws, first, lambda report: report.update(effects=dataclasses.asdict(then)))
    assert "another state of this program" in beside.effects(ws, counted)
    untold = other(ws, entry, lambda report: report.pop("effects"), program="0" * 64)
    with pytest.raises(NotChecked, match="was not told from the model's"):
        beside.effects(ws, untold)


def test_a_first_champion_has_no_effect(told: Any) -> None:
    ws, entry = told.workspace, evaluated(told.workspace, "coding@1")
    assert "none to tell" in beside.effects(ws, entry)
    foreign = json.loads(get_blob(ws.store, evaluated(ws, "coding@2").body["report"]))["effects"]
    with pytest.raises(RegistryError, match="another effect"):
        beside.effects(ws, other(ws, entry, lambda report: report.update(effects=foreign)))


def test_the_kept_answers_are_needed_and_exported(told: Any, tmp_path: Path) -> None:
    ws, entry = told.workspace, evaluated(told.workspace, "coding@2")
    kept, stray = entry.body["old_answers"], put_blob(ws.store, b"of nobody")
    present = {item.key.removeprefix(BLOBS) for item in ws.store.list(BLOBS)}
    state = ws.ledger.state()
    assert {kept, stray} & reach.needed(state, ws.store, present, {}) == {kept}
    assert kept not in reach.needed(state, ws.store, present, {entry.sequence: frozenset([kept])})

    folder = export.export(ws, "coding@2", tmp_path / "coding", with_data=True)
    file = folder / "data" / f"answers-{entry.sequence}-champion-old.jsonl"
    assert file.read_bytes() == get_blob(ws.store, kept)
    assert verifier.data(*_read(folder)).endswith(" files")
    file.unlink()
    with pytest.raises(verifier.NotChecked, match=r"^1 of \d+ files are left out"):
        verifier.data(*_read(folder))


def _read(folder: Path) -> tuple[verifier.Folder, Any]:
    (folder / verifier.SUMS).unlink()
    export._sums(folder)
    found = verifier.Folder(folder)
    found.sums(), found.chain(), found.exported()
    return found, found.record(found.about["version"])


def with_anchor(ws: Any, version: str, why: str | None, **body: Any) -> Any:
    """coding@2's evaluation as it would be by a policy that names this anchor, which was not asked."""
    entry = evaluated(ws, "coding@2")
    raw = json.loads(get_blob(ws.store, entry.body["policy"]))
    rule = {"version": version, "non_inferiority": {"accuracy_at_5": {"margin": 0.1}}}
    raw["problems"]["coding"]["anchor"] = rule
    body["policy"] = put_blob(ws.store, canonical(raw))
    return other(ws, entry, lambda report: report.update(unavailable={"anchor": why} if why else {}), **body)


ABSENT = "coding@9 does not exist. Versions: coding@1, champion, previous, latest."


def test_an_anchor_that_the_ledger_did_not_have_is_known_again(told: Any) -> None:
    ws = told.workspace
    entry = with_anchor(ws, "coding@9", ABSENT)
    assert "numbers from" in recounted.report(ws, entry)
    assert beside.unavailable(ws, entry) == ABSENT
    fewer = "coding@9 does not exist. Versions: none"  # one was registered between the question and the entry
    assert beside.unavailable(ws, with_anchor(ws, "coding@9", fewer)) == ABSENT
    foreign = "the policy's anchor seriousness@1 is a version of seriousness, not of coding."
    assert beside.unavailable(ws, with_anchor(ws, "seriousness@1", foreign)) == foreign
    with pytest.raises(RegistryError, match=r"the ledger says: coding@9 .* The report says: It was ill\."):
        beside.unavailable(ws, with_anchor(ws, "coding@9", "It was ill."))
    # What was registered later is none of its time.
    later = ABSENT.replace("@9", "@2")
    assert beside.unavailable(ws, with_anchor(ws, "coding@2", later)) == later


def test_an_anchor_that_was_there_and_did_not_answer_is_taken_as_given(told: Any) -> None:
    ws = told.workspace
    one = resolve(ws.store, ws.ledger, "coding@1")
    unread = with_anchor(ws, "first", "its manifest cannot be read")
    with pytest.raises(NotChecked, match=r"the ledger has coding@1 .*its manifest cannot be read"):
        beside.unavailable(ws, unread)
    assert "numbers from" in recounted.report(ws, unread)
    asked = {"references": {"champion": one.digest, "anchor": one.digest}}
    silent = with_anchor(ws, "first", "coding@1 could not be asked: its base is gone", **asked)
    with pytest.raises(NotChecked, match=r"taken as given, for what kept it .*: coding@1 could not be asked"):
        beside.unavailable(ws, silent)
    with pytest.raises(RegistryError, match="coding@1 was there to be asked, and the report says: coding@9"):
        beside.unavailable(ws, with_anchor(ws, "first", ABSENT, **asked))


def test_who_did_not_answer_is_named_and_nobody_else(told: Any) -> None:
    ws, entry = told.workspace, evaluated(told.workspace, "coding@2")
    answers = entry.body["answers"]
    alone = {who: blob for who, blob in answers.items() if who != "champion"}
    silent = {"champion": "it could not be asked"}
    for wrong, words in [
        (with_anchor(ws, "coding@9", None), "answers of is"),
        (
            with_anchor(ws, "coding@9", ABSENT, answers={**answers, "anchor": answers["champion"]}),
            "answers of is",
        ),
        (other(ws, entry, lambda report: report.update(unavailable={"anchor": "why"})), "unavailable is"),
        (other(ws, entry, lambda report: report.update(unavailable=silent), answers=alone), "unavailable is"),
        (other(ws, entry, lambda report: report.update(unavailable={"TF-IDF": "why"})), "unavailable is"),
    ]:
        with pytest.raises(RegistryError, match=f"was not compared with what it should be: .*{words}"):
            recounted.report(ws, wrong)
    unnamed = other(ws, entry, lambda report: report.update(unavailable={"anchor": "why"}))
    with pytest.raises(RegistryError, match="the policy names no anchor"):
        beside.unavailable(ws, unnamed)
