"""What `pv verify` finds: every kind of tampering is named by the check that it breaks, in files of a real store."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pvcore.cli import app
from pvcore.cycle import (
    approval,
    checkpoints,
    claims,
    hearing,
    judging,
    recounted,
    scoring,
    stored,
    verification,
)
from pvcore.cycle.candidate import load_specification
from pvcore.cycle.checks import NotChecked, differences
from pvcore.cycle.predictions import lines, read_answers
from pvcore.errors import RegistryError, SignatureRefused
from pvcore.evaluation.gate import decide
from pvcore.evaluation.report import Report
from pvcore.records import canonical
from pvcore.registry import signing
from pvcore.registry.blobs import BLOBS, get_blob, put_blob
from pvcore.registry.names import resolve
from pvcore.registry.version import Version


def version_of(ws: Any, name: str) -> Version:
    return resolve(ws.store, ws.ledger, name)


def evaluated(ws: Any, name: str) -> Any:
    return claims.evaluated(ws, version_of(ws, name))


def broken(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["check"]: row["why"] for row in rows if row["holds"] == "no"}


def blob_file(ws: Any, digest: str) -> Path:
    file = Path(ws.root, ".pv", "store", BLOBS, digest)
    file.chmod(0o644)
    return file


def flip(file: Path, bit: int = 0) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1 << bit
    file.write_bytes(content)


def forged(ws: Any, name: str, **changes: Any) -> Version:
    """A version entered behind the registry's back: the chain holds, and so does each digest."""
    before = version_of(ws, name)
    fields = {**dataclasses.asdict(before.manifest), **changes}
    number = len(ws.ledger.state().versions(before.problem)) + 1
    body = {
        "problem": before.problem,
        "number": number,
        "version": put_blob(ws.store, canonical(fields)),
        "specification": fields["specification"],
        "adapter": fields["adapter"]["digest"],
        "read": fields["read"] and {name: fields["read"][name] for name in ("root", "records")},
    }
    ws.ledger.append("Registered", body, actor="x")
    return version_of(ws, f"{before.problem}@{number}")


def test_what_was_made_holds_and_says_what_was_not_checked(told: Any) -> None:
    rows = verification.verify_version(told.workspace, "coding@2")
    assert not broken(rows)
    found = {row["check"]: row["why"] for row in rows if row["holds"] == "yes"}
    assert "cases" in found["coding@2: the report follows from the answers"]
    effect = found["coding@2: the dictionary's effect follows from the answers"]
    assert effect.startswith("accuracy_at_5 of ") and effect.endswith("examples in 90.0 and 90.1")
    assert found["coding@2: who could not be asked, and why"] == "nobody"
    at = evaluated(told.workspace, "coding@2").sequence
    assert f"coding@2: evaluation, entry {at}: answers of champion in its own release" in found
    assert found["coding@2: the dossier follows from all of this"] == "the same bytes, written again"
    assert {"coding@1: manifest", "coding@2: dictionary"} <= {*found}
    assert next(why for check, why in found.items() if "signatures" in check).startswith(
        "Promoted, signed by Dr"
    )
    left = {row["check"]: row["why"] for row in rows if row["holds"] == "not checked"}
    assert {*left} >= {"ledger: its end", "coding@1: report, dossier"} and all(left.values())


def test_altered_files_are_named_and_what_rests_on_them_is_not_checked(own: Any) -> None:
    ws = own.workspace
    two, one = version_of(ws, "coding@2"), version_of(ws, "coding@1")
    weights = two.manifest.adapter["files"]["adapter_model.safetensors"]["sha256"]
    flip(blob_file(ws, weights))
    report = blob_file(ws, one.manifest.report)
    report.write_bytes(get_blob(ws.store, two.manifest.report))
    flip(blob_file(ws, evaluated(ws, "coding@2").body["predictions"]))
    batch = next(e for e in ws.ledger.entries() if e.kind == "BatchAdmitted")
    flip(blob_file(ws, batch.body["blob"]), 3)
    page = blob_file(ws, two.manifest.dossier)
    page.write_text(page.read_text().replace("pass", "Pass", 1))
    rows = verification.verify_version(ws, "coding@2")
    wrong = broken(rows)
    at = evaluated(ws, "coding@2").sequence
    assert {*wrong} == {
        "coding@2: adapter file adapter_model.safetensors",
        "coding@1: report",
        f"coding@2: evaluation, entry {at}: answers",
        f"coding@2: dataset, batch {batch.body['digest'][:12]}",
        f"coding@1: dataset, batch {batch.body['digest'][:12]}",
        "coding@2: dossier",
    }
    assert all("was altered" in why for why in wrong.values())
    resting = {row["check"] for row in rows if "rests on" in row["why"]}
    assert "coding@2: the report follows from the answers" in resting
    assert "coding@2: the dossier follows from all of this" in resting
    assert any(check.endswith("report and policy give the decision") for check in resting)
    done = CliRunner().invoke(app, ["verify", "coding@2", "--workspace", str(ws.root)])
    assert done.exit_code == 1 and isinstance(done.exception, RegistryError)
    assert done.exception.exit_code == 4 and "coding@1: report: " in str(done.exception)


