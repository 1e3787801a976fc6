"""The ways to read an answer off a network, one file each, and the table of which serves whom."""

from __future__ import annotations

from collections.abc import Mapping

from pvcore.errors import TrainingError
from pvcore.inference.heads.classification import CLASSIFICATION
from pvcore.inference.heads.embedding import EMBEDDING
from pvcore.inference.heads.generation import GENERATION
from pvcore.inference.heads.head import NEW_HEADS, Answer, Head, Named
from pvcore.inference.heads.label_tokens import LABEL_TOKENS
from pvcore.inference.heads.mentions import MENTIONS
from pvcore.inference.heads.tagging import TAGGING
from pvcore.inference.heads.terms import TERMS
from pvcore.problems import Problem

HEADS: Mapping[str, Head] = {
    head.name: head
    for head in (
        CLASSIFICATION,
        EMBEDDING,
        MENTIONS,
        TAGGING,
        LABEL_TOKENS,
        TERMS,
        GENERATION,
    )
}
SERVES: Mapping[tuple[str, str], Head] = {
    ("encoder", "classification"): CLASSIFICATION,
    ("encoder", "ranking"): EMBEDDING,
    ("encoder", "set"): MENTIONS,
    ("causal", "classification"): LABEL_TOKENS,
    ("encoder", "extraction"): TAGGING,
    ("causal", "extraction"): GENERATION,
    ("causal", "ranking"): TERMS,
}
"""(family of models, kind of problem) -> head."""


def head_for(family: str, problem: Problem) -> Head:
    """The head by which a family answers a problem. Raises TrainingError where there is none."""
    found = SERVES.get((family, problem.kind))
    if found is None:
        able = " or ".join(sorted(name for name, kind in SERVES if kind == problem.kind))
        raise TrainingError(
            f"{problem.name}: no {family} model answers a {problem.kind}. Write family: {able} in its recipe"
        )
    return found


__all__ = ["HEADS", "NEW_HEADS", "Answer", "Head", "Named", "head_for"]
