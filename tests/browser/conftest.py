"""A real browser against a real server: Playwright drives an installed Chromium; nothing is downloaded."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pvcore.platform import embedded
from pvcore.platform.prefect_api import Platform

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TOY = Path(__file__).parents[1] / "pvcore" / "platform" / "project"


@dataclass
class PrefectUi:
    """The two things a person does in Prefect's interface (version 2, the default).

    Works against any platform: `PrefectUi(page, platform).answer(run, {"Decision": "approve", ...})`.
    Fields are named as the form shows them.
    """

    page: Any
    platform: Platform

    def start(self, deployment: str, fields: Mapping[str, str]) -> str:
        """Start a run from the deployment's form, with `fields` by parameter name; returns its id."""
        before = {run.id for run in self.platform.flow_runs(deployment)}
        self.page.goto(f"{self.platform.ui_url}/v2/deployments")
        self.page.get_by_role("link", name=deployment, exact=True).first.click()
        self.page.get_by_role("button", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Custom run").click()
        # The form sets its defaults once the deployment has been read, over what was typed before.
        self.page.wait_for_load_state("networkidle")
        self._fill(fields)
        for _ in range(4):
            # The form checks itself while one types and swallows a click meanwhile: click again.
            self.page.get_by_role("button", name="Submit").click()
            for _ in range(10):
                self.page.wait_for_timeout(200)
                new = [run.id for run in self.platform.flow_runs(deployment) if run.id not in before]
                if new:
                    return new[0]
        raise AssertionError(f"no run after Submit; the page says: {self.text()}")

    def answer(self, run_id: str, fields: Mapping[str, str]) -> str:
        """Fill in and submit the form of a suspended run; returns what the form shows to read."""
        from playwright.sync_api import TimeoutError as Timeout

        self.page.goto(self.platform.flow_run(run_id).url)
        self.page.get_by_role("button", name="Open menu").click()
        self.page.get_by_role("menuitem", name="Resume").click()
        dialog = self.page.get_by_role("dialog")
        self._fill(fields)
        shown = str(dialog.inner_text())
        for _ in range(3):
            # It swallows a click while it checks itself, and stays open when an answer does not validate.
            dialog.get_by_role("button", name="Resume").click()
            with contextlib.suppress(Timeout):
                dialog.wait_for(state="hidden", timeout=3_000)
                break
        return shown

    def text(self) -> str:
        """What the page says now, for example why an answer was refused."""
        return str(self.page.locator("body").inner_text())

    def _fill(self, fields: Mapping[str, str]) -> None:
        for name, value in fields.items():
            # A label names its field by id; the field is a text, a select or a code editor.
            label = self.page.locator("label", has_text=re.compile(rf"^{re.escape(name)}( \(Optional\))?$"))
            field = self.page.locator(f'[id="{label.get_attribute("for")}"]')
            kind = field.evaluate("element => element.tagName")
            if kind == "BUTTON":
                field.click()
                self.page.get_by_role("option", name=value).click()
            else:
                (field.locator(".cm-content") if kind == "DIV" else field).fill(value)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """An installed Chromium (PV_CHROMIUM overrides), started once; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = os.environ.get("PV_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed and PV_CHROMIUM is not set")
    with playwright.sync_playwright() as driver:
        # No sandbox: a container's root cannot make one, and only our own server is visited.
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def platform(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform with the toy flows. `chromium` first: without a browser nothing is started."""
    workspace = tmp_path_factory.mktemp("workspace")
    yield embedded.up(workspace, TOY, tied=True)
    embedded.down(workspace)


@pytest.fixture
def ui(page: Any, platform: Platform) -> PrefectUi:
    """A person in front of Prefect's interface."""
    return PrefectUi(page, platform)


@pytest.fixture
def page(chromium: Any, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A fresh page that fails the test when it asks for anything that is not on this machine."""
    strangers: list[str] = []
    page = chromium.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(15_000)
    page.on("request", lambda sent: None if "//127.0.0.1:" in sent.url else strangers.append(sent.url))
    yield page
    page.screenshot(path=tmp_path / "last.png")
    page.close()
    foreign = [url for url in strangers if not url.startswith(("data:", "blob:"))]
    assert not foreign, f"the interface must work offline, it asked for {foreign}"
