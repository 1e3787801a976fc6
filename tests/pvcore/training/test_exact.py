"""The same specification and rows are the same bytes: again, on more threads, after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from pvcore.errors import TrainingError
from pvcore.training import checkpoint, qlora


@pytest.mark.parametrize("compute", ["float32", "bfloat16"])
def test_one_and_two_threads_give_the_same_bytes(tiny_base, specify, rows, train, compute):
    asked = specify(tiny_base, quantisation__compute=compute)
    found = {
        train(asked, rows(40, 1), rows(8, 2), base=tiny_base, threads=threads).digest for threads in (1, 2, 1)
    }
    assert len(found) == 1


def test_a_killed_run_resumes_to_the_same_bytes(tiny_base, tmp_path):
    def start(work: str, output: str) -> subprocess.Popen[str]:
        script = [sys.executable, str(Path(__file__).with_name("conftest.py"))]
        return subprocess.Popen(
            [*script, str(tiny_base), str(tmp_path / work), str(tmp_path / output)],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    with start("calm", "calm-adapter") as calm:
        calm_digest, resumed = calm.communicate()[0].split("\n")[-2].split()
    assert resumed == "0"
    with start("killed", "killed-adapter") as killed:
        assert killed.stdout
        for line in killed.stdout:
            if line.strip() == "5":
                killed.send_signal(signal.SIGKILL)
                break
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed-adapter").exists()
    with start("killed", "killed-adapter") as again:
        digest, resumed = again.communicate()[0].split("\n")[-2].split()
    assert int(resumed) >= 4
    assert digest == calm_digest
    names = sorted(file.name for file in (tmp_path / "calm-adapter").iterdir())
    assert names == sorted([qlora.CONFIG, qlora.WEIGHTS, qlora.VECTORS, "pv.json"])
    for name in names:
        assert (tmp_path / "calm-adapter" / name).read_bytes() == (
            tmp_path / "killed-adapter" / name
        ).read_bytes()


def test_a_torn_checkpoint_falls_back_to_the_one_before(tiny_base, specify, rows, train, tmp_path):
    asked, work = specify(tiny_base), tmp_path / "work"
    whole = train(asked, rows(40, 1), base=tiny_base)
    train(asked, rows(40, 1), base=tiny_base, workdir=work)
    newest, before = sorted((work / asked.digest).glob("step-*.safetensors"), reverse=True)
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    again = train(asked, rows(40, 1), base=tiny_base, workdir=work)
    assert again.resumed_from == int(before.stem.removeprefix("step-"))
    assert again.digest == whole.digest
    assert again.curve == whole.curve
    assert again.consumed == whole.consumed == tuple(sorted(row.case_id for row in rows(40, 1)))


def test_a_checkpoint_of_other_rows_is_refused(tiny_base, specify, rows, train, tmp_path):
    asked = specify(tiny_base)
    train(asked, rows(16, 1), base=tiny_base, workdir=tmp_path / "work")
    with pytest.raises(TrainingError, match="other rows"):
        train(asked, rows(16, 3), base=tiny_base, workdir=tmp_path / "work")


def test_a_checkpoint_is_whole_or_not_there(tmp_path, monkeypatch):
    state = checkpoint.State(
        2, [(1, 0.5), (2, 0.4)], [], {"w": torch.ones(2)}, {"state": {}, "param_groups": []}
    )
    checkpoint.save(tmp_path, state, "content")

    def torn(tensors, name, metadata):
        Path(name).write_bytes(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr(safetensors.torch, "save_file", torn)
    state.step = 4
    with pytest.raises(OSError, match="full"):
        checkpoint.save(tmp_path, state, "content")
    assert [file.name for file in tmp_path.iterdir()] == ["step-00000002.safetensors"]
    found = checkpoint.latest(tmp_path, "content")
    assert found is not None and found.step == 2 and torch.equal(found.weights["w"], torch.ones(2))


def test_micro_batches_and_recomputed_activations_change_memory_not_learning(tiny_base, specify, rows, train):
    options = {"lora__dropout": 0.0, "training__epochs": 1}
    plain = train(specify(tiny_base, **options), rows(24, 1), base=tiny_base)
    parts = train(specify(tiny_base, training__micro_batch=2, **options), rows(24, 1), base=tiny_base)
    again = train(
        specify(tiny_base, training__gradient_checkpointing=True, **options), rows(24, 1), base=tiny_base
    )
    assert again.curve == plain.curve
    # The base's own dropout draws other numbers for parts, so the curves are near and not equal.
    assert [loss for _, loss in parts.curve] == pytest.approx([loss for _, loss in plain.curve], abs=0.1)


def test_an_adapter_names_no_place_and_no_time_of_this_machine(tiny_base, specify, rows, train):
    result = train(specify(tiny_base), rows(16, 1), rows(8, 2), base=tiny_base)
    config = (result.adapter / qlora.CONFIG).read_text()
    card = (result.adapter / "pv.json").read_text()
    assert str(tiny_base) not in config + card
    assert str(Path.home()) not in config + card
    assert json.loads(config)["base_model_name_or_path"] == "package:tiny"
    assert json.loads(config)["target_modules"] == ["dense", "key", "query", "value"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("compute", ["float32", "bfloat16"])
def test_a_gpu_repeats_itself(tiny_base, specify, rows, train, compute):
    asked = specify(tiny_base, quantisation__compute=compute)
    results = [train(asked, rows(40, 1), rows(8, 2), base=tiny_base) for _ in range(2)]
    assert results[0].environment["device"].startswith("cuda")
    assert results[0].digest == results[1].digest


def test_a_pickle_in_the_place_of_a_checkpoint_is_not_read(tmp_path):
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return Path.touch, (ran,)

    for name in ("step-00000001.pt", "step-00000002.safetensors"):
        torch.save(Evil(), tmp_path / name)
    foreign = {"metadata": {"state": '{"map": [["content", "content"], ["step", 1]]}'}}
    safetensors.torch.save_file({}, tmp_path / "step-00000003.safetensors", **foreign)
    assert checkpoint.latest(tmp_path, "content") is None and not ran.exists()
