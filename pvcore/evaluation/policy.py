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


class Gain(BaseModel):
    """How much higher than a reference the candidate must be; 0 asks for any gain at all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gain: float = Field(ge=0, lt=1)


class Anchor(BaseModel):
    """A frozen version that no candidate may fall behind, however slowly the champions drift.

    `version` is a number or a digest, never an alias: an anchor that moves holds nothing. The k-th use of the
    same held-out cases asks for an interval at 1 - alpha / k instead of 1 - alpha.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str = Field(
        default="first",
        pattern=r"^(first|[a-z][a-z0-9_-]*@[1-9][0-9]*|[0-9a-f]{64})$",
        description="`first` (the first champion), `NAME@NUMBER` or a digest",
    )
    non_inferiority: dict[str, Margin] = Field(min_length=1)


class SliceRule(BaseModel):
    """What is asked of one group of cases, compared with the champion.

    `no_harm`: fail if the candidate is worse than the champion by more than the margin (exact test,
    corrected over the slices); inconclusive if it looks so and the test cannot tell, or if the group is
    so small that a loss of the margin would not have shown.
    `non_inferior`: the whole interval must lie above the margin, as for the overall metrics. It
    certifies, and needs several hundred cases a group to pass equal models.
    `zero_tolerance`: one case is enough to fail, whatever the test says and however small the group.
    `newly_wrong` is a case that the champion has right and the candidate has wrong, `wrong` any wrong
    answer. An answer that was withheld is neither: a person looks at it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    margin: Tolerance
    minimum: int = Field(default=30, ge=1, description="held-out rows that count, fewer are inconclusive")
    rule: Literal["no_harm", "non_inferior"] = "no_harm"
    required: bool = Field(default=True, description="false: inconclusive or no such cases do not block")
    zero_tolerance: Literal["newly_wrong", "wrong"] | None = None


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
    `non_inferiority` compares with the champion, `anchor` with a frozen version, `against` with other
    references by name (a word-list baseline), all in the same way. `superiority` asks for a gain over a
    reference. A slice may be called `language:*`: the rule of every such slice that has none of its own.
    `behaviour` is asked by kind of test.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    floors: dict[str, Share] = Field(default_factory=dict)
    non_inferiority: dict[str, Margin] = Field(default_factory=dict)
    anchor: Anchor | None = None
    superiority: dict[str, dict[str, Gain]] = Field(default_factory=dict)
    slices: dict[str, SliceRule] = Field(default_factory=dict)
    against: dict[str, dict[str, Margin]] = Field(default_factory=dict)
    behaviour: dict[str, BehaviourRule] = Field(default_factory=dict)

    def rule_of(self, slice_name: str) -> SliceRule | None:
        """The rule of a slice: under its own name, else under that of its family (`source:*`)."""
        family = f"{slice_name.partition(':')[0]}:*" if ":" in slice_name else ""
        return self.slices.get(slice_name) or self.slices.get(family)


class EvaluationSettings(BaseModel):
    """How the numbers are made. A two-sided 95% interval wrongly passes at most 2.5% (ICH E9)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: float = Field(default=0.95, ge=0.5, lt=1, description="of every interval, two-sided")
    resamples: int = Field(default=1000, ge=200, description="of the bootstrap by case cluster")
    multiple: Literal["holm", "none"] = Field(default="holm", description="correction over the slices")
    minimum: int = Field(default=30, ge=1, description="held-out rows that count, for every metric")
    maximum_uses: int = Field(
        default=12, ge=1, description="evaluations that half of the held-out cases may decide"
    )


class Policy(BaseModel):
    """The sections `problems` and `evaluation` of policy.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problems: dict[str, ProblemPolicy] = Field(default_factory=dict)
    evaluation: EvaluationSettings = EvaluationSettings()
    designated_events: tuple[str, ...] = Field(
        default=(),
        description="names or codes of terms whose cases are a slice; a list, or a file beside the policy",
    )
