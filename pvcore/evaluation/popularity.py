"""The popularity baseline of pairs: two drugs that both interact with something interact with each other.

It knows nothing of the drugs but how often their names stood in positive pairs. On a split that shares
drugs between training and test it does well, and so does any model that learned no more than that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from pvcore.records import Example, Prediction, digest


def popularity(
    train: Sequence[Example],
    test: Sequence[Example],
    *,
    drugs: Callable[[Example], tuple[str, str]],
    positive: str,
    negative: str,
) -> list[Prediction]:
    """`positive` where both drugs stood in positive pairs of `train`, in the order of `test`.

    The score is the product of the shares of each drug's training pairs that are positive.
    """
    pairs, interacting = Counter[str](), Counter[str]()
    for example in train:
        pairs.update(drugs(example))
        interacting.update(drugs(example) if example.label == positive else ())

    def score(example: Example) -> float:
        first, second = (interacting[drug] / max(pairs[drug], 1) for drug in drugs(example))
        return first * second

    return [
        Prediction(
            example_id=example.example_id,
            answer=positive if score(example) > 0 else negative,
            score=score(example),
            input_digest=digest(example.text.encode()),
            version="popularity",
        )
        for example in test
    ]
