"""Two annotators in two files who do not agree: both batches wait until they do, or somebody lets them pass."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pvcore.annotations import label_studio, pair_files
from pvcore.annotations.pairs import Described, pair_annotation, pair_case
from pvcore.config import Workspace, init_workspace, open_workspace
from pvcore.cycle import admission, arrivals, building, consistency, data, holding, inbox, overview
from pvcore.errors import ConfigError, InputError, NotFound
from pvcore.records import Annotation, Case

CASES = [
    Case(
        f"c{i:03d}",
        f"Report {i} of its own kind: {'hospital ' * (i % 2)}{'rash ' * (i % 7)}{i * i} and {i * 31}.",
    )
    for i in range(60)
]


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.delenv("PV_WORKSPACE", raising=False)
    init_workspace(tmp_path)
    (tmp_path / "recipes" / "coding.yaml").unlink()
    (tmp_path / "pv.yaml").write_text("settle_seconds: 0\n")
    return open_workspace(tmp_path)


def answers(
    name: str, wrong: int, time: str = "2026-01-01T00:00:00Z", cases: list[Case] = CASES
) -> list[Annotation]:
    """Serious is every other case; `name` is mistaken on the first `wrong`."""
    return [
        Annotation(
            c.case_id, "seriousness", {"serious": (i % 2 == 1) ^ (i < wrong), "criteria": []}, name, time=time
        )
        for i, c in enumerate(cases)
    ]


def arrive(ws: Workspace, name: str, said: list[Annotation]) -> None:
    file = ws.root / f"{name}.json"
    asked = {a.case_id for a in said}
    label_studio.write([c for c in CASES if c.case_id in asked], said, file)
    inbox.put(ws, "annotations", [file])
    for found in inbox.look(ws, "annotations"):
        admission.admit_batch(ws, found, inbox.read_batch(ws, found), b"{}")


def held(ws: Workspace) -> list[Any]:
    return holding.held(ws, arrivals.pending_batches(ws))


def test_both_batches_are_held_with_the_pairs_to_talk_about(ws: Workspace) -> None:
    arrive(ws, "ann", answers("ann", 0))
    arrive(ws, "bob", answers("bob", 20))
    assert building.build_dataset(ws, None, []) is None
    first, second = held(ws)
    assert (first.body["name"], second.body["name"]) == ("ann.json", "bob.json")
    assert first.body["reason"] == (
        "kappa 0.33 below 0.6 on seriousness (ann and bob, 60 judged by both): batch held, "
        "here are the 20 pairs to talk about"
    )
    found = overview.overview(ws)
    assert [row["batch"] for row in found["held"]] == ["ann.json", "bob.json"]
    assert not found["waits_for_its_update"]
    assert consistency.report(consistency.material(ws, "bob.json")).disagreements == 20
    page = holding.page(ws, first)
    assert "pv release" in page and page.count("| c0") == 20
    entries = len(ws.ledger.entries())
    assert building.build_dataset(ws, None, []) is None and len(ws.ledger.entries()) == entries


def test_a_release_is_recorded_and_takes_its_own_batch_only(ws: Workspace) -> None:
    arrive(ws, "ann", answers("ann", 0))
    arrive(ws, "bob", answers("bob", 20))
    building.build_dataset(ws, None, [])
    with pytest.raises(NotFound, match=r"ann\.json.*bob\.json"):
        holding.release(ws, arrivals.pending_batches(ws), "cat.json", "why", "me")
    entry = holding.release(ws, arrivals.pending_batches(ws), "ann.json", "ann wrote the guideline", "me")
    assert (
        entry.body["held"] == held(ws)[0].sequence - 1 and entry.body["reason"] == "ann wrote the guideline"
    )
    built = building.build_dataset(ws, None, [])
    assert built and data.dataset_entry(ws, built.digest).body["held"] == ["bob.json"]
    assert "Held: bob.json: kappa 0.33" in built.markdown
    assert [e.body["name"] for e in held(ws)] == ["bob.json"]
    told = {row["event"]: row["what"] for row in overview.history(ws)}
    assert told["Released"] == "ann.json, by me: ann wrote the guideline" and "kappa 0.33" in told["Held"]


def test_new_answers_lift_the_agreement(ws: Workspace) -> None:
    arrive(ws, "ann", answers("ann", 0))
    arrive(ws, "bob", answers("bob", 20))
    building.build_dataset(ws, None, [])
    arrive(ws, "bob-again", answers("bob", 0, "2026-02-01T00:00:00Z", CASES[:16]))
    built = building.build_dataset(ws, None, [])
    assert built and not held(ws)
    body = data.dataset_entry(ws, built.digest).body
    assert len(body["batches"]) == 3 and body["excluded"] == {"disagreement": 8}


def test_a_batch_is_compared_with_what_the_dataset_holds(ws: Workspace) -> None:
    arrive(ws, "ann", answers("ann", 0))
    assert building.build_dataset(ws, None, [])
    arrive(ws, "bob", answers("bob", 20))
    arrive(ws, "few", answers("cat", 20, cases=CASES[:25]))
    assert building.build_dataset(ws, None, [])
    assert [e.body["name"] for e in held(ws)] == ["bob.json"]


def test_pairs_of_drugs_are_compared_however_they_are_spelled(ws: Workspace) -> None:
    policy = ws.root / "recipes" / "policy.yaml"
    policy.write_text(re.sub(r"minimum_kappa: \{.*?\}", "minimum_kappa: {ddi: 0.6}", policy.read_text()))
    for who, spelled in (("ann", str.title), ("bob", str.upper)):
        drugs = [(Described(spelled(f"drug a{n}")), Described(spelled(f"drug b{n}"))) for n in range(40)]
        said = [pair_annotation(a, b, (n % 2 == 0) ^ (who == "bob" and n < 20), who)
                for n, (a, b) in enumerate(drugs)]  # fmt: skip
        file = ws.root / f"{who}.csv"
        pair_files.write([pair_case(a, b) for a, b in drugs], said, file)
        inbox.put(ws, "annotations", [file])
        for found in inbox.look(ws, "annotations"):
            admission.admit_batch(ws, found, inbox.read_batch(ws, found), b"{}")
        assert building.build_dataset(ws, None, [])
    (entry,) = held(ws)
    assert entry.body["reason"] == (
        "kappa 0.00 below 0.6 on ddi (ann and bob, 40 judged by both): batch held, here are the 20 pairs to talk about"
    )
    assert len(consistency.material(ws, entry.body["batch"]).annotations) == 80


def test_without_a_minimum_nothing_is_held(ws: Workspace) -> None:
    policy = ws.root / "recipes" / "policy.yaml"
    policy.write_text(re.sub(r"minimum_kappa: \{.*?\}", "minimum_kappa: {}", policy.read_text()))
    arrive(ws, "ann", answers("ann", 0))
    arrive(ws, "bob", answers("bob", 20))
    built = building.build_dataset(ws, None, [])
    assert built and "Consistency of annotations" in built.markdown and not held(ws)


def test_the_policy_is_the_one_that_the_recipe_names(ws: Workspace) -> None:
    recipes = ws.root / "recipes"
    (recipes / "policy.yaml").rename(recipes / "strict.yaml")
    recipe = recipes / "seriousness.yaml"
    recipe.write_text(recipe.read_text().replace("policy: policy.yaml", "policy: strict.yaml"))
    lenient = (recipes / "strict.yaml").read_text().replace("{seriousness: 0.6}", "{seriousness: 0.2}")
    (recipes / "policy.yaml").write_text(lenient)
    arrive(ws, "ann", answers("ann", 0))
    arrive(ws, "bob", answers("bob", 20))
    assert building.build_dataset(ws, None, []) is None
    assert "below 0.6" in held(ws)[0].body["reason"]


def test_the_report_on_demand_and_its_work_list(ws: Workspace, tmp_path: Path) -> None:
    arrive(ws, "both", [*answers("ann", 0), *answers("bob", 4)])
    with pytest.raises(NotFound, match="no dataset was built yet"):
        consistency.material(ws)
    built = building.build_dataset(ws, None, [])
    assert built
    for name in ("", "latest", "both.json", built.digest[:10]):
        found = consistency.material(ws, name)
        assert consistency.report(found).disagreements == 4
    assert consistency.work_list(found, tmp_path / "list.json") == 4
    assert len(json.loads((tmp_path / "list.json").read_text())) == 4
    with pytest.raises(NotFound, match="no batch elsewhere"):
        consistency.material(ws, "elsewhere")


def test_doubtful_labels_come_first(ws: Workspace) -> None:
    arrive(ws, "ann", answers("ann", 3))
    building.build_dataset(ws, None, [])
    ranked = consistency.doubtful(ws, "seriousness")
    assert len(ranked) == 60 and {row["case"] for row in ranked[:3]} == {"c000", "c001", "c002"}
    with pytest.raises(ConfigError, match="'extraction' is none of them"):
        consistency.doubtful(ws, "extraction")
    with pytest.raises(ConfigError, match="in no MedDRA version that was admitted"):
        consistency.doubtful(ws, "coding")


def test_quarantine_keeps_the_page_beside_the_report(ws: Workspace) -> None:
    inbox.put(ws, "annotations", [_file(ws, "[]")])
    (found,) = inbox.look(ws, "annotations")
    with pytest.raises(InputError) as caught:
        inbox.read_batch(ws, found)
    admission.quarantine(ws, found, caught.value, "<!doctype html>")
    (row,) = overview.overview(ws)["quarantine"]
    assert ws.store.get(row["report"].replace(".json", ".html")) == b"<!doctype html>"


def _file(ws: Workspace, text: str) -> Path:
    file = ws.root / "wrong.json"
    file.write_text(text)
    return file
