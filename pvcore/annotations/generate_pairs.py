"""Pairs of invented drugs that interact by one known rule: one inhibits an enzyme or transporter of the other.

    >>> cases, annotations = generate_pairs(n=200, seed=1)
    >>> from pvcore.annotations.pairs import drugs_of
    >>> pair = drugs_of(cases[0].narrative)
    >>> annotations[0].value["interaction"] == interacts(*pair)
    True

The rule stands in the text, but in how its parts belong together: the same genes also stand in pairs that
do not interact, as two substrates, two inhibitors, or inhibitor and substrate of different genes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from pvcore.annotations.pairs import Described, drug_key, pair_annotation, pair_case
from pvcore.annotations.story import pick
from pvcore.annotations.wording import words
from pvcore.records import Annotation, Case

GENES = ("CYP2C9", "CYP2D6", "CYP3A4")
PREFIXES = ("", "iso", "neo")
INHIBITOR, SUBSTRATE = "inhibitor", "substrate"
FRAGMENTS = ("C", "CC", "C(=O)N", "c1ccccc1", "OC", "C(F)(F)F", "N1CCOCC1", "S(=O)(=O)N", "C#N", "CCl")


def interacts(a: Described, b: Described) -> bool:
    """The rule: one is an inhibitor of a gene that the other is a substrate of."""

    def inhibits(one: Described, other: Described) -> bool:
        return any(
            f"{gene} {INHIBITOR}" in one.genes and f"{gene} {SUBSTRATE}" in other.genes for gene in GENES
        )

    return inhibits(a, b) or inhibits(b, a)


def invented_drugs(number: int, *, seed: int) -> tuple[Described, ...]:
    """Drugs with one or two roles each; more of them do not change those that were there. ValueError beyond
    the names there are."""
    names = [prefix + name for prefix in PREFIXES for name in words().drugs]
    if number > len(names):
        raise ValueError(f"{number} drugs, and there are {len(names)} names")
    names.sort(key=lambda name: random.Random(f"{seed}/{name}").random())
    return tuple(_drug(name, random.Random(f"{seed}/{name}/drug")) for name in names[:number])


def _drug(name: str, rng: random.Random) -> Described:
    count = 1 + int(rng.random() * 2)
    genes = sorted(GENES, key=lambda _: rng.random())[:count]
    roles = (f"{gene} {pick((INHIBITOR, SUBSTRATE), rng)}" for gene in genes)
    smiles = "".join(pick(FRAGMENTS, rng) for _ in range(2 + int(rng.random() * 2)))
    return Described(name, smiles, ("Humans",), tuple(sorted(roles)))


def generate_pairs(
    *,
    n: int,
    seed: int,
    drugs: int = 120,
    positives: float = 0.4,
    noise: float = 0.0,
    annotators: Sequence[str] = ("annotator-a",),
    avoid: Sequence[Case] = (),
    year: int = 2026,
) -> tuple[tuple[Case, ...], tuple[Annotation, ...]]:
    """`n` pairs of `drugs` invented drugs, a share of `positives` interacting; same arguments, same records.

    `noise` is the share of labels that say the opposite of the rule, for all annotators alike. Pairs of `avoid`
    are not drawn again. ValueError where there are not so many pairs.
    """
    known = invented_drugs(
        drugs, seed=1
    )  # one pharmacy for every seed: batches share their drugs, as in life
    pool = [(a, b) for place, a in enumerate(known) for b in known[place + 1 :]]
    taken = {case.case_id for case in avoid}
    pool = [pair for pair in pool if pair_case(*pair).case_id not in taken]
    rng = random.Random(f"{seed}/pairs")
    pool.sort(key=lambda _: rng.random())
    wanted = {True: round(n * positives), False: n - round(n * positives)}
    chosen = [
        pair for kind in (True, False) for pair in [p for p in pool if interacts(*p) is kind][: wanted[kind]]
    ]
    if len(chosen) < n:
        raise ValueError(
            f"{n} pairs of {drugs} drugs with a share of {positives} interacting: there are {len(chosen)}"
        )
    cases, annotations = [], []
    for a, b in sorted(chosen, key=lambda pair: tuple(drug_key(drug.name) for drug in pair)):
        said = interacts(a, b) != (rng.random() < noise)
        cases.append(pair_case(a, b))
        time = f"{year}-01-01T12:00:00Z"
        annotations += [pair_annotation(a, b, said, annotator, time=time) for annotator in annotators]
    return tuple(cases), tuple(annotations)
