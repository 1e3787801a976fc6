"""The learning engine measured beside its alternatives: the same model, data, steps, threads and precision.

    python benchmarks/engine.py prefix|trainers|classify|labels|nf4     [--rounds 3] [--steps 4] [--threads 1]
    python benchmarks/engine.py qlora --device cuda --model FOLDER      [--batch 2] [--length 2048] [--bits 4]

Each prints one table. Every side runs in a fresh process; the sides take turns, and ratios are medians over the
rounds of seconds of the processor (on a GPU: of the clock). Memory is the peak over what was held before the
first step. Without --model the base is a Llama of 21-25 million random weights. `trainers` needs the extra
`bench` (TRL). With --device cuda --model FOLDER each of them runs on a GPU with a base of your own.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "trl")
PEAK = 790e12
"""bf16 operations a second of one H200, measured on a matrix product."""
Sides = Mapping[str, tuple[str, dict[str, Any]]]
"""Name -> (side of engine_side.py, what is asked of it)."""
Found = dict[str, list[dict[str, Any]]]


def tokenizer_of() -> Any:
    """One token a word, of the words that the benchmark writes."""
    from engine_side import LABELS, WORDS
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = list(
        dict.fromkeys(["<pad>", "<eos>", *WORDS, "serious", "non-serious", *" ".join(LABELS).split()])
    )
    words = {word: number for number, word in enumerate(known)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")


def base(folder: Path, vocabulary: int, width: int, layers: int) -> Path:
    """A Llama of random weights and a tokenizer of one token a word."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer_of().save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=width * 11 // 4, num_hidden_layers=layers,
        num_attention_heads=8, num_key_value_heads=2, max_position_embeddings=4096, tie_word_embeddings=True,
        pad_token_id=0, bos_token_id=None, eos_token_id=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def measured(sides: Sides, options: argparse.Namespace) -> Found:
    """What every side says in every round, the sides in turns."""
    found: Found = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, (side, asked) in sides.items():
            found[name].append(run(side, asked, options))
    return found


