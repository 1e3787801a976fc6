"""Each way picks what it says: the most unsure, those like the failures, those far apart, or by chance."""

from __future__ import annotations

import numpy as np
import pytest

from pvcore.advice.choosing import WAYS, Way, choose
from pvcore.errors import ConfigError

KINDS = 5
POOL = np.repeat(np.eye(KINDS), 20, axis=0)
"""100 cases of five kinds, 20 equal ones each."""
UNSURE = np.linspace(0.1, 0.9, 100)


@pytest.mark.parametrize("how", WAYS)
def test_every_way_picks_each_case_once_and_the_same_again(how: Way) -> None:
    given = {"unsure": UNSURE, "failing": POOL[:1], "seed": 3}
    found = choose(POOL, 30, how=how, **given).tolist()
    assert len(found) == len(set(found)) == 30 and found == choose(POOL, 30, how=how, **given).tolist()
    assert sorted(choose(POOL, 500, how=how, **given).tolist()) == list(range(100))


def test_uncertainty_takes_the_most_unsure_failures_the_alike() -> None:
    assert choose(POOL, 3, how="uncertainty", unsure=UNSURE).tolist() == [99, 98, 97]
    assert set(choose(POOL, 20, how="failures", failing=POOL[40:41]).tolist()) == set(range(40, 60))


def test_diversity_takes_one_of_each_kind_first_and_mixed_spreads_out_too() -> None:
    assert {place // 20 for place in choose(POOL, KINDS, how="diversity").tolist()} == set(range(KINDS))
    found = choose(POOL, 30, how="mixed", unsure=UNSURE, failing=POOL[:1]).tolist()
    assert sum(place < 20 for place in found) == 10  # a third like what went wrong
    assert {place // 20 for place in found[10:]} == {2, 3, 4}  # among the 60 most unsure others


def test_a_way_without_what_it_goes_by_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs a model's confidence"):
        choose(POOL, 3, how="mixed")
    with pytest.raises(ConfigError, match="needs cases that went wrong"):
        choose(POOL, 3, how="failures")
    with pytest.raises(ConfigError, match="no way to choose"):
        choose(POOL, 3, how="taste")  # type: ignore[arg-type]
