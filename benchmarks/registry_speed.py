"""Resolve, register and promote, beside MLflow's registry on the same machine and the same disk.

    python -m venv /tmp/mlflow && /tmp/mlflow/bin/pip install mlflow
    python benchmarks/registry_speed.py --mlflow /tmp/mlflow/bin/python
    python benchmarks/registry_speed.py                 # without MLflow: this registry alone

Both keep the same two files of an adapter (1 MB) in a local folder. MLflow: tracking and registry in one SQLite file,
artifacts in a folder, called by its Python client in the same process (no server between). This registry: the local
store, which has each byte on the disk (fsync) before it says so.

resolve    the alias `champion` -> the version, with the place of its files. `fresh`: a new Python process does it once
register   keep the files, then enter the version. Here also a new specification and the manifest; dataset, report
           and dossier are those of the first version. MLflow `rows only`: the version without any file
promote    move the alias. Here that is the switch: signatures, gate, manifest, every byte of the files
           and the expected champion verified anew, then one entry. `entry only`: what MLflow does, one entry that
           names the new version and the one before, nothing verified. `with approval`: asking, signing, accepting, too

Medians of --repeat calls, milliseconds. The long ledger is one whose champion was promoted at its beginning.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FRESH = {
    "ours": "from pvcore.registry.store import open_store; from pvcore.registry.ledger import Ledger\n"
    "from pvcore.registry.names import resolve\n"
    "s = open_store(sys.argv[1]); assert resolve(s, Ledger(s), 'seriousness@champion').manifest.adapter['files']",
    "mlflow": "from mlflow import MlflowClient\n"
    "v = MlflowClient(sys.argv[1], sys.argv[1]).get_model_version_by_alias('seriousness', 'champion'); assert v.source",
}
JANE = "jane@example.org"


def median(call: Callable[[], object], repeat: int) -> float:
    """Median milliseconds of a call."""
    taken = []
    for _ in range(repeat):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def fresh(side: str, where: str, repeat: int) -> float:
    """Median milliseconds of a new process of this Python that resolves the alias; one run before warms the disk."""
    call = [sys.executable, "-W", "ignore", "-c", f"import sys\n{FRESH[side]}", where]
    subprocess.run(call, check=True)
    return median(lambda: subprocess.run(call, check=True), repeat)


def adapter(folder: Path, number: int) -> Path:
    """The two files of an adapter: 1 MB of weights that differ from those of any other number."""
    made = folder / f"adapter-{number}"
    made.mkdir()
    (made / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (made / "adapter_model.safetensors").write_bytes(number.to_bytes(8, "big") * 2**17)
    return made


# --- MLflow: runs in its own Python, which does not have pvcore ----------------------------------------


def mlflow(folder: Path, repeat: int) -> dict[str, float]:
    from mlflow import MlflowClient  # type: ignore[import-not-found,unused-ignore]

    where = f"sqlite:///{folder}/mlflow.db"
    client = MlflowClient(where, where)
    experiment = client.create_experiment("e", artifact_location=(folder / "artifacts").as_uri())
    client.create_registered_model("seriousness")
    adapters = iter([adapter(folder, n) for n in range(repeat + 1)])

    def register() -> Any:
        run = client.create_run(experiment)
        client.log_artifacts(run.info.run_id, str(next(adapters)), "adapter")
        client.set_terminated(run.info.run_id)
        return client.create_model_version("seriousness", f"{run.info.artifact_uri}/adapter", run.info.run_id)

    first = register()
    client.set_registered_model_alias("seriousness", "champion", first.version)
    found = {"register": median(register, repeat)}
    rows = [client.create_model_version("seriousness", first.source) for _ in range(2)]
    found["register, rows only"] = median(
        lambda: client.create_model_version("seriousness", first.source), repeat
    )
    numbers = iter(range(10**6))
    found["promote"] = median(
        lambda: client.set_registered_model_alias("seriousness", "champion", rows[next(numbers) % 2].version),
        repeat,
    )
    found["resolve"] = median(
        lambda: client.get_model_version_by_alias("seriousness", "champion"), repeat * 5
    )
    found["resolve, fresh"] = fresh("mlflow", where, max(3, repeat // 4))
    return found


# --- this registry -------------------------------------------------------------------------------------


class Ours:
    """A registry in a folder, with one key and a policy of one signature."""

    def __init__(self, folder: Path) -> None:
        from pvcore.records import canonical
        from pvcore.registry import signing
        from pvcore.registry.approvers import approval_policy
        from pvcore.registry.blobs import put_blob
        from pvcore.registry.ledger import Ledger
        from pvcore.registry.store import open_store

        self.folder, self.root = folder, folder / "store"
        self.store = open_store(str(self.root))
        self.ledger = Ledger(self.store)
        self.keys = signing.Keys(folder / "allowed_signers")
        self.key = signing.make_key(folder / "key", JANE, self.keys.allowed_signers)
        signer = {"principal": JANE, "name": "Dr Jane Roe", "roles": ["safety-physician"]}
        policy = {"approval": {"signatures": 1, "roles": ["safety-physician"]}, "signers": [signer]}
        self.policy, self.digest = approval_policy(policy), put_blob(self.store, canonical(policy))

    def register(self, files: Path) -> Any:
        from pvcore.records import digest
        from pvcore.registry.blobs import put_blobs
        from pvcore.registry.folders import put_folder
        from pvcore.registry.version import register

        kept = put_folder(self.store, files)
        champion = self.ledger.state().champion("seriousness")
        of = {"specification": files.name, "dataset": "", "report": "", "dossier": ""}
        blobs = put_blobs(self.store, [f"{name} {which}".encode() for name, which in of.items()])
        texts = dict(zip(of, blobs, strict=True))
        fields = {
            **texts, "problem": "seriousness", "adapter": {"digest": digest(kept), "files": kept},
            "base": {"source": "package:invented", "digest": digest("base")}, "parent": champion,
            "champion": champion, "recipe": {"seed": 17}, "dictionary": None, "policy": self.digest,
            "decision": {"outcome": "pass", "reasons": []}, "environment": {"python": "3"},
            "created": "2030-01-02T03:04:05Z",
        }  # fmt: skip
        return register(self.store, self.ledger, fields, "trainer")

    def approve(self, version: Any) -> Any:
        """Ask, sign, accept: the request, ready for the switch."""
        from pvcore.registry import promotion, signing

        asked = promotion.request_approval(
            self.ledger, version, "promote", version.manifest.report, self.digest, "retrain",
            store=self.store, policy=self.policy, keys=self.keys,
        )  # fmt: skip
        signed = signing.sign(signing.statement(asked, "approve", "Dr Jane Roe", "fine", JANE), self.key)
        promotion.answer(
            self.ledger, self.store, asked, decision="approve", principal=JANE, name="Dr Jane Roe", reason="fine",
            signature=signed, policy=self.policy, policy_digest=self.digest, keys=self.keys,
        )  # fmt: skip
        return asked

    def switch(self, asked: Any) -> None:
        from pvcore.registry import promotion

        promotion.promote(
            self.ledger, self.store, asked, policy=self.policy, policy_digest=self.digest,
            keys=self.keys, actor="promote",
        )  # fmt: skip

    def fill(self, until: int) -> None:
        """Write plain entries after those that there are, with the snapshots that belong to them."""
        from ledger_speed import chained

        from pvcore.registry import chain, snapshots
        from pvcore.registry.entry import entry_key

        contents, faults = chain.read(self.store)
        for number, content in enumerate(chained(until, list(contents.values())), 1):
            contents[number] = content
            if not (self.root / entry_key(number)).exists():
                (self.root / entry_key(number)).write_bytes(content)
        entries, odd = chain.check(contents)
        if faults or odd:
            raise SystemExit(f"the ledger does not hold: {(faults + odd)[0]}")
        for sequence, content in snapshots.derive(entries):
            self.store.put_if_absent(snapshots.snapshot_key(sequence), content)


def ours(folder: Path, repeat: int) -> dict[str, float]:
    from pvcore.registry.names import resolve

    mine = Ours(folder)
    adapters = iter([adapter(folder, n) for n in range(3 * repeat + 2)])
    first = mine.register(next(adapters))
    mine.switch(mine.approve(first))
    found = {"register": median(lambda: mine.register(next(adapters)), repeat)}
    switch, door = [], []
    for _ in range(repeat):  # a candidate is compared with the champion of its time, so one after the other
        version = mine.register(next(adapters))
        began = time.perf_counter()
        asked = mine.approve(version)
        ready = time.perf_counter()
        mine.switch(asked)
        switch.append((time.perf_counter() - ready) * 1000)
        door.append((time.perf_counter() - began) * 1000)
    found["promote"] = statistics.median(switch)
    found["promote, with approval"] = statistics.median(door)
    body = mine.ledger.state().history("seriousness")[-1].body
    found["promote, entry only"] = median(
        lambda: mine.ledger.append("Promoted", body, actor="promote"), repeat
    )
    found["resolve"] = median(lambda: resolve(mine.store, mine.ledger, "seriousness@champion"), repeat * 5)
    found["resolve, fresh"] = fresh("ours", str(mine.root), max(3, repeat // 4))
    return found


def by_length(folder: Path, lengths: list[int], repeat: int) -> dict[int, dict[str, float]]:
    """Resolving an alias at ledgers of these lengths: nothing read before, in this process and in a new one."""
    from pvcore.registry.ledger import Ledger
    from pvcore.registry.names import resolve

    found = {}
    for length in lengths:
        mine = Ours(Path(tempfile.mkdtemp(dir=folder)))
        mine.switch(mine.approve(mine.register(adapter(mine.folder, 1))))
        mine.fill(length)
        found[length] = {
            "unread": median(
                lambda m=mine: resolve(m.store, Ledger(m.store), "seriousness@champion"), repeat * 5
            ),
            "fresh": fresh("ours", str(mine.root), max(3, repeat // 4)),
            "whole ledger": median(lambda m=mine: Ledger(m.store).state(), 1),
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mlflow", help="a Python that has mlflow")
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--lengths", type=int, nargs="+", default=[100, 127, 100_000, 100_031])
    parser.add_argument("--side", choices=["mlflow"], help=argparse.SUPPRESS)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.side:
            print(json.dumps(mlflow(Path(folder), asked.repeat)))
            return
        other: dict[str, float] = {}
        if asked.mlflow:
            call = [asked.mlflow, "-W", "ignore", __file__, "--side", "mlflow", "--repeat", str(asked.repeat)]
            done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True)
            other = json.loads(done.stdout.splitlines()[-1])
        mine = ours(Path(folder), asked.repeat)
        print("\n| milliseconds | this registry | MLflow | share |\n|---|---:|---:|---:|")
        for name in [*mine, *(name for name in other if name not in mine)]:
            here, there = mine.get(name), other.get(name)
            there = there or other.get(name.partition(",")[0])
            share = f"{here / there:.2f}" if here and there else ""
            print(
                f"| {name} | {'' if here is None else f'{here:.2f}'} | {f'{there:.2f}' if there else ''} | {share} |"
            )
        found = by_length(Path(folder), asked.lengths, asked.repeat)
        base = found[asked.lengths[0]]
        print(
            "\n| entries | resolve, ms | times | fresh process, ms | times | reading all, ms |"
            "\n|---:|---:|---:|---:|---:|---:|"
        )
        for length, row in found.items():
            cells = [f"{row[n]:.2f} | {row[n] / base[n]:.2f}" for n in ("unread", "fresh")]
            print(f"| {length:,} | {' | '.join(cells)} | {row['whole ledger']:.0f} |")


if __name__ == "__main__":
    main()
