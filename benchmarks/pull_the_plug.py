"""Kill in each step of a cycle, and compare what comes of it with an undisturbed cycle.

    python benchmarks/pull_the_plug.py [KILLED:STEP ...]

KILLED is `all` (kill -9 of server, workers, runs and keeper: a pulled plug; `pv up` follows) or `workers`
(kill -9 of both workers and their runs; nobody does anything, the keeper and the rules mend it). STEP is a ledger
kind, `checkpoint` or `suspended`. A tiny model. Prints the first adapter's digest, where training resumed, and how
many entries of each kind the ledger has: one of each. Where one of the two batches came in before the kill, an update
may start with it alone, and the other makes a second dataset. Exits with 1 if anything else differs.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
KINDS = (
    "BatchAdmitted",
    "DatasetBuilt",
    "Trained",
    "Evaluated",
    "Registered",
    "ApprovalRequested",
    "Promoted",
)
EXPECTED = {"BatchAdmitted": 2}
STEPS = ("BatchAdmitted", "DatasetBuilt", "checkpoint", "Trained", "Evaluated", "Registered", "suspended")


def of_tests(name: str) -> Any:
    """A module of tests/, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tests" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def kill_workers(root: Path) -> None:
    """End both workers and whatever they run; server and keeper live on."""
    from pvcore.platform import processes, state
    from pvcore.platform.state import KEEPER, SERVER

    known = state.load(root).processes  # type: ignore[union-attr]
    spared = processes.recorded([known[SERVER], known[KEEPER]])
    pids = {p.pid for root_process in spared for p in (root_process, *root_process.children(recursive=True))}
    kept = {p.pid for p in processes.recorded([known["worker-cpu"], known["worker-gpu"]])}
    processes.kill(p for p in processes.marked(str(root)) if p.pid not in pids or p.pid in kept)


def cycle(folder: Path, base: Path, town_module: Any, killed: str, cut: str) -> dict[str, Any]:
    """One cycle in `folder`, cut off at `cut`: a ledger kind, "checkpoint", "suspended" or "" for none."""
    import yaml

    from pvcore.cycle import approval, arrivals, waiting
    from pvcore.meddra.generate import Size, generate
    from pvcore.platform import embedded, processes

    town = town_module.found_town(folder, base)
    ws = town.workspace
    (ws.root / "recipes" / "coding.yaml").unlink()
    recipe = ws.root / "recipes" / "seriousness.yaml"
    value = yaml.safe_load(recipe.read_text())
    value["training"] |= {"epochs": 40, "checkpoint_every": 5}
    recipe.write_text(yaml.safe_dump(value))
    town.arrivals.mkdir(parents=True)
    release = generate(town.arrivals, version="90.0", seed=1, size=Size.small())
    town.drop("meddra", release.archive)
    for file in town_module.write_batch(town.arrivals, release.dictionary, name="first", n=260, seed=1):
        town.drop("annotations", file, "90.0" if file.suffix == ".json" else None)

    def up() -> Any:
        return embedded.up(ws.root, ROOT, env={"PV_WORKSPACE": str(ws.root)}, tied=True)

    def here() -> bool:
        if cut == "checkpoint":
            return any(ws.checkpoints.glob("*/*"))
        if cut == "suspended":
            return any(run.suspended for run in platform.flow_runs("promote", states=("PAUSED",)))
        return bool(town.entries(cut))

    platform = town.platform = up()
    for box in ("meddra", "annotations"):
        platform.run(f"watch/{box}")
    started = time.monotonic()
    if cut:
        town.wait(here, 300, cut)
        if killed == "all":
            processes.kill(processes.marked(str(ws.root)))
            platform = town.platform = up()
        else:
            kill_workers(ws.root)
    request = town.wait(lambda: approval.open_requests(ws), 420, "a request for approval")[0]
    said = {"decision": "approve", "name": town_module.SIGNER, "reason": "benchmark", "key": town.key}
    town.wait(
        lambda: any(r.suspended for r in platform.flow_runs("promote", states=("PAUSED",))), 240, "the form"
    )
    waiting.answer(ws, platform, request, **said)
    town.wait(
        lambda: len(town.entries("BatchAdmitted")) == 2 and not arrivals.pending_batches(ws),
        300,
        "both batches in a dataset",
    )
    seconds = time.monotonic() - started
    embedded.down(ws.root)
    counts = {kind: len(town.entries(kind)) for kind in KINDS}
    trained = town.entries("Trained")[0].body
    return {
        "adapter": trained["adapter"],
        "resumed": trained["resumed_from"],
        "seconds": seconds,
        "counts": counts,
    }


def differs(found: dict[str, Any], undisturbed: str, cut: str) -> bool:
    counts = found["counts"]
    if cut == "BatchAdmitted" and counts["DatasetBuilt"] == 2:
        return bool(counts["BatchAdmitted"] != 2)
    return found["adapter"] != undisturbed or any(
        count != EXPECTED.get(kind, 1) for kind, count in counts.items()
    )


def main() -> int:
    town_module, different = of_tests("town"), 0
    cuts = sys.argv[1:] or [f"{killed}:{step}" for killed in ("all", "workers") for step in STEPS]
    with tempfile.TemporaryDirectory(prefix="pv-plug-") as folder:
        base = of_tests("tiny").make_tiny_bert(Path(folder, "base"))
        print(
            f"{'killed':8} {'at':18} {'adapter':14} {'resumed at step':16} {'seconds':8} entries", flush=True
        )
        undisturbed = ""
        for number, name in enumerate([":", *cuts]):
            killed, _, cut = name.partition(":")
            found = cycle(Path(folder, str(number)), base, town_module, killed, cut)
            entries = " ".join(f"{kind}={count}" for kind, count in found["counts"].items())
            undisturbed = undisturbed or found["adapter"]
            different += differs(found, undisturbed, cut)
            print(
                f"{killed or '-':8} {cut or '-':18} {found['adapter'][:12]:14} {found['resumed']:<16} "
                f"{found['seconds']:<8.0f} {entries}",
                flush=True,
            )
    print("all as undisturbed" if not different else f"{different} cycles differ")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
