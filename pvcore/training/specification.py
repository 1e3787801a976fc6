"""The specification of a training run: everything that decides the bytes of its adapter.

Its digest names the run and its checkpoints; its adapter names the same run without looks on the way. Two
runs with one specification on one machine give one adapter; a run that was cut off finds its checkpoints by it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pvcore import records
from pvcore.errors import TrainingError

ROOMS = ("training", "inference", "problems", "evaluation/spans.py", "records.py")
"""What of pvcore decides an adapter: the code digest covers these and nothing else."""


@cache
def code_digest() -> str:
    """SHA-256 over the Python files that decide an adapter, by relative path, whatever the line ends."""
    root = Path(records.__file__).parent
    files = [
        file
        for room in ROOMS
        for file in (sorted((root / room).rglob("*.py")) if (root / room).is_dir() else [root / room])
    ]
    return records.digest(
        {
            file.relative_to(root).as_posix(): records.digest(file.read_bytes().replace(b"\r\n", b"\n"))
            for file in files
        }
    )


@dataclass(frozen=True)
class Specification:
    """Recipe, data, parent and code of one training run.

    `settings` holds the recipe's sections (base, quantisation, lora, text, training, mixture) as
    plain JSON values. `dataset` and `dictionary` are digests. `parent` is the digest of the version
    that training continues from, `parent_files` its adapter's files {name: SHA-256}; both None for
    a start from the base.
    """

    problem: str
    family: str
    settings: Mapping[str, Any]
    dataset: str
    seed: int
    code: str = field(default_factory=code_digest)
    parent: str | None = None
    parent_files: Mapping[str, str] | None = None
    dictionary: str | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return records.digest(self.to_json())

    @cached_property
    def unwatched(self) -> str:
        """The digest without `training.evaluate_every`, which changes no weight: an adapter is made by this one."""
        training = self.settings.get("training", {})
        if training.get("evaluate_every") is None:
            return self.digest
        settings = {**self.settings, "training": {**training, "evaluate_every": None}}
        return replace(self, settings=settings).digest

    def to_json(self) -> bytes:
        """Canonical JSON: the same specification is the same bytes."""
        return records.canonical(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> Specification:
        """The specification that `to_json` wrote. Raises TrainingError naming missing or unknown fields."""
        try:
            values = json.loads(data)
            return cls(**values)
        except (ValueError, TypeError) as error:
            raise TrainingError(f"not a training specification: {error}") from None
