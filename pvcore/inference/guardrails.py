"""What stands between a model's answer and a reader, after Hakim et al. 2025 (Scientific Reports 15:27886).

Each prediction is checked for an input unlike the training data, for terms that its source does not
support or that were lost, and for how sure the answer and its tokens are. What was measured stands in the
prediction; policy.yaml says what is withheld. What cannot be measured counts as not passed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pvcore.inference.calibration import confidence
from pvcore.inference.card import beside
from pvcore.inference.heads.head import Answer
from pvcore.inference.scoring import Floats, in_blocks, mean_state
from pvcore.inference.support import alike, lost, unsupported
from pvcore.inference.text import ROWS
from pvcore.inference.windows import pooled
from pvcore.records import Guardrail, Question

if TYPE_CHECKING:
    from pvcore.inference.predict import Model

FILE = "guardrails.safetensors"
"""Vectors of training texts, beside the adapter; no other program reads it."""
UNLIKE, UNSURE, CONFIDENCE = "unlike training", "unsure token", "confidence"
UNSUPPORTED, LOST, WORDING = "unsupported term", "lost term", "wording"
NEIGHBOURS = 5
ALIKE = 0.1
"""A term that shares less of its letters than this with the verbatim is another wording altogether."""
DOUBTFUL = 0.5
"""Another wording is normal in coding; it is worth a look where the answer is less sure than this."""
Action = Literal["warn", "withhold"]


class GuardrailPolicy(BaseModel):
    """The section `guardrails` of policy.yaml: what happens to an answer that does not pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    abstain_below: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        default_factory=dict, description="problem -> confidence below which its answers are withheld"
    )
    unlike: Action = Field(default="warn", description="input unlike the training data")
    unsure: Action = Field(default="warn", description="a token or word less sure than usual")
    unsupported: Action = Field(default="withhold", description="a term that the source does not report")
    lost: Action = Field(
        default="withhold", description="a term of the case that the source reports and the answer lost"
    )


def checked(
    model: Model,
    asked: Sequence[Question],
    found: Sequence[Answer],
    names: Mapping[str, str],
    policy: GuardrailPolicy,
) -> list[tuple[float | None, tuple[Guardrail, ...]]]:
    """(confidence, guardrails) of each answer. `names` are those of the terms that answers are codes of."""
    far = distances(model, found)
    results = []
    for question, answer, distance in zip(asked, found, far, strict=True):
        sure = sureness(model, answer)
        checks = [_unlike(model, distance, policy), *_terms(question, answer, policy)]
        if answer.tokens:
            checks.append(_unsure(model, answer, policy))
        if model.card.problem in policy.abstain_below:
            checks.append(_abstained(sure, policy.abstain_below[model.card.problem]))
        if answer.answer in names:
            checks.append(_wording(question.text, names[answer.answer], sure))
        results.append((sure, tuple(checks)))
    return results


def sureness(model: Model, answer: Answer) -> float | None:
    """The calibrated probability that an answer is right, None without a calibration."""
    card = model.card
    return confidence(card.calibration, *answer[:3]) if card.calibration else None


def distances(model: Model, found: Sequence[Answer]) -> list[float | None]:
    """How far each text is from the training data: the mean cosine distance to its nearest prototypes."""
    if model.prototypes is None or not found:
        return [None] * len(found)
    made = unit(features(model, found))
    result: list[float | None] = []
    for start in range(0, len(made), ROWS):
        # No BLAS, as in `nearest`: each similarity is one sum over its own two vectors.
        near = np.einsum("qd,nd->qn", made[start : start + ROWS], model.prototypes)
        result += [float(1 - np.sort(row)[-NEIGHBOURS:].mean()) for row in near]
    return result


