"""The gate's part of policy.yaml: what a candidate must show before a person is asked.

All acceptance criteria stand here, set before the evaluation that they judge.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
"""A value that a metric may take."""
Tolerance = Annotated[float, Field(gt=0, lt=1)]
"""A difference between two values that is accepted, in the metric's own units (0.03 = 3 points)."""


class Margin(BaseModel):
    """How much lower than a reference the candidate may be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin: Tolerance


class SliceRule(BaseModel):
    """What is asked of one group of cases, compared with the champion.

    `no_harm`: fail if the candidate is worse than the champion (exact test, corrected over the
    slices) and by more than the margin; inconclusive if it looks worse by more than the margin and
    the test cannot tell. It blocks few equal models on small groups, and certifies nothing.
    `non_inferior`: the whole interval must lie above the margin, as for the overall metrics. It
    certifies, and needs several hundred cases a group to pass equal models.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    margin: Tolerance
    minimum: int = Field(default=30, ge=1, description="held-out rows that count, fewer are inconclusive")
    rule: Literal["no_harm", "non_inferior"] = "no_harm"
    required: bool = Field(default=True, description="False: too few or no such cases do not block")


class BehaviourRule(BaseModel):
    """What is asked of the behaviour tests of one kind, which must exist.

    They are a list that somebody wrote and no sample, so the share that was passed is held against `minimum` as
    it is. Against the champion: fail where clearly fewer are passed (exact test, corrected over the kinds) and by
    more than the margin; inconclusive where that many fewer may be chance.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    minimum: Share | None = Field(default=None, description="share that must be passed; None: not asked")
    margin: Tolerance | None = Field(
        default=None, description="how much smaller than the champion's the share may be; None: not asked"
    )
    tests: int = Field(default=1, ge=1, description="fewer tests of the kind are inconclusive")
    required: bool = Field(
        default=True, description="False: what is inconclusive is reported and does not block"
    )


class ProblemPolicy(BaseModel):
    """The criteria of one problem, by metric name.

    `floors` decide a first promotion by the lower end of the interval; later the value itself must
    not fall below them, so that many small steps down cannot add up.
    `non_inferiority` compares with the champion; `against` with other references by name (a frozen
    anchor version, a word-list baseline), in the same way. `behaviour` is asked by kind of test.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    floors: dict[str, Share] = Field(default_factory=dict)
    non_inferiority: dict[str, Margin] = Field(default_factory=dict)
    slices: dict[str, SliceRule] = Field(default_factory=dict)
    against: dict[str, dict[str, Margin]] = Field(default_factory=dict)
    behaviour: dict[str, BehaviourRule] = Field(default_factory=dict)


class EvaluationSettings(BaseModel):
    """How the numbers are made. A two-sided 95% interval wrongly passes at most 2.5% (ICH E9)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: float = Field(default=0.95, ge=0.5, lt=1, description="of every interval, two-sided")
    resamples: int = Field(default=1000, ge=200, description="of the bootstrap by case cluster")
    multiple: Literal["holm", "none"] = Field(default="holm", description="correction over the slices")
    minimum: int = Field(default=30, ge=1, description="held-out rows that count, for every metric")
    maximum_uses: int | None = Field(
        default=None, ge=1, description="how often one held-out set may decide before a new one is due"
    )


class Policy(BaseModel):
    """The sections `problems` and `evaluation` of policy.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problems: dict[str, ProblemPolicy] = Field(default_factory=dict)
    evaluation: EvaluationSettings = EvaluationSettings()
