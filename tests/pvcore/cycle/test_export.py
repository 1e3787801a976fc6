"""What an outsider makes of an exported version: it holds as it is, and whatever is altered in it is found."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pvcore.annotations import dataset as datasets
from pvcore.cli import app
from pvcore.cycle import export
from pvcore.errors import ConfigError, RegistryError
from pvcore.records import canonical, digest
from pvcore.registry import checkpoint, signing
from pvcore.registry.names import resolve
from pvcore.standalone import recount
from pvcore.standalone import verify as verifier

NAME = "seriousness@2"


@pytest.fixture(scope="module")
def exported(told: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "seriousness"
    return export.export(told.workspace, NAME, folder)


@pytest.fixture(scope="module")
def whole(told: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With cases, labels and answers."""
    folder = tmp_path_factory.mktemp("export") / "whole"
    done = CliRunner().invoke(
        app, ["export", NAME, str(folder), "--with-data", "-w", str(told.workspace.root)]
    )
    assert done.exit_code == 0 and str(folder) in done.stdout
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """An export that a test may alter."""
    return Path(shutil.copytree(exported, tmp_path / "altered"))


def keys(told: Any) -> Path:
    return Path(told.workspace.keys.allowed_signers)


def told_of(capsys: pytest.CaptureFixture[str], folder: Path, signers: Path, *kept: Path) -> list[str]:
    """What does not hold."""
    wrong = verifier.verify(folder, signers, None, list(kept))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("DOES NOT HOLD")]
    assert len(lines) == wrong
    return lines


def test_an_outsider_verifies_it_with_nothing_installed(told: Any, exported: Path) -> None:
    command = [sys.executable, "-I", "-S", str(exported / "verify.py"), str(exported)]
    run = subprocess.run(
        [*command, "--allowed-signers", str(keys(told))], capture_output=True, text=True, env={}
    )
    assert run.returncode == 0 and not run.stderr, run.stdout
    records, again = run.stdout.split("recount.py:")
    assert "DOES NOT HOLD" not in run.stdout and again.count("\nholds ") == 2
    lines = records.splitlines()
    assert sum("switch, entry" in line and "signed by Dr Demo Physician" in line for line in lines) == 2
    left = [line for line in lines if line.startswith("not checked")]
    assert [line.split(": ")[0].split(maxsplit=2)[2] for line in left] == ["ledger", NAME, NAME]
    assert "left out: personal data" in left[1]
    # Without keys of one's own it says so.
    own = subprocess.run(command, capture_output=True, text=True, env={})
    assert own.returncode == 0 and "whose the keys are: the folder says so" in own.stdout


def test_no_narrative_is_in_it_unless_asked_for(
    told: Any, exported: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ws = told.workspace
    cases = datasets.load(ws.store, resolve(ws.store, ws.ledger, NAME).manifest.dataset).cases
    everything = b"".join(file.read_bytes() for file in exported.rglob("*") if file.is_file())
    assert not [text for text in cases["narrative"] if text.encode() in everything]
    assert verifier.verify(whole, keys(told), None, []) == 0
    assert "holds          seriousness@2: cases, labels, answers" in capsys.readouterr().out
    altered = Path(shutil.copytree(whole, tmp_path / "altered"))
    (altered / "data" / "labels.parquet").write_bytes(
        (altered / "data" / "cases.parquet").read_bytes() + b" "
    )
    sums(altered)
    assert verifier.verify(altered, keys(told), None, []) == 1
    told_lines = capsys.readouterr().out
    assert "no record names data/labels.parquet" in told_lines and "1 of 13 files are left out" in told_lines
    answers = Path(shutil.copytree(whole, tmp_path / "answers")) / "data"
    exchanged(*sorted(answers.glob("answers-*"))[:2])
    sums(answers.parent)
    assert verifier.verify(answers.parent, keys(told), None, []) == 1
    assert "no record names data/answers-" in capsys.readouterr().out


def test_the_same_version_is_the_same_bytes(told: Any, exported: Path, tmp_path: Path) -> None:
    again = export.export(told.workspace, NAME, tmp_path / "again")
    assert (again / verifier.SUMS).read_bytes() == (exported / verifier.SUMS).read_bytes()


def test_a_place_that_is_taken_or_a_damaged_store_leaves_nothing(own: Any, tmp_path: Path) -> None:
    ws = own.workspace
    with pytest.raises(ConfigError, match="is there already"):
        export.export(ws, NAME, tmp_path)
    report = resolve(ws.store, ws.ledger, NAME).manifest.report
    file = Path(ws.root, ".pv", "store", "blobs", "sha256", report)
    file.chmod(0o644)
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(RegistryError, match="was altered"):
        export.export(ws, NAME, tmp_path / "new" / "place")
    assert not [*(tmp_path / "new").iterdir()]


def test_every_altered_byte_is_found(exported: Path, folder: Path) -> None:
    chance = random.Random(5)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(files) > 20
    for file in files:
        content = file.read_bytes()
        places = {0, len(content) - 1, *(chance.randrange(len(content)) for _ in range(6))}
        for place in places:
            file.write_bytes(
                content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]
            )
            results = verifier.Results()
            assert not results.make("files", verifier.Folder(folder).sums), (file, place)
        file.write_bytes(content)
    assert verifier.Folder(folder).sums() == verifier.Folder(exported).sums()


