"""`pv demo`: one update cycle in small, through the same doors as in earnest."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

from pvcore.cli.demo_choice import invented
from pvcore.cli.demo_data import Source, Vaers
from pvcore.cli.output import console
from pvcore.cli.platform import project_root
from pvcore.config import Settings, Workspace, init_workspace, open_workspace
from pvcore.cycle import approval, candidate, forms, inbox, waiting
from pvcore.cycle.overview import champions
from pvcore.errors import ConfigError, PlatformError
from pvcore.platform import embedded
from pvcore.platform.prefect_api import Platform
from pvcore.registry import signing

PATIENCE = 1500.0
"""Seconds in which no run begins or ends or computes for a minute; the whole is meant to take 600 on two cores."""
SIGNER = "demo.physician@example.org"


@dataclass
class Story:
    """What the demo tells: a line when a step begins, a status line while it runs, a table at the end."""

    total: int
    started: float = field(default_factory=time.monotonic)
    rows: list[tuple[str, str, float]] = field(default_factory=list)
    number: int = 0

    @contextmanager
    def step(self, title: str, what: str) -> Iterator[Callable[[str], None]]:
        """Announce a step; the function it gives updates the status line."""
        self.number += 1
        console.print(f"\n[bold]{self.number} of {self.total}  {title}[/bold]\n  {what}")
        since = time.monotonic()
        with console.status("  starting ...") as status:
            last = ""

            def say(text: str) -> None:
                nonlocal last
                status.update(f"  {text}")
                if text != last and not console.is_terminal:
                    console.print(f"  {time.monotonic() - self.started:5.0f} s  {text}", markup=False)
                last = text

            yield say
        self.rows.append((title, "", time.monotonic() - since))

    def result(self, text: str) -> None:
        """A line that stays: what the step led to."""
        console.print(f"  [green]->[/green] {text}")
        if self.rows:
            title, before, seconds = self.rows[-1]
            self.rows[-1] = (title, f"{before}\n{text}".strip(), seconds)


@contextmanager
def peak_memory(folder: Path) -> Iterator[Callable[[], int]]:
    """Sample what the demo and all that it started hold in memory; the function gives the most so far.

    Bytes, summed over processes: pages that they share count once each, so it is rather too much.
    """
    most, over = 0, threading.Event()

    def sample() -> None:
        nonlocal most
        while not over.wait(1.0):
            most = max(most, embedded.status(folder)["memory"] + psutil.Process().memory_info().rss)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield lambda: most
    finally:
        over.set()
        thread.join()


def run(
    folder: Path,
    *,
    approve: str,
    data: Path | None,
    problems: Sequence[str],
    recipes: Mapping[str, str],
) -> None:
    """Run the demonstration of `problems` in `folder`, which is made anew. Raises PlatformError where a step fails.

    `recipes` are the texts of recipes that take the place of the shipped ones, by problem.

    ConfigError for a folder with anything in it that no demonstration made. Settings of the environment do
    not count here: what is invented must not reach the store that PV_STORE may name.
    """
    mark = folder / ".pv" / "demonstration"
    if folder.exists() and not mark.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is not empty and no earlier demonstration: choose another folder.")
    for name in Settings.model_fields:
        os.environ.pop(f"PV_{name.upper()}", None)
    embedded.down(folder)
    shutil.rmtree(folder, ignore_errors=True)
    mark.parent.mkdir(parents=True)
    mark.touch()
    init_workspace(folder)
    story = Story(total=7)
    try:
        with peak_memory(folder) as peak:
            _cycle(story, folder, approve, data, problems, recipes, peak)
    finally:
        with console.status("  stopping the platform ..."):
            embedded.down(folder)
    console.print(
        f"\nThe platform is stopped. Look around again: pv up -w {shlex.quote(str(folder))}", markup=False
    )


def _cycle(
    story: Story,
    folder: Path,
    approve: str,
    data: Path | None,
    problems: Sequence[str],
    recipes: Mapping[str, str],
    peak: Callable[[], int],
) -> None:
    key = folder / ".pv" / "demo_key"
    signing.make_key(key, SIGNER, folder / "allowed_signers")
    source: Source = Vaers(folder, data) if data else invented(folder, problems)
    workspace = open_workspace(folder)
    for problem, text in recipes.items():
        (folder / "recipes" / f"{problem}.yaml").write_text(text, "utf-8")
        # A base that cannot be used is refused now, not minutes later in the flow.
        candidate.base_folder(workspace, workspace.recipe(problem).base.model_dump())

    with story.step(
        "The platform", "Prefect server on SQLite, work pools cpu and gpu, a worker each, deployments"
    ) as say:
        platform = embedded.up(folder, project_root(), env={"PV_WORKSPACE": str(folder)}, tied=True, step=say)
    story.result(f"Prefect UI: {platform.ui_url}")

    with story.step("The data", source.describe) as say:
        first = source.first(say)
    for line in first.lines:
        story.result(line)

    with story.step(
        "First champions",
        "the first files go into the inbox; watch -> admit -> dataset -> train -> floors -> signature -> champion",
    ) as say:
        _drop(workspace, platform, first.files)
        _await_requests(workspace, platform, set(source.problems), 0, say)
        _answer(story, workspace, platform, approve, key, say)
    for line in [*forms.decisions(workspace), *champions(workspace)]:
        story.result(line)

    with story.step("New arrivals", source.arrivals) as say:
        before = len(workspace.ledger.entries())
        second = source.second(say)
        _drop(workspace, platform, second.files)
        _follow(workspace, platform, lambda: _handled(workspace, before) >= len(second.files), say)
    for entry in workspace.ledger.entries()[before:]:
        if entry.kind in inbox.HANDLED:
            story.result(f"{entry.kind}: {entry.body['object']['key']}" + _faults(entry.body))

    with story.step("The update", source.update) as say:
        _await_requests(workspace, platform, set(source.problems), before, say)
    for line in forms.decisions(workspace, since=before):
        story.result(line)

    with story.step(
        "The approval", "a signature over candidate, report, policy, champion and ledger position"
    ) as say:
        _answer(story, workspace, platform, approve, key, say)
    for line in champions(workspace):
        story.result(line)

    problem = source.problems[0]
    if workspace.ledger.state().champion(problem) is None:
        raise PlatformError(
            f"no candidate of {problem} passed (the reasons stand above): nothing was promoted, nothing can be used"
        )
    with story.step(
        "In use", "a fresh process resolves, verifies, scores twice; then back and forward once"
    ) as say:
        lines = _use(workspace, platform, problem, source.to_score(), key, say)
    for line in lines:
        story.result(line)
    _last_table(story, workspace, peak())


def _drop(workspace: Workspace, platform: Platform, files: Sequence[tuple[str, Path, str | None]]) -> None:
    for box, path, version in files:
        inbox.put(workspace, box, [path], version)  # type: ignore[arg-type]
    for box in sorted({box for box, _, _ in files}):
        platform.run(f"watch/{box}")


def _handled(workspace: Workspace, since: int) -> int:
    return sum(entry.kind in inbox.HANDLED for entry in workspace.ledger.entries()[since:])


def _await_requests(
    workspace: Workspace, platform: Platform, problems: set[str], since: int, say: Callable[[str], None]
) -> None:
    """Until each problem has a request for approval, or a decision that no approval is asked for."""

    def settled() -> bool:
        entries = workspace.ledger.entries()[since:]
        asked = {e.body["problem"] for e in entries if e.kind == "ApprovalRequested"}
        failed = {
            e.body["problem"]
            for e in entries
            if e.kind in ("Evaluated", "Loaded") and e.body["outcome"] != "pass"
        }
        return problems <= asked | failed

    _follow(workspace, platform, settled, say)


def _answer(
    story: Story,
    workspace: Workspace,
    platform: Platform,
    approve: str,
    key: Path,
    say: Callable[[str], None],
) -> None:
    """Sign all that waits with the demonstration key, or wait until a person has answered in the UI."""
    for request in approval.open_requests(workspace):
        say(f"{request.version}: waiting for its run to suspend")
        run = waiting.waiting_run(platform, request, timeout=180)
        if approve == "ui":
            url = platform.flow_run(run).url
            console.print(
                f"  {request.version} waits for you: {url}\n"
                f"  Resume it there (three dots). Your signature:\n"
                f"    pv sign {request.version} --name {SIGNER} --reason 'why' --key {shlex.quote(str(key))} "
                f"-w {shlex.quote(str(workspace.root))}",
                markup=False,
            )
        else:
            signature = approval.sign(
                workspace, request, decision="approve", name=SIGNER, reason="demonstration", key=key
            )
            platform.resume(
                run,
                {"decision": "approve", "name": SIGNER, "reason": "demonstration", "signature": signature},
            )
    _follow(workspace, platform, lambda: not approval.open_requests(workspace), say)


def _follow(
    workspace: Workspace, platform: Platform, done: Callable[[], bool], say: Callable[[str], None]
) -> None:
    """Wait for `done`, telling which runs are on their way. Raises PlatformError when one failed or nothing happens."""
    deadline, last = 0.0, None
    seen = {run.id for run in platform.flow_runs(states=("FAILED",))}
    while not done():
        runs = platform.flow_runs(states=("RUNNING", "PENDING", "FAILED"))
        for run in runs:
            if run.state == "FAILED" and run.id not in seen:
                raise PlatformError(
                    f"run {run.name} failed: {run.message}\n"
                    + "\n".join(platform.logs(run.id, level=30)[-15:])
                )
        busy = sorted({_what(platform, run) for run in runs if run.state == "RUNNING"})
        say("running: " + (", ".join(busy) or "a worker picks up the next run"))
        computed = embedded.status(workspace.root)["seconds"] // 60
        signs = busy, len(workspace.ledger.entries()), computed
        if signs != last:
            deadline, last = time.monotonic() + PATIENCE, signs
        if time.monotonic() > deadline:
            raise PlatformError(f"nothing more happened for {PATIENCE:.0f} s; see {platform.ui_url}")
        time.sleep(1.0)


def _what(platform: Platform, run: Any) -> str:
    name = platform.deployment_name(run.deployment_id)
    subject = (
        run.parameters.get("problem") or run.parameters.get("inbox") or run.parameters.get("version") or ""
    )
    return f"{name} {subject}".strip()


def _use(
    workspace: Workspace, platform: Platform, problem: str, cases: Path, key: Path, say: Callable[[str], None]
) -> list[str]:
    say("scoring in a fresh process")
    outputs = []
    command = [sys.executable, "-m", "pvcore.cli", "predict", f"{problem}@champion", str(cases)]
    for _ in range(2):
        done = subprocess.run(
            [*command, "-w", str(workspace.root), "--json"], capture_output=True, check=False
        )
        if done.returncode:
            raise PlatformError(f"pv predict failed: {done.stderr.decode()[-2000:]}")
        outputs.append(done.stdout)
    if outputs[0] != outputs[1]:
        raise PlatformError("the same cases scored twice gave different bytes")
    lines = [
        f"{problem}@champion scored {cases.name} twice in fresh processes: the same {len(outputs[0])} bytes"
    ]
    current = workspace.ledger.state().champion(problem)
    if workspace.ledger.state().previous(problem) is None:
        return [*lines, f"{problem} has had one champion only: there is nothing to roll back to"]
    for target in ("previous", "previous"):
        say(f"rollback {problem} to {target}")
        run = platform.run("rollback", {"problem": problem, "to": target})
        platform.wait(run, 300, until="suspended")
        request = approval.open_requests(workspace)[-1]
        signature = approval.sign(
            workspace, request, decision="approve", name=SIGNER, reason="demonstration of a rollback", key=key
        )
        answer = {
            "decision": "approve",
            "name": SIGNER,
            "reason": "demonstration of a rollback",
            "signature": signature,
        }
        platform.resume(run, answer)
        ended = platform.wait(run, 300)
        if ended.state != "COMPLETED":
            raise PlatformError(f"the rollback ended {ended.state_name}: {ended.message}")
        lines.append(f"rolled back to {request.version}")
    if workspace.ledger.state().champion(problem) != current:
        raise PlatformError("rolled back and forward, and the champion is another one")
    return lines


def _faults(body: dict[str, Any]) -> str:
    return f" ({body['faults']} fault(s), first: {body['first'][:110]})" if "faults" in body else ""


def _last_table(story: Story, workspace: Workspace, peak: int) -> None:
    table = Table(title="\nWhat happened", title_justify="left", show_lines=True)
    table.add_column("step")
    table.add_column("result", overflow="fold")
    table.add_column("seconds", justify="right")
    for title, result, seconds in story.rows:
        table.add_row(title, result.replace("[", r"\["), f"{seconds:.0f}")
    table.add_row(
        "all",
        f"at most {peak / 2**30:.1f} GiB of memory at the same time",
        f"{time.monotonic() - story.started:.0f}",
    )
    console.print(table)
    here = shlex.quote(str(workspace.root))
    console.print(
        f"Look at it:\n"
        f"  pv history -w {here}\n"
        f"  pv registry list -w {here}\n"
        f"  pv verify {next(iter(workspace.recipes()))}@champion -w {here}\n"
        f"  pv status -w {here}",
        markup=False,
    )