def test_a_manifest_whose_decision_was_flipped(own: Any) -> None:
    ws = own.workspace
    before = version_of(ws, "seriousness@2").manifest
    other = {**before.decision, "outcome": "fail"}
    wrong = broken(
        verification.verify_version(ws, forged(ws, "seriousness@2", decision=other).name, quick=True)
    )
    assert {*wrong} == {"seriousness@3: training, evaluation, registration"}
    told = wrong["seriousness@3: training, evaluation, registration"]
    assert "outcome is fail in the manifest, pass in the ledger" in told


def test_a_manifest_that_names_other_training(own: Any) -> None:
    ws = own.workspace
    one = version_of(ws, "seriousness@1").manifest
    exchanged = forged(ws, "seriousness@2", adapter=dict(one.adapter), dataset=one.dataset)
    wrong = broken(verification.verify_version(ws, exchanged.name, quick=True))
    assert "dataset is" in wrong["seriousness@3: specification fits the manifest"]
    assert "adapter trained is" in wrong["seriousness@3: training, evaluation, registration"]
    orphan = forged(ws, "seriousness@2", parent="0" * 64)
    wrong = broken(verification.verify_version(ws, orphan.name, quick=True))
    assert wrong["000000000000: manifest"] == f"{'0' * 64} is not registered in this ledger"


def test_an_altered_answer_gives_other_numbers(own: Any) -> None:
    ws, entry = own.workspace, evaluated(own.workspace, "coding@2")
    answers = [json.loads(line) for line in get_blob(ws.store, entry.body["predictions"]).splitlines()]
    answers[0].update(answer="", withheld=answers[0]["answer"])
    body = {**entry.body, "predictions": put_blob(ws.store, b"".join(canonical(a) + b"\n" for a in answers))}
    with pytest.raises(RegistryError, match=r"other numbers: .*overall\.results\."):
        recounted.report(ws, dataclasses.replace(entry, body=body))


def test_the_order_of_a_policy_is_none_of_its_stored_form(own: Any) -> None:
    """The file may name its criteria in any order; stored, its keys are sorted."""
    ws, entry = own.workspace, evaluated(own.workspace, "seriousness@2")
    value = json.loads(get_blob(ws.store, entry.body["decision"]))
    turned = {**value, "checks": value["checks"][::-1], "reasons": value["reasons"][::-1]}
    assert turned != value
    body = {**entry.body, "decision": put_blob(ws.store, canonical(turned)), "reasons": turned["reasons"]}
    assert "criteria" in claims.decision(ws, ws.ledger.append("Evaluated", body, actor="x", key="turned"))


def test_a_later_report_that_the_answers_do_not_give(own: Any) -> None:
    """A request names the newest report, so it is counted again like the one that the manifest names."""
    ws, entry = own.workspace, evaluated(own.workspace, "coding@2")
    value = json.loads(get_blob(ws.store, entry.body["report"]))
    value["overall"]["rows"] += 1000
    value["effects"]["results"][0]["model"]["low"] += 0.5
    policy = judging.stored_policy(ws, entry.body["policy"])
    decision = decide(Report.from_json(value), policy.gate, first=False)
    body = {**entry.body, "report": put_blob(ws.store, canonical(value)), "outcome": decision.outcome}
    body["decision"] = put_blob(ws.store, canonical(decision.to_json()))
    later = ws.ledger.append("Evaluated", {**body, "reasons": list(decision.reasons)}, actor="x", key="later")
    assert judging.latest_evaluation(ws, version_of(ws, "coding@2")).entry.digest == later.digest
    where = f"coding@2: evaluation, entry {later.sequence}"
    what, effect = (
        f"{where}: the {part} follows from the answers" for part in ("report", "dictionary's effect")
    )
    wrong = broken(verification.verify_version(ws, "coding@2"))
    assert {*wrong} == {what, effect} and "overall.rows is" in wrong[what]
    assert "another effect: effects.results, 1.model.low is" in wrong[effect]
    quick = {row["check"]: row["holds"] for row in verification.verify_version(ws, "coding@2", quick=True)}
    assert quick[what] == quick[effect] == "not checked"


