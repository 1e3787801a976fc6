"""`pv audit` and `pv reproduce`, asked of a town after two updates as an auditor would."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pvcore.annotations import dataset as datasets
from pvcore.cli import app
from pvcore.config import open_workspace
from pvcore.cycle import absence, arrivals, bases, candidate, lineage, rebuilding, retention, scoring
from pvcore.cycle.verification import verify_version
from pvcore.errors import CaseWasRead, InputError, LedgerBroken, NotFound, PvError, RegistryError
from pvcore.records import canonical, digest
from pvcore.registry.blobs import get_blob
from pvcore.registry.names import resolve
from pvcore.training import pretraining
from pvcore.training.train import TrainResult

VERSION = "seriousness@2"
BATCH = "inbox/annotations/second.xml"


def pv(*arguments: Any) -> tuple[Any, PvError | None]:
    """What a command prints as JSON, and the error that it ends with, if any."""
    done = CliRunner().invoke(app, [str(argument) for argument in (*arguments, "--json")])
    if done.exception and not isinstance(done.exception, PvError):
        raise done.exception
    return json.loads(done.stdout) if done.stdout else None, done.exception


@pytest.fixture(scope="module")
def scored(told: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A copy of the town with a batch scored by both champions."""
    root = tmp_path_factory.mktemp("audited") / "town"
    shutil.copytree(told.workspace.root, root)
    ws = open_workspace(root)
    for problem in ("seriousness", "coding"):
        scoring.score_batch(ws, f"{problem}@champion", BATCH)
    return ws


@pytest.fixture
def town(scored: Any, tmp_path: Path) -> Any:
    """A town of a test's own, to damage."""
    shutil.copytree(scored.root, tmp_path / "town")
    return open_workspace(tmp_path / "town")


def cases_of(ws: Any, split: str) -> set[str]:
    table = datasets.load(ws.store, resolve(ws.store, ws.ledger, VERSION).manifest.dataset).cases
    return set(table.loc[table["split"] == split, "case_id"])


def test_what_was_read_is_trained_on_fitted_on_and_the_ancestors(scored: Any) -> None:
    manifest = resolve(scored.store, scored.ledger, VERSION).manifest
    trained = scored.ledger.find("Trained", manifest.specification).body
    consumed, fitted = (set(json.loads(get_blob(scored.store, trained[n]))) for n in ("consumed", "fitted"))
    assert consumed and consumed <= fitted and fitted & cases_of(scored, "tune")
    assert not consumed & cases_of(scored, "tune") and not fitted & cases_of(scored, "test")
    read = lineage.read(scored, manifest.specification)
    before = resolve(scored.store, scored.ledger, str(manifest.parent)).manifest
    assert read == fitted | lineage.read(scored, before.specification)
    assert manifest.read["records"] == len(read)


