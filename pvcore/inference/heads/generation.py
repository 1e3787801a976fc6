"""Spans quoted by a causal model, word for word: greedy generation held to a grammar of the text.

Whatever the weights are, an answer is JSON whose every quotation stands in the text (`quoting.grammar`):
llguidance says which tokens may come next. A text that does not fit is put in passages, cut at the end
of a sentence where there is one; no word is left out.

All rows of a block go on to the end of the longest answer, in shapes that only the padded length of the
prompt and the number of the step decide: an answer is the same in any company.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvcore.errors import TrainingError
from pvcore.evaluation.spans import Marked, Span, related, sentences, words, written
from pvcore.inference.heads.head import Answer, Head, named
from pvcore.inference.scoring import blocks
from pvcore.inference.text import Encoded
from pvcore.problems import problem
from pvcore.problems.quoting import complete, grammar, located
from pvcore.records import digest

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model

SHARE = 3
"""An answer may take one part of this many of `max_tokens`."""
GUIDE = "tokenizer of llguidance"


class Said(NamedTuple):
    """An answer as generated, whether it came to its end, and the probability of each of its tokens.

    The probabilities are those among the tokens that the grammar allowed: where only one may follow, it is 1.
    """

    text: str
    ended: bool
    tokens: tuple[float, ...]

    @property
    def score(self) -> float:
        """The geometric mean of the tokens' probabilities."""
        return float(np.exp(np.mean(np.log(self.tokens)))) if self.tokens else 1.0


def answers(model: Model, texts: Sequence[str], terms: pd.DataFrame | None) -> list[Answer]:
    """What is quoted from each text, with the relations that `related` reads off. The score is the lowest
    of its passages'."""
    return model.once(texts, partial(_quoted, model))


def _quoted(model: Model, texts: Sequence[str]) -> list[Answer]:
    tokenizer, card = model.tokenizer, model.card
    prompt, room = problem(card.problem).prompt, card.max_tokens // SHARE
    cut = [passages(tokenizer, text, prompt, card.max_tokens - room) for text in texts]
    pieces = [text[start:end] for text, places in zip(texts, cut, strict=True) for start, end in places]
    asked = [encode_prompt(tokenizer, prompt, piece) for piece in pieces]
    grammars = [grammar(piece, card.labels) for piece in pieces]
    said, put = iter(generate(model, asked, grammars, room)), iter(asked)
    found = []
    for text, places in zip(texts, cut, strict=True):
        whole = Encoded((), digest(prompt(text).encode()))  # named, and never put: it may have any length
        answer = _answer(text, places, [next(said) for _ in places], whole)
        found.append(answer._replace(parts=tuple(next(put) for _ in places)))
    return found


def _answer(text: str, places: Sequence[tuple[int, int]], said: Sequence[Said], asked: Encoded) -> Answer:
    spans: set[Span] = set()
    missed = 0
    for (start, end), of_passage in zip(places, said, strict=True):
        found, without = located(text[start:end], of_passage.text)
        spans |= {moved(span, start) for span in found.spans}
        missed += without
    remarks = {
        f"{len(places)} passages": len(places) > 1,
        "answer cut off": not all(item.ended for item in said),
        f"{missed} quotations without a place": missed > 0,
        "empty text": not text.strip(),
    }
    answer = written(related(text, Marked.of(spans)))
    score = min(item.score for item in said)
    notes = tuple(remark for remark, true in remarks.items() if true)
    tokens = tuple(chance for item in said for chance in item.tokens)
    return Answer(answer, score, ((answer, score),), asked, notes, tokens=tokens, named=named(text, spans))


