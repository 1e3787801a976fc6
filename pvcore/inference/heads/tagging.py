"""Spans marked by an encoder: for each label, every word gets one of four tags.

O: outside. B: a span begins. I: the part goes on. D: a further part of the span before begins. Each label
has tags of its own, so spans of two labels may lie in one another; of two spans of one label that share
words only the first can be said (Metke-Jimenez and Karimi 2016 compare such schemes).

A text longer than `max_tokens` is read through windows that overlap by a quarter. A word's tags come from
the window in which it stands furthest from a cut; no word is left out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pvcore.evaluation.spans import Marked, Span, related, words, written
from pvcore.inference.heads.head import Answer, Head, named
from pvcore.inference.scoring import blocks
from pvcore.inference.text import Encoded
from pvcore.inference.windows import around
from pvcore.records import digest

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.inference.predict import Model

TAGS = ("O", "B", "I", "D")
OUTSIDE, BEGIN, INSIDE, FURTHER = range(len(TAGS))
Places = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a text as tokens. `words` are (position of its first token, number) of each word in it,
    `own` the numbers of those that stand further from a cut than in any other window.
    """

    encoded: Encoded
    words: tuple[tuple[int, int], ...]
    own: frozenset[int]


def windows(tokenizer: Any, text: str, max_tokens: int) -> tuple[list[tuple[int, int]], list[Window]]:
    """(start, end) of the words of a text, and the windows that hold them all.

    What the tokenizer makes no token of (a lone accent, say) is no word here.
    """
    found = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    ids, (before, after) = found["input_ids"], around(tokenizer)
    places, firsts = _first_tokens(words(text), found["offset_mapping"])
    room = max_tokens - len(before) - len(after)
    cuts = [(at, min(at + room, len(ids))) for at in range(0, max(len(ids) - room // 4, 1), room - room // 4)]
    owner = [int(np.argmax([_depth(token, cut, len(ids)) for cut in cuts])) for token in firsts]
    name = digest(text.encode())
    made = []
    for number, (start, end) in enumerate(cuts):
        inside = range(bisect_right(firsts, start - 1), bisect_right(firsts, end - 1))
        made.append(
            Window(
                Encoded((*before, *ids[start:end], *after), name),
                tuple((firsts[word] - start + len(before), word) for word in inside),
                frozenset(word for word in inside if owner[word] == number),
            )
        )
    return places, made


def _first_tokens(places: Places, offsets: Places) -> tuple[list[tuple[int, int]], list[int]]:
    """The places that have tokens, and the first token of each."""
    starts = [start for start, _ in places]
    first: dict[int, int] = {}
    for token, (start, end) in enumerate(offsets):
        word = bisect_right(starts, end - 1) - 1  # by its end: some tokens begin with the space before
        if start < end and word >= 0 and end - 1 < places[word][1]:
            first.setdefault(word, token)
    return [places[word] for word in first], list(first.values())


def _depth(token: int, cut: tuple[int, int], length: int) -> int:
    """Tokens between a token and the nearer cut of a window; the ends of the text are no cuts."""
    start, end = cut
    if not start <= token < end:
        return -1
    return min(token - start if start else length, end - 1 - token if end < length else length)


def tags_of(places: Places, spans: Iterable[Span], label: str) -> list[int]:
    """A tag for each word: spans of a label in the order of their places, one that finds its words taken left out."""
    tags = [OUTSIDE] * len(places)
    for span in sorted(span for span in spans if span.label == label):
        parts = [
            [n for n, (start, end) in enumerate(places) if start < stop and at < end]
            for at, stop in span.parts
        ]
        if any(not part or any(tags[n] for n in part) for part in parts):
            continue
        for number, part in enumerate(parts):
            tags[part[0]] = FURTHER if number else BEGIN
            for n in part[1:]:
                tags[n] = INSIDE
    return tags


def spans_of(places: Places, tags: Iterable[int], label: str) -> dict[Span, tuple[int, ...]]:
    """The spans that tags say, each with the numbers of its words. An I or D that follows nothing begins a span."""
    made: list[list[list[int]]] = []
    last = OUTSIDE
    for word, tag in enumerate(tags):
        if tag == INSIDE and last != OUTSIDE:
            made[-1][-1].append(word)
        elif tag == FURTHER and made:
            made[-1].append([word])
        elif tag != OUTSIDE:
            made.append([[word]])
        last = tag
    return {
        Span(tuple((places[part[0]][0], places[part[-1]][1]) for part in parts), label): tuple(
            word for part in parts for word in part
        )
        for parts in made
    }


def answers(model: Model, texts: Sequence[str], terms: pd.DataFrame | None) -> list[Answer]:
    """What is marked in each text, with the relations that `related` reads off.

    The score is the mean probability of a span's tags, of the least sure span; with no span, the
    probability of O at the least sure word. `tokens` are the words' least probable tags.
    """
    return model.once(texts, partial(_marked, model))


def _marked(model: Model, texts: Sequence[str]) -> list[Answer]:
    read = [windows(model.tokenizer, text, model.card.max_tokens) for text in texts]
    chances = iter(
        tag_probabilities(
            model.network, model.tokenizer, [window.encoded for _, found in read for window in found]
        )
    )
    results = []
    for text, (places, found) in zip(texts, read, strict=True):
        known = np.ones((len(places), len(model.card.labels), len(TAGS)))
        for window in found:
            of_tokens = next(chances)
            for position, word in window.words:
                if word in window.own:
                    known[word] = of_tokens[position]
        notes = (f"{len(found)} windows",) if len(found) > 1 else ()
        put = tuple(window.encoded for window in found)
        results.append(_answer(text, places, known, model.card.labels, put, notes))
    return results


def _answer(
    text: str,
    places: Places,
    known: NDArray[Any],
    labels: Sequence[str],
    put: tuple[Encoded, ...],
    notes: tuple[str, ...],
) -> Answer:
    tags, sure = known.argmax(axis=2), known.max(axis=2)
    spans: dict[Span, float] = {}
    for column, label in enumerate(labels):
        for span, numbers in spans_of(places, tags[:, column], label).items():
            spans[span] = float(sure[list(numbers), column].mean())
    said = written(related(text, Marked.of(spans)))
    score = min(spans.values()) if spans else float(sure.min(initial=1.0))
    if not text.strip():
        notes = (*notes, "empty text")
    words_sure = tuple(map(float, sure.min(axis=1)))
    return Answer(
        said, score, ((said, score),), put[0], notes, parts=put, tokens=words_sure, named=named(text, spans)
    )


def tag_probabilities(network: Any, tokenizer: Any, encoded: Sequence[Encoded]) -> list[NDArray[np.float64]]:
    """For each text the tags' probabilities, shape (tokens, labels, tags), from its own tokens alone."""
    found: list[Any] = [None] * len(encoded)
    for rows, ids, mask in blocks(network, tokenizer, encoded):
        logits = network(ids, mask).logits.double()
        chances = logits.unflatten(2, (-1, len(TAGS))).softmax(3).cpu().numpy()
        for place, row in enumerate(rows):
            found[row] = chances[place, : len(encoded[row].ids)]
    return found


TAGGING = Head(
    name="tagging",
    task="TOKEN_CLS",
    auto="AutoModelForTokenClassification",
    answers=answers,
    layer=True,
    tags=TAGS,
)