def sums(folder: Path) -> None:
    """The list of digests made anew, as whoever alters a file would."""
    (folder / verifier.SUMS).unlink()
    export._sums(folder)


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / verifier.LEDGER).read_bytes().splitlines()]


def rewrite(folder: Path, changed: list[dict[str, Any]]) -> None:
    """A ledger written anew, as whoever owns the store could: the chain holds, and so do references in it."""
    before = {digest(canonical(entry)): None for entry in entries(folder)}
    old = list(before)
    lines, previous = [], "0" * 64
    for number, entry in enumerate(changed, 1):
        text = canonical({**entry, "sequence": number, "previous": previous}).decode()
        for one, other in zip(old, [digest(line) for line in lines], strict=False):
            text = text.replace(one, other)
        lines.append(text.encode())
        previous = digest(lines[-1])
    (folder / verifier.LEDGER).write_bytes(b"\n".join(lines) + b"\n")
    about = json.loads((folder / verifier.ABOUT).read_text())
    (folder / verifier.ABOUT).write_text(json.dumps({**about, "last": [len(lines), previous]}))


def place(folder: Path, part: str, version: int = 2) -> Path:
    return next(Path(folder, "versions", f"seriousness@{version}").glob(part))


def a_bit_of_the_adapter(folder: Path) -> None:
    file = folder / "adapter" / "adapter_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def the_report_exchanged(folder: Path) -> None:
    place(folder, "report.json").write_bytes(place(folder, "report.json", 1).read_bytes())


def the_decision_in_the_manifest(folder: Path) -> None:
    file = place(folder, "manifest.json")
    file.write_bytes(file.read_bytes().replace(b'"outcome":"pass"', b'"outcome":"fail"'))


def the_policy_relaxed(folder: Path) -> None:
    file = place(folder, "policy.json")
    file.write_bytes(file.read_bytes().replace(b"safety-physician", b"trainee"))


def the_dossier_edited(folder: Path) -> None:
    file = folder / "dossier.html"
    file.write_text(file.read_text("utf-8").replace("pass", "past", 1), "utf-8")


def another_dossier_beside_the_true_one(folder: Path) -> None:
    page = folder / "dossier.html"
    page.rename(place(folder, "report.json").with_name("dossier.json"))
    page.write_text("<h1>all is well</h1>")


def exchanged(one: Path, other: Path) -> None:
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)


def two_reports_in_each_others_place(folder: Path) -> None:
    exchanged(place(folder, "report.json"), place(folder, "report.json", 1))


def a_letter_that_nobody_wrote(folder: Path) -> None:
    (folder / "approval.html").write_text("<h1>approved</h1>")


def an_entry_altered(folder: Path) -> None:
    file = folder / verifier.LEDGER
    file.write_bytes(file.read_bytes().replace(b'"actor":"train"', b'"actor":"trust"', 1))


def the_end_cut_off(folder: Path) -> None:
    file = folder / verifier.LEDGER
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))


def last_of(folder: Path, changed: list[Any], kind: str) -> Any:
    """The last entry of a kind that is about the exported version; other tests may have added more."""
    version = json.loads((folder / verifier.ABOUT).read_text())["version"]
    return [e for e in changed if e["kind"] == kind and e["body"]["version"] == version][-1]


