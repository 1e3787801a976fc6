"""Labels that were made wrong on purpose come first."""

from __future__ import annotations

import numpy as np
import pytest

from pvcore.annotations.label_errors import rank
from pvcore.errors import ConfigError

CLASSES = ("non-serious", "serious")


def test_wrong_labels_are_ranked_first_also_in_the_rare_class() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random(600) < 0.15).astype(int)
    positive = np.clip(np.where(truth, 0.75, 0.15) + rng.normal(0, 0.08, 600), 0.01, 0.99)
    wrong = set(rng.choice(600, 30, replace=False).tolist())
    labels = [CLASSES[t ^ (i in wrong)] for i, t in enumerate(truth)]
    found = rank(labels, np.column_stack([1 - positive, positive]), CLASSES)
    assert len({s.index for s in found[:30]} & wrong) >= 28
    assert [s.quality for s in found] == sorted(s.quality for s in found)
    likely = {s.index for s in found if s.likely}
    assert len(likely) >= 15 and likely <= wrong
    assert all(s.suggested != s.given for s in found[:28])


def test_what_no_threshold_can_be_told_from_is_refused() -> None:
    with pytest.raises(ConfigError, match="no case is labelled serious"):
        rank(["non-serious"] * 3, [[1.0, 0.0]] * 3, CLASSES)
    with pytest.raises(ConfigError, match="do not fit"):
        rank(["non-serious", "serious"], [[1.0], [0.0]], CLASSES)
    with pytest.raises(ConfigError, match="do not fit"):
        rank(["non-serious", "perhaps"], [[1.0, 0.0]] * 2, CLASSES)
