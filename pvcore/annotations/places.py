"""The cluster and the split of every case of a dataset: reports by their wording, pairs of drugs by their drugs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pvcore.annotations.leakage import SplitSettings, assign_pairs, assign_splits, clusters
from pvcore.annotations.pairs import Described, drugs_of, pair_key
from pvcore.records import Case, digest

Places = dict[str, tuple[str, str]]
"""Case id -> (cluster, split)."""
HeldOut = Sequence[tuple[str, str, str]]
"""(case id, narrative, split) of texts that earlier datasets held out, also of those replaced since."""


def places(
    cases: Mapping[str, Case], known: Mapping[str, str], held_out: HeldOut, settings: SplitSettings, seed: int
) -> Places:
    """Cluster and split of each case; `known` is the split that earlier datasets gave, by case id."""
    pairs = {i: pair for i, case in cases.items() if (pair := drugs_of(case.narrative))}
    reports = {i: cases[i] for i in sorted(cases) if i not in pairs}
    return _reports(reports, known, _former(cases, held_out), settings, seed) | _pairs(
        pairs, cases, known, settings, seed
    )


def _reports(
    cases: Mapping[str, Case], known: Mapping[str, str], former: HeldOut, settings: SplitSettings, seed: int
) -> Places:
    every = [*cases, *(case_id for case_id, _, _ in former)]
    first = clusters([*(case.narrative for case in cases.values()), *(text for _, text, _ in former)])
    # a cluster is named after its first case id, which is the same in the next dataset
    names = [digest(every[int(position)].encode())[:16] for position in first]
    # what a case said when it was held out is a member of its own, known as held out
    keys = [f"{case_id} as of {digest(text)[:16]}" for case_id, text, _ in former]
    known = {**known, **{key: split for key, (_, _, split) in zip(keys, former, strict=True)}}
    received = [*(case.received for case in cases.values()), *(None for _ in former)]
    splits = assign_splits([*cases, *keys], names, received, known, settings, seed)
    return dict(zip(cases, zip(names, splits, strict=True), strict=False))


def _pairs(
    pairs: Mapping[str, tuple[Described, Described]],
    cases: Mapping[str, Case],
    known: Mapping[str, str],
    settings: SplitSettings,
    seed: int,
) -> Places:
    """Descriptions of two pairs with a drug in common are alike by nature, so the cluster is the pair.

    By drug, a drug stays in the split that it had, whatever pair it comes in next.
    """
    names = [pair_key(pair) for pair in pairs.values()]
    if settings.by == "drug":
        before = {drug.name: known[i] for i, pair in pairs.items() if i in known for drug in pair}
        splits = assign_pairs([(a.name, b.name) for a, b in pairs.values()], before, settings, seed)
    else:
        received = [cases[case_id].received for case_id in pairs]
        splits = assign_splits(list(pairs), names, received, known, settings, seed)
    return dict(zip(pairs, zip(names, splits, strict=True), strict=True))


def _former(cases: Mapping[str, Case], held_out: HeldOut) -> HeldOut:
    """Texts that were held out once and that their case does not say any more.

    A pair is held out by its drugs, however they are described.
    """
    return [
        (case_id, text, split)
        for case_id, text, split in sorted(held_out)
        if (case_id not in cases or cases[case_id].narrative != text) and drugs_of(text) is None
    ]
