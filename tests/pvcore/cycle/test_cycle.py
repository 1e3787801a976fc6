"""The steps of two updates: each done once, nothing guessed, nothing dropped, every refusal with its reason."""

from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvcore.cli import registry
from pvcore.config import open_workspace
from pvcore.cycle import (
    approval,
    arrivals,
    building,
    candidate,
    claims,
    data,
    dictionaries,
    forms,
    inbox,
    judging,
    lineage,
    migration,
    overview,
    registration,
    releases,
    scoring,
    verification,
)
from pvcore.errors import GateError, NotFound, PvError, RegistryError, SignatureRefused, TrainingError
from pvcore.inference import word_weights, wordings
from pvcore.inference.card import Card
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.names import resolve
from pvcore.registry.version import fetch_adapter
from pvcore.registry.version import register as enter


def _kinds(told: Any) -> list[str]:
    return [entry.kind for entry in told.workspace.ledger.entries()]


def test_the_ledger_tells_the_whole_story(told: Any) -> None:
    kinds = told.kinds
    assert {k: kinds.count(k) for k in sorted(set(kinds))} == {
        "AlreadyAdmitted": 1,
        "Approved": 4,
        "ApprovalRequested": 4,
        "BatchAdmitted": 4,
        "DatasetBuilt": 2,
        "DictionaryAdopted": 2,
        "Evaluated": 4,
        "Migrated": 1,
        "Promoted": 4,
        "Quarantined": 2,
        "Registered": 4,
        "ReleaseAdmitted": 2,
        "Trained": 4,
    }


def test_doing_every_step_again_writes_nothing(told: Any) -> None:
    ws, before = told.workspace, len(told.workspace.ledger.entries())
    told.admit()
    migrated = migration.migrate(ws, "90.1")
    releases.adopt(ws, "90.1", migrated.mappings)
    again = building.build_dataset(ws, "90.1", migrated.mappings)
    assert again and again.digest == told.town.entries("DatasetBuilt")[-1].key
    for specification in told.specifications.values():
        candidate.train(ws, specification)
        registration.register(ws, specification, judging.evaluate(ws, specification))
    assert len(ws.ledger.entries()) == before


def test_quarantine_keeps_the_object_and_names_every_fault(told: Any) -> None:
    ws = told.workspace
    reports = [e.body for e in ws.ledger.entries() if e.kind == "Quarantined"]
    assert {body["object"]["key"] for body in reports} == {
        "inbox/meddra/truncated.zip",
        "inbox/annotations/wrong.meddra-90.1.json",
    }
    wrong = next(body for body in reports if "wrong" in body["object"]["key"])
    report = json.loads(ws.store.get(wrong["report"]))
    assert len(report["faults"]) == wrong["faults"] == 2
    assert [fault["where"][:6] for fault in report["faults"]] == ["task 1", "task 2"]
    folder = wrong["report"].rpartition("/")[0]
    assert ws.store.get(f"{folder}/object/wrong.meddra-90.1.json") == ws.store.get(wrong["object"]["key"])


def test_the_same_batch_under_another_name_is_taken_once(told: Any) -> None:
    (again,) = [o for o in told.outcomes if o.kind == "AlreadyAdmitted"]
    assert again.key == "inbox/annotations/renamed.xml"
    assert "second.xml" in again.line


def test_every_coded_row_is_in_exactly_one_class(told: Any) -> None:
    (entry,) = [e for e in told.workspace.ledger.entries() if e.kind == "Migrated"]
    assert sum(entry.body["counts"].values()) == entry.body["rows"] > 300
    assert entry.body["counts"]["unchanged"] > 0 < entry.body["counts"]["recoded"]
    assert "new LLTs" in told.difference or "New LLTs" in told.difference


def test_the_champion_has_a_say_in_suggestions_and_only_there(told: Any) -> None:
    """The second update asked the coding champion; what needs review has suggestions of the new release."""
    from pvcore.meddra.mapping import Migration

    ws = told.workspace
    nearest = migration._nearest(ws)
    assert nearest is not None
    terms = dictionaries.load_dictionary(ws, "90.1").current_llts()
    found = nearest(["heart pain", "liver pain"], terms)
    assert [len(codes) for codes in found] == [5, 5] and set(found[0]) <= set(terms["llt_code"])
    entry = next(e for e in ws.ledger.entries() if e.kind == "Migrated")
    work = Migration.from_json(get_blob(ws.store, entry.body["mapping"])).work_list()
    assert all(set(codes) <= set(terms["llt_code"]) for codes in work["suggestions"])