def passages(
    tokenizer: Any,
    text: str,
    prompt: Callable[[str], str],
    most: int,
    fits: Callable[[int, int], bool] = lambda start, end: True,
) -> list[tuple[int, int]]:
    """(start, end) of the passages of a text whose prompts take at most `most` tokens, and that fit.

    Halved again and again, at the end of a sentence or else between words, a word without an end within itself.
    Raises TrainingError where not even a letter has room.
    """
    cuts = [[start for start, _ in cut(text)] for cut in (sentences, words)]

    def halved(start: int, end: int) -> list[tuple[int, int]]:
        size = len(encode_prompt(tokenizer, prompt, text[start:end]).ids)
        if size <= most and fits(start, end):
            return [(start, end)]
        if end - start < 2:
            raise TrainingError(
                f"text.max_tokens leaves no room for a text: of its {most * SHARE // (SHARE - 1)} tokens a prompt "
                f"of one letter takes {size}. Set it to {2 * SHARE * size // (SHARE - 1)} or more."
            )
        inner = [[place for place in places if start < place < end] for places in cuts]
        within = inner[0] or inner[1] or [(start + end) // 2]
        middle = min(within, key=lambda place: abs(2 * place - start - end))
        return halved(start, middle) + halved(middle, end)

    return halved(0, len(text))


def encode_prompt(tokenizer: Any, prompt: Callable[[str], str], text: str) -> Encoded:
    """A prompt's tokens, whatever their number."""
    asked = prompt(text)
    return Encoded(
        tuple(tokenizer(asked, add_special_tokens=True, verbose=False)["input_ids"]), digest(asked.encode())
    )


def moved(span: Span, by: int) -> Span:
    """A span so many characters further on."""
    return span._replace(parts=tuple((start + by, end + by) for start, end in span.parts))


def generate(model: Model, prompts: Sequence[Encoded], grammars: Sequence[str], room: int) -> list[Said]:
    """The most probable token after the other that a row's grammar allows, `room` of them at most."""
    import llguidance.hf

    network, tokenizer = model.network, model.tokenizer
    if GUIDE not in model.kept:
        size = max(network.get_output_embeddings().weight.shape[0], len(tokenizer))
        model.kept[GUIDE] = llguidance.hf.from_tokenizer(tokenizer, n_vocab=size)
    guide = model.kept[GUIDE]
    found: list[Any] = [None] * len(prompts)
    for rows, ids, mask in blocks(network, tokenizer, prompts, left=True):
        speakers = [Speaker(llguidance.LLMatcher(guide, grammars[row])) for row in rows]
        _speak(network, speakers, ids, mask, room)
        for row, speaker in zip(rows, speakers, strict=True):
            text = guide.decode_bytes(speaker.tokens).decode("utf-8", "ignore").strip()
            found[row] = Said(complete(text), speaker.ended, tuple(speaker.chances))
    return found


@dataclass
class Speaker:
    """A row's answer on its way: what its grammar allows, and what was said so far."""

    matcher: Any
    tokens: list[int] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return bool(self.matcher.is_stopped())

    def choose(self, logits: NDArray[np.float32]) -> int:
        """Say the most probable token that is allowed, of equals the first in the vocabulary."""
        allowed = np.frombuffer(self.matcher.compute_logit_bias(), np.uint8)[: len(logits)] > 0
        scores = np.where(allowed, logits.astype(np.float64), -np.inf)
        token = int(scores.argmax())
        if not self.matcher.consume_token(token):
            raise TrainingError(f"the grammar of an answer is broken: {self.matcher.get_error()}")
        self.chances.append(float(1 / np.exp(scores - scores[token]).sum()))
        self.tokens.append(token)
        return token


def _speak(network: Any, speakers: Sequence[Speaker], ids: Any, mask: Any, room: int) -> None:
    """Let the rows of a block say their answers, a token a step, from one cache."""
    import torch

    positions = (mask.cumsum(1) - 1).clamp(min=0)
    seen = None
    for _ in range(room):
        out = network(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=seen,
            use_cache=True,
            logits_to_keep=1,
        )
        logits, seen = out.logits[:, -1].float().cpu().numpy(), out.past_key_values
        # A row that is done says its padding's token, which nobody reads.
        said = [0 if s.ended else s.choose(row) for s, row in zip(speakers, logits, strict=False)]
        if all(speaker.ended for speaker in speakers):
            break
        ids = torch.tensor([*said, *[0] * (len(ids) - len(said))], device=ids.device).unsqueeze(1)
        mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
        positions = positions[:, -1:] + 1


GENERATION = Head(name="generation", task="CAUSAL_LM", auto="AutoModelForCausalLM", answers=answers)
