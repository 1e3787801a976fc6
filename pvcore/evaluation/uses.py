"""How often held-out cases have decided: counted by cluster, so that no other mixture of them starts anew.

Whatever is asked again and again will say yes in the end. A set counts as often used as the more used half of
its clusters: adding a case, leaving some out, or asking in two halves changes nothing; only fresh cases do.

    >>> clusters = {"a": "1", "b": "2", "b again": "2", "c": "3", "new": "4"}
    >>> uses(clusters, [{"a", "b"}, {"a", "b", "c"}])
    2
    >>> fresh(clusters, [{"a", "b"}, {"a", "b", "c"}], maximum=2)
    1
    >>> uses({**clusters, "newer": "5"}, [{"a", "b"}, {"a", "b", "c"}])
    1
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence


def uses(clusters: Mapping[str, str], earlier: Sequence[Collection[str]]) -> int:
    """In how many evaluations before at least half of these clusters (case id -> cluster) took part.

    `earlier` holds the case ids of each. Clusters are named anew as they grow, so one took part where one of
    its cases did.
    """
    counts = sorted(_counts(clusters, earlier).values(), reverse=True)
    return counts[(len(counts) - 1) // 2] if counts else 0


def fresh(clusters: Mapping[str, str], earlier: Sequence[Collection[str]], maximum: int) -> int:
    """How many clusters that were never asked have to come until `uses` is below `maximum`; 0 if it is."""
    counts = _counts(clusters, earlier).values()
    spent = sum(count >= maximum for count in counts)
    return max(0, 2 * spent + 1 - len(counts))


def _counts(clusters: Mapping[str, str], earlier: Sequence[Collection[str]]) -> dict[str, int]:
    counts = dict.fromkeys(clusters.values(), 0)
    for asked in earlier:
        for cluster in {clusters[case] for case in asked if case in clusters}:
            counts[cluster] += 1
    return counts
