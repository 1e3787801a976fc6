"""An encoder fine-tuned by the product and by Hugging Face's Trainer on the same VAERS narratives.

    python benchmarks/encoder_step.py FOLDER_OF_YEARLY_ZIPS [--steps 64] [--rounds 1] [--threads 1]

One epoch over `steps` x 16 reports of 1999 with all-MiniLM-L6-v2, seriousness, and the LoRA, schedule and
512 tokens of the recipe for VAERS, dropout off on all sides: so the Trainer in our order of steps must show our
losses. `group_by_length` is its own order. Each side runs in a process of its own, the sides in turns. Seconds of
the processor are the whole epoch's after one step that is not counted; tokens are those of texts, without
padding. Without quantisation the product computes an encoder in float32 only, so in bfloat16 it stands in NF4, and
the Trainer (autocast) both on the same NF4 base and on the one that is not quantised.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

BATCH, YEAR = 16, 1999
RECIPE = Path(__file__).resolve().parents[1] / "pvcore" / "recipes" / "vaers" / "seriousness.yaml"
PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")
FLOAT32, NF4, NF4_FLOAT32 = ((16, "float32"), (4, "bfloat16"), (4, "float32"))
TABLES = {
    "float32, not quantised": {
        "ours": ("ours", *FLOAT32),
        "Trainer, group_by_length": ("group_by_length", *FLOAT32),
        "Trainer, our order": ("our order", *FLOAT32),
    },
    "float32, NF4": {
        "ours": ("ours", *NF4_FLOAT32),
        "Trainer, group_by_length": ("group_by_length", *NF4_FLOAT32),
    },
    "bfloat16": {
        "ours, NF4": ("ours", *NF4),
        "Trainer, group_by_length, NF4": ("group_by_length", *NF4),
        "Trainer, our order, NF4": ("our order", *NF4),
        "Trainer, group_by_length, not quantised": ("group_by_length", *FLOAT32, True),
    },
}
"""Title -> name -> (order, bits, compute, autocast of an unquantised base); ours first."""


def side(o: dict[str, Any]) -> dict[str, Any]:
    """One side's epoch."""
    import torch
    from engine_side import Meter
    from quality_seriousness import some

    from pvcore.annotations import batch
    from pvcore.inference import backend
    from pvcore.inference.base import resolve_base
    from pvcore.inference.model import load_base, load_tokenizer
    from pvcore.problems.seriousness import LABELS, SERIOUSNESS
    from pvcore.records import Example
    from pvcore.training import qlora
    from pvcore.training.objectives import Given
    from pvcore.training.objectives.classification import classification
    from pvcore.training.settings import sections

    recipe = yaml.safe_load(RECIPE.read_text("utf-8"))
    recipe["training"] |= {"epochs": 1, "batch": BATCH, "checkpoint_every": 10**6}
    settings = sections({key: recipe[key] for key in ("base", "lora", "text", "training", "mixture")})
    read = batch.read(Path(o["folder"]) / f"{YEAR}VAERSData.zip")
    serious = {a.case_id: a.value["serious"] for a in read.annotations if a.problem == "seriousness"}
    cases = some([c for c in read.cases if c.case_id in serious], o["steps"] * BATCH, 1)
    rows = [Example(c.case_id, c.case_id, c.narrative, LABELS[serious[c.case_id]], c.case_id) for c in cases]
    base = resolve_base(settings.base.source, settings.base.digest)
    torch.manual_seed(1)
    task, tokenizer = dataclasses.replace(SERIOUSNESS, criteria={}), load_tokenizer(base)
    network = qlora.attach(
        load_base(base, head="classification", labels=LABELS, bits=o["bits"], compute=o["compute"]),
        settings.lora,
        "classification",
    )
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    objective = classification(task, rows, Given(tokenizer, settings, 1))
    tokens = [0, 0]
    network.get_base_model().base_model.register_forward_pre_hook(
        lambda _, args, kwargs: _count(tokens, kwargs["attention_mask"]), with_kwargs=True
    )
    runner = ours if o["order"] == "ours" else trainer
    with backend.deterministic(o["threads"]) if runner is ours else torch.random.fork_rng([]):
        torch.set_num_threads(o["threads"])
        network.train()
        objective.loss(network, list(range(BATCH))).backward()
        network.zero_grad()
        tokens[:] = 0, 0
        meter = Meter()
        meter.ticks = meter.ticks[:0]
        losses = runner(network, objective, rows, tokenizer, settings, meter, o)
    found = meter.result(losses=losses, tokens=tokens)
    first, last = meter.ticks[0], meter.ticks[-1]
    return {**found, "seconds": (last[0] - first[0], last[1] - first[1])}


def _count(tokens: list[int], mask: Any) -> None:
    tokens[0] += int(mask.sum())
    tokens[1] += mask.numel()


def ours(
    network: Any, objective: Any, rows: Any, tokenizer: Any, settings: Any, meter: Any, o: Any
) -> list[float]:
    """The product's loop."""
    from pvcore.training import loop

    with tempfile.TemporaryDirectory() as folder:
        meter.tick()
        run = loop.run(
            network, objective, settings.training, seed=1, checkpoints=Path(folder), progress=meter.tick
        )
    return [loss for _, loss in run.curve]


