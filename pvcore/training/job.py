"""A training run handed to processes of its own: a job in one JSON file, its result in another beside it.

torchrun --nproc-per-node 2 -m pvcore.training JOB.json      # or: accelerate launch -m pvcore.training JOB.json
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvcore.errors import LeakageError, PvError, TrainingError
from pvcore.records import Example, canonical
from pvcore.training.loop import Progress
from pvcore.training.several import Ended
from pvcore.training.specification import Specification
from pvcore.training.train import TrainResult, train

if TYPE_CHECKING:
    import pandas as pd

RESULT, FAULT = ".result.json", ".fault.json"
"""Endings of what a job leaves beside its own file."""
STEP = re.compile(r"step (\d+) of (\d+), loss (\S+)")
RAISED = {error.__name__: error for error in (LeakageError, TrainingError)}


def write(
    file: Path,
    specification: Specification,
    examples: Mapping[str, Sequence[Example]],
    *,
    base: Path,
    workdir: Path,
    output: Path,
    parent: Path | None = None,
    terms: pd.DataFrame | None = None,
    vectors: Path | None = None,
    threads: int | None = None,
) -> None:
    """Write the arguments of `train` down as a job."""
    places = {"base": base, "workdir": workdir, "output": output, "parent": parent, "vectors": vectors}
    job = {
        "specification": dataclasses.asdict(specification),
        "examples": {split: [dataclasses.asdict(row) for row in rows] for split, rows in examples.items()},
        "places": {name: str(place.resolve()) for name, place in places.items() if place},
        "terms": None if terms is None else terms.to_dict("list"),
        "threads": threads,
    }
    file.write_bytes(canonical(job))


def run(file: Path) -> None:
    """Train what a job says; what every process of a launcher does. Prints a line a step."""
    import pandas as pd

    job = json.loads(file.read_bytes())
    examples = {split: [_example(row) for row in rows] for split, rows in job["examples"].items()}
    try:
        found = train(
            Specification(**job["specification"]),
            examples,
            **{name: Path(place) for name, place in job["places"].items()},
            terms=None if job["terms"] is None else pd.DataFrame(job["terms"]),
            threads=job["threads"],
            progress=lambda step, steps, loss: print(f"step {step} of {steps}, loss {loss!r}", flush=True),
        )
    except PvError as error:
        if not isinstance(error, Ended):  # whose reason another process writes
            _put(file.with_suffix(FAULT), {"error": type(error).__name__, "words": str(error)})
        raise SystemExit(f"{type(error).__name__}: {error}") from None
    if os.environ.get("RANK", "0") == "0":
        _put(file.with_suffix(RESULT), {**dataclasses.asdict(found), "adapter": str(found.adapter)})


def train_with(
    processes: int,
    specification: Specification,
    examples: Mapping[str, Sequence[Example]],
    *,
    progress: Progress | None = None,
    **options: Any,
) -> TrainResult:
    """`train` in so many processes of this machine, started by torchrun: the same arguments, result and errors.

    One is this process itself.
    """
    if processes == 1:
        return train(specification, examples, progress=progress, **options)
    with tempfile.TemporaryDirectory(prefix="pv-job-") as folder:
        file = Path(folder, "job.json")
        write(file, specification, examples, **options)
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        command = [sys.executable, *launcher, "-m", "pvcore.training", str(file)]
        with open(Path(folder, "stderr"), "w+") as told:
            code = _follow(command, told, progress)
            told.seek(0)
            said = told.read()
        if code:
            raise _error(file, processes, code, said)
        return _result(file)


def _follow(command: Sequence[str], told: Any, progress: Progress | None) -> int:
    """Run a launcher and pass its steps on. Its processes write into our pipe: they end when we do."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True) as launcher:
        assert launcher.stdout
        try:
            for line in launcher.stdout:
                if progress is not None and (step := STEP.match(line)):
                    progress(int(step[1]), int(step[2]), float(step[3]))
        except BaseException:
            launcher.terminate()  # it ends its processes, and waits for them
            raise
    return launcher.returncode


def _error(file: Path, processes: int, code: int, said: str) -> PvError:
    if file.with_suffix(FAULT).exists():
        fault = json.loads(file.with_suffix(FAULT).read_bytes())
        return RAISED.get(fault["error"], TrainingError)(fault["words"])
    tail = "\n".join(said.splitlines()[-30:])
    return TrainingError(
        f"training in {processes} processes ended with {code}. Run again: it goes on from its last checkpoint. "
        f"The last that they said:\n{tail}"
    )


def _result(file: Path) -> TrainResult:
    found = json.loads(file.with_suffix(RESULT).read_bytes())
    pairs = {name: tuple((step, value) for step, value in found[name]) for name in ("curve", "looks")}
    cases = {name: tuple(found[name]) for name in ("consumed", "fitted")}
    return TrainResult(**{**found, **pairs, **cases, "adapter": Path(found["adapter"])})


def _example(row: Mapping[str, Any]) -> Example:
    return Example(**{**row, "slices": tuple(row["slices"])})


def _put(file: Path, value: Any) -> None:
    """Write a file whole, whoever else writes it."""
    handle, name = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(handle, "wb") as opened:
        opened.write(canonical(value))
    Path(name).replace(file)
