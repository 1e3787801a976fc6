"""One side of a comparison of benchmarks/engine.py, in a process of its own: prints what it measured as JSON.

    python benchmarks/engine_side.py SIDE '{"base": "FOLDER", ...}'

Seconds are (processor, wall) of each step after the first, of one process with the threads it was given.
Memory is the peak over what the process held before the first step: VmHWM on a CPU (Linux), the
allocator's peak on a GPU.
"""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from pvcore.inference import backend, scoring, text
from pvcore.inference.branches import log_likelihoods
from pvcore.inference.heads.label_tokens import completion, completion_losses, continuations
from pvcore.inference.model import load_base, load_tokenizer, quiet
from pvcore.inference.prefix import keep_cache_when_recomputing
from pvcore.inference.text import Encoded
from pvcore.problems import Problem
from pvcore.problems.seriousness import SERIOUSNESS
from pvcore.records import Example
from pvcore.training import loop, qlora
from pvcore.training.objectives import Given
from pvcore.training.objectives.label_tokens import label_tokens
from pvcore.training.objectives.objective import Objective
from pvcore.training.settings import Lora, Sections, TrainingSettings, sections

LORA = Lora(
    rank=16, alpha=32, dropout=0.0,
    targets=("q_proj", "k_proj", "v_proj", "qkv_proj", "o_proj", "gate_proj", "up_proj", "gate_up_proj", "down_proj"),
)  # fmt: skip
LABELS = tuple(
    f"{word} of the six kinds" for word in ("fatal", "grave", "long", "lasting", "inborn", "other")
)
WORDS = ["patient", "took", "drug", "and", "felt", "rash", "nausea", "later", "at", "home", "daily"]
Options = dict[str, Any]


class Meter:
    """Seconds of every step and the peak of memory over the start."""

    def __init__(self) -> None:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated()
        else:
            ctypes.CDLL(None).malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew at what is held now
            self.before = _status("VmRSS")
        self.ticks = [self._now()]

    def tick(self, *_: Any) -> None:
        self.ticks.append(self._now())

    def _now(self) -> tuple[float, float]:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.process_time(), time.perf_counter()

    def result(self, **more: Any) -> Options:
        peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else _status("VmHWM")
        steps = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(self.ticks, self.ticks[1:], strict=False)]
        return {"seconds": steps[1:], "peak": peak - self.before, "before": self.before, **more}


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def words(tokenizer: Any, count: int, seed: int) -> str:
    """A text of `count` tokens."""
    chance = random.Random(seed)
    made = " ".join(chance.choices(WORDS, k=count))
    spans = tokenizer(made, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    return made[: spans[count - 1][1]]


def network_of(o: Options) -> tuple[Any, Any]:
    torch.manual_seed(1)
    tokenizer = load_tokenizer(Path(o["base"]))
    made = load_base(
        Path(o["base"]),
        head="label_tokens",
        labels=(),
        bits=o.get("bits", 16),
        compute=o.get("compute", "float32"),
    )
    if o.get("training", {}).get("gradient_checkpointing"):
        made.activation_checkpointing_enable({"use_reentrant": False})
        keep_cache_when_recomputing(made)
    names = {name.rpartition(".")[2] for name, _ in made.named_modules()}
    targets = tuple(sorted(names & set(LORA.targets)))
    return qlora.attach(made, LORA.model_copy(update={"targets": targets}), "label_tokens"), tokenizer


def data(o: Options, tokenizer: Any) -> tuple[Problem, list[Example], Sections]:
    """Prompts of `prefix` shared tokens and `rest` of their own, answers of `answer` tokens, and how to train."""
    start, ending = words(tokenizer, o["prefix"], 1) if o["prefix"] else "", words(tokenizer, 1, 2)
    least, most = o["rest"]
    chance = random.Random(5)
    labels = tuple(words(tokenizer, o["answer"] - 1, 90 + n) for n in range(2))
    task = dataclasses.replace(SERIOUSNESS, labels=labels, prompt=lambda t: f"{start} {t} {ending}".strip())
    texts = [
        words(tokenizer, chance.randint(least, most) - 1, 100 + n) for n in range(o["batch"] * o["steps"])
    ]
    rows = [Example(f"e{n}", f"c{n}", t, labels[n % 2], f"k{n}") for n, t in enumerate(texts)]
    training = {
        "batch": o["batch"], "epochs": 1, "warmup": 0.0, "learning_rate": 1e-3, "clip": 1e9,
        "checkpoint_every": 10**6, **o.get("training", {}),
    }  # fmt: skip
    base = {"source": "x", "digest": "0" * 64}
    return task, rows, sections({"base": base, "text": {"max_tokens": 10**5}, "training": training})


def objective_of(o: Options, tokenizer: Any) -> tuple[Objective, TrainingSettings]:
    """The product's own objective, its rows in their order."""
    task, rows, settings = data(o, tokenizer)
    made = label_tokens(task, rows, Given(tokenizer, settings, 1))
    steps = range(0, len(rows), o["batch"])
    return dataclasses.replace(made, plan=[list(range(s, s + o["batch"])) for s in steps]), settings.training


def ours(o: Options) -> Options:
    """The product's loop."""
    network, tokenizer = network_of(o)
    objective, settings = objective_of(o, tokenizer)
    with backend.deterministic(o["threads"]), tempfile.TemporaryDirectory() as folder:
        meter = Meter()
        run = loop.run(network, objective, settings, seed=1, checkpoints=Path(folder), progress=meter.tick)
        return meter.result(losses=[v / o["answer"] for _, v in run.curve], **weights(network))


def gradients(o: Options) -> Options:
    """The largest difference of a gradient with the shared prefix and with full prompts, over the largest gradient."""
    network, tokenizer = network_of(o)
    for name, weight in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.02)
    found = []
    for on in (True, False):
        objective, settings = objective_of(
            {**o, "training": {**o["training"], "shared_prefix": on}}, tokenizer
        )
        network.train().zero_grad()
        loop._step(network, objective, settings, objective.plan[0])
        found.append({n: p.grad.clone() for n, p in network.named_parameters() if p.grad is not None})
    largest = max(g.abs().max() for g in found[1].values())
    apart = max((found[0][n] - found[1][n]).abs().max() for n in found[1])
    return {"difference": float(apart / largest)}