def test_coded_labels_are_those_of_the_adopted_version(told: Any) -> None:
    from pvcore.annotations.coded import COLUMNS

    labels = migration.coded_labels(told.workspace, "90.1")
    assert labels is not None and tuple(labels.columns) == COLUMNS
    assert labels["row_id"].is_unique and (labels["meddra_version"] == "90.1").all()
    dictionary = dictionaries.load_dictionary(told.workspace, "90.1")
    assert labels["llt_code"].map(dictionary.is_current).all() and (labels["verbatim"] != "").all()
    assert migration.coded_labels(told.workspace, "90.0") is None


def test_a_held_out_case_stays_held_out(told: Any) -> None:
    from pvcore.annotations.dataset import load

    first, second = [e.body["dataset"] for e in told.workspace.ledger.entries() if e.kind == "DatasetBuilt"]
    before = load(told.workspace.store, first).cases.set_index("case_id")["split"]
    after = load(told.workspace.store, second).cases.set_index("case_id")["split"]
    held = before[before != "train"]
    assert len(held) > 50
    assert (after[held.index] != "train").all()
    assert len(after) > len(before)


def test_training_never_sees_a_held_out_cluster(told: Any) -> None:
    for problem, specification in told.specifications.items():
        asked = candidate.load_specification(told.workspace, specification)
        found = data.examples(told.workspace, problem, asked.dataset)
        held = {e.cluster for split in ("tune", "test") for e in found[split]}
        assert held and not held & {e.cluster for e in found["train"]}


def test_the_second_version_continues_the_first_with_replay(told: Any) -> None:
    bodies = [e.body for e in told.workspace.ledger.entries() if e.kind == "Trained"]
    for body in bodies[2:4]:
        asked = candidate.load_specification(told.workspace, body["specification"])
        assert asked.parent is not None
        assert 0 < body["replayed"] <= body["new_rows"]
    assert all(body["replayed"] == 0 for body in bodies[:2])


def test_both_models_are_judged_on_the_same_cases_in_the_new_dictionary(told: Any) -> None:
    entry = [e for e in told.workspace.ledger.entries() if e.kind == "Evaluated"][-2]
    judged = judging.evaluation(told.workspace, entry.key)
    assert "champion" in judged.report.references and "TF-IDF" in judged.report.references
    assert judged.decision.first is False


def test_new_terms_are_a_slice_of_the_coding_problem(told: Any) -> None:
    asked = candidate.load_specification(told.workspace, told.specifications["coding"])
    fresh = data.new_terms(told.workspace, asked.dataset)
    found = data.examples(told.workspace, "coding", asked.dataset)
    marked = {e.label for e in found["train"] if "new_terms" in e.slices}
    assert marked and marked <= fresh


def test_an_update_knows_the_wordings_of_all_batches_with_their_migrated_codes(
    told: Any, tmp_path: Path
) -> None:
    ws = told.workspace
    version = resolve(ws.store, ws.ledger, "coding@2")
    asked = candidate.load_specification(ws, version.manifest.specification)
    rows = data.examples(ws, "coding", asked.dataset, asked.settings)["train"]
    folder = fetch_adapter(ws.store, version, tmp_path / "adapter")
    kept = wordings.load(folder, Card.read(folder).wordings)
    assert kept is not None
    assert list(kept.codes) == [code for _, code in wordings.distinct(rows)]
    assert asked.parent and {*kept.codes} <= {*data.terms(ws, asked)["llt_code"]}
    assert {e.case_id for e in rows} <= lineage.read(ws, version.manifest.specification)


def test_the_same_cases_scored_twice_are_the_same_bytes(told: Any) -> None:
    ws = told.workspace
    batch = arrivals.load_batch(ws, "inbox/annotations/second.xml")
    first, second = (scoring.score(ws, "seriousness@champion", batch)[1] for _ in range(2))
    assert first == second and len(first) == len(batch.cases)
    assert {p.version for p in first} == {"seriousness@2"}
    # Which criteria a version answers is what its cases showed: these hold the commoner ones.
    answered = {tuple(name for name, _ in p.criteria) for p in first}
    assert len(answered) == 1 and {"death", "hospitalisation", "other"} <= {*answered.pop()}
    table = scoring.score_batch(ws, "seriousness@champion", "inbox/annotations/second.xml").markdown
    assert "| example | answer | confidence | score | guardrails | criteria met |" in table
    coded = scoring.score(ws, "coding@champion", batch)[1]
    assert {p.dictionary for p in coded} == {"90.1"}
    assert list((ws.state / "vectors").glob("*.npz"))
    assert scoring.score(ws, "coding@champion", batch)[1] == coded  # from the vectors that were kept
    assert all(p.confidence is not None and p.guardrails for p in (*first, *coded))