def reported_so(ws: Any, entry: Any, change: Any) -> Any:
    """An evaluation whose report was changed and whose entry says that another program made it."""
    value = json.loads(get_blob(ws.store, entry.body["report"]))
    change(value)
    body = {**entry.body, "report": put_blob(ws.store, canonical(value)), "program": "0" * 64}
    return dataclasses.replace(entry, body=body)


def test_another_program_leaves_out_fields_and_nothing_that_was_measured(own: Any) -> None:
    ws, entry = own.workspace, evaluated(own.workspace, "coding@2")
    earlier = reported_so(ws, entry, lambda r: [group.pop("intolerable") for group in r["slices"].values()])
    assert "another state of this program made it" in recounted.report(ws, earlier)
    kept = stored.read(ws, entry)
    named = kept.asked, kept.test, kept.answered, kept.named
    before = judging.reported(ws, *named, kept.policy.gate, edition=1).to_json()
    first = reported_so(
        ws, entry, lambda r: [r.pop("edition"), r.update(overall=before["overall"], slices=before["slices"])]
    )
    assert "another state of this program made it" in recounted.report(ws, first)
    for other in (
        dataclasses.replace(first, body={**first.body, "program": entry.body["program"]}),
        reported_so(ws, entry, lambda r: r.pop("edition")),
    ):
        with pytest.raises(RegistryError, match="other numbers"):
            recounted.report(ws, other)
    emptied = reported_so(ws, entry, lambda r: r["slices"].clear())
    with pytest.raises(RegistryError, match=r"other numbers: slices\.\w+ is in one of them only"):
        recounted.report(ws, emptied)
    unmeasured = reported_so(ws, entry, lambda r: r["overall"]["results"].popitem())
    with pytest.raises(RegistryError, match=r"overall\.results\.\w+ is in one of them only"):
        recounted.report(ws, unmeasured)
    made = {"slices": {"death": {"rows": 3, "intolerable": ["a"]}}}
    told = {"slices": {"death": {"rows": 3}}}
    assert differences(told, made, defaults=claims.DEFAULTS)  # what is not tolerated is no field to leave out


def test_what_an_entry_says_beside_its_report(own: Any) -> None:
    ws, entry = own.workspace, evaluated(own.workspace, "coding@2")
    changed = json.loads(get_blob(ws.store, entry.body["changed"]))
    forged = {
        "changed": put_blob(ws.store, canonical({**changed, "wrong": 0, "rows": []})),
        "cases": put_blob(ws.store, canonical([])),
        "uses": entry.body["uses"] + 1,
        "allowed": 99,
        "held_out": "x",
        "seen": entry.body["seen"] + 1,
    }
    with pytest.raises(RegistryError, match="they do not fit") as told:
        recounted.report(ws, dataclasses.replace(entry, body={**entry.body, **forged}))
    assert all(f"{name} is" in str(told.value) for name in forged)
    with pytest.raises(RegistryError, match="reasons is"):
        said = {**entry.body, "reasons": ["all is fine"]}
        claims.decision(ws, ws.ledger.append("Evaluated", said, actor="x", key="said"))
    for name in ("answers", "changed", "cases"):
        body = {field: value for field, value in entry.body.items() if field != name}
        with pytest.raises(RegistryError, match=f"does not say {name}"):
            recounted.report(ws, dataclasses.replace(entry, body=body))
    with pytest.raises(NotChecked):  # as the first programs wrote it
        old = {field: value for field, value in entry.body.items() if field not in ("answers", "program")}
        recounted.report(ws, dataclasses.replace(entry, body=old))


