"""A workspace with a running platform, small enough for a test: tiny model, 260 cases, two annotators."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pvcore.config import Workspace, init_workspace, open_workspace
from pvcore.cycle import inbox
from pvcore.platform.prefect_api import Platform
from pvcore.problems import PROBLEMS

ROOT = Path(__file__).resolve().parents[2]
SIGNER = "demo.physician@example.org"
POLICY = {
    "problems": {
        "seriousness": {
            "floors": {"accuracy": 0.01},
            "non_inferiority": {"accuracy": {"margin": 0.99}},
        },
        "coding": {
            "floors": {"accuracy_at_5": 0.0},
            "non_inferiority": {"accuracy_at_5": {"margin": 0.99}},
        },
        "pts": {"floors": {"micro_f1": 0.0}, "non_inferiority": {"micro_f1": {"margin": 0.99}}},
        "triage": {"floors": {"accuracy": 0.01}, "non_inferiority": {"accuracy": {"margin": 0.99}}},
        "ddi": {"floors": {"accuracy": 0.01}, "non_inferiority": {"accuracy": {"margin": 0.99}}},
    },
    "evaluation": {"resamples": 200},
    "approval": {"signatures": 1, "roles": ["safety-physician"]},
    "signers": [
        {"principal": SIGNER, "name": "Dr Demo Physician", "roles": ["safety-physician"]},
        {"principal": "trainee@example.org", "name": "A Trainee", "roles": ["trainee"]},
    ],
}


@dataclass
class Town:
    """Workspace, platform, and the folder where files are made before they arrive."""

    workspace: Workspace
    platform: Platform | None
    arrivals: Path
    key: Path

    def wait(self, done: Callable[[], Any], seconds: float, what: str) -> Any:
        """Poll until `done` returns something; fails with the errors of the failed runs."""
        deadline = time.monotonic() + seconds
        while not (found := done()):
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} did not happen in {seconds} s\n{self.failures()}")
            time.sleep(0.5)
        return found

    def failures(self) -> str:
        """Errors in the logs of failed runs."""
        if self.platform is None:
            return ""
        failed = self.platform.flow_runs(states=("FAILED", "CRASHED"))
        return "\n".join("\n".join(self.platform.logs(run.id, level=30)[-10:]) for run in failed)

    def stock(self, n: int) -> Any:
        """Put a first release, and `n` cases as the batches of two annotators, into the inbox; returns the release."""
        from pvcore.meddra.generate import Size, generate

        self.arrivals.mkdir(parents=True)
        release = generate(self.arrivals, version="90.0", seed=1, size=Size.small())
        xml, export = write_batch(self.arrivals, release.dictionary, name="first", n=n, seed=1)
        self.drop("meddra", release.archive)
        self.drop("annotations", xml)
        self.drop("annotations", export, "90.0")
        return release

    def entries(self, kind: str) -> list[Any]:
        """Ledger entries of a kind."""
        return [entry for entry in self.workspace.ledger.entries() if entry.kind == kind]

    def drop(self, box: str, file: Path, version: str | None = None) -> None:
        """Put a file into an inbox."""
        inbox.put(self.workspace, box, [file], version)  # type: ignore[arg-type]


def found_town(root: Path, base: Path, problems: Sequence[str] = ("seriousness", "coding")) -> Town:
    """A workspace with recipes for a tiny model, of these problems alone; no platform yet."""
    from pvcore.inference.base import base_digest
    from pvcore.registry import signing

    init_workspace(root)
    for name in set(PROBLEMS) - set(problems):
        (root / "recipes" / f"{name}.yaml").unlink(missing_ok=True)
    for name in problems:
        file = root / "recipes" / f"{name}.yaml"
        recipe = yaml.safe_load(file.read_text())
        recipe["base"] = {"source": str(base), "digest": base_digest(base)}
        recipe["training"] = {"epochs": 1, "batch": 16, "learning_rate": 0.001, "checkpoint_every": 3}
        recipe["training"] |= {"wordings": True} if name == "coding" else {}
        recipe["training"] |= {"word_weights": True} if name == "seriousness" else {}
        recipe["lora"] = {"rank": 4, "alpha": 8, "targets": ["query", "value"]}
        recipe["text"] = {"max_tokens": 24 if name == "coding" else 64}
        file.write_text(yaml.safe_dump(recipe))
    (root / "recipes" / "policy.yaml").write_text(yaml.safe_dump(POLICY))
    (root / "pv.yaml").write_text("settle_seconds: 0\nthreads: 1\n")
    key = signing.make_key(root / ".pv" / "key", SIGNER, root / "allowed_signers")
    return Town(open_workspace(root), None, root / ".pv" / "arrivals", key)


def write_batch(
    folder: Path, dictionary: Any, *, name: str, n: int, seed: int, terms: Sequence[str] = ()
) -> tuple[Path, Path]:
    """`n` cases: one annotator's labels as E2B(R3), the other's as Label Studio JSON. Half are coded to `terms`."""
    from pvcore.annotations import e2b_r3, label_studio
    from pvcore.annotations.generate import generate_cases

    cases, said = generate_cases(dictionary, n=n, seed=seed, prefix=name, year=2025, terms=terms)
    first, second = sorted({a.annotator for a in said})
    xml, export = folder / f"{name}.xml", folder / f"{name}.json"
    e2b_r3.write(cases, said, xml, dictionary.version, sender=first)
    label_studio.write(cases, [a for a in said if a.annotator == second], export)
    return xml, export
