"""What a recipe says about training: one frozen pydantic model for each section.

`pvcore.config` composes a recipe from these; `Sections` reads them back out of a specification.
Everything here takes part in the digest of a specification: a change of any value is another run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pvcore.errors import TrainingError

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """A section of a recipe: frozen, and a key that it does not know is a mistake, not a remark."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BaseModelSettings(Section):
    """Which pretrained model is adapted, and the digest that it must have."""

    source: str = Field(
        min_length=1,
        description="package:NAME | a folder | hub:ID@REVISION (a full commit) | store:PREFIX",
    )
    digest: str = Field(
        pattern=r"^([0-9a-f]{64}|unpinned)$",
        description="SHA-256 of model.safetensors (several files: of the canonical JSON {name: SHA-256}); "
        "unpinned = not known yet, refused until `pv base pin`",
    )

    @field_validator("source")
    @classmethod
    def _no_user(cls, source: str) -> str:
        if "://" in source and "@" in source:  # it would go into specifications, manifests and pages
            raise ValueError(
                "a URL with a user or password in it; name a package, a folder, hub:ID@REVISION or store:PREFIX"
            )
        return source


class Quantisation(Section):
    """How the frozen weights are kept (bits) and what the matrix products are computed in."""

    bits: Literal[4, 16] = Field(
        default=4, description="4 = NF4 with double quantisation; 16 = not quantised"
    )
    compute: Literal["float32", "bfloat16"] = "float32"


class Lora(Section):
    """The low-rank update: W x + (alpha / rank) B A x on every layer whose name ends in a target."""

    rank: int = Field(default=16, ge=1, le=1024)
    alpha: float = Field(default=32, gt=0, description="the update is scaled by alpha / rank")
    dropout: float = Field(default=0.05, ge=0.0, lt=1.0)
    targets: tuple[str, ...] = Field(default=("query", "key", "value", "dense"), min_length=1)


class TextSettings(Section):
    """How much of a text the model sees at once, in its own tokens, and what becomes of a longer one.

    `windows` (encoders only, and no sets) reads all of it, and `pool` makes one answer of theirs: the mean of
    probabilities or vectors, or the window in which the positive label is most probable (each
    criterion: in which that is).
    """

    max_tokens: int = Field(default=160, ge=8)
    long: Literal["head_and_tail", "windows"] = "head_and_tail"
    pool: Literal["mean", "max"] = Field(default="mean", description="of windows")


class TrainingSettings(Section):
    """The schedule: linear warm-up, then linearly down to nothing over all steps (AdamW)."""

    method: Literal["lora", "full"] = Field(
        default="lora", description="full: all weights are trained and stored, for comparison"
    )
    epochs: int = Field(default=4, ge=1)
    batch: int = Field(default=16, ge=1, description="examples (contrastive: pairs) a step")
    micro_batch: int | None = Field(
        default=None,
        ge=1,
        description="examples at once in memory; the gradient of the step stays that of `batch`",
    )
    learning_rate: float = Field(default=1.0e-3, gt=0)
    head_rate: Annotated[float, Field(gt=0, description="of the head, times learning_rate")] = 2.0
    warmup: Share = Field(default=0.1, description="share of the steps")
    weight_decay: float = Field(default=0.01, ge=0)
    clip: float = Field(default=1.0, gt=0, description="largest norm of a step's gradient")
    checkpoint_every: int = Field(default=25, ge=1, description="steps")
    evaluate_every: int | None = Field(
        default=None, ge=1, description="steps between looks at the tune split"
    )
    max_rows: int | None = Field(
        default=None,
        ge=1,
        description="bound on new rows, sampled by digest; an update learns what was cut off before",
    )
    gradient_checkpointing: bool = Field(default=False, description="less memory for one more forward pass")
    shared_prefix: bool = Field(
        default=True, description="causal: what all prompts begin with is encoded once a step, not once a row"
    )
    temperature: float = Field(
        default=0.05, gt=0, description="of the contrastive loss, and of the sigmoid loss over sets"
    )
    wordings: bool = Field(
        default=False,
        description="encoder coding: the wordings of training rows become further names of their terms",
    )
    word_weights: bool | Literal["sample"] = Field(
        default=False,
        description="encoder, problems of classes: a list of words, made of all rows (sample: of those that the "
        "network learned from), is heard beside the network",
    )
    dictionary_pairs: int = Field(default=0, ge=0, description="(LLT, PT) pairs of the dictionary, an epoch")

    @model_validator(mode="after")
    def _whole(self) -> TrainingSettings:
        if self.micro_batch is not None and self.batch % self.micro_batch:
            raise ValueError(f"micro_batch {self.micro_batch} does not divide batch {self.batch}")
        return self


class MixtureSettings(Section):
    """What an update starts from, and how much of what the parent learned is shown again."""

    start: Literal["champion", "base"] = Field(
        default="champion", description="base: every update learns all rows from scratch"
    )
    replay: float = Field(
        default=0.5,
        ge=0.0,
        description="replayed rows of the parent's dataset per new row; above 0 at least one of a class "
        "that the new rows lack",
    )
    rate: float = Field(
        default=0.3, gt=0, description="learning rate of an update, times that of a start from the base"
    )
    pairs: Share = Field(
        default=1.0, description="dictionary pairs of an update, times training.dictionary_pairs"
    )
    keep: int = Field(
        default=8, ge=0, description="rows of each label and slice that any sampling keeps at least"
    )
    labels: dict[str, tuple[str, ...]] = Field(
        default={},
        description="a classifier's new label: the champion's labels that it takes over (split, merged)",
    )


class Sections(Section):
    """The sections of a recipe that decide the bytes of an adapter."""

    base: BaseModelSettings
    quantisation: Quantisation = Quantisation()
    lora: Lora = Lora()
    text: TextSettings = TextSettings()
    training: TrainingSettings = TrainingSettings()
    mixture: MixtureSettings = MixtureSettings()
    table: tuple[dict[str, Any], ...] = Field(
        default=(), description="policy table: the facts of an annotation -> its class (triage)"
    )
    marks: str = Field(
        default="", description="how the words of a coding are found in the narrative (extraction)"
    )

    @model_validator(mode="after")
    def _trainable(self) -> Sections:
        if self.training.method == "full" and self.quantisation.bits != 16:
            raise ValueError("training.method full trains no quantised weights: write quantisation.bits: 16")
        return self


def sections(settings: Mapping[str, Any]) -> Sections:
    """The sections of a specification's `settings`. Raises TrainingError that lists every fault."""
    try:
        return Sections.model_validate(dict(settings))
    except ValidationError as error:
        faults = "\n".join(f"  {'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors())
        raise TrainingError(f"the specification's settings cannot be used\n{faults}") from None
