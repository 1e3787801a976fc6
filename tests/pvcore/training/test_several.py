"""Two processes train the adapter of one; this file is also what each of the two runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from pvcore.errors import LeakageError, TrainingError
from pvcore.training import job, several
from pvcore.training.qlora import WEIGHTS
from pvcore.training.train import train

TOLERANCE = 1e-5
"""Largest difference of a weight. Measured: 8.9e-7, where training had moved weights by 0.02."""
STILL = {"lora__dropout": 0.0}


@pytest.fixture
def still(tiny_base: Path, tmp_path: Path) -> Path:
    """The tiny BERT without dropout: that, each process draws for itself."""
    folder = tmp_path / "still"
    folder.mkdir()
    for file in tiny_base.iterdir():
        (folder / file.name).symlink_to(file)
    config = json.loads((tiny_base / "config.json").read_text())
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps({**config, "hidden_dropout_prob": 0.0}))
    return folder


def apart(one: Path, other: Path) -> float:
    """The largest difference between two adapters' weights."""
    a, b = load_file(one / WEIGHTS), load_file(other / WEIGHTS)
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.slow
def test_two_processes_train_the_adapter_of_one(still, tiny_phi3, specify, rows, terms, verbatims, tmp_path):
    # The last step of an epoch has one row for two processes, or three.
    asked: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "encoder in NF4": (specify(still, **STILL), rows(17, 1), {"base": still}),
        "micro-batches": (
            specify(still, training__batch=6, training__micro_batch=2, **STILL), rows(15, 1), {"base": still},
        ),
        "causal, shared prefix": (
            specify(tiny_phi3, family="causal", training__epochs=1, **STILL), rows(11, 1), {"base": tiny_phi3},
        ),
        "contrastive": (specify(still, "coding"), verbatims, {"base": still, "terms": terms}),
    }  # fmt: skip

    def places(name: str, by: str) -> dict[str, Path]:
        return {"workdir": tmp_path / by / name / "work", "output": tmp_path / by / name / "adapter"}

    for number, (name, (specification, examples, options)) in enumerate(asked.items()):
        file = tmp_path / f"{number}.json"
        job.write(file, specification, {"train": examples}, threads=1, **places(name, "two"), **options)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", __file__]
    with subprocess.Popen(
        [sys.executable, *launcher, str(tmp_path), str(len(asked))],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as processes:  # fmt: skip
        alone = {
            name: train(specification, {"train": examples}, threads=1, **places(name, "one"), **options)
            for name, (specification, examples, options) in asked.items()
        }
        said = processes.communicate()[0]
    assert processes.returncode == 0, said
    for number, (name, one) in enumerate(alone.items()):
        two = job._result(tmp_path / f"{number}.json")
        assert [step for step, _ in two.curve] == [step for step, _ in one.curve]
        assert [v for _, v in two.curve] == pytest.approx([v for _, v in one.curve], rel=1e-5), name
        assert apart(one.adapter, two.adapter) < TOLERANCE, name
        assert (one.environment["processes"], two.environment["processes"]) == ("1", "2")
    # Pairs that are each other's negatives are not shared out: the same bytes, with dropout.
    assert two.files == one.files
    told = [json.loads((tmp_path / f"told-{rank}").read_text()) for rank in (0, 1)]
    # A gradient of both, of one, and of none.
    assert [part["sums"] for part in told] == [[1.25, 3.0, 5.0, None]] * 2
    # Threads of gloo that outlive the group abort a process now and then as it ends.
    assert [part["threads"] for part in told] == [[], []]
    assert [part["failed"] for part in told] == [
        "ZeroDivisionError: no number", "Ended: the first process of the run: ZeroDivisionError: no number",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.long
def test_accelerate_starts_what_torchrun_starts(still, specify, rows, tmp_path):
    asked, examples = specify(still, **STILL), {"train": rows(17, 1)}

    def places(by: str) -> dict[str, Any]:
        return {
            "base": still,
            "workdir": tmp_path / by / "work",
            "output": tmp_path / by / "adapter",
            "threads": 1,
        }

    file = tmp_path / "job.json"
    job.write(file, asked, examples, **places("accelerate"))
    # It sets what torchrun sets; without GPUs the processes compute on CPUs.
    launcher = [
        "-m",
        "accelerate.commands.launch",
        "--multi_gpu",
        "--num_processes",
        "2",
        "--main_process_port",
        "0",
    ]
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "pvcore.training", str(file)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    found, one = job._result(file), train(asked, examples, **places("one"))
    two = job.train_with(2, asked, examples, **places("torchrun"))
    assert found.environment["processes"] == "2" and found.digest == two.digest
    assert apart(found.adapter, one.adapter) < TOLERANCE


@pytest.mark.slow
def test_a_process_that_dies_ends_the_run_which_then_goes_on_alone(still, specify, rows, tmp_path):
    asked, examples = specify(still, **STILL), {"train": rows(40, 1)}
    options = {"base": still, "threads": 1}
    killed: list[psutil.Process] = []
    before = set(psutil.Process().children())  # servers of other tests

    def rank(process: psutil.Process) -> str | None:
        try:
            return process.environ().get("RANK")
        except psutil.Error:  # ended already, as torchrun's own helpers do
            return None

    def kill(step: int, steps: int, loss: float) -> None:
        if step == 3:
            (launcher,) = set(psutil.Process().children()) - before
            processes = [launcher, *launcher.children(recursive=True)]
            second = next(p for p in processes if rank(p) == "1")
            second.send_signal(signal.SIGKILL)
            killed.extend(processes)

    with pytest.raises(TrainingError, match="goes on from its last checkpoint"):
        job.train_with(
            2,
            asked,
            examples,
            progress=kill,
            workdir=tmp_path / "work",
            output=tmp_path / "adapter",
            **options,
        )
    assert len(killed) >= 3 and not any(p.is_running() for p in killed)
    assert not (tmp_path / "adapter").exists()
    found = train(asked, examples, workdir=tmp_path / "work", output=tmp_path / "adapter", **options)
    assert found.resumed_from >= 2
    calm = train(asked, examples, workdir=tmp_path / "calm", output=tmp_path / "calm-adapter", **options)
    assert apart(found.adapter, calm.adapter) < TOLERANCE


def test_a_job_is_its_arguments_and_its_result(tiny_base, specify, rows, tmp_path, monkeypatch, capsys):
    """What the processes of a launcher do, done by this one."""
    asked, examples = specify(tiny_base), {"train": rows(16, 1), "tune": rows(8, 2)}
    places = {"base": tiny_base, "workdir": tmp_path / "work", "output": tmp_path / "adapter"}
    monkeypatch.delenv("RANK", raising=False)
    job.write(tmp_path / "job.json", asked, examples, threads=1, **places)
    job.run(tmp_path / "job.json")
    lines = capsys.readouterr().out.splitlines()
    found = job._result(tmp_path / "job.json")
    assert found.peak_bytes > 1e7
    again = train(
        asked, examples, threads=1, **{**places, "workdir": tmp_path / "w", "output": tmp_path / "a"}
    )
    for name in ("digest", "files", "curve", "tune", "looks", "environment", "consumed", "fitted"):
        assert getattr(found, name) == getattr(again, name)
    steps = [job.STEP.match(line) for line in lines]
    assert [(int(s[1]), float(s[3])) for s in steps if s] == list(again.curve)


def test_what_a_run_raises_is_raised_where_it_was_asked_for(tiny_base, specify, rows, tmp_path):
    same = rows(16, 1)
    file = tmp_path / "job.json"
    places = {"base": tiny_base, "workdir": tmp_path / "work", "output": tmp_path / "adapter"}
    job.write(file, specify(tiny_base), {"train": same, "tune": same[:2]}, **places)
    with pytest.raises(SystemExit, match="LeakageError"):
        job.run(file)
    error = job._error(file, 2, 1, "")
    assert isinstance(error, LeakageError) and "split by cluster again" in str(error)


def test_a_share_leaves_nothing_out_and_takes_nothing_twice():
    for count in (1, 2, 3, 7):
        shares = [several.Processes(rank, count).share(range(5)) for rank in range(count)]
        assert sorted(item for share in shares for item in share) == list(range(5))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_half_a_launcher_is_named(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in several.NEEDED[1:]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "0")
    with (
        pytest.raises(TrainingError, match="LOCAL_RANK, MASTER_ADDR, MASTER_PORT is not set"),
        several.joined(),
    ):
        pass


def main(folder: Path, jobs: int) -> None:
    """What each of two processes does."""
    with several.joined() as processes:
        for number in range(jobs):
            job.run(folder / f"{number}.json")
        told: dict[str, Any] = {"sums": _sums(processes)}
        try:
            processes.once(_fail)
        except (ZeroDivisionError, several.Ended) as error:
            told["failed"] = f"{type(error).__name__}: {error}"
    told["threads"] = [name for name in _threads() if "gloo" in name]
    (folder / f"told-{processes.rank}").write_text(json.dumps(told))


def _threads() -> list[str]:
    """The names of this process's threads, those of libraries too."""
    if not sys.platform.startswith("linux"):
        return []
    return [file.read_text().strip() for file in Path("/proc/self/task").glob("*/comm")]


def _sums(processes: several.Processes) -> list[float | None]:
    both, one, none = (torch.nn.Parameter(torch.zeros(1)) for _ in range(3))
    both.grad = torch.tensor([1.0 + processes.rank])
    if not processes.first:
        one.grad = torch.tensor([5.0])
    loss = processes.add({"both": both, "one": one, "none": none}, 1.0 if processes.first else 0.25)
    return [loss, *(None if w.grad is None else w.grad.item() for w in (both, one, none))]


def _fail() -> None:
    raise ZeroDivisionError("no number")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
