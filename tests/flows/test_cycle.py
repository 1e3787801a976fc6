"""One cycle through the real platform: server, workers, deployments, events, a suspended run; a tiny model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pyzipper

from pvcore.cycle import approval, waiting
from pvcore.platform import embedded
from pvcore.registry.blobs import get_blob

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
CANARIES = {
    name: f"canary-{name.lower()}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "HF_TOKEN", "SSH_ASKPASS",
                 "PV_MEDDRA_PASSWORD", "PREFECT_SERVER_DATABASE_PASSWORD")
}  # fmt: skip
"""Secrets as an environment holds them; none may be found in what a cycle leaves behind."""


@pytest.fixture(scope="module")
def city(tiny_base: Path, town_module: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A town whose platform runs, with a release, a batch and a broken batch in the inbox."""
    from pvcore.meddra.generate import Size, generate

    town = town_module.found_town(tmp_path_factory.mktemp("city"), tiny_base)
    (town.workspace.root / "recipes" / "coding.yaml").unlink()
    town.arrivals.mkdir(parents=True)
    release = generate(town.arrivals, version="90.0", seed=1, size=Size.small())
    xml, export = town_module.write_batch(town.arrivals, release.dictionary, name="first", n=260, seed=1)
    wrong = town.arrivals / "wrong.json"
    wrong.write_text('[{"id": 1, "data": {"text": "no case id"}}]')
    protected = town.arrivals / "protected.zip"
    with pyzipper.AESZipFile(protected, "w", encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(b"another password than that of the environment")
        for name in ("llt.asc", "pt.asc"):
            archive.writestr(name, b"90000001$A term$\n")
    for file in (release.archive, protected):
        town.drop("meddra", file)
    for file in (xml, export, wrong):
        town.drop("annotations", file, "90.0" if file.suffix == ".json" else None)
    root = town.workspace.root
    town.platform = embedded.up(root, ROOT, env={"PV_WORKSPACE": str(root), **CANARIES}, tied=True)
    yield town
    embedded.down(root)


def test_a_cycle_from_the_inbox_to_the_champion(city: Any) -> None:
    platform, ws = city.platform, city.workspace
    for box in ("meddra", "annotations"):
        platform.run(f"watch/{box}")
    city.wait(lambda: city.entries("ApprovalRequested"), 240, "a request for approval")

    # Admitted, quarantined, started by an event: nobody started an update by hand.
    assert len(city.entries("BatchAdmitted")) == 2 and len(city.entries("Quarantined")) == 2
    (update,) = platform.flow_runs("meddra-update", states=("COMPLETED",))  # others are scheduled for March
    assert update.parameters["version"] == "90.0"
    assert platform.flow_runs("annotations", states=("SCHEDULED",))
    # Two events, two updates, one of everything.
    assert [len(city.entries(kind)) for kind in ("DatasetBuilt", "Trained", "Evaluated", "Registered")] == [
        1
    ] * 4
    (run,) = platform.flow_runs("train")
    assert run.state == "COMPLETED" and run.parameters["specification"] == city.entries("Trained")[0].key

    # The signature of a stranger is refused and the form comes back; the physician's is taken.
    request = approval.open_request(ws, "seriousness@1")
    run_id = waiting.waiting_run(platform, request, timeout=60)

    # What the UI shows by now.
    shown = {a["key"].split("-")[0] for r in platform.flow_runs() for a in platform.artifacts(r.id)}
    assert {"validation", "quarantine", "dataset", "training", "curve", "gate", "approval"} <= shown

    said = {"decision": "approve", "name": "demo.physician@example.org", "reason": "I say so"}
    platform.resume(run_id, {**said, "signature": "U1NIU0lHAAAA"})
    city.wait(lambda: waiting.pause_key(platform, run_id).endswith("-1"), 90, "the form coming back")
    assert platform.wait(run_id, 30, until="suspended").suspended and not city.entries("Promoted")
    line = waiting.answer(
        ws,
        platform,
        request,
        decision="approve",
        name="demo.physician@example.org",
        reason="as tested",
        key=city.key,
    )
    assert line == "seriousness@1 is champion"
    assert [e.body["name"] for e in city.entries("Promoted")] == ["seriousness@1"]
    assert not platform.flow_runs(states=("FAILED", "CRASHED")), city.failures()


def test_starting_the_update_again_does_nothing_more(city: Any) -> None:
    if not city.entries("Promoted"):
        pytest.skip("the cycle before did not end")
    before = len(city.workspace.ledger.entries())
    run = city.platform.run("meddra-update", {"version": "90.0"})
    assert city.platform.wait(run, 90).state == "COMPLETED", city.failures()
    assert len(city.workspace.ledger.entries()) == before


def test_the_command_line_tells_the_same_story(city: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from typer.testing import CliRunner

    from pvcore.cli import app

    if not city.entries("Promoted"):
        pytest.skip("the cycle before did not end")
    root = str(city.workspace.root)
    done = CliRunner().invoke(app, ["history", "--json", "-w", root])
    assert done.exit_code == 0
    assert [row["event"] for row in json.loads(done.stdout)][-1] == "Promoted"
    done = CliRunner().invoke(app, ["verify", "seriousness@champion", "--json", "-w", root])
    rows = json.loads(done.stdout)
    assert done.exit_code == 0 and {row["holds"] for row in rows} == {"yes", "not checked"}
    assert "signed by Dr Demo Physician" in str(rows)


def test_score_and_rebuild_run_as_deployments(city: Any) -> None:
    if not city.entries("Promoted"):
        pytest.skip("the cycle before did not end")
    from typer.testing import CliRunner

    from pvcore.cli import app

    platform, root = city.platform, str(city.workspace.root)
    scored = platform.run("score", {"problem": "seriousness", "batch": "first.xml"})
    done = CliRunner().invoke(app, ["rebuild", "seriousness@champion", "--parents", "--json", "-w", root])
    assert done.exit_code == 0, (done.output, city.failures())
    (receipt,) = json.loads(done.stdout)
    assert receipt["version"] == "seriousness@1" and receipt["same"]
    assert platform.wait(scored, 120).state == "COMPLETED", city.failures()
    assert city.entries("Scored")[0].body["rows"] == 260
    (rebuilt,) = city.entries("Rebuilt")
    assert rebuilt.body["adapter"] == city.entries("Trained")[0].body["adapter"]


def test_a_rebuild_that_differs_says_so_and_ends_with_4(city: Any) -> None:
    from typer.testing import CliRunner

    from pvcore.cli import app
    from pvcore.errors import RegistryError

    if not city.entries("Promoted"):
        pytest.skip("the cycle before did not end")
    root = city.workspace.root
    labels = json.loads(get_blob(city.workspace.store, city.entries("DatasetBuilt")[0].key))["labels"]
    file = root / ".pv" / "store" / "blobs" / "sha256" / labels
    kept = file.read_bytes()
    file.chmod(0o644)
    try:
        file.write_bytes(kept + b" ")
        done = CliRunner().invoke(app, ["rebuild", "seriousness@1", "--json", "-w", str(root)])
    finally:
        file.write_bytes(kept)
    assert isinstance(done.exception, RegistryError) and done.exception.exit_code == 4
    (receipt,) = json.loads(done.stdout)
    assert not receipt["same"] and "dataset, labels: " in receipt["receipt"]
    assert len(city.entries("Rebuilt")) == 1  # nothing was trained on altered data


def test_a_page_of_a_stranger_cannot_start_runs(city: Any) -> None:
    """A browser asks before it sends JSON to another origin, and sends a form's text without asking."""
    url = f"{city.platform.api_url}/deployments/filter"
    foreign = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST",
               "Access-Control-Request-Headers": "content-type"}  # fmt: skip
    asked = httpx.options(url, headers=foreign, trust_env=False)
    assert asked.status_code == 400 and "access-control-allow-origin" not in asked.headers
    text = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    assert httpx.post(url, headers=text, content='{"limit": 1}', trust_env=False).status_code == 403
    own = {**foreign, "Origin": city.platform.ui_url}
    assert httpx.options(url, headers=own, trust_env=False).status_code == 200


def test_no_secret_is_left_behind_no_narrative_in_logs_and_no_pickle(city: Any) -> None:
    if not city.entries("Promoted"):
        pytest.skip("the cycle before did not end")
    state, store = city.workspace.state, city.workspace.state / "store"
    files = {file: file.read_bytes() for file in state.rglob("*") if file.is_file()}
    assert len(files) > 100 and not [
        f for f, data in files.items() for c in CANARIES.values() if c.encode() in data
    ]

    # A case is in the blobs and where it arrived, and nowhere else.
    batch = json.loads((store / "blobs/sha256" / city.entries("BatchAdmitted")[0].body["blob"]).read_bytes())
    narratives = [case["narrative"][:60].encode() for case in batch["cases"]]
    open_places = [f for f in files if f.is_relative_to(state / "logs") or f.is_relative_to(store / "ledger")]
    open_places += [
        f for f in files if f.is_relative_to(state / "prefect") and f.name.startswith("prefect.db")
    ]
    assert len(open_places) > 10
    assert not [f for f in open_places for text in narratives if text in files[f]]

    results = [data for f, data in files.items() if f.is_relative_to(state / "prefect" / "storage")]
    assert results and not [data for data in results if b"pickle" in data]
    for data in results:
        json.loads(data)
