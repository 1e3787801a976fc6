"""One real platform with toy flows for all tests of this room; starting it costs about 15 seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pvcore.platform import embedded
from pvcore.platform.prefect_api import Platform

PROJECT = Path(__file__).parent / "project"


@pytest.fixture(scope="session")
def project() -> Path:
    """A project with its own prefect.yaml."""
    return PROJECT


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of the shared platform."""
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="session")
def platform(workspace: Path) -> Iterator[Platform]:
    """The shared platform, tied to the test run: an interrupted run leaves nothing either."""
    yield embedded.up(workspace, PROJECT, tied=True)
    embedded.down(workspace)
