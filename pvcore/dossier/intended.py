"""What a model is meant for, in the words of those who answer for it: `intended_use/<problem>.yaml`.

Question of interest, context of use, model influence and decision consequence are the first three steps of
the FDA's draft credibility framework (January 2025). No program can know them. A workspace begins with
generic text, which says of itself that nobody has stated it yet.
"""

from __future__ import annotations

from datetime import date
from importlib import resources
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pvcore import yaml_text
from pvcore.config import explain
from pvcore.errors import ConfigError

FOLDER = "intended_use"


class IntendedUse(BaseModel):
    """One problem's file. `stated_by` empty: the text is the platform's, and every page says so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stated_by: str = Field(default="", description="the person or function that answers for this text")
    stated_on: str | date = ""
    purpose: str = ""
    question_of_interest: str = ""
    context_of_use: str = ""
    model_influence: str = Field(default="", description="how much the answer weighs beside other evidence")
    decision_consequence: str = Field(default="", description="what a wrong decision leads to")
    oversight: str = ""
    users: tuple[str, ...] = ()
    not_for: tuple[str, ...] = ()
    limits: tuple[str, ...] = Field(default=(), description="of this problem, beside the general ones")
    risks: tuple[str, ...] = Field(default=(), description="what harm a wrong answer can do")
    licence: str = Field(default="", description="of the adapter: an SPDX id or a name")

    @model_validator(mode="after")
    def _dated(self) -> IntendedUse:
        if bool(self.stated_by) != bool(self.stated_on):
            raise ValueError("stated_by and stated_on go together: who stands for this text, and since when")
        return self

    @property
    def origin(self) -> str:
        """Whose words these are, as a sentence."""
        if self.stated_by:
            return f"Stated by {self.stated_by} on {self.stated_on}."
        return (
            "Generic text that is shipped with the platform: nobody who answers for the use of this model has "
            "stated it yet."
        )


def intended_use(root: Path, problem: str) -> IntendedUse:
    """What the workspace at `root` says, else what is shipped, else nothing. Raises ConfigError with all faults."""
    return stated(intended_text(root, problem), str(root / FOLDER / f"{problem}.yaml"))


def intended_text(root: Path, problem: str) -> bytes:
    """The YAML that `intended_use` reads, as it is written; empty where there is none."""
    shipped = resources.files("pvcore.recipes") / FOLDER / f"{problem}.yaml"
    for file in (root / FOLDER / f"{problem}.yaml", shipped):
        if file.is_file():
            return file.read_bytes()
    return b""


def stated(text: bytes, where: str) -> IntendedUse:
    """What such a YAML says. Raises ConfigError with all faults, naming `where` it stands."""
    try:
        return IntendedUse.model_validate(yaml_text.load(text) or {})
    except (yaml.YAMLError, yaml_text.RepeatedKeys) as error:
        raise ConfigError(f"{where} cannot be read: {error}") from None
    except ValidationError as error:
        raise ConfigError(explain(where, error)) from None
