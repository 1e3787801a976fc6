"""What somebody who can write into the store, or only into an inbox, does not get out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pvcore.config import Workspace, init_workspace, open_workspace
from pvcore.cycle import admission, approval, dictionaries, forms, inbox, scoring
from pvcore.errors import BatchError, ConfigError, Fault, RegistryError, ReleaseError
from pvcore.records import Guardrail, Prediction
from pvcore.registry.blobs import put_blob


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    init_workspace(tmp_path / "ws")
    (tmp_path / "ws" / "pv.yaml").write_text("settle_seconds: 0\n")
    return open_workspace(tmp_path / "ws")


@pytest.mark.parametrize("name", ["{outside}", "../../outside", "..", "a\x1b[2J"])
def test_a_name_in_the_ledger_chooses_no_place_on_this_machine(
    workspace: Workspace, tmp_path: Path, name: str
) -> None:
    body = {"version": "30.0", "language": "English", "digest": "0" * 64, "validation": "0" * 64}
    body |= {"name": name.format(outside=tmp_path / "outside"), "object": {"key": "k", "etag": "e"}}
    body["blob"] = put_blob(workspace.store, b"what an attacker wants to stand there")
    workspace.ledger.append("ReleaseAdmitted", body, actor="attacker")
    with pytest.raises((RegistryError, ReleaseError)):
        dictionaries.load_dictionary(workspace, "30.0")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ws"]


def test_a_link_in_a_local_inbox_does_not_copy_a_file_into_quarantine(
    workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "id_ed25519").write_text("a private key")
    box = workspace.state / "store" / "inbox" / "annotations"
    box.mkdir(parents=True)
    (box / "a.json").symlink_to(tmp_path / "id_ed25519")
    (found,) = inbox.look(workspace, "annotations")
    with pytest.raises(RegistryError, match="leads out of the store"):
        inbox.read_batch(workspace, found)
    with pytest.raises(RegistryError, match="leads out of the store"):
        admission.quarantine(workspace, found, BatchError("a", [Fault("file", "empty")]))
    assert [item.key for item in workspace.store.list("")] == ["inbox/annotations/a.json"]


@pytest.mark.parametrize("problem", ["../pv", "a/b", "", "seriousness\n"])
def test_a_problem_typed_into_a_form_is_no_path(workspace: Workspace, problem: str) -> None:
    with pytest.raises(ConfigError, match="is no name of a problem"):
        workspace.recipe(problem)


MARKUP = "![](https://evil.example/pixel)<img src=x>\n# PASS\n```"


def test_pages_show_what_a_file_says_and_do_nothing_of_it(workspace: Workspace) -> None:
    error = BatchError(MARKUP, [Fault(MARKUP, MARKUP, MARKUP)] * 60, MARKUP)
    page = admission.page(inbox.Found("annotations", "inbox/annotations/a<b>.json", 1, "e"), error)
    answered = [Prediction(example_id=MARKUP, answer=MARKUP, score=0.5)]
    version: Any = type("Version", (), {"name": "seriousness@1", "problem": "seriousness"})
    for shown in (page, scoring._markdown(version, answered, None)):
        assert "![" not in shown and "<img" not in shown.replace("\\<img", "") and "\n# PASS" not in shown
    assert "... and 10 more" in page and "```" not in page


def test_a_page_of_predictions_tells_an_empty_set_from_a_withheld_answer() -> None:
    held = (Guardrail("confidence", 0.1, 0.6, "withhold"),)
    answered = [Prediction("a", "", 0.1), Prediction("b", "", 0.1, guardrails=held)]
    page = scoring._markdown(type("Version", (), {"name": "pts@1", "problem": "pts"}), answered, None)
    assert "1 answered, 1 withheld" in page and "| a | none |" in page and "| b | *withheld* |" in page


@pytest.mark.parametrize("place", ["refusal", "reason of the first who signed", "what is set aside"])
def test_what_a_form_quotes_is_shown_as_text(
    monkeypatch: pytest.MonkeyPatch, workspace: Workspace, place: str
) -> None:
    monkeypatch.setattr(forms, "_measured", lambda *_: (None, None))
    monkeypatch.setattr(forms, "_so_far", lambda *_: [MARKUP] if place.startswith("reason") else [])
    monkeypatch.setattr("pvcore.dossier.report.markdown_gate_table", lambda *_: "")
    waived = (MARKUP,) if place == "what is set aside" else ()
    asked = approval.Request("seriousness@1", "promote", "0" * 64, 1, "", "now", waived=waived)
    shown = forms.form_markdown(workspace, asked, MARKUP if place == "refusal" else "")
    assert "PASS" in shown and "\n# PASS" not in shown and "![" not in shown
    assert "<img" not in shown.replace("\\<img", "")
