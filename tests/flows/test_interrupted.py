"""Flows under the Prefect test harness, cut off at the worst moment, or given an object that nobody can read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def harness() -> Iterator[None]:
    from prefect.testing.utilities import prefect_test_harness

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with prefect_test_harness():
            yield


@pytest.fixture
def town(
    harness: None, tiny_base: Path, town_module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """A workspace with a release and a batch in its inbox; flows find it through PV_WORKSPACE."""
    town = town_module.found_town(tmp_path / "town", tiny_base)
    monkeypatch.setenv("PV_WORKSPACE", str(town.workspace.root))
    town.stock(120)
    return town


def test_one_object_that_cannot_be_handled_stops_no_other(town: Any) -> None:
    from flows.watch import watch

    # A name that no store may hold can only come by way of the folder itself.
    box = town.workspace.root / ".pv" / "store" / "inbox" / "annotations"
    (box / "between\\names.json").write_text("[]")
    state = watch("annotations", return_state=True)
    assert state.is_failed() and "backslashes" in str(state.message)
    assert len(town.entries("BatchAdmitted")) == 2 and len(town.entries("Announced")) == 2


def test_an_announcement_that_was_lost_is_made_by_the_next_look(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.watch import watch
    from tasks import inbox

    sent: list[Any] = []

    def unplugged(events: list[Any]) -> None:
        raise ConnectionError("the plug")

    with monkeypatch.context() as patch:
        patch.setattr(inbox, "_send", unplugged)
        assert watch("annotations", return_state=True).is_failed()
    assert len(town.entries("BatchAdmitted")) == 2 and not town.entries("Announced")
    monkeypatch.setattr(inbox, "_send", sent.extend)
    assert watch("annotations", return_state=True).is_completed()
    (event,) = sent
    assert event.event == "pv.batches.admitted" and len(event.payload["batches"]) == 2
    assert len(town.entries("Announced")) == 2


def test_an_update_that_was_cut_off_after_its_dataset_goes_on(
    town: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is pending any more by then: the next run must take up the dataset that was built."""
    from flows import meddra_update as flow
    from flows.watch import watch

    watch("meddra")
    watch("annotations")
    started: list[str] = []
    monkeypatch.setattr(flow, "retrain_all", lambda dataset: started.append(dataset) or [dataset])

    def unplugged(dataset: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(flow, "retrain_all", unplugged)
        with pytest.raises(KeyboardInterrupt):
            flow.meddra_update("90.0")
    assert len(town.entries("DatasetBuilt")) == 1 and not started
    assert flow.meddra_update("90.0") == flow.meddra_update() == [town.entries("DatasetBuilt")[0].key]
    assert len(started) == 2 and len(town.entries("DatasetBuilt")) == 1