def the_reason_of_an_approval(folder: Path) -> None:
    changed = entries(folder)
    next(e for e in changed if e["kind"] == "Approved" and e["body"]["problem"] == "seriousness")["body"][
        "reason"
    ] = "so"
    rewrite(folder, changed)


def a_switch_without_approval(folder: Path) -> None:
    changed = entries(folder)
    last_of(folder, changed, "Promoted")["body"].update(approvals=[], signatures=0)
    rewrite(folder, changed)


def a_switch_of_another_version(folder: Path) -> None:
    changed = entries(folder)
    versions = [e["body"]["version"] for e in changed if e["kind"] == "Registered"]
    last = [entry for entry in changed if entry["kind"] == "Promoted"][-1]
    last["body"]["version"] = next(v for v in versions if v != last["body"]["version"])
    rewrite(folder, changed)


def an_evaluation_of_the_ledger(folder: Path) -> None:
    changed = entries(folder)
    entry = [e for e in changed if e["kind"] == "Evaluated" and e["body"]["problem"] == "seriousness"][-1]
    entry["body"]["outcome"] = "inconclusive"
    rewrite(folder, changed)


def a_commitment_of_the_ledger(folder: Path) -> None:
    changed = entries(folder)
    entry = [e for e in changed if e["kind"] == "Registered" and e["body"]["problem"] == "seriousness"][-1]
    entry["body"]["read"]["root"] = "0" * 64
    rewrite(folder, changed)


def the_name_in_a_switch(folder: Path) -> None:
    changed = entries(folder)
    last = [e for e in changed if e["kind"] == "Promoted" and e["body"]["problem"] == "seriousness"][-1]
    last["body"]["name"] = "seriousness@7"
    rewrite(folder, changed)


def the_problem_of_a_switch(folder: Path) -> None:
    changed = entries(folder)
    last_of(folder, changed, "Promoted")["body"]["problem"] = "coding"
    rewrite(folder, changed)


def the_key_of_an_approval(folder: Path) -> None:
    changed = entries(folder)
    last_of(folder, changed, "Approved")["body"]["key"] = "SHA256:" + "A" * 43
    rewrite(folder, changed)


def a_manifest_without_a_parent(folder: Path) -> None:
    file = place(folder, "manifest.json")
    value = json.loads(file.read_bytes())
    del value["parent"], value["dataset"]
    changed = entries(folder)
    before, after = digest(file.read_bytes()), digest(canonical(value))
    file.write_bytes(canonical(value))
    rewrite(folder, json.loads(json.dumps(changed).replace(before, after)))
    about = (folder / verifier.ABOUT).read_text().replace(before, after)
    (folder / verifier.ABOUT).write_text(about)


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (a_bit_of_the_adapter, [f"{NAME}: adapter: adapter/adapter_model.safetensors"]),
        (the_report_exchanged, [f"{NAME}: decision, entry", f"{NAME}: dossier"]),
        (the_decision_in_the_manifest, ["manifest ", f"{NAME}: switch, entry"]),
        (the_policy_relaxed, ["decision, entry", "switch, entry"]),
        (the_dossier_edited, [f"{NAME}: dossier: no file"]),
        (another_dossier_beside_the_true_one, ["no record names dossier.html"]),
        (two_reports_in_each_others_place, ["files: what they are: no record names"]),
        (a_letter_that_nobody_wrote, ["no record names approval.html"]),
        (an_entry_altered, ["ledger: its chain: entry"]),
        (the_end_cut_off, ["version: last entry"]),
        (the_reason_of_an_approval, ["seriousness@1: switch, entry", "is not accepted"]),
        (a_switch_without_approval, [f"{NAME}: switch, entry", "0 of 1 signatures"]),
        (a_switch_of_another_version, ["switch, entry", "what it does"]),
        (a_commitment_of_the_ledger, [f"{NAME}: specification, training, evaluation: cases that were read"]),
        (the_name_in_a_switch, ["seriousness@7: switch, entry", "switch and request"]),
        (the_problem_of_a_switch, [f"{NAME}: switch, entry"]),
        (the_key_of_an_approval, [f"{NAME}: switch, entry", "key, actor"]),
        (a_manifest_without_a_parent, ["cannot be read as what it should be: KeyError"]),
        (
            an_evaluation_of_the_ledger,
            [f"{NAME}: specification, training, evaluation: champion, outcome", "decision, entry"],
        ),
    ],
)
def test_tampering_is_named_though_the_sums_were_made_anew(
    told: Any,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    tamper: Callable[[Path], None],
    found: list[str],
) -> None:
    tamper(folder)
    sums(folder)
    wrong = told_of(capsys, folder, keys(told))
    assert all(any(part in line for line in wrong) for part in found), wrong
    assert not any("files: their digests" in line for line in wrong)