def trainer(
    network: Any, objective: Any, rows: Any, tokenizer: Any, settings: Any, meter: Any, o: Any
) -> list[float]:
    """Hugging Face's Trainer over the same tokens, in its order by length or in that of our plan."""
    import datasets
    import torch
    import transformers
    from torch.utils.data import SequentialSampler

    from pvcore.inference.heads.classification import logits
    from pvcore.inference.model import quiet
    from pvcore.inference.text import encode
    from pvcore.problems.seriousness import LABELS
    from pvcore.training.loop import rate_at

    by_plan = o["order"] == "our order"
    order = [item for step in objective.plan for item in step] if by_plan else range(len(rows))
    columns = {
        "input_ids": [list(encode(tokenizer, rows[i].text, settings.text.max_tokens).ids) for i in order],
        "labels": [LABELS.index(rows[i].label) for i in order],
    }
    columns["attention_mask"] = [[1] * len(ids) for ids in columns["input_ids"]]
    training = settings.training
    head = [w for n, w in network.named_parameters() if w.requires_grad and "classifier" in n]
    body = [w for n, w in network.named_parameters() if w.requires_grad and "classifier" not in n]

    class Classifier(torch.nn.Module):
        """The same model for it: its states' mean, the layer, cross-entropy."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: Any, attention_mask: Any, labels: Any) -> dict[str, Any]:
            found = logits(self.network, input_ids, attention_mask)
            return {"loss": torch.nn.functional.cross_entropy(found, labels), "logits": found}

    class Ours(transformers.Trainer):
        def _get_train_sampler(self, *args: Any) -> Any:
            return SequentialSampler(self.train_dataset) if by_plan else super()._get_train_sampler(*args)

        def create_optimizer(self, *args: Any) -> Any:
            groups = [{"params": body}, {"params": head, "lr": training.learning_rate * training.head_rate}]
            self.optimizer = torch.optim.AdamW(
                groups, lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
            )
            return self.optimizer

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            total = num_training_steps
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                self.optimizer, lambda step: rate_at(min(step + 1, total), total, training.warmup)
            )
            return self.lr_scheduler

    class Ticks(transformers.TrainerCallback):
        def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
            meter.tick()

        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            meter.tick()

    with tempfile.TemporaryDirectory() as folder, quiet():
        arguments = transformers.TrainingArguments(
            output_dir=folder, per_device_train_batch_size=BATCH, num_train_epochs=1,
            max_grad_norm=training.clip, logging_steps=1, report_to=[], save_strategy="no", disable_tqdm=True,
            seed=1, use_cpu=True, dataloader_pin_memory=False,
            bf16=o["compute"] == "bfloat16" or o["autocast"],
            train_sampling_strategy="group_by_length",
        )  # fmt: skip
        running = Ours(
            model=Classifier(), args=arguments, train_dataset=datasets.Dataset.from_dict(columns),
            data_collator=transformers.DataCollatorWithPadding(tokenizer), callbacks=[Ticks()],
            processing_class=tokenizer,
        )  # fmt: skip
        running.pop_callback(transformers.PrinterCallback)
        running.train()
    return [entry["loss"] for entry in running.state.log_history if "loss" in entry]


def measured(asked: tuple[Any, ...], options: argparse.Namespace) -> dict[str, Any]:
    """What one side says, from a fresh process. Ends the benchmark where it fails."""
    order, bits, compute, *autocast = asked
    values = {
        "order": order, "bits": bits, "compute": compute, "autocast": bool(autocast), "steps": options.steps,
        "threads": options.threads, "folder": str(options.folder),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, __file__, "--side", json.dumps(values)], capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(options.threads), "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        raise SystemExit(f"{asked} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    return found


def table(title: str, options: argparse.Namespace) -> None:
    """The first side is ours; the others' `times the speed` is their seconds of the processor over ours."""
    sides = TABLES[title]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, asked in sides.items():
            found[name].append(measured(asked, options))
    mine = next(iter(found.values()))
    print(f"\n{title}\n")
    print("| side | processor s a step | wall s a step | tokens/s | padding | peak MB | times the speed | "
          "loss of step 1, mean of the last quarter |")  # fmt: skip
    print("|---|---:|---:|---:|---:|---:|---:|---|")
    for name, rounds in found.items():
        cpu, wall = (statistics.median(r["seconds"][i] for r in rounds) for i in (0, 1))
        ratio = statistics.median(
            r["seconds"][0] / m["seconds"][0] for m, r in zip(mine, rounds, strict=True)
        )
        (real, padded), losses = rounds[0]["tokens"], rounds[0]["losses"]
        peak = statistics.median(r["peak"] for r in rounds)
        print(
            f"| {name} | {cpu / options.steps:.3f} | {wall / options.steps:.3f} | {real / cpu:,.0f} | "
            f"{1 - real / padded:.1%} | {peak / 1e6:.0f} | {'' if rounds is mine else f'{ratio:.2f}'} | "
            f"{losses[0]:.4f}, {statistics.mean(losses[-len(losses) // 4 :]):.4f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="of yearly VAERS zips")
    parser.add_argument("--steps", type=int, default=64, help="of 16 reports")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", choices=TABLES, help="one table")
    parser.add_argument("--side", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print("RESULT " + json.dumps(side(options.side)))
        return
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    print(f"CPython {platform.python_version()}, {versions}, {options.threads} thread(s)")
    for title in TABLES if options.only is None else (options.only,):
        table(title, options)


if __name__ == "__main__":
    main()
