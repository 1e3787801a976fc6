"""pv.json: what an adapter's folder says of itself beside what PEFT writes.

It holds no path, time or machine: the same training writes the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pvcore.errors import TrainingError
from pvcore.records import canonical

FILE = "pv.json"
FORMAT = 1


def beside(folder: Path, name: str, expected: str) -> Path:
    """A file of vectors in an adapter's folder, which the card names by its SHA-256.

    Raises TrainingError where it is missing or is another one.
    """
    from pvcore.inference.base import file_digest

    file = folder / name
    if not file.is_file() or file_digest(file) != expected:
        raise TrainingError(f"{file} is missing or not the one that the adapter's card names: fetch it again")
    return file


@dataclass(frozen=True)
class Card:
    """How to ask an adapter: head, labels, threshold, text length, and the base it belongs to.

    `threshold`: a positive answer needs at least this probability (None: the most probable label).
    `criteria`: further findings that the head was made for; `thresholds`: from which probability each one
    counts as met. One without a threshold was never seen both met and not met, and is not answered.
    `base_files`: SHA-256 of configuration and tokenizer of the base. `long` and `pool` say how a text
    that is longer than `max_tokens` is put (pvcore.inference.windows). `calibration` turns a score into a
    confidence, `unlike` says from which distance on a text is unlike the training data, `prototypes` is
    the SHA-256 of the vectors it is measured from, `unsure` the least probability that is usual of a token
    (pvcore.inference.guardrails); None: never calibrated. `wordings` is the SHA-256 of the wordings that count
    as further names of their terms (pvcore.inference.wordings), None for an adapter that keeps none. `word_weights` is
    that of the words beside the network, which have `word_share` of the say of the labels and `criteria_share` of that
    of the criteria (pvcore.inference.word_weights).
    """

    problem: str
    family: str
    head: str
    labels: tuple[str, ...]
    positive: str | None
    max_tokens: int
    base_source: str
    base_digest: str
    base_files: Mapping[str, str]
    bits: int
    compute: str
    specification: str
    pooling: str | None = None
    threshold: float | None = None
    criteria: tuple[str, ...] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    long: str = "head_and_tail"
    pool: str = "mean"
    calibration: Mapping[str, Any] | None = None
    unlike: Mapping[str, Any] | None = None
    unsure: float | None = None
    prototypes: str | None = None
    wordings: str | None = None
    word_weights: str | None = None
    word_share: float = 0.0
    criteria_share: float = 0.0
    format: int = field(default=FORMAT)

    @property
    def outputs(self) -> tuple[str, ...]:
        """What a new layer says something of: the labels, then the criteria."""
        return (*self.labels, *self.criteria)

    def write(self, folder: Path) -> None:
        """Write pv.json into an adapter's folder."""
        (folder / FILE).write_bytes(canonical(asdict(self)) + b"\n")

    @classmethod
    def read(cls, folder: Path) -> Card:
        """The card of an adapter. Raises TrainingError for a folder that is no adapter of this platform."""
        try:
            values: dict[str, Any] = json.loads((folder / FILE).read_bytes())
            criteria = tuple(values.get("criteria", ()))
            card = cls(**{**values, "labels": tuple(values["labels"]), "criteria": criteria})
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise TrainingError(f"{folder} is no adapter of this platform: {FILE}: {error}") from None
        if card.format != FORMAT:
            raise TrainingError(
                f"{folder}: format {card.format}, head {card.head!r} is of a later pv. Update pv."
            )
        return card