def test_a_stranger_signs_nothing(
    told: Any, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signing.make_key(tmp_path / "key", told.town_signer, tmp_path / "signers")
    wrong = told_of(capsys, exported, tmp_path / "signers")
    assert len(wrong) == 2 and all("switch, entry" in line and "is not accepted" in line for line in wrong)
    # A key that is revoked now has signed nothing either, be it the folder itself that says so.
    public = told.town.key.with_name(f"{told.town.key.name}.pub")
    assert verifier.verify(exported, keys(told), public, []) == 2
    folder = Path(shutil.copytree(exported, tmp_path / "revoked"))
    shutil.copyfile(public, folder / "revoked_keys")
    sums(folder)
    assert verifier.verify(folder, keys(told), None, []) == 2


def test_a_checkpoint_that_was_kept_shows_a_ledger_written_anew(
    told: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def root(leaves: list[bytes]) -> bytes:  # RFC 6962, 2.1, over the digests of the entries
        if len(leaves) == 1:
            return hashlib.sha256(leaves[0]).digest()
        split = 1 << (len(leaves) - 1).bit_length() - 1
        return hashlib.sha256(b"\1" + root(leaves[:split]) + root(leaves[split:])).digest()

    lines = (folder / verifier.LEDGER).read_bytes().splitlines()
    size = len(lines) - 3
    key, signers = tmp_path / "key", tmp_path / "signers"
    signing.make_key(key, told.town_signer, signers)
    signers.write_text(signers.read_text().replace("pv-approval", "pv-checkpoint") + keys(told).read_text())
    kept = tmp_path / "kept"
    kept.write_text(str(checkpoint.sign(digest(lines[0]), size, root(lines[:size]), told.town_signer, key)))
    assert not told_of(capsys, folder, signers, kept)
    changed = entries(folder)
    changed[-4]["actor"] = "somebody"  # the last of those that it counts
    rewrite(folder, changed)
    sums(folder)
    assert any(
        "checkpoint kept: root of the first" in line for line in told_of(capsys, folder, signers, kept)
    )
    rewrite(folder, changed[: size - 2])
    sums(folder)
    assert any("2 of the" in line and "are gone" in line for line in told_of(capsys, folder, signers, kept))
    kept.write_text(kept.read_text().replace(str(size), str(size - 1), 1))
    assert any("is not accepted" in line for line in told_of(capsys, folder, signers, kept))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["checks"][0].update(outcome="inconclusive"),
        lambda d: d["checks"][0].update(reason="all is fine"),
        lambda d: d.update(outcome="fail"),
        lambda d: d.update(first=True),
        lambda d: d.update(reasons=["all is fine"]),
    ],
)
def test_a_decision_that_its_own_criteria_do_not_give(exported: Path, change: Callable[[Any], Any]) -> None:
    class Altered(verifier.Folder):
        def record(self, digest: str) -> Any:
            value = super().record(digest)
            if digest == entry["body"]["decision"]:
                change(value)
            return value

    checked = Altered(exported)
    checked.sums(), checked.chain()
    entry = checked.find("Evaluated", problem="seriousness")[-1]
    with pytest.raises(verifier.Wrong, match="outcome of the checks"):
        verifier.decided(checked, entry)


def test_an_outsider_counts_decisions_and_numbers_again(whole: Path, exported: Path) -> None:
    command = [sys.executable, "-I", "-S", str(whole / "recount.py")]
    run = subprocess.run([*command, str(whole)], capture_output=True, text=True, env={})
    assert run.returncode == 0 and not run.stderr, run.stdout
    first, _, second, numbers, intervals, *_ = run.stdout.splitlines()
    assert first.startswith("holds") and "1 floor, 1 uses" in first
    assert second.startswith("holds") and "1 floor kept, 1 non-inferiority, 1 uses" in second
    assert numbers.startswith("holds") and "accuracy, average_precision, f1" in numbers
    assert "'serious' looked for; not calibration_error" in numbers
    assert intervals.startswith("not checked")
    without = subprocess.run([*command, str(exported)], capture_output=True, text=True, env={})
    assert without.returncode == 0 and "the list of labels" in without.stdout