def trainer(o: Options) -> Options:
    """Hugging Face's Trainer, or TRL's, over the same rows in the same order."""
    import datasets
    import transformers

    network, tokenizer = network_of(o)
    task, rows, whole = data(o, tokenizer)
    settings = whole.training
    answers = [completion(tokenizer, row.label) for row in rows]
    prompts = [tokenizer(task.prompt(row.text))["input_ids"] for row in rows]
    sequences = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
    masks = [[0] * len(prompt) + [1] * len(answer) for prompt, answer in zip(prompts, answers, strict=True)]
    arguments = {
        "per_device_train_batch_size": o["batch"], "max_steps": o["steps"], "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay, "max_grad_norm": settings.clip, "lr_scheduler_type": "linear",
        "report_to": [], "save_strategy": "no", "logging_steps": 1, "disable_tqdm": True, "seed": 1,
        "use_cpu": not torch.cuda.is_available(), "dataloader_pin_memory": False, "gradient_checkpointing": False,
    }  # fmt: skip
    if o["kind"] == "trl":
        import trl

        Base, Config = trl.SFTTrainer, trl.SFTConfig
        arguments |= {"bf16": False, "max_length": None, "completion_only_loss": True}
        columns = {"input_ids": sequences, "completion_mask": masks}
        more = {"processing_class": tokenizer}
    else:
        Base, Config = transformers.Trainer, transformers.TrainingArguments
        labels = [
            [t if m else -100 for t, m in zip(s, k, strict=True)]
            for s, k in zip(sequences, masks, strict=True)
        ]
        columns = {"input_ids": sequences, "labels": labels}
        more = {"data_collator": transformers.default_data_collator}

    class InOrder(Base):  # type: ignore[misc,valid-type]
        def _get_train_sampler(self, *args: Any) -> Any:
            return torch.utils.data.SequentialSampler(self.train_dataset)

    class Ticks(transformers.TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            meter.tick()

    with tempfile.TemporaryDirectory() as folder, quiet():
        running = InOrder(
            model=network, args=Config(output_dir=folder, **arguments), callbacks=[Ticks()],
            train_dataset=datasets.Dataset.from_dict(columns), **more,
        )  # fmt: skip
        running.pop_callback(transformers.PrinterCallback)
        meter = Meter()
        running.train()
        return meter.result(losses=[e["loss"] for e in running.state.log_history if "loss" in e])


def classify(o: Options) -> Options:
    """Answers to `texts` prompts: by label tokens with or without the prefix kept, a pass a label, or generated."""
    network, tokenizer = network_of(o)
    network.eval()
    start = words(tokenizer, o["prefix"], 1)
    labels = LABELS if o["labels"] == 6 else SERIOUSNESS.labels
    prompts = [
        Encoded(tuple(tokenizer(f"{start} {words(tokenizer, o['rest'], 100 + n)}")["input_ids"]), "")
        for n in range(o["texts"])
    ]
    begins = prompts[0].ids[: o["prefix"]] if o["how"].endswith("prefix kept") else ()
    ways = {
        "one pass": lambda: one_pass(network, tokenizer, prompts, labels, begins),
        "a pass a label": lambda: a_pass_a_label(network, tokenizer, prompts, labels),
        "generate": lambda: generate(network, tokenizer, prompts, labels),
    }
    with backend.deterministic(o["threads"]):
        meter = Meter()
        for _ in range(o["steps"]):
            found = ways[o["how"].partition(",")[0]]()
            meter.tick()
    return meter.result(losses=[float(row[0]) for row in found[:3]])


def one_pass(
    network: Any, tokenizer: Any, prompts: Sequence[Encoded], labels: Sequence[str], begins: Sequence[int]
) -> Any:
    """The platform's way: all labels weighed in one pass over each prompt."""
    asked, weighed = [prompt.ids for prompt in prompts], continuations(tokenizer, labels)
    return scoring.softmax(log_likelihoods(network, tokenizer, asked, weighed, begins))


def a_pass_a_label(network: Any, tokenizer: Any, prompts: Sequence[Encoded], labels: Sequence[str]) -> Any:
    """The usual way: every prompt once for each label, in batches."""
    columns = []
    for label in labels:
        ending = completion(tokenizer, label)
        with scoring.evaluating(network):
            for first in range(0, len(prompts), text.ROWS):
                ids = torch.tensor([(*p.ids, *ending) for p in prompts[first : first + text.ROWS]])
                ids = ids.to(next(network.parameters()).device)
                counts = torch.full((len(ids),), len(ending), device=ids.device)
                columns.append(
                    -completion_losses(network, ids, torch.full_like(counts, ids.shape[1]), counts)
                )
    return scoring.softmax(torch.cat(columns).reshape(len(labels), len(prompts)).T.cpu().numpy())


def generate(network: Any, tokenizer: Any, prompts: Sequence[Encoded], labels: Sequence[str]) -> Any:
    """Greedy answers as long as the longest label, in batches of as many rows."""
    longest = max(len(completion(tokenizer, label)) for label in labels)
    answers = []
    for first in range(0, len(prompts), text.ROWS):
        ids = torch.tensor([p.ids for p in prompts[first : first + text.ROWS]]).to(
            next(network.parameters()).device
        )
        with torch.no_grad():
            made = network.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=longest, do_sample=False
            )
        answers += tokenizer.batch_decode(made[:, ids.shape[1] :])
    return [(float(len(answer)),) for answer in answers]


def weights(network: Any) -> Options:
    """Number of the frozen weights, and their bytes with what undoes their quantisation."""
    size = number = 0
    for parameter in {id(p): p for p in network.parameters() if not p.requires_grad}.values():
        state = getattr(parameter, "quant_state", None)
        kept = [parameter] if state is None else [parameter, state.absmax, state.code]
        if state is not None and state.nested:
            kept += [state.offset, state.state2.absmax, state.state2.code]
        size += sum(tensor.nbytes for tensor in kept)
        number += parameter.numel() if state is None else state.shape.numel()
    return {"weights": size, "parameters": number}


SIDES = {"ours": ours, "gradients": gradients, "trainer": trainer, "classify": classify}

if __name__ == "__main__":
    options = json.loads(sys.argv[2])
    torch.set_num_threads(options["threads"])
    print("RESULT " + json.dumps(SIDES[sys.argv[1]](options)))
