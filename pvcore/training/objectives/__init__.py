"""What each head is trained for, one file each, and the table of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pvcore.problems import Problem
from pvcore.records import Example
from pvcore.training.objectives.classification import classification, follow, probe
from pvcore.training.objectives.contrastive import contrastive
from pvcore.training.objectives.generation import generation
from pvcore.training.objectives.label_tokens import label_tokens
from pvcore.training.objectives.mentions import mentions
from pvcore.training.objectives.objective import Given, Objective
from pvcore.training.objectives.tagging import tagging
from pvcore.training.objectives.terms import terms

OBJECTIVES: Mapping[str, Callable[[Problem, Sequence[Example], Given], Objective]] = {
    "classification": classification,
    "embedding": contrastive,
    "label_tokens": label_tokens,
    "tagging": tagging,
    "generation": generation,
    "mentions": mentions,
    "terms": terms,
}
"""Head -> its objective over rows."""
PREPARE: Mapping[str, Callable[[Any, Problem, Sequence[Example], Given], None]] = {"classification": probe}
"""Head -> what is done to a network that starts from the base, before it is trained."""
FOLLOW: Mapping[str, Callable[[Any, Problem, Sequence[Example], Given, Sequence[str]], None]] = {
    "classification": follow
}
"""Head -> what is done to a network that continues a parent with other labels, before it is trained."""

__all__ = ["FOLLOW", "OBJECTIVES", "PREPARE", "Given", "Objective"]