@pytest.mark.parametrize(
    ("part", "change", "why"),
    [
        (
            "report",
            lambda r: r["overall"]["results"]["accuracy"]["candidate"].update(value=0.9),
            "policy and report give .*accuracy.*0.9",
        ),
        (
            "policy",
            lambda p: p["problems"]["seriousness"]["floors"].update(accuracy=0.5),
            r"policy and report give .*0.5}, decided was",
        ),
        (
            "policy",
            lambda p: p["problems"]["seriousness"]["floors"].update(recall=0.1),
            r"policy and report give .*floor kept.*recall.*decided was no more",
        ),
        (
            "policy",
            lambda p: p["problems"]["seriousness"].update(
                slices={"death": {"metric": "accuracy", "margin": 0.02}}
            ),
            'give {"rule": "no harm", "group": "death".*decided was no more',
        ),
        (
            "policy",
            lambda p: p["problems"]["seriousness"].update(behaviour={"sarcasm": {"minimum": 0.9}}),
            'give {"rule": "behaviour", "group": "sarcasm".*"fail".*decided was no more',
        ),
        ("decision", lambda d: d["checks"].pop(), "policy and report give .*decided was no more"),
        ("decision", lambda d: d["checks"][0].update(outcome="inconclusive"), "decided was .*inconclusive"),
        ("decision", lambda d: d["checks"][0].update(required=False), 'decided was .*"required": false'),
        ("decision", lambda d: d["checks"][0].update(threshold=0.0), "decided was .*0.0"),
        (
            "decision",
            lambda d: d["checks"].append({**d["checks"][0], "rule": "a later program's"}),
            "policy and report give no more, decided was .*a later program's",
        ),
    ],
)
def test_a_decision_that_does_not_follow(
    exported: Path, part: str, change: Callable[[Any], Any], why: str
) -> None:
    checked, entry = altered(exported, part, change)
    with pytest.raises(recount.Wrong, match=why):
        recount.decided(checked, entry)


def test_a_policy_that_asks_what_is_not_known_is_never_held(exported: Path) -> None:
    checked, entry = altered(exported, "policy", lambda p: p["problems"]["seriousness"].update(luck={}))
    with pytest.raises(recount.NotChecked, match="the policy asks luck"):
        recount.decided(checked, entry)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda all: all["results"]["accuracy"]["candidate"].update(value=0.99), "accuracy: value is"),
        (lambda all: all["results"]["roc_auc"]["candidate"].update(value=0.99), "roc_auc: value is"),
        (lambda all: all["results"]["recall"].update(support=3), "recall: support is"),
        (
            lambda all: all["results"]["recall"]["against"]["champion"].update(reference_better=99),
            "recall beside champion: reference_better is",
        ),
        (
            lambda all: all["results"]["f1"]["against"]["TF-IDF"]["difference"].update(value=0.5),
            "f1 beside TF-IDF: value is",
        ),
        (lambda all: all["labels"].update(serious=1), "all: [0-9]+ serious"),
        (lambda all: all.update(clusters=1), "all: clusters is"),
    ],
)
def test_a_report_that_does_not_follow(whole: Path, change: Callable[[Any], Any], why: str) -> None:
    checked, entry = altered(whole, "report", lambda report: change(report["overall"]))
    with pytest.raises(recount.Wrong, match=f"labels and answers give other numbers: .*{why}"):
        recount.counted(checked, entry)


def test_cases_that_are_not_tolerated_are_found_again(whole: Path) -> None:
    def named(rule: str, *cases: str) -> None:
        def change(value: Any) -> None:
            if "slices" in value:
                value["slices"]["negation"]["intolerable"] = list(cases)
            else:
                tolerance = {"metric": "accuracy", "margin": 0.1, "zero_tolerance": rule}
                value["problems"]["seriousness"]["slices"] = {"negation": tolerance}

        recount.counted(*altered(whole, ("report", "policy"), change))

    held = recount.held_out(*altered(whole, "report", lambda report: None))
    mine, theirs = (held.of(who, "negation") for who in ("candidate", "champion"))
    wrong = sorted({row.case for row in mine if row.answer not in ("", row.label)})
    newly = sorted(
        {a.case for a, b in zip(mine, theirs, strict=True) if a.case in wrong and b.answer == b.label}
    )
    assert wrong and newly != wrong
    named("wrong", *wrong)
    named("newly_wrong", *newly)
    with pytest.raises(recount.Wrong, match="negation: not tolerated are"):
        named("wrong", *wrong[1:])


