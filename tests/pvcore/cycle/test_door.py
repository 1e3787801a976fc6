"""The door as a person meets it: an emergency, what every page shows of a signature, holds and a collection."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pvcore.cli import app
from pvcore.cycle import approval, forms, judging, scoring, verification
from pvcore.errors import ConfigError, GateError, NotFound, PvError, SignatureRefused
from pvcore.evaluation.gate import decide
from pvcore.evaluation.report import Report
from pvcore.records import canonical
from pvcore.registry import approval as conditions
from pvcore.registry import collection, signing
from pvcore.registry.blobs import BLOBS, get_blob, put_blob

SIGNER, QPPV, TRAINEE = "demo.physician@example.org", "qppv@example.org", "trainee@example.org"


@pytest.fixture
def town(own: Any) -> Any:
    """A copy of the told town with two more people and a policy that knows emergencies, holds and collections."""
    file = own.workspace.root / "recipes" / "policy.yaml"
    policy = yaml.safe_load(file.read_text())
    policy["approval"] |= {
        "override": {"signatures": 2, "roles": ["safety-physician", "qppv"]},
        "trainers": [TRAINEE],
    }
    policy["signers"][1]["roles"] = ["qppv"]
    policy["signers"].append({"principal": QPPV, "name": "Dr Quinn Poe", "roles": ["qppv"]})
    policy["retention"] = {"roles": ["qppv"], "grace_days": 0}
    file.write_text(yaml.safe_dump(policy))
    own.keys = {SIGNER: own.town.key}
    for who in (QPPV, TRAINEE):
        own.keys[who] = signing.make_key(
            own.workspace.root / ".pv" / who.split("@")[0], who, own.workspace.keys.allowed_signers
        )
    return own


def holds(ws, version):
    """Whether nothing of what a version rests on is broken."""
    return not [row for row in verification.verify_version(ws, version, quick=True) if row["holds"] == "no"]


def pv(town: Any, *arguments: str) -> str:
    """What `pv` prints; raises what it would report."""
    done = CliRunner().invoke(app, [*arguments, "--workspace", str(town.workspace.root)])
    if isinstance(done.exception, PvError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def failed(town: Any, version: str) -> None:
    """The gate says fail of a version, in a later evaluation."""
    before = [
        e
        for e in town.workspace.ledger.entries()
        if e.kind == "Evaluated" and e.body["problem"] == "seriousness"
    ]
    store = town.workspace.store
    report = json.loads(get_blob(store, before[0].body["report"]))
    report["overall"]["results"]["accuracy"]["candidate"] |= {"value": 0.0, "low": 0.0, "high": 0.005}
    policy = judging.stored_policy(town.workspace, before[0].body["policy"])
    decision = decide(Report.from_json(report), policy.gate, first=True)
    assert decision.outcome == "fail"
    body = {
        "outcome": "fail",
        "reasons": list(decision.reasons),
        "report": put_blob(store, canonical(report)),
        "decision": put_blob(store, canonical(decision.to_json())),
    }
    town.workspace.ledger.append("Evaluated", before[0].body | body, actor="evaluate", key=f"again {version}")


def signed(town: Any, request: approval.Request, who: str, key: str = "") -> approval.Outcome:
    """`pv sign`, then what the form, and `pv approve`, hand on."""
    said = ["--name", who, "--reason", "patients wait", "--key", str(town.keys[key or who])]
    signature = pv(town, "sign", request.version, *said)
    answer = {"decision": "approve", "name": who, "reason": "patients wait"}
    return approval.decide(town.workspace, request, signature=signature, **answer)


def test_an_emergency_from_the_request_to_every_page(town: Any, tmp_path: Path) -> None:
    ws = town.workspace
    failed(town, "seriousness@1")
    with pytest.raises(GateError, match="said fail"):
        approval.request(ws, "seriousness@1", "promote")
    request = approval.request(ws, "seriousness@1", "override")
    form = forms.form_markdown(ws, request)
    assert "# Emergency: override the gate for seriousness@1?" in form
    assert "although the gate said fail: accuracy is 0.000" in form
    (waits,) = json.loads(pv(town, "requests", "--json"))
    assert (waits["action"], waits["until"] > waits["asked"]) == ("override", True)

    assert (
        f"{TRAINEE} trained or registered seriousness@1 and cannot answer for it"
        in signed(town, request, TRAINEE).line
    )
    assert signed(town, request, SIGNER).line.startswith("1 of 2 signatures")
    assert "Signed so far: Dr Demo Physician approves" in forms.form_markdown(ws, request)
    outcome = signed(town, request, QPPV)
    assert outcome.switched and scoring.trusted(ws, "seriousness@champion").name == "seriousness@1"

    # Name, time and meaning of each signature.
    meaning = (
        "Dr Quinn Poe approves the request to override the gate for seriousness@1 as the champion of "
        f"seriousness, although {request.waived[0]}"
    )
    answered = ws.ledger.state().last("Approved")
    shown = json.loads(pv(town, "registry", "show", "seriousness@1", "--json"))["signatures"][-1]
    assert (shown["name"], shown["time"], shown["meaning"]) == ("Dr Quinn Poe", answered.time, meaning)
    switch = json.loads(pv(town, "history", "seriousness", "--json"))[-1]
    day = f"signed {answered.time[:16].replace('T', ' ')} UTC as {QPPV}: patients wait"
    assert switch["event"] == "Overridden" and f"{meaning}, {day}" in switch["what"]
    # --quick: the report that failed was made up for this test, and making it again says so.
    checks = json.loads(pv(town, "verify", "seriousness@1", "--quick", "--json"))
    assert any("signed by Dr Demo Physician, Dr Quinn Poe" in row["why"] for row in checks), checks
    page = tmp_path / "dossier.html"
    pv(town, "registry", "dossier", "seriousness@1", str(page))
    assert f"Dr Quinn Poe</th><td>{answered.time}</td><td>{meaning}</td>" in page.read_text()
    plain = tmp_path / "registered.html"
    pv(town, "registry", "dossier", "seriousness@1", str(plain), "--as-registered")
    assert "Quinn" not in plain.read_text()

    # Everything goes on after it.
    back = approval.request(ws, "seriousness@previous", "rollback")
    assert back.version == "seriousness@2" and signed(town, back, SIGNER).switched
    assert holds(ws, "seriousness@2")


def test_without_the_section_nobody_overrides(own: Any) -> None:
    failed(own, "seriousness@1")
    with pytest.raises(GateError, match=r"approval\.override"):
        approval.request(own.workspace, "seriousness@1", "override")


def test_an_expired_request_is_refused_and_asked_anew(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    request = approval.request(town.workspace, "seriousness@previous", "rollback")
    real = conditions.expired
    monkeypatch.setattr(
        conditions,
        "expired",
        lambda asked, policy, at=None: asked.digest == request.digest or real(asked, policy, at),
    )
    outcome = signed(town, request, SIGNER)
    assert outcome.final and not outcome.switched and re.search(r"expired on .* Ask anew", outcome.line)


def test_a_hold_and_a_collection_at_the_command_line(town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = town.workspace
    orphan = put_blob(ws.store, canonical({"left": "by a run"}))
    with pytest.raises(ConfigError, match="a collection is signed"):
        pv(town, "registry", "gc")
    planned = {row["digest"]: row for row in json.loads(pv(town, "registry", "gc", "--dry-run", "--json"))}
    assert planned[orphan]["why"] == "named by nothing"
    by = ("--name", QPPV, "--reason", "inspection", "--key", str(town.keys[QPPV]))
    stranger = ("--name", SIGNER, "--reason", "inspection", "--key", str(town.keys[SIGNER]))
    for command in (("hold", "seriousness@1"), ("gc",)):
        with pytest.raises(SignatureRefused, match="needed: qppv"):
            pv(town, "registry", *command, *stranger)
    assert "seriousness@1 is held since" in pv(town, "registry", "hold", "seriousness@1", *by)
    held = json.loads(pv(town, "registry", "show", "seriousness@1", "--json"))["signatures"][-1]
    assert held["meaning"] == "Dr Quinn Poe places a legal hold on seriousness@1"
    rows = json.loads(pv(town, "verify", "seriousness@1", "--json"))
    assert {"check": "seriousness@1: legal holds", "holds": "yes", "why": ""} in rows
    with monkeypatch.context() as killed:
        killed.setattr(collection, "_delete", lambda *_: None)
        pv(town, "registry", "gc", *by)
    assert ws.store.exists(BLOBS + orphan), (
        "that collection was cut off; the next one ends it and tells its own"
    )
    later = put_blob(ws.store, canonical({"left": "by another run"}))
    told = json.loads(pv(town, "registry", "gc", *by, "--json"))
    assert "1 blobs" in told["result"] and [row["digest"] for row in told["blobs"]] == [later]
    with pytest.raises(NotFound, match=r"was collected on .* by Dr Quinn Poe: inspection"):
        get_blob(ws.store, orphan)
    for problem in ("seriousness", "coding"):
        assert holds(ws, f"{problem}@champion")
        assert scoring.trusted(ws, f"{problem}@champion")
    told = [row["what"] for row in json.loads(pv(town, "history", "--json"))]
    assert any("has" in what and "blobs deleted that nothing needs" in what for what in told)
    assert "1 legal hold(s) lifted" in pv(town, "registry", "release-hold", "seriousness@1", *by)
