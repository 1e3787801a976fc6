"""A whole update in one process: what tasks call, in the order of the flows, with a tiny model."""

from __future__ import annotations

import dataclasses
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from expectations import validate_batch, validate_release
from pvcore.config import open_workspace
from pvcore.cycle import (
    admission,
    approval,
    building,
    candidate,
    dictionaries,
    inbox,
    judging,
    migration,
    registration,
    releases,
)
from pvcore.errors import InputError


@dataclass
class Told:
    """A town after two updates, and what each step said."""

    town: Any
    outcomes: list[admission.Outcome] = field(default_factory=list)
    classes: list[dict[str, Any]] = field(default_factory=list)
    specifications: dict[str, str] = field(default_factory=dict)
    difference: str = ""
    kinds: list[str] = field(default_factory=list)
    """Of the ledger's entries, before any test added to them."""

    @property
    def workspace(self) -> Any:
        return self.town.workspace

    def admit(self) -> None:
        """What the watchers do."""
        ws = self.workspace
        for box in ("meddra", "annotations"):
            for found in inbox.look(ws, box):
                try:
                    if box == "meddra":
                        release = inbox.read_release(ws, found)
                        checked = validate_release(release, previous=dictionaries.release_before(ws, release))
                        checked.require()
                        outcome = admission.admit_release(ws, found, release, checked.to_json())
                    else:
                        batch = inbox.read_batch(ws, found)
                        checked = validate_batch(batch, dictionaries=dictionaries.of_batch(ws, batch))
                        checked.require()
                        outcome = admission.admit_batch(ws, found, batch, checked.to_json())
                except InputError as error:
                    outcome = admission.quarantine(ws, found, error)
                self.outcomes.append(outcome)

    def update(self) -> str:
        """What meddra-update and retrain do, up to the signed promotion; returns the dataset."""
        ws = self.workspace
        release, old = releases.newest_release(ws), releases.adopted_version(ws)
        assert release
        if old:
            self.difference = releases.compare(ws, old, release).markdown
        migrated = migration.migrate(ws, release)
        self.classes = migrated.classes
        releases.adopt(ws, release, migrated.mappings)
        built = building.build_dataset(ws, release, migrated.mappings)
        assert built
        for problem in ws.recipes():
            specification = candidate.specify(ws, problem, built.digest)
            assert specification
            self.specifications[problem] = specification
            candidate.train(ws, specification)
            name = registration.register(ws, specification, judging.evaluate(ws, specification))
            self.sign(approval.request(ws, name, "promote"))
        return built.digest

    def sign(self, request: approval.Request, **changes: Any) -> approval.Outcome:
        """Answer a request; `changes` are what a mistaken or dishonest person does otherwise."""
        said = {"decision": "approve", "name": self.town_signer, "reason": "as tested", **changes}
        key = said.pop("key", self.town.key)
        signature = said.pop("signature", None) or approval.sign(
            self.workspace, request, **{**said, "key": key}
        )
        return approval.decide(self.workspace, request, signature=signature, **said)

    @property
    def town_signer(self) -> str:
        return "demo.physician@example.org"


@pytest.fixture(scope="session")
def telling() -> type[Told]:
    """For a town of a test's own."""
    return Told


@pytest.fixture(scope="session")
def told(tiny_base: Path, town_module: Any, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Two releases, three batches, one broken of each; both problems promoted twice."""
    from pvcore.meddra.generate import Size, generate

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    town = town_module.found_town(tmp_path_factory.mktemp("town"), tiny_base)
    told = Told(town)
    one = town.stock(260)
    told.admit()
    told.update()
    two = generate(town.arrivals, version="90.1", seed=1, size=Size.small(), previous=one.dictionary)
    xml, export = town_module.write_batch(town.arrivals, two.dictionary, name="second", n=120, seed=2)
    town.drop("annotations", xml)
    town.drop("annotations", export, "90.1")
    told.admit()
    # The batch is coded in a release that is not adopted yet: it waits, and the dataset is the one that is there.
    latest = building.build_dataset(town.workspace, "90.0", [])
    assert latest and latest.digest == town.entries("DatasetBuilt")[-1].key
    town.drop("meddra", two.archive)
    broken = town.arrivals / "truncated.zip"
    broken.write_bytes(two.archive.read_bytes()[:-3000])
    town.drop("meddra", broken)
    wrong = town.arrivals / "wrong.json"
    wrong.write_text('[{"id": 1, "data": {"text": "no case id"}}, {"id": 2, "data": "nothing"}]')
    town.drop("annotations", wrong, "90.1")
    again = town.arrivals / "renamed.xml"
    again.write_bytes(xml.read_bytes())
    town.drop("annotations", again)
    told.admit()
    told.update()
    told.kinds = [entry.kind for entry in town.workspace.ledger.entries()]
    return told


@pytest.fixture
def own(told: Told, tmp_path: Path) -> Told:
    """The town as it was told, in a copy that a test may change as it likes."""
    root = tmp_path / "a town of its own"
    shutil.copytree(told.workspace.root, root)
    workspace = open_workspace(root)
    for entry in sorted((root / ".pv" / "store" / "ledger").iterdir())[len(told.kinds) :]:
        entry.unlink()  # what other tests have added
    town = dataclasses.replace(told.town, workspace=workspace, arrivals=root / ".pv" / "arrivals")
    return dataclasses.replace(told, town=town)