def test_a_baseline_that_answers_worse_than_it_does(own: Any) -> None:
    """A candidate would look better beside it, in a report that follows from what is stored."""
    ws, entry = own.workspace, evaluated(own.workspace, "seriousness@2")
    asked = load_specification(ws, entry.body["specification"])
    gate = judging.stored_policy(ws, entry.body["policy"]).gate
    beside = [version_of(ws, "seriousness@1").manifest.specification]
    _, test = hearing.asked_of(ws, asked, beside, gate)
    blobs = {"candidate": entry.body["predictions"], **entry.body["answers"]}
    named = {name: read_answers(get_blob(ws.store, blob)) for name, blob in blobs.items()}
    turned = {"serious": "non-serious", "non-serious": "serious"}
    worse = [dataclasses.replace(p, score=1 - p.score, answer=turned[p.answer]) for p in named["TF-IDF"]]

    def said(words: list[Any]) -> Any:
        others = {name: found for name, found in named.items() if name != "candidate"}
        made = judging.reported(ws, asked, test, named["candidate"], {**others, "TF-IDF": words}, gate)
        stored = Report.from_json(json.loads(get_blob(ws.store, entry.body["report"])))
        kept = {
            part: getattr(stored, part) for part in ("behaviour", "effects", "unavailable", "uses", "fresh")
        }
        value = canonical(dataclasses.replace(made, **kept).to_json())
        answers = {**entry.body["answers"], "TF-IDF": put_blob(ws.store, lines(words))}
        body = {**entry.body, "report": put_blob(ws.store, value), "answers": answers}
        return dataclasses.replace(entry, body=body)

    assert "numbers from" in recounted.report(ws, said(named["TF-IDF"]))
    with pytest.raises(RegistryError, match="TF-IDF, fitted again, gives other answers"):
        recounted.report(ws, said(worse))


def test_behaviour_is_made_again_from_the_tests_and_replies_that_were_kept(own: Any) -> None:
    ws, entry = own.workspace, evaluated(own.workspace, "coding@2")
    better = json.loads(get_blob(ws.store, entry.body["report"]))
    next(iter(better["behaviour"]["kinds"].values()))["passed"] += 1
    body = {**entry.body, "report": put_blob(ws.store, canonical(better))}
    with pytest.raises(RegistryError, match=r"other numbers: behaviour\.kinds\.\w+\.passed"):
        recounted.report(ws, dataclasses.replace(entry, body=body))
    kept = json.loads(get_blob(ws.store, entry.body["tests"]))
    for change in ({"texts": []}, {"candidate": kept["candidate"][1:]}):
        body = {**entry.body, "tests": put_blob(ws.store, canonical({**kept, **change}))}
        with pytest.raises(RegistryError, match="replies to the behaviour tests are others"):
            recounted.report(ws, dataclasses.replace(entry, body=body))


def test_what_is_not_there_has_a_row(own: Any) -> None:
    ws = own.workspace
    rows = verification.verify_version(ws, forged(ws, "seriousness@2", read=None).name, quick=True)
    found = {row["check"]: row["holds"] for row in rows}
    assert found["seriousness@3: cases that were read"] == "not checked"
    assert found["seriousness@3: loaded for real"] == "not checked"


def test_an_evaluation_beside_nobody_or_another(own: Any) -> None:
    ws, entry = own.workspace, evaluated(own.workspace, "coding@2")
    for references in ({}, {"champion": version_of(ws, "coding@2").digest}):
        body = {**entry.body, "references": references}
        with pytest.raises(RegistryError, match="was not compared with what it should be: references is"):
            recounted.report(ws, dataclasses.replace(entry, body=body))
    raw = json.loads(get_blob(ws.store, entry.body["policy"]))
    metric = next(iter(raw["problems"]["coding"]["non_inferiority"]))
    raw["problems"]["coding"]["anchor"] = {"non_inferiority": {metric: {"margin": 0.1}}}
    body = {**entry.body, "policy": put_blob(ws.store, canonical(raw))}
    with pytest.raises(RegistryError, match="references is"):
        recounted.report(ws, dataclasses.replace(entry, body=body))


def test_a_decision_that_report_and_policy_do_not_give(own: Any) -> None:
    ws, entry = own.workspace, evaluated(own.workspace, "seriousness@2")
    judged = judging.evaluation(ws, entry.key).decision.to_json()
    judged["outcome"] = "inconclusive"
    body = {**entry.body, "decision": put_blob(ws.store, canonical(judged)), "outcome": "inconclusive"}
    ws.ledger.append("Evaluated", body, actor="x", key="forged")
    wrong = broken(verification.verify_version(ws, "seriousness@2", quick=True))
    (check,) = wrong
    assert check.endswith("report and policy give the decision")
    assert "give pass, the decision says inconclusive" in wrong[check]


