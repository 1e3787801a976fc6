"""How much memory each step of ingestion takes, for a batch file of any size.

    python benchmarks/large_ingest.py                    # 64 MB
    python benchmarks/large_ingest.py --gigabytes 2      # needs five times this on the disk of --folder
    python benchmarks/large_ingest.py --steps put,quarantine

An E2B(R3) file of generated cases (narratives repeat, ids do not) goes the way of `pv ingest` and the
watcher into a workspace of its own with a local store: into the inbox, read, validated, admitted, loaded
again as an update does. A second one, cut off at its end, goes to quarantine. Every command is a process of
its own. `peak` is the most resident memory during the step, `left` what remains of it for the next, both
beyond what the process had before it touched the file.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MARK = "COPY_MARK"
"""In the ids of the generated cases, to be replaced by a number in each copy of them."""
STEPS = ("put", "admit", "load", "quarantine")
START = b"<PORR_IN049016UV"
END = b"</PORR_IN049016UV>"


def write_large(folder: Path, size: int) -> tuple[Path, Path, Path]:
    """A batch of at least `size` bytes, the same without its end, and the release that it is coded in."""
    from pvcore.annotations import e2b_r3
    from pvcore.annotations.generate import generate_cases
    from pvcore.meddra.generate import Size, generate

    truth = generate(folder, version="29.0", seed=1, size=Size.small())
    cases, said = generate_cases(truth.dictionary, n=1000, seed=1, prefix=MARK)
    e2b_r3.write(cases, said, folder / "copied.xml", "29.0")
    document = (folder / "copied.xml").read_bytes()
    first, last = document.index(START), document.rindex(END) + len(END)
    head, messages, tail = document[:first], document[first:last], document[last:]
    whole, cut = folder / "large.xml", folder / "cut-off.xml"
    with whole.open("wb") as one, cut.open("wb") as other:
        for file in (one, other):
            file.write(head)
            for number in range(-(-size // len(messages))):
                file.write(messages.replace(MARK.encode(), b"COPY%05d" % number) + b"\n")
        one.write(tail)
    return whole, cut, truth.archive


def put(workspace: Any, folder: Path) -> dict[str, Any]:
    from pvcore.cycle import inbox

    return {"put into the inbox": lambda: inbox.put(workspace, "annotations", [folder / "large.xml"])}


def admit(workspace: Any, folder: Path) -> dict[str, Any]:
    from expectations import validate_batch
    from pvcore.cycle import admission, dictionaries, inbox

    (found,) = inbox.look(workspace, "annotations")
    known: dict[str, Any] = {}

    def read() -> None:
        known["batch"] = inbox.read_batch(workspace, found)

    def validate() -> None:
        batch = known["batch"]
        known["validation"] = validate_batch(batch, dictionaries=dictionaries.of_batch(workspace, batch))
        known["validation"].require()

    def keep() -> str:
        validation = known["validation"].to_json()
        outcome = admission.admit_batch(workspace, found, known["batch"], validation)
        if outcome.kind != "BatchAdmitted":
            raise SystemExit(outcome.line)
        return outcome.line

    return {"read (its records stay)": read, "validate": validate, "admit": keep}


def load(workspace: Any, folder: Path) -> dict[str, Any]:
    from pvcore.cycle import arrivals

    (entry,) = arrivals.pending_batches(workspace)
    kept: list[Any] = []
    return {
        "load (its records stay)": lambda: kept.append(arrivals.load_batch(workspace, entry.body["digest"]))
    }


def quarantine(workspace: Any, folder: Path) -> dict[str, Any]:
    from pvcore.cycle import admission, inbox
    from pvcore.errors import InputError

    met: list[InputError] = []

    def cut_off() -> None:
        inbox.put(workspace, "annotations", [folder / "cut-off.xml"])
        try:
            inbox.read_batch(workspace, _last(workspace))
        except InputError as error:
            met.append(error)

    def away() -> str:
        return admission.quarantine(workspace, _last(workspace), met[0]).line

    return {"put and read, cut off": cut_off, "quarantine": away}


def _last(workspace: Any) -> Any:
    from pvcore.cycle import inbox

    return next(f for f in inbox.look(workspace, "annotations") if f.name == "cut-off.xml")


def resident(line: str) -> int:
    """VmRSS (now) or VmHWM (at most since `reset`) of this process, in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(found.split()[1]) for found in lines if found.startswith(line))


def measured(steps: dict[str, Callable[[], Any]]) -> list[dict[str, Any]]:
    """Seconds, peak and rest of each step, one after the other; memory in kB."""
    before = resident("VmRSS")
    rows = []
    for name, step in steps.items():
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is held now
        start = time.perf_counter()
        said = step()
        rows.append(
            {
                "step": name,
                "seconds": time.perf_counter() - start,
                "peak": resident("VmHWM") - before,
                "left": resident("VmRSS") - before,
                "said": said if isinstance(said, str) else "",
            }
        )
    return rows


def one(name: str, folder: Path) -> None:
    """Run the steps of one command and print them as JSON."""
    import expectations  # noqa: F401  # imports do not count
    from pvcore.config import open_workspace

    workspace = open_workspace(folder / "workspace")
    workspace.ledger.entries()
    print(json.dumps(measured(globals()[name](workspace, folder))))


def found(folder: Path, release: Path) -> None:
    """A workspace that knows the release."""
    from pvcore.config import init_workspace, open_workspace
    from pvcore.cycle import admission, inbox

    init_workspace(folder / "workspace")
    (folder / "workspace" / "pv.yaml").write_text("settle_seconds: 0\n")
    workspace = open_workspace(folder / "workspace")
    inbox.put(workspace, "meddra", [release])
    (arrived,) = inbox.look(workspace, "meddra")
    admission.admit_release(workspace, arrived, inbox.read_release(workspace, arrived), b"{}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=1 / 16)
    parser.add_argument("--folder", type=Path, help="where to work (default: the temporary folder)")
    parser.add_argument("--steps", default=",".join(STEPS), help=f"of {', '.join(STEPS)}, in this order")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        one(asked.one[0], Path(asked.one[1]))
        return
    with tempfile.TemporaryDirectory(prefix="pv-large-", dir=asked.folder) as name:
        folder = Path(name)
        whole, _, release = write_large(folder, round(asked.gigabytes * 2**30))
        found(folder, release)
        print(f"A file of {whole.stat().st_size / 2**20:,.0f} MB\n")
        print("| step | seconds | peak, MB | left, MB |\n|---|---:|---:|---:|")
        said = ""
        for step in asked.steps.split(","):
            command = [sys.executable, __file__, "--one", step, str(folder)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            for row in json.loads(done.stdout.splitlines()[-1]):
                cells = f"{row['seconds']:.1f} | {row['peak'] / 1024:,.0f} | {row['left'] / 1024:,.0f}"
                print(f"| {row['step']} | {cells} |", flush=True)
                said += f"\n{row['said']}" if row["said"] else ""
        print(said)


if __name__ == "__main__":
    main()
