"""Which releases a workspace has, and their order."""

from __future__ import annotations

from pathlib import Path

from pvcore.config import init_workspace, open_workspace
from pvcore.cycle import dictionaries


def test_releases_and_versions_sort_as_numbers() -> None:
    assert sorted(["26.1", "9.1", "26.0"], key=dictionaries.version_order) == ["9.1", "26.0", "26.1"]


def test_the_language_of_the_settings_is_found_in_any_case(tmp_path: Path) -> None:
    """`language: english` admitted every release and knew none, without a word."""
    init_workspace(tmp_path)
    (tmp_path / "pv.yaml").write_text("language: english\n")
    workspace = open_workspace(tmp_path)
    for language in ("English", "French"):
        body = {
            "version": "90.0", "language": language, "digest": language, "blob": "b", "name": "n",
            "validation": "v", "object": {"key": language, "etag": "e"},
        }  # fmt: skip
        workspace.ledger.append("ReleaseAdmitted", body, actor="watch", key=language)
    assert dictionaries.known_releases(workspace) == {"90.0": "English"}
    assert dictionaries.known_releases(workspace, "FRENCH") == {"90.0": "French"}