def run(side: str, asked: Mapping[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """One side in a fresh process. Ends the benchmark with what the process wrote where it fails."""
    values = {"base": str(options.model), "threads": options.threads, "steps": options.steps, **asked}
    hidden = {} if options.device == "cuda" else {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("engine_side.py")), side, json.dumps(values)],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": str(options.threads), **hidden},
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        raise SystemExit(f"{side} {asked} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(lines[-1].removeprefix("RESULT "))
    return result


def table(
    title: str, found: Found, options: argparse.Namespace, column: str = "loss, first and last step"
) -> None:
    """The first side is ours; every other one gets `it : ours` in seconds and `ours : it` in memory."""
    clock = 1 if options.device == "cuda" else 0
    ours = next(iter(found.values()))
    print(f"\n{title}\n")
    print(f"| side | processor s | wall s | peak MB | times the speed | of the memory | {column} |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for name, rounds in found.items():
        cpu, wall = (statistics.median(step[i] for r in rounds for step in r["seconds"]) for i in (0, 1))
        peak = statistics.median(r["peak"] for r in rounds)
        pairs = list(zip(ours, rounds, strict=True))
        speed = statistics.median(seconds(its, clock) / seconds(mine, clock) for mine, its in pairs)
        memory = statistics.median(mine["peak"] / its["peak"] for mine, its in pairs)
        ratios = "| |" if rounds is ours else f"{speed:.2f} | {memory:.2f} |"
        told = rounds[0]["losses"]
        shown = ", ".join(
            f"{value:.4f}" for value in ((told[0], told[-1]) if column.startswith("loss") else told)
        )
        print(f"| {name} | {cpu:.3f} | {wall:.3f} | {peak / 1e6:.0f} | {ratios} {shown} |", flush=True)


def seconds(result: Mapping[str, Any], clock: int) -> float:
    return statistics.median(step[clock] for step in result["seconds"])


def prefix(options: argparse.Namespace) -> None:
    """The shared instruction encoded once a step beside full prompts."""
    shape = {"prefix": 384, "answer": 2, "batch": 8}
    variants = {
        "equal lengths (rest 136)": {"rest": [136, 136], "training": {}},
        "ragged (rest 20 to 136)": {"rest": [20, 136], "training": {}},
        "equal lengths, micro_batch 2": {"rest": [136, 136], "training": {"micro_batch": 2}},
        "equal lengths, activations recomputed": {
            "rest": [136, 136],
            "training": {"gradient_checkpointing": True},
        },
    }
    for name, variant in variants.items():
        sides = {
            title: ("ours", {**shape, **variant, "training": {**variant["training"], "shared_prefix": on}})
            for title, on in (("shared prefix", True), ("full prompts", False))
        }
        apart = run("gradients", {**shape, **variant, "steps": 1}, options)["difference"]
        table(
            f"Prefix 384, batch 8, {name}; gradients differ by {apart:.1e} of the largest", measured(sides, options),
            options,
        )  # fmt: skip


def trainers(options: argparse.Namespace) -> None:
    """A step with prompts of 512 tokens that share nothing, answers of 8, and a vocabulary of 32,000."""
    shape = {"prefix": 0, "rest": [512, 512], "answer": 8, "batch": 4, "training": {"shared_prefix": False}}
    sides = {
        "ours": ("ours", shape),
        "Hugging Face Trainer": ("trainer", {**shape, "kind": "hf"}),
        "TRL SFTTrainer": ("trainer", {**shape, "kind": "trl"}),
    }
    table("Prompt 512, answer 8, vocabulary 32,000, batch 4", measured(sides, options), options)


def classify(options: argparse.Namespace) -> None:
    """48 prompts of 520 tokens, 384 of them shared, answered with one of two labels."""
    shape = {"prefix": 384, "rest": 136, "labels": 2, "texts": 48}
    ways = ("one pass, prefix kept", "one pass", "generate")
    sides = {way: ("classify", {**shape, "how": way}) for way in ways}
    table(
        "48 prompts of 520 tokens, 384 shared, two labels", measured(sides, options), options, "three answers"
    )


def labels(options: argparse.Namespace) -> None:
    """Six labels of six tokens weighed after 16 prompts."""
    shape = {"prefix": 384, "rest": 136, "labels": 6, "texts": 16}
    for kept in ("", ", prefix kept"):
        ways = (f"one pass{kept}", "a pass a label")
        sides = {way: ("classify", {**shape, "how": way}) for way in ways}
        table(
            f"16 prompts of 520 tokens, six labels{kept}",
            measured(sides, options),
            options,
            "three probabilities",
        )


def nf4(options: argparse.Namespace) -> None:
    """The same LoRA step on a quantised base and on one that is not."""
    shape = {"prefix": 384, "rest": [136, 136], "answer": 2, "batch": 8}
    for compute in ("float32", "bfloat16"):
        sides = {
            title: ("ours", {**shape, "bits": bits, "compute": compute})
            for title, bits in (("NF4", 4), ("not quantised", 16))
        }
        found = measured(sides, options)
        four, sixteen = (found[title][0]["weights"] for title in sides)
        whole = sixteen * (2 if compute == "bfloat16" else 1)
        title = f"LoRA step, {compute}: weights {four / 1e6:.1f} MB, {four / whole:.2f} of float32's {whole / 1e6:.1f}"
        table(title, found, options)


def qlora(options: argparse.Namespace) -> None:
    """One QLoRA step as large as it comes: memory, tokens a second, and the share of a GPU's peak."""
    shape = {
        "prefix": 0, "rest": [options.length - 8] * 2, "answer": 8, "batch": options.batch, "bits": options.bits,
        "compute": "bfloat16" if options.device == "cuda" else "float32",
    }  # fmt: skip
    print("| | s a step | tokens/s | weights GB | weights and peak GB | share of 790 TFLOP/s |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, recompute, count in (("activations kept", False, 4), ("activations recomputed", True, 6)):
        training = {"shared_prefix": False, "gradient_checkpointing": recompute}
        try:
            found = run("ours", {**shape, "training": training}, options)
        except SystemExit as error:
            if "OutOfMemoryError" not in str(error):
                raise
            print(f"| {name} | does not fit | | | | |")
            continue
        tokens = options.batch * options.length / seconds(found, 1)
        share = count * found["parameters"] * tokens / PEAK
        print(
            f"| {name} ({count} P a token) | {seconds(found, 1):.2f} | {tokens:,.0f} | {found['weights'] / 1e9:.2f} | "
            f"{(found['before'] + found['peak']) / 1e9:.2f} | {share:.1%} |"
        )


TABLES = {
    "prefix": prefix,
    "trainers": trainers,
    "classify": classify,
    "labels": labels,
    "nf4": nf4,
    "qlora": qlora,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="of a round; the first is not counted")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--model", type=Path, help="folder of a base; default: one of random weights")
    parser.add_argument("--batch", type=int, default=2, help="qlora: sequences a step")
    parser.add_argument("--length", type=int, default=2048, help="qlora: tokens of a sequence")
    parser.add_argument("--bits", type=int, choices=(4, 16), default=4, help="qlora")
    options = parser.parse_args()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES if installed(name))
    print(f"CPython {platform.python_version()}, {versions}, {options.threads} thread(s), {options.device}")
    with tempfile.TemporaryDirectory() as folder:
        wide = options.table == "trainers"
        options.model = options.model or base(Path(folder), *((32_000, 384, 6) if wide else (4_096, 512, 8)))
        TABLES[options.table](options)


def installed(name: str) -> bool:
    try:
        return bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


if __name__ == "__main__":
    main()