def test_a_dossier_that_was_edited_and_entered_anew(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = own.workspace
    page = get_blob(ws.store, version_of(ws, "seriousness@2").manifest.dossier).decode()
    page = page.replace("seriousness@2", "seriousness@3")
    rows = version_of(ws, "seriousness@2").manifest.decision["checks"][0]["support"]
    reworded = page.replace("Intended use and limits", "What it is for", 1)
    edited = page.replace(f">{rows}<", f">{rows + 1000}<", 1)
    assert reworded != page and edited != page
    third, fourth = (
        forged(ws, "seriousness@2", dossier=put_blob(ws.store, p.encode())) for p in (reworded, edited)
    )
    with pytest.raises(RegistryError, match=r"differs in .*What it is for"):
        claims.dossier(ws, third)
    # A later program may word it anew, and says the same numbers.
    monkeypatch.setattr(claims, "program_digest", lambda: "0" * 64)
    assert "numbers, digests and outcomes are the same" in claims.dossier(ws, third)
    with pytest.raises(RegistryError, match=str(rows + 1000)):
        claims.dossier(ws, fourth)


@pytest.mark.parametrize("signed", [True, False])
def test_a_switch_without_a_valid_approval(own: Any, tmp_path: Path, signed: bool) -> None:
    """Entries written past the door: an approval by a stranger's key, or none at all."""
    ws = own.workspace
    asked = approval.request(ws, "coding@previous", "rollback")
    request = ws.ledger.entries()[asked.sequence - 1]
    reference = {"sequence": request.sequence, "digest": request.digest}
    given = []
    if signed:
        key = tmp_path / "stranger"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        last = next(e for e in reversed(ws.ledger.entries()) if e.kind == "Approved").body
        statement = signing.statement(request, "approve", last["name"], "as tested", last["principal"])
        answer = {**last, "request": reference, "version": request.body["version"], "reason": "as tested"}
        answer["signature"] = signing.sign(statement, key)
        entry = ws.ledger.append("Approved", answer, actor="x")
        given = [{"sequence": entry.sequence, "digest": entry.digest}]
    body = {
        name: request.body[name] for name in ("problem", "name", "version", "expected", "report", "policy")
    }
    body |= {"asked": request.key, "request": reference, "signatures": len(given), "approvals": given}
    switch = ws.ledger.append("RolledBack", body, actor="x", key=request.digest)
    wrong = broken(verification.verify_version(ws, "coding@1", quick=True))
    assert {*wrong} == {f"coding@1: signatures of its switch, entry {switch.sequence}"}
    said = "not accepted" if signed else "0 of 1 signatures"
    assert said in next(iter(wrong.values()))
    with pytest.raises(SignatureRefused, match=said):
        scoring.trusted(ws, "coding@champion")


def test_a_switch_that_is_not_what_was_asked_for(own: Any) -> None:
    ws = own.workspace
    state = ws.ledger.state()
    switch = state.history("coding")[-1]
    told = {"name": "coding@7", "report": "0" * 64, "policy": "1" * 64, "asked": "x"}
    other = dataclasses.replace(switch, body={**switch.body, **told})
    with pytest.raises(RegistryError, match="says another name, report, policy, asked than was asked for"):
        verification._door(ws, state, other)


def test_another_commitment_than_the_ledgers(own: Any) -> None:
    version = version_of(own.workspace, "seriousness@2")
    read = {**version.manifest.read, "root": "0" * 64}
    other = dataclasses.replace(version, manifest=dataclasses.replace(version.manifest, read=read))
    with pytest.raises(RegistryError, match="cases that were read is"):
        claims.records(own.workspace, other)


def test_a_checkpoint_shows_what_was_cut_off(own: Any, tmp_path: Path) -> None:
    ws, key, kept = own.workspace, tmp_path / "key", tmp_path / "kept"
    signing.make_key(key, "keeper@example.org", tmp_path / "signers")
    line = (tmp_path / "signers").read_text().replace("pv-approval", "pv-checkpoint")
    ws.keys.allowed_signers.write_text(ws.keys.allowed_signers.read_text() + line)
    kept.write_text(str(checkpoints.make(ws, key, "keeper@example.org")))
    command = ["verify", "seriousness@1", "--quick", "--checkpoint", str(kept), "-w", str(ws.root), "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0 and "signed by keeper@example.org" in done.stdout
    last = ws.ledger.entries()[-1]
    Path(ws.root, ".pv", "store", "ledger", f"{last.sequence:012d}").unlink()
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, RegistryError) and done.exception.exit_code == 4
    assert "they were cut off at the end" in str(done.exception)