def test_who_asks_a_coding_model_finds_the_vectors_that_its_training_left(told: Any) -> None:
    """Under the same name: had anybody looked under another, a file of that name would be there too."""
    ws = told.workspace
    runs = [e.body for e in ws.ledger.entries() if e.kind == "Trained" and e.body["problem"] == "coding"]
    bases = [candidate.load_specification(ws, run["specification"]).settings["base"] for run in runs]
    left = {
        candidate._vectors(run["files"], base, run["environment"], False)
        for run, base in zip(runs, bases, strict=True)
    }
    there = {file.stem for file in (ws.state / "vectors").glob("*.npz")}
    assert there and there <= left


def test_a_person_reads_terms_by_their_names_and_pts(
    told: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ws = told.workspace
    monkeypatch.setattr("pvcore.cli.output.console.width", 900, raising=False)
    dictionary = dictionaries.load_dictionary(ws, "90.1")
    page = scoring.score_batch(ws, "coding@champion", "inbox/annotations/second.xml").markdown
    batch = arrivals.load_batch(ws, "inbox/annotations/second.xml")
    codes = [p.answer for p in scoring.score(ws, "coding@champion", batch)[1]][:20]
    assert all(f"| {dictionary.described(code)} |" in page for code in codes if code)
    below = next(code for code in codes if code and dictionary.pt_of(code) != code)
    assert f"(PT {dictionary.pt_of(below)} " in page
    assert scoring.in_words(f"{codes[0]} {below}", dictionary).count("; ") == 1
    registry.predict("coding@champion", told.town.arrivals / "second.xml", workspace=ws.root)
    printed = capsys.readouterr().out
    assert "predictions of coding@2, MedDRA 90.1" in printed and dictionary.described(below) in printed


def test_the_policy_of_the_workspace_withholds(own: Any, tmp_path: Path) -> None:
    ws = own.workspace
    batch = arrivals.load_batch(ws, "inbox/annotations/second.xml")
    free = {p.example_id: p for p in scoring.score(ws, "seriousness@champion", batch)[1]}
    limit = sorted(p.confidence for p in free.values())[len(free) // 2]
    policy = ws.root / "recipes" / "policy.yaml"
    asked = {**yaml.safe_load(policy.read_text()), "guardrails": {"abstain_below": {"seriousness": limit}}}
    policy.write_text(yaml.safe_dump(asked))
    held = scoring.score(ws, "seriousness@champion", batch)[1]
    assert {p.example_id for p in held if not p.answer} == {
        n for n, p in free.items() if p.confidence < limit
    }
    assert all(p.said == free[p.example_id].answer for p in held)
    scored = scoring.score_batch(ws, "seriousness@champion", "inbox/annotations/second.xml")
    entry = own.town.entries("Scored")[-1].body
    assert 0 < entry["withheld"] == sum(not p.answer for p in held) < entry["rows"]
    assert f"{entry['withheld']} withheld for a person" in scored.markdown and "*withheld*" in scored.markdown


def test_an_evaluation_holds_what_the_confidence_is_worth(told: Any) -> None:
    for name in ("seriousness@2", "coding@2"):
        judged = judging.latest_evaluation(
            told.workspace, resolve(told.workspace.store, told.workspace.ledger, name)
        )
        found, results = judged.report.reliability, judged.report.overall.results
        assert found.coverage == results["coverage"].candidate.value == 1.0
        assert found.calibration_error == results["calibration_error"].candidate.value
        assert results["calibration_error"].against["champion"].reference.value is not None


def test_words_beside_a_network_are_of_all_rows_and_stand_in_record_and_dossier(told: Any) -> None:
    """A run on few rows that weighs the words of many is told to have read them."""
    ws = told.workspace
    trained = ws.ledger.find("Trained", told.specifications["seriousness"]).body
    assert word_weights.FILE in trained["files"]
    asked = candidate.load_specification(ws, trained["specification"])
    rows = data.examples(ws, "seriousness", asked.dataset, asked.settings)["train"]
    read = json.loads(get_blob(ws.store, trained["consumed"]))
    assert {row.case_id for row in rows} <= {*read} and trained["rows"] < len(rows)
    page = get_blob(ws.store, overview.version_page(ws, "seriousness@2")["dossier"]).decode()
    assert "rows whose words are weighed beside the network" in page
    assert trained["words"]["rows"] == len(rows) and 0 < trained["words"]["share"] < 1


def test_criteria_are_measured_and_stand_in_the_dossier(told: Any) -> None:
    entries = told.workspace.ledger.entries()
    entry = [e for e in entries if e.kind == "Evaluated" and e.body["problem"] == "seriousness"][1]
    results = judging.evaluation(told.workspace, entry.key).report.overall.results
    hospital = results["hospitalisation_average_precision"]
    assert hospital.support >= 5 and hospital.candidate.value is not None
    assert hospital.against["TF-IDF"].reference.value is not None
    assert results["hospitalisation_recall"].against["champion"].reference.value is not None
    page = get_blob(told.workspace.store, overview.version_page(told.workspace, "seriousness@2")["dossier"])
    assert b"The seriousness criteria (ICH E2B(R3) E.i.3.2)" in page


def test_a_worker_trains_with_as_many_processes_as_its_settings_say(
    told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(processes: int, *_: Any, **__: Any) -> None:
        raise TrainingError(f"asked for {processes}")

    monkeypatch.setattr("pvcore.training.job.train_with", asked)
    three = told.workspace.settings.model_copy(update={"processes": 3})
    with pytest.raises(TrainingError, match="asked for 3"):
        candidate.train(
            dataclasses.replace(told.workspace, settings=three),
            told.specifications["seriousness"],
            rebuild=True,
        )


def test_rollback_takes_the_same_door(told: Any) -> None:
    ws = told.workspace
    for expected in ("coding@1", "coding@2"):
        request = approval.request(ws, "coding@previous", "rollback")
        assert request.version == expected
        assert told.sign(request).switched
        assert ws.ledger.state().champion("coding") == candidate.champion_of(ws, "coding").digest
    assert candidate.champion_of(ws, "coding").name == "coding@2"


def _request(told: Any) -> approval.Request:
    return approval.request(told.workspace, "seriousness@previous", "rollback")


@pytest.fixture
def other_key(tmp_path: Path) -> Path:
    key = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    return key


def test_the_commands_of_the_form_can_be_copied(own: Any) -> None:
    ws = own.workspace
    form = forms.form_markdown(ws, approval.request(ws, "seriousness@1", "rollback"))
    (sign,) = (line for line in form.splitlines() if line.startswith("    pv sign"))
    (dossier,) = (line.partition("`")[2].rstrip("`") for line in form.splitlines() if "dossier.html" in line)
    assert " " in str(ws.root)
    assert [shlex.split(command)[-1] for command in (sign, dossier)] == [str(ws.root)] * 2


def test_a_foreign_key_is_refused(told: Any, other_key: Path) -> None:
    outcome = told.sign(_request(told), key=other_key)
    assert not outcome.final and "Refused" in outcome.line


def test_a_signature_for_other_words_is_refused(told: Any) -> None:
    request = _request(told)
    words = {"decision": "approve", "name": told.town_signer}
    signature = approval.sign(told.workspace, request, **words, reason="as signed", key=told.town.key)
    outcome = approval.decide(told.workspace, request, **words, reason="as typed", signature=signature)
    assert not outcome.final and "differs from what was signed" in outcome.line


def test_a_signature_that_rejects_does_not_approve(told: Any) -> None:
    request = _request(told)
    signature = approval.sign(
        told.workspace, request, decision="reject", name=told.town_signer, reason="no", key=told.town.key
    )
    outcome = told.sign(request, signature=signature, reason="no")
    assert not outcome.final and not outcome.switched


def test_a_stranger_and_a_wrong_role_are_refused(told: Any, other_key: Path) -> None:
    request = _request(told)
    outcome = told.sign(request, name="nobody@example.org", signature="U1NIU0lHAAAA")
    assert "is no signer" in outcome.line
    keys = told.workspace.keys.allowed_signers
    kept, public = keys.read_text(), other_key.with_suffix(".pub").read_text()
    try:
        keys.write_text(f'{kept}trainee@example.org namespaces="pv-approval" {public}')
        outcome = told.sign(request, name="trainee@example.org", key=other_key)
        assert not outcome.final and "trainee" in outcome.line
    finally:
        keys.write_text(kept)


def test_a_revoked_key_is_refused(told: Any) -> None:
    revoked = told.workspace.root / "revoked_keys"
    revoked.write_text(told.town.key.with_suffix(".pub").read_text())
    try:
        outcome = told.sign(_request(told))
        assert not outcome.final and "revoked" in outcome.line
        with pytest.raises(SignatureRefused, match="revoked"):
            scoring.trusted(told.workspace, "seriousness@champion")
    finally:
        revoked.unlink()


def test_a_policy_changed_after_the_request_is_refused(told: Any) -> None:
    request = _request(told)
    policy = told.workspace.root / "recipes" / "policy.yaml"
    kept = policy.read_text()
    try:
        policy.write_text(kept.replace("resamples: 200", "resamples: 201"))
        outcome = told.sign(request)
        assert not outcome.final and "policy" in outcome.line
    finally:
        policy.write_text(kept)


def test_a_recipe_may_start_every_update_from_the_base(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ws, dataset = own.workspace, own.town.entries("DatasetBuilt")[-1].key
    file = ws.root / "recipes" / "seriousness.yaml"
    text = yaml.safe_load(file.read_text())
    champion = candidate.champion_of(ws, "seriousness")
    for start, parent in (("champion", champion and champion.digest), ("base", None)):
        file.write_text(yaml.safe_dump(text | {"mixture": {**(text.get("mixture") or {}), "start": start}}))
        # The champion was trained on this dataset: nothing to learn, however an update would start.
        assert candidate.specify(ws, "seriousness", dataset) is None
        with monkeypatch.context() as more:
            more.setattr(candidate, "fresh_rows", lambda *_, **__: ["a row"])
            asked = candidate.specify(ws, "seriousness", dataset)
        assert asked and candidate.load_specification(ws, asked).parent == parent


def test_of_two_candidates_at_once_each_is_called_what_its_documents_say(
    own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another candidate is registered while the dossier of this one is written."""
    at = resolve(own.workspace.store, own.workspace.ledger, "seriousness@2")
    judged = claims.evaluated(own.workspace, at)
    registered = own.workspace.ledger.state().version(at.digest)
    for file in sorted((own.workspace.root / ".pv" / "store" / "ledger").iterdir())[
        registered.sequence - 1 :
    ]:
        file.unlink()
    ws, commit = open_workspace(own.workspace.root), registration.absence.commit

    def overtaken(workspace: Any, name: str) -> Any:
        monkeypatch.setattr(registration.absence, "commit", commit)
        fields = {field: getattr(at.manifest, field) for field in at.manifest.__slots__}
        other = put_blob(ws.store, b"another specification")
        enter(ws.store, open_workspace(ws.root).ledger, {**fields, "specification": other}, "trainer")
        return commit(workspace, name)

    monkeypatch.setattr(registration.absence, "commit", overtaken)
    assert registration.register(ws, at.manifest.specification, judged.key) == "seriousness@3"
    version = resolve(ws.store, ws.ledger, "seriousness@3")
    assert claims.dossier(ws, version) == "the same bytes, written again"
    assert b"seriousness@3" in get_blob(ws.store, version.manifest.beside["README.md"]["sha256"])


def test_a_changed_policy_is_judged_anew_and_a_rejection_stands(own: Any) -> None:
    """Adding a signer must not strand a candidate for ever; a rejected one is not asked about again unasked."""
    ws = own.workspace
    specification = candidate.specify(
        ws, "seriousness", own.town.entries("DatasetBuilt")[-1].key, scratch=True
    )
    name = registration.register(ws, specification, judging.evaluate(ws, specification))
    assert not judging.stale(ws, name) and approval.standing(ws, name) == ""
    policy = ws.root / "recipes" / "policy.yaml"
    kept = policy.read_text()
    policy.write_text(kept + "- {name: New, principal: new@example.org, roles: [safety-physician]}\n")
    with pytest.raises(GateError, match="Evaluate the candidate again"):
        approval.request(ws, name, "promote")
    assert judging.stale(ws, name)
    judging.evaluate(ws, specification)
    assert not judging.stale(ws, name)
    request = approval.request(ws, name, "promote")
    assert own.sign(request, decision="reject", reason="too small").final
    assert "too small" in approval.request(ws, name, "promote").closed
    assert "too small" in approval.standing(ws, name)
    assert not approval.request(ws, name, "promote", "second look").closed


def test_the_first_of_two_signatures_is_taken(own: Any) -> None:
    ws, policy = own.workspace, own.workspace.root / "recipes" / "policy.yaml"
    kept = policy.read_text()
    policy.write_text(kept.replace("signatures: 1", "signatures: 2"))
    outcome = own.sign(approval.request(ws, "seriousness@previous", "rollback"))
    assert outcome.accepted and not outcome.final and "1 of 2" in outcome.line
    # A stricter policy asks for more from now on; who is champion already stays it.
    assert scoring.trusted(ws, "seriousness@champion").name == "seriousness@2"


def test_a_switch_that_cites_anothers_approval_is_found(own: Any) -> None:
    """A forged entry: the chain holds, but what was signed was another version."""
    ws = own.workspace
    genuine = [e for e in ws.ledger.entries() if e.kind == "Promoted" and e.body["problem"] == "coding"][-1]
    other = ws.ledger.state().versions("coding")[0].body["version"]
    ws.ledger.append(
        "Promoted", {**genuine.body, "version": other, "name": "coding@1"}, actor="x", key="forged"
    )
    rows = verification.verify_version(ws, "coding@1")
    (wrong,) = [row["check"] for row in rows if row["holds"] == "no"]
    assert wrong.startswith("coding@1: signatures of its switch")
    with pytest.raises(RegistryError, match="switches to another version"):
        scoring.trusted(ws, "coding@champion")


@pytest.mark.parametrize("part", ["cases", "labels", "open"])
def test_verify_finds_altered_data(own: Any, part: str) -> None:
    ws = own.workspace
    manifest = json.loads(ws.store.get(f"blobs/sha256/{overview.version_page(ws, 'coding@2')['dataset']}"))
    file = Path(ws.root, ".pv", "store", "blobs", "sha256", manifest[part])
    kept = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(kept + b" ")
    wrong = [row["check"] for row in verification.verify_version(ws, "coding@2") if row["holds"] == "no"]
    assert wrong == [f"coding@2: dataset, {part}"]


def test_what_was_quarantined_is_looked_at_again(own: Any) -> None:
    """A release whose password was missing: the same bytes must get another chance."""
    ws = own.workspace
    keys = inbox.put(ws, "meddra", [own.town.arrivals / "truncated.zip"])
    assert keys == ["inbox/meddra/truncated-1.zip"]
    assert [found.key for found in inbox.look(ws, "meddra")] == keys
    for name, version, says in (
        (".hidden.json", None, "pass over"),
        ("a.part", None, "pass over"),
        ("a.json", "x", "29.0"),
    ):
        file = own.town.arrivals / name
        file.write_text("[]")
        with pytest.raises(PvError, match=says):
            inbox.put(ws, "annotations", [file], version)


def test_labels_never_go_back_to_an_older_release(own: Any) -> None:
    ws = own.workspace
    assert releases.newest_release(ws, "90.0") == "90.1"
    assert releases.newest_release(ws) == "90.1"
    before = _kinds(own)
    releases.adopt(ws, "90.0", [])  # adopted once, long ago: nothing happens
    assert releases.adopted_version(ws) == "90.1" and _kinds(own) == before


def test_a_release_is_overdue_from_its_due_date_on(told: Any) -> None:
    ws = told.workspace
    adopted = date.fromisoformat(told.town.entries("DictionaryAdopted")[-1].time[:10])
    due = next(
        d for d in (date(y, m, 1) for y in (adopted.year, adopted.year + 1) for m in (3, 9)) if d > adopted
    )
    if due - adopted > releases.EARLY:
        assert releases.newest_release(ws, today=due - timedelta(days=1)) == "90.1"
        assert releases.newest_release(ws, today=due) is None
    assert releases.newest_release(ws, today=due + timedelta(days=200)) is None
    assert releases.last_due(date(2026, 2, 28)) == date(2025, 9, 1)
    assert releases.last_due(date(2026, 3, 1)) == date(2026, 3, 1)


def test_a_dataset_that_another_run_built_meanwhile_is_not_lost(told: Any, monkeypatch: Any) -> None:
    """Two runs take the same batches: whoever comes second builds on what the first one made."""
    ws, count = told.workspace, _kinds(told).count("DatasetBuilt")
    real, calls = building._build_dataset, []

    def overtaken(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise building._Overtaken("by the other run")
        return real(*arguments)

    monkeypatch.setattr(building, "_build_dataset", overtaken)
    built = building.build_dataset(ws, "90.1", [])
    assert built and len(calls) == 2 and _kinds(told).count("DatasetBuilt") == count


def test_what_never_was_champion_cannot_be_rolled_back_to(told: Any) -> None:
    with pytest.raises((NotFound, RegistryError)):
        approval.request(told.workspace, "coding@7", "rollback")
