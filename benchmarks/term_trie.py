"""What it takes to hold decoding to all names of a dictionary of full size.

    python benchmarks/term_trie.py [--terms 80000] [--libraries]

Seconds of processor time: tokens of all names, and the trie made of them (`pvcore.inference.trie`, tokens included).
The tokenizer is a byte-pair one of 8,000 tokens made of the names. With --libraries the same names as one rule of
alternatives, compiled by xgrammar and llguidance where they are installed (they are no dependency of this project),
for a growing number of names.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pvcore.inference.trie import build
from pvcore.meddra.generate import Size, generate


def timed(way: str, number: int, work: Callable[[], Any]) -> Any:
    start = time.process_time()
    found = work()
    print(f"| {way} | {number:,} | {time.process_time() - start:.2f} |", flush=True)
    return found


def walk(trie: Any, count: int) -> None:
    """Random ways from the root to an end."""
    chance = np.random.default_rng(0)
    for _ in range(count):
        first, last, depth = 0, len(trie.codes), 0
        while depth < trie.tokens.shape[1] and trie.tokens[first, depth] >= 0:
            _, firsts, lasts = trie.children(first, last, depth)
            chosen = chance.integers(len(firsts))
            first, last, depth = int(firsts[chosen]), int(lasts[chosen]), depth + 1


def byte_pairs(names: Sequence[str]) -> Any:
    """A tokenizer of the kind that causal models have, made of the names."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=8000, special_tokens=["<eos>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(names, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>")


def libraries(tokenizer: Any, names: Sequence[str]) -> None:
    """Alternatives as a grammar: EBNF for xgrammar, Lark for llguidance."""
    for number in (1000, 5000, 20_000, len(names)):
        some = [json.dumps(" " + name) for name in names[:number]]
        try:
            import xgrammar

            info = xgrammar.TokenizerInfo.from_huggingface(tokenizer)
            compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
            timed("xgrammar", number, lambda: compiler.compile_grammar("root ::= " + " | ".join(some)))  # noqa: B023
        except ImportError:
            print("xgrammar is not installed")
        try:
            import llguidance

            known = llguidance.LLTokenizer(tokenizer.backend_tokenizer.to_str())
            grammar = llguidance.LLMatcher.grammar_from_lark("start: " + " | ".join(some))
            matcher = timed("llguidance", number, lambda: llguidance.LLMatcher(known, grammar))  # noqa: B023
            timed("llguidance, first mask", number, matcher.compute_bitmask)
            if matcher.is_error():
                print("  ", matcher.get_error()[:200])
        except ImportError:
            print("llguidance is not installed")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--terms", type=int, default=80_000)
    parser.add_argument("--libraries", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        terms = generate(Path(name), version="29.0", seed=1, size=Size.real()).dictionary.current_llts()
    pairs = list(zip(terms["llt_code"], terms["llt_name"], strict=True))[: asked.terms]
    tokenizer = byte_pairs([n for _, n in pairs])
    print("| way | names | processor seconds |\n|---|---:|---:|")
    timed("tokens", len(pairs), lambda: tokenizer([" " + n for _, n in pairs], add_special_tokens=False))
    trie = timed("trie, tokens included", len(pairs), lambda: build(tokenizer, pairs))
    timed("1,000 ways through it", len(pairs), lambda: walk(trie, 1000))
    if asked.libraries:
        libraries(tokenizer, [n for _, n in pairs])


if __name__ == "__main__":
    main()