def features(model: Model, found: Sequence[Answer]) -> Floats:
    """What the network made of each text, shape (texts, hidden size).

    A head that does not say is asked for it in a pass of its own: the mean of an encoder's last hidden
    states, a causal model's last hidden state at the end of the prompt; of a text that was put in parts, the
    mean over them.
    """
    if all(answer.features is not None for answer in found):
        return np.stack([answer.features for answer in found if answer.features is not None])
    network, causal = model.network, model.head.causal

    def run(ids: Any, mask: Any) -> Any:
        if not causal:
            return mean_state(network(ids, mask, output_hidden_states=True).hidden_states[-1], mask)
        # Padding stands behind the prompt, where a causal model does not see it. No mask: transformers would
        # drop one that hides nothing and take another kernel, so that the company in a block decided.
        out = network(input_ids=ids, output_hidden_states=True, use_cache=False, logits_to_keep=1)
        return out.hidden_states[-1][range(len(ids)), mask.sum(1) - 1]

    parts = [answer.parts or (answer.asked,) for answer in found]
    return pooled(in_blocks(network, model.tokenizer, [part for own in parts for part in own], run), parts)


def unit(vectors: NDArray[Any]) -> NDArray[np.float64]:
    """Rows scaled to length 1, in float64."""
    wide = vectors.astype(np.float64)
    scaled: NDArray[np.float64] = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return scaled


def load_prototypes(folder: Path, expected: str | None) -> NDArray[np.float64] | None:
    """The unit vectors of an adapter's training texts, shape (texts, hidden size); None where it has none.

    Raises TrainingError as `beside` does.
    """
    from safetensors.numpy import load_file

    return None if expected is None else unit(load_file(beside(folder, FILE, expected))["prototypes"])


def _unlike(model: Model, distance: float | None, policy: GuardrailPolicy) -> Guardrail:
    limit = model.card.unlike
    if distance is None or limit is None:
        return Guardrail(UNLIKE, distance, None, policy.unlike, "never calibrated: train with a tune split")
    if distance <= limit["threshold"]:
        return Guardrail(UNLIKE, distance, limit["threshold"], "pass")
    words = f"further from the training data than {1 - limit['share']:.0%} of held-out texts"
    return Guardrail(UNLIKE, distance, limit["threshold"], policy.unlike, words)


def _unsure(model: Model, answer: Answer, policy: GuardrailPolicy) -> Guardrail:
    least, limit = min(answer.tokens), model.card.unsure
    if limit is None:
        return Guardrail(UNSURE, least, None, policy.unsure, "never calibrated: train with a tune split")
    if least >= limit:
        return Guardrail(UNSURE, least, limit, "pass")
    return Guardrail(
        UNSURE, least, limit, policy.unsure, "a token or word of the answer is less sure than usual"
    )


def _abstained(sure: float | None, limit: float) -> Guardrail:
    if sure is None:
        return Guardrail(CONFIDENCE, None, limit, "withhold", "never calibrated: train with a tune split")
    if sure >= limit:
        return Guardrail(CONFIDENCE, sure, limit, "pass")
    return Guardrail(CONFIDENCE, sure, limit, "withhold", f"less sure than the policy's {limit:g}")


def _terms(question: Question, answer: Answer, policy: GuardrailPolicy) -> list[Guardrail]:
    if answer.named is None:
        return []
    drugs, events = answer.named
    false = unsupported(question.text, drugs, events)
    checks = [_count(UNSUPPORTED, false, policy.unsupported, "the source does not report")]
    if question.given:
        gone = lost(question.text, question.given, (*drugs, *events))
        checks.append(_count(LOST, gone, policy.lost, "the answer does not keep"))
    return checks


def _count(name: str, terms: Sequence[str], action: Action, words: str) -> Guardrail:
    shown = f"{words}: {', '.join(terms)}" if terms else ""
    return Guardrail(name, float(len(terms)), 0.0, action if terms else "pass", shown)


def _wording(text: str, name: str, sure: float | None) -> Guardrail:
    value = alike(name, text)
    doubtful = value < ALIKE and (sure is None or sure < DOUBTFUL)
    words = f"{name!r} shares no wording with the verbatim" if doubtful else ""
    return Guardrail(WORDING, value, ALIKE, "warn" if doubtful else "pass", words)
