"""What only the user knows of a problem: out of a YAML file, and asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pvcore.config import explain, read_yaml
from pvcore.errors import ConfigError


class Situation(BaseModel):
    """What only the user knows of a problem. What is left out is unknown, and the page says how that was taken."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cases_per_month: float | None = Field(default=None, gt=0)
    minutes_per_case: float = Field(default=2.0, gt=0, description="of a person who does it by hand")
    fixed_answers: bool = Field(default=True, description="classes, terms or spans; False: free text")
    guideline: bool | None = Field(default=None, description="a written rule says how to choose")
    metric: str = Field(default="", description="by which the target is set; the policy's first if empty")
    target: float | None = Field(default=None, gt=0, le=1)
    data_may_leave: bool | None = Field(default=None, description="texts may be sent to an API")
    same_answer: bool | None = Field(default=None, description="the same bytes must come out years later")
    audited: bool | None = Field(default=None, description="what was trained on what has to be shown")
    prices: dict[str, float] = Field(default_factory=dict, description="see pvcore.advice.costs.Prices")


def situation(path: Path | None) -> Situation:
    """The user's YAML; all unknown without one. Raises ConfigError with every fault."""
    return Situation() if path is None else _validated(str(path), read_yaml(path))


def completed(said: Situation, answers: Mapping[str, Any]) -> Situation:
    """What was said with answers to what it left out. Raises ConfigError with every fault."""
    return _validated("the answers", {**said.model_dump(exclude_unset=True), **answers})


def _validated(where: str, raw: Mapping[str, Any]) -> Situation:
    try:
        return Situation.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(explain(where, error)) from None
