"""Flows with the shapes of the real ones: quick, long with a checkpoint, and waiting for a form."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput
from prefect.states import Cancelled, State
from pydantic import Field


@flow(persist_result=True)
def greet(name: str, times: int = 1) -> str:
    """Say hello to `name`."""
    line = " ".join([f"hello {name}"] * times)
    print(line)
    create_markdown_artifact(line, key="greeting", description="what was said")
    return line


@flow
def slow(folder: str, seconds: float) -> None:
    """Leave a line in `folder`/starts each time it begins, and `folder`/done at the end."""
    with (Path(folder) / "starts").open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    if (Path(folder) / "starts").read_text().count("\n") == 1:
        time.sleep(seconds)
    (Path(folder) / "done").touch()


class Answer(RunInput):
    """The form of the real approval, field by field."""

    decision: Literal["approve", "reject"] = Field(title="Decision")
    name: str = Field(title="Name", description="as in the policy")
    reason: str = Field(title="Reason", min_length=3)
    signature: str = Field(title="Signature", json_schema_extra={"format": "json-string"})


@flow(persist_result=True)
def approval(version: str) -> str | State:
    """Ask for `version` to be approved."""
    # A key may hold lower-case letters, digits and dashes only.
    table = "| metric | value |\n|--|--|\n| recall | 0.9 |"
    form = Answer.with_initial_data(description=f"## Promote {version}?\n\n{table}")
    answer = suspend_flow_run(wait_for_input=form, key=version.replace("@", "-"), timeout=3600)
    if answer.decision == "reject":
        return Cancelled(name="Rejected", message=f"{answer.name} rejected {version}: {answer.reason}")
    said = f"{answer.name} approved {version}: {answer.reason} [{answer.signature}]"
    create_markdown_artifact(said, key="answer")
    return said