def altered(
    exported: Path, parts: str | tuple[str, ...], change: Callable[[Any], Any]
) -> tuple[recount.Folder, Any]:
    """The export with records read otherwise, and the evaluation that they belong to."""

    class Altered(recount.Folder):
        def record(self, digest: str, what: str) -> Any:
            value = super().record(digest, what)
            if digest == entry["body"].get(what) and what in parts:
                change(value)
            return value

    checked = Altered(exported)
    entry = checked.evaluations()[-1]
    return checked, entry


def test_a_rejection_counts_before_the_switch_only(
    told: Any, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = entries(folder)
    switch = [e for e in changed if e["kind"] == "Promoted" and e["body"]["problem"] == "seriousness"][-1]
    approved = [e for e in changed if e["kind"] == "Approved"][-1]
    late = {
        **approved,
        "kind": "Rejected",
        "body": {**approved["body"], "request": switch["body"]["request"]},
    }
    rewrite(folder, [*changed, late])
    sums(folder)
    assert not told_of(capsys, folder, keys(told))


def test_whose_key_it_is_by_pattern(told: Any, tmp_path: Path) -> None:
    signing.make_key(tmp_path / "key", "jane@example.org", tmp_path / "signers")
    _, *rest = (tmp_path / "signers").read_text().split()
    (tmp_path / "signers").write_text(" ".join(["*@example.org,!eve@example.org", *rest]))
    shown = subprocess.run(
        ["ssh-keygen", "-lf", str(tmp_path / "key.pub")], capture_output=True, text=True, check=True
    )
    accepted, key = verifier.Keys(tmp_path / "signers", None), shown.stdout.split()[1]
    assert accepted.gives(key, "trainer@example.org")
    assert not accepted.gives(key, "eve@example.org") and not accepted.gives(key, "jane@example.com")


def test_a_switch_needs_what_it_was_asked_with() -> None:
    """Loaded for real where the evaluation asks for it, and in an override the words of what is set aside."""
    folder = verifier.Folder(Path())
    judged = {"specification": "s", "report": "r", "loaded": True}
    loaded = {"version": "v", "report": "r", "reasons": ["slow"]}
    manifest = {"specification": "s", "report": "r", "champion": "c", "policy": "p"}
    manifest["decision"] = {"outcome": "pass", "reasons": ["good"]}
    asked = {"action": "promote", "name": "n", "version": "v", "report": "r", "policy": "p", "expected": "c"}

    def eligible(*outcomes: str, outcome: str = "pass", **changes: Any) -> None:
        bodies = [("Evaluated", judged), *(("Loaded", {**loaded, "outcome": o}) for o in outcomes)]
        folder.entries = [{"kind": kind, "body": body} for kind, body in bodies]
        decided = {**manifest, "decision": {**manifest["decision"], "outcome": outcome}}
        verifier.eligible(folder, {"sequence": 9}, {**asked, **changes}, decided, set())

    eligible("fail", "pass")
    never = "n was not loaded for real since it was evaluated, and the policy asks for it"
    for outcomes, fact in ((), never), (("pass", "fail"), "n was loaded for real and did not pass: slow"):
        with pytest.raises(verifier.Wrong, match=fact):
            eligible(*outcomes)
        eligible(*outcomes, action="override", waived=[fact])
        eligible(*outcomes, outcome="fail", action="override", waived=["the gate said fail: good", fact])
    with pytest.raises(verifier.Wrong, match="the gate said fail: good"):
        eligible("pass", outcome="fail")
    with pytest.raises(verifier.Wrong, match="compares with c, not with d"):
        eligible("pass", expected="d")
    eligible("pass", outcome="fail", action="override", waived=["the gate said fail: good"])
    for waived in (["nothing of importance"], [], None):
        with pytest.raises(verifier.Wrong, match="what it sets aside"):
            eligible("pass", outcome="fail", action="override", waived=waived)
    with pytest.raises(verifier.Wrong, match="what it sets aside"):
        eligible("pass", action="override", waived=[])