def test_absence_of_a_held_out_case_is_proved_and_checked_far_from_the_registry(
    scored: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, file = min(cases_of(scored, "test")), tmp_path / "proof.json"
    told, error = pv("audit", "absent", case, VERSION, "--out", file, "-w", scored.root, "--likeness", 0.0)
    assert error is None and told["proof"]["claim"] == "absent"
    assert case not in {row["case"] for row in told["near"]} and "not a proof" in told["compared"]
    assert [row["likeness"] for row in told["near"]] == sorted(
        (r["likeness"] for r in told["near"]), reverse=True
    )
    monkeypatch.chdir(tmp_path)
    checked, error = pv("audit", "check", file)
    assert error is None and (checked["claim"], checked["case"]) == ("absent", case)
    assert checked["entry"]["digest"] in {entry.digest for entry in scored.ledger.entries()}
    written = json.loads(file.read_text())
    assert "near" not in written  # a proof goes out; the neighbours' ids do not
    file.write_text(json.dumps({**written, "proof": {**written["proof"], "case": "another"}}))
    _, error = pv("audit", "check", file)
    assert isinstance(error, RegistryError) and "proves nothing" in str(error)
    file.write_text("{")
    assert isinstance(pv("audit", "check", file)[1], RegistryError)


def test_a_case_that_was_read_cannot_be_taken_for_absent(scored: Any, tmp_path: Path) -> None:
    for split in ("train", "tune"):
        case, file = min(cases_of(scored, split)), tmp_path / f"{split}.json"
        told, error = pv("audit", "absent", case, VERSION, "--out", file, "-w", scored.root)
        assert isinstance(error, CaseWasRead) and error.exit_code == 9 and told["proof"]["claim"] == "present"
        checked, error = pv("audit", "check", file)
        assert isinstance(error, CaseWasRead) and checked["claim"] == "present"


def test_an_id_that_was_mistyped_is_told_beside_its_absence(scored: Any) -> None:
    case = min(cases_of(scored, "train"))
    for asked in (f"{case} ", case.upper()):
        told, error = pv("audit", "absent", asked, VERSION, "-w", scored.root)
        assert error is None and told["proof"]["claim"] == "absent"
        assert f"MISTYPED? Read was {case!r}" in told["compared"]
    assert "MISTYPED" not in pv("audit", "absent", "EU-999", VERSION, "-w", scored.root)[0]["compared"]


def test_the_same_words_under_another_id_are_found(scored: Any, tmp_path: Path) -> None:
    table = datasets.load(scored.store, resolve(scored.store, scored.ledger, VERSION).manifest.dataset).cases
    known = table[table["case_id"] == min(cases_of(scored, "train"))].iloc[0]
    text = tmp_path / "text.txt"
    text.write_text(known["narrative"].upper())
    told, error = pv("audit", "absent", "EU-999", VERSION, "--text", text, "-w", scored.root)
    assert error is None and told["near"][0] == {
        "case": known["case_id"],
        "likeness": 1.0,
        "same words": "yes",
    }
    told, _ = pv("audit", "absent", "EU-999", VERSION, "-w", scored.root)
    assert told["near"] == [] and "not looked for" in told["compared"]


def test_a_commitment_that_training_did_not_make_is_found(town: Any) -> None:
    blob = town.ledger.find("Trained", resolve(town.store, town.ledger, VERSION).manifest.specification).body
    file = town.root / ".pv/store/blobs/sha256" / blob["fitted"]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes().replace(b'","', b'x","', 1))
    assert isinstance(pv("audit", "absent", "EU-999", VERSION, "-w", town.root)[1], RegistryError)
    rows, error = pv("verify", VERSION, "-w", town.root)
    wrong = [row["check"] for row in rows if row["holds"] != "yes"]
    assert isinstance(error, LedgerBroken) and f"{VERSION}: cases that were read" in wrong


