"""The word-list baseline of an extraction: mark again what was marked before.

>>> from pvcore.evaluation.spans import Marked, Span, written
>>> said = written(Marked.of([Span(((0, 4),), "Reaction")]))
>>> train = [Example("a", "a", "Rash after aspirin.", said, "a")]
>>> lexicon(train, [Example("b", "b", "No rash; a rash-like spot.", "", "b")])[0].answer
'{"relations":[],"spans":[{"end":7,"label":"Reaction","start":3},{"end":15,"label":"Reaction","start":11}]}'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from pvcore.evaluation.spans import WORD, Marked, Span, read, related, words, written
from pvcore.records import Example, Prediction, digest

Wording = tuple[str, ...]


def lexicon(train: Sequence[Example], test: Sequence[Example]) -> list[Prediction]:
    """The answers of a dictionary tagger to `test`, in its order.

    Its entries are the wordings of the training spans (of one part, in any case) that are marked at least
    half as often as they stand in the training texts. The longest match from the left is marked, for each
    label by itself.
    """
    marked: dict[str, Counter[Wording]] = {}
    for example in train:
        for span in read(example.label).spans:
            if len(span.parts) == 1:
                start, end = span.parts[0]
                marked.setdefault(span.label, Counter())[_wording(example.text[start:end])] += 1
    known = _by_length(wording for counts in marked.values() for wording in counts)
    seen = Counter(wording for example in train for _, wording in _stretches(example.text, known))
    entries = {
        label: {wording for wording, count in counts.items() if 2 * count >= seen[wording]}
        for label, counts in sorted(marked.items())
    }
    return [_tagged(example, entries, known) for example in test]


def _by_length(wordings: Iterable[Wording]) -> dict[int, set[Wording]]:
    """Number of words -> the wordings of so many, the longest first; none without a word."""
    found: dict[int, set[Wording]] = {}
    for wording in wordings:
        found.setdefault(len(wording), set()).add(wording)
    return {length: found[length] for length in sorted(found, reverse=True) if length}


def _tagged(
    example: Example, entries: Mapping[str, Set[Wording]], known: Mapping[int, Set[Wording]]
) -> Prediction:
    found = [*_stretches(example.text, known)]
    spans = []
    for label, wordings in entries.items():
        until = 0
        for (start, end), wording in found:
            if start >= until and wording in wordings:
                spans.append(Span(((start, end),), label))
                until = end
    answer = written(related(example.text, Marked.of(spans)))
    return Prediction(
        example.example_id, answer, 1.0, input_digest=digest(example.text.encode()), version="lexicon"
    )


def _stretches(text: str, known: Mapping[int, Set[Wording]]) -> Iterator[tuple[tuple[int, int], Wording]]:
    """Place and words of each known wording that stands in the text, from left to right, the longest first."""
    places, folded = words(text), _wording(text)
    for first in range(len(folded)):
        for length, wordings in known.items():
            if (wording := folded[first : first + length]) in wordings:
                yield (places[first][0], places[first + length - 1][1]), wording


def _wording(text: str) -> Wording:
    return tuple(match.group().casefold() for match in WORD.finditer(text))
