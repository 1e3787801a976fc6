"""Which releases a workspace has, and their order."""

from __future__ import annotations

from pvcore.cycle import dictionaries


def test_releases_and_versions_sort_as_numbers() -> None:
    assert sorted(["26.1", "9.1", "26.0"], key=dictionaries.version_order) == ["9.1", "26.0", "26.1"]