def test_a_version_of_a_time_before_commits_to_nothing_and_says_so(
    scored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = resolve(scored.store, scored.ledger, VERSION)
    old = [
        dataclasses.replace(run, body={k: v for k, v in run.body.items() if k != "fitted"})
        for run in lineage.runs(scored, version.manifest.specification)
    ]
    monkeypatch.setattr(lineage, "runs", lambda *asked: iter(old))
    assert absence.commit(scored, version.manifest.specification) is None
    before = dataclasses.replace(version, manifest=dataclasses.replace(version.manifest, read=None))
    monkeypatch.setattr(absence, "resolve", lambda *asked: before)
    _, error = pv("audit", "absent", "EU-999", VERSION, "-w", scored.root)
    assert isinstance(error, NotFound) and "from scratch" in str(error)


def test_a_rebuild_that_read_other_cases_is_not_the_same(town: Any) -> None:
    trained = town.ledger.find(
        "Trained", resolve(town.store, town.ledger, VERSION).manifest.specification
    ).body
    town.ledger.append("Rebuilt", trained, actor="train")
    assert rebuilding.compare(town, VERSION).same
    town.ledger.append("Rebuilt", {**trained, "consumed": trained["fitted"]}, actor="train")
    receipt = rebuilding.compare(town, VERSION)
    assert not receipt.same and "different: cases consumed" in receipt.line


def test_cases_of_further_pretraining_count_as_read_even_if_the_folder_forgets(
    town: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "seen.json"
    task = {"id": 1, "data": {"case_id": "SEEN-1", "text": "fever and a rash " * 4}, "annotations": []}
    file.write_text(json.dumps([task]))
    base = town.recipes()["seriousness"].base
    assert bases.read_before(town, candidate.base_folder(town, base.model_dump()), base.digest) == []
    made = bases.pretrain(town, "seriousness", [file], tmp_path / "base", pretraining.Pretraining(batch=4))
    assert bases.read_before(town, made.folder, made.digest) == ["SEEN-1"]
    (made.folder / pretraining.RECORD).unlink()
    assert bases.read_before(town, made.folder, made.digest) == ["SEEN-1"]
    # As if the champion's own base had been made so: what is trained on it has read the case.
    told = town.ledger.find("Pretrained", f"{made.digest} {digest(canonical(['SEEN-1']))}").body
    town.ledger.append("Pretrained", {**told, "base": base.digest, "origin": "0" * 64}, actor="pretrain")
    ran: list[Any] = []

    def trained(*asked: Any, output: Path, **options: Any) -> TrainResult:
        ran.append(asked)
        output.mkdir()
        (output / "weights").write_bytes(b"made here, because training is not what is looked at")
        return TrainResult(output, "0" * 64, {}, (), {}, (), 0.0, 0, {}, ("A",), ("A", "B"), 7)

    monkeypatch.setattr("pvcore.training.job.train_with", trained)
    again = candidate.train(
        town, resolve(town.store, town.ledger, VERSION).manifest.specification, rebuild=True
    )
    read = {
        name: json.loads(get_blob(town.store, again[name])) for name in ("consumed", "fitted", "pretrained")
    }
    assert again["peak_bytes"] == 7  # of who trained, not of who waited for it
    assert ran and read == {"consumed": ["A"], "fitted": ["A", "B"], "pretrained": ["SEEN-1"]}


def test_a_prediction_leads_to_data_people_dictionary_and_approvals(scored: Any) -> None:
    entry = next(e for e in reversed(scored.ledger.entries()) if e.kind == "Scored")
    line = get_blob(scored.store, entry.body["predictions"]).splitlines()[0]
    rows, error = pv("audit", "trace", digest(line)[:16], "-w", scored.root)
    assert error is None and not [row for row in rows if row["broken"]]
    links = {row["link"] for row in rows}
    assert links >= {
        "prediction", "input", "scored", "input batch", "version", "ancestor", "adapter", "base", "code",
        "specification", "training", "read", "dataset", "batch", "migration", "annotator", "evaluation",
        "policy", "approval", "switch", "dictionary of the answer", "dictionary of the labels",
    }  # fmt: skip
    assert rows[0]["digest"] == digest(line)
    assert {row["by"] for row in rows if row["link"] == "approval"} == {
        "Dr Demo Physician (demo.physician@example.org)"
    }
    assert [row["what"].partition(" ")[0] for row in rows if row["link"] in ("version", "ancestor")] == [
        "coding@2",
        "coding@1",
    ]
    found = [row["holds"] for row in verify_version(scored, "coding@2", quick=True)]
    (words,) = (row["what"] for row in rows if row["link"] == "checks")
    assert words.startswith(f"{found.count('yes')} digests")
    assert words.endswith(f"{found.count('not checked')} were not checked") and "not checked" in found
    by_name = pv("audit", "trace", f"second.xml:{json.loads(line)['example_id']}", "-w", scored.root)[0]
    assert by_name == rows


def test_two_batches_of_the_same_cases_are_two_scorings(town: Any) -> None:
    before = [e.sequence for e in town.ledger.entries() if e.kind == "Scored"]
    other = next(
        e.body for e in town.ledger.entries()
        if e.kind == "BatchAdmitted" and e.body["name"].startswith("second") and e.body["name"].endswith("json")
    )  # fmt: skip
    for name in (BATCH, other["digest"], other["digest"], BATCH):
        scoring.score_batch(town, "seriousness@champion", name)
    scored = [e.body for e in town.ledger.entries() if e.kind == "Scored" and e.sequence not in before]
    assert [(body["batch"], body["name"]) for body in scored] == [(other["digest"], other["name"])]
    case = arrivals.load_batch(town, BATCH).cases[0].case_id
    rows, error = pv("audit", "trace", f"{other['name']}:{case}", "-w", town.root)
    assert (
        error is None
        and next(row for row in rows if row["link"] == "input batch")["digest"] == other["digest"]
    )


def test_a_broken_link_is_named_and_the_others_are_still_told(town: Any) -> None:
    manifest = resolve(town.store, town.ledger, VERSION).manifest
    file = town.root / ".pv/store/blobs/sha256" / manifest.dataset
    file.chmod(0o644)
    file.write_bytes(b"{}")
    case = min(c.case_id for c in arrivals.load_batch(town, BATCH).cases)
    rows, error = pv("audit", "trace", f"second.xml:{case}#seriousness", "-w", town.root)
    assert isinstance(error, LedgerBroken) and "was altered" in str(error)
    assert {row["link"] for row in rows if row["broken"]} == {"dataset", "checks"}
    assert "approval" in {row["link"] for row in rows}


def test_what_names_no_prediction_is_refused(scored: Any, tmp_path: Path) -> None:
    case = min(c.case_id for c in arrivals.load_batch(scored, BATCH).cases)
    for name, kind, words in (
        ("0" * 64, NotFound, "no prediction"),
        ("nothing", NotFound, "no prediction"),
        (f"second.xml:{case}", NotFound, "may be any of"),  # of seriousness and of coding
    ):
        _, error = pv("audit", "trace", name, "-w", scored.root)
        assert isinstance(error, kind) and words in str(error)
    file = tmp_path / "odd.json"
    for content in ("{", "[]", '[{"example_id": "x"}]', "[1]"):
        file.write_text(content)
        assert isinstance(pv("audit", "trace", file, "-w", scored.root)[1], InputError)


def test_a_prediction_is_made_again_to_the_same_bytes_after_the_policy_has_changed(town: Any) -> None:
    case = min(c.case_id for c in arrivals.load_batch(town, BATCH).cases)
    name = f"second.xml:{case}#seriousness"
    policy = town.root / "recipes" / "policy.yaml"
    asked = {**yaml.safe_load(policy.read_text()), "guardrails": {"abstain_below": {"seriousness": 1.0}}}
    policy.write_text(yaml.safe_dump(asked))
    told, error = pv("reproduce", name, "-w", town.root)
    assert error is None and told["same"] and told["then"] == told["now"] and not told["surroundings"]
    assert [row["field"] for row in told["conditions"]] == ["policy"]


def test_the_policy_of_answers_in_a_file_outlives_a_collection(town: Any, tmp_path: Path) -> None:
    """It was named by nothing in the store: collected, and the answers could never be made again."""
    policy = town.root / "recipes" / "policy.yaml"
    asked = {
        **yaml.safe_load(policy.read_text()),
        "retention": {"roles": ["safety-physician"], "grace_days": 0},
    }
    policy.write_text(yaml.safe_dump(asked))
    source = tmp_path / "cases.csv"
    source.write_text("case_id,narrative\nX1,The patient died.\n")
    rows, error = pv("predict", "seriousness@champion", source, "-w", town.root)
    assert error is None and pv("predict", "seriousness@champion", source, "-w", town.root)[0] == rows
    fresh = open_workspace(town.root)
    assert [e.body["policy"] for e in fresh.ledger.entries() if e.kind == "PolicyUsed"] == [rows[0]["policy"]]
    assert rows[0]["policy"] not in {blob["digest"] for blob in retention.collectable(fresh).blobs}


def test_a_prediction_of_a_file_is_made_again_and_a_doctored_one_is_found(
    scored: Any, tmp_path: Path
) -> None:
    batch = arrivals.load_batch(scored, BATCH)
    source, made = tmp_path / "second.xml", tmp_path / "made.json"
    source.write_bytes(scored.store.get(BATCH))
    rows, _ = pv("predict", "seriousness@1", source, "-w", scored.root)  # no champion: nobody scored with it
    made.write_text(json.dumps(rows))
    case = min(c.case_id for c in batch.cases)
    for error in (
        pv("reproduce", made, "--input", source, "-w", scored.root)[1],
        pv("reproduce", made, "--example", case, "-w", scored.root)[1],
    ):
        assert isinstance(error, NotFound | InputError) and (
            "--example" in str(error) or "--input" in str(error)
        )
    told, error = pv("reproduce", made, "--example", case, "--input", source, "-w", scored.root)
    assert error is None and told["same"]
    row = next(row for row in rows if row["example_id"].startswith(f"{case}#"))
    assert told["then"] == digest(canonical(row))
    made.write_text(json.dumps({**row, "score": 0.123}))
    told, error = pv("reproduce", made, "--input", source, "-w", scored.root)
    assert isinstance(error, RegistryError) and [d["field"] for d in told["differs"]] == ["score"]
