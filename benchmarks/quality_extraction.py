"""Extraction of drugs and adverse events beside a word list, by span F1, on two corpora.

    python benchmarks/quality_extraction.py phee FOLDER [--rows 1000] [--epochs 4] [--seeds 5]
    python benchmarks/quality_extraction.py tac FILE [--epochs 4] [--folds 5]

phee: sentences of published case reports. The recipe learns from ROWS sentences of train.json, another draw for each
seed, and is asked all of dev.json. A drug is the Drug of any event, a reaction the Effect of an adverse event; they
belong together where one event names both. Prints slices, too, and what bounds F1: how many gold spans the tags and the
quotations can say, and how good the relation's rule is on gold spans.

tac: whole sections of drug labels (TAC 2017), five folds by drug label, of which FOLDS are held out in turn, computed
in bfloat16. The file says the wordings of a section once each, with one place at most. A span is taken to be where a
wording stands, a longer one before one inside it; what was marked in several parts stands nowhere and is left out.
`wordings` is F1 of the distinct wordings of a section, as they are annotated, whatever their places.

What was answered is kept below --work. Intervals are 95%, by abstract or drug label; differences are paired.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from coding_parts import recipe
from quality_parts import FOLDS, SEEDS, by_recipe, fold, table
from quality_seriousness import some

from pvcore.evaluation.compare import frame
from pvcore.evaluation.lexicon import lexicon
from pvcore.evaluation.metrics import Floats, Metric, ratio
from pvcore.evaluation.span_metrics import relation_f1, span_f1
from pvcore.evaluation.spans import DRUG, REACTION, Marked, Span, read, related, written
from pvcore.inference.base import resolve_base
from pvcore.inference.heads.tagging import spans_of, tags_of, windows
from pvcore.inference.model import load_tokenizer
from pvcore.problems.coding import normal
from pvcore.problems.extraction import EXTRACTION, LABELS, slices
from pvcore.problems.quoting import located, quoted
from pvcore.records import Example, Prediction, digest


def sentences(file: Path) -> list[Example]:
    """The rows of a PHEE file. The cluster is the abstract that a sentence was taken from."""
    made = []
    for line in file.read_text("utf-8").splitlines():
        row = json.loads(line)
        marked, text = _marked(row), row["context"]
        abstract = row["id"].rpartition("_")[0]
        made.append(Example(row["id"], row["id"], text, written(marked), abstract, slices(text, marked)))
    return made


def _marked(row: dict[str, Any]) -> Marked:
    spans: set[Span] = set()
    pairs: set[tuple[Span, Span]] = set()
    for event in (event for said in row["annotations"] for event in said["events"]):
        drugs = _spans(event.get("Treatment", {}).get("Drug"), DRUG)
        adverse = event["event_type"] == "Adverse_event"
        effects = _spans(event.get("Effect"), REACTION) if adverse else set()
        spans |= drugs | effects
        pairs |= {(drug, effect) for drug in drugs for effect in effects}
    return Marked.of(spans, pairs)


def _spans(argument: dict[str, Any] | None, label: str) -> set[Span]:
    if not argument:
        return set()
    pieces = zip(argument["text"], argument["start"], strict=True)
    return {
        Span(tuple(sorted((at, at + len(w)) for w, at in zip(words, starts, strict=True))), label)
        for words, starts in pieces
    }


def phee(options: argparse.Namespace) -> None:
    pool = sorted(sentences(options.path / "train.json"), key=lambda r: digest(r.example_id))
    known = {row.cluster for row in pool}
    asked = [row for row in sentences(options.path / "dev.json") if row.cluster not in known]
    settings = recipe("extraction", training__epochs=options.epochs, training__checkpoint_every=10_000)
    made: dict[str, list[pd.DataFrame]] = {"recipe": [], "word list": []}
    seconds = []
    for seed in range(options.seeds):
        rows = some(pool, options.rows, seed)
        found = by_recipe(
            "extraction", settings, {"train": rows, "test": asked}, seed=seed, work=options.work,
            threads=options.threads,
        )  # fmt: skip
        seconds.append(found.seconds)
        made["recipe"].append(frame(asked, found.answers, EXTRACTION.judged))
        made["word list"].append(frame(asked, lexicon(rows, asked), EXTRACTION.judged))
        print(f"seed {seed}: span F1 {span_f1()(made['recipe'][-1]):.3f}", flush=True)
    metrics = list(EXTRACTION.metrics.values())
    first = made["recipe"][0]
    print(
        f"\n{options.rows:,} sentences trained on, {len(asked)} asked; {np.mean(seconds):.0f} processor seconds a seed"
    )
    print("with such a mark:", ", ".join(f"{m.name} {m.support(first)}" for m in metrics), end="\n\n")
    for some_metrics in (metrics[:3], metrics[3:6], metrics[6:]):
        print(*table(made, some_metrics, [("recipe", "word list")]), "", sep="\n")
    print("| slice | rows | span_f1: recipe, word list | by overlap |\n|---|---:|---|---|")
    for name in sorted({name for row in asked for name in row.slices}):
        inside = first["slices"].map(lambda names, name=name: name in names)
        cells = [
            ", ".join(f"{np.mean([metric(f[inside]) for f in frames]):.3f}" for frames in made.values())
            for metric in (span_f1(), span_f1(overlap=True))
        ]
        print(f"| {name} | {int(inside.sum())} | {' | '.join(cells)} |")
    print("\nat most:", "; ".join(f"{name} {value:.3f}" for name, value in ceilings(asked).items()))


def tac(options: argparse.Namespace) -> None:
    rows, said = labels(options.path)
    drugs = {row.cluster for row in rows}
    spans = sum(len(read(row.label).spans) for row in rows)
    print(
        f"{len(rows)} sections of {len(drugs)} drug labels, {sum(map(len, said.values())):,} wordings, {spans:,} spans"
    )
    settings = recipe(
        "extraction", training__epochs=options.epochs, training__checkpoint_every=500,
        quantisation__compute="bfloat16",
    )  # fmt: skip
    found: dict[str, list[pd.DataFrame]] = {"recipe": [], "word list": []}
    for number in range(options.folds):
        given = dict(zip(("train", "test"), fold(rows, number), strict=True))
        ours = by_recipe("extraction", settings, given, seed=17, work=options.work, threads=options.threads)
        for way, answers in (("recipe", ours.answers), ("word list", lexicon(given["train"], given["test"]))):
            one = frame(given["test"], answers, EXTRACTION.judged)
            texts = {row.example_id: row.text for row in given["test"]}
            found[way].append(
                one.assign(
                    wordings=[said[name] for name in one["example_id"]],
                    said=[worded(texts[n], a) for n, a in zip(one["example_id"], one["answer"], strict=True)],
                )
            )
        print(
            f"fold {number}: {len(given['test'])} sections asked, {ours.seconds:.0f} processor seconds",
            flush=True,
        )
    made = {way: [pd.concat(frames, ignore_index=True)] for way, frames in found.items()}
    metrics = [span_f1(REACTION), span_f1(REACTION, overlap=True), wordings_f1()]
    print("", *table(made, metrics, [("recipe", "word list")]), sep="\n")


def labels(file: Path) -> tuple[list[Example], dict[str, frozenset[str]]]:
    """The sections of TAC 2017 with what is marked in them, and the wordings of each: example_id -> wordings."""
    rows, said = [], {}
    for section in json.loads(file.read_text("utf-8")):
        name, text = f"{section['label_id']} {section['section_name']}", section["section_text"]
        words = frozenset(normal(event[0]) for event in section["adverse_events"] if event[0])
        marked = Marked.of(Span((place,), REACTION) for place in places(text, words))
        rows.append(Example(name, section["label_id"], text, written(marked), section["label_id"]))
        said[name] = words
    return rows, said


def places(text: str, wordings: Collection[str]) -> list[tuple[int, int]]:
    """Where wordings stand as whole words, in any case and spacing; the longest first, none inside another."""
    if not wordings:
        return []
    longest = sorted(wordings, key=lambda words: (-len(words), words))
    any_of = "|".join(r"\s+".join(map(re.escape, words.split())) for words in longest)
    return [found.span() for found in re.finditer(rf"(?<!\w)(?:{any_of})(?!\w)", text, re.IGNORECASE)]


def worded(text: str, answer: str) -> frozenset[str]:
    """The distinct wordings that an answer marks in a text."""
    spans = read(answer).spans
    return frozenset(normal(" ".join(text[start:end] for start, end in span.parts)) for span in spans)


def wordings_f1() -> Metric:
    """F1 of the distinct wordings of a section: said of those annotated."""

    def parts(rows: pd.DataFrame) -> tuple[Floats, Floats]:
        pairs = list(zip(rows["wordings"], rows["said"], strict=True))
        both = np.array([2 * len(gold & said) for gold, said in pairs], float)
        return both, np.array([len(gold) + len(said) for gold, said in pairs], float)

    return Metric("wordings", ratio(parts), parts=parts)


def ceilings(rows: list[Example]) -> dict[str, float]:
    """F1 of the gold spans against what is left of them in a form, and of the gold relations against the rule."""
    settings = recipe("extraction")
    tokenizer = load_tokenizer(resolve_base(settings["base"]["source"], settings["base"]["digest"]))

    def tagged(row: Example) -> Marked:
        places, _ = windows(tokenizer, row.text, settings["text"]["max_tokens"])
        spans = read(row.label).spans
        return Marked.of(
            s for label in LABELS for s in spans_of(places, tags_of(places, spans, label), label)
        )

    def said_again(row: Example) -> Marked:
        return located(row.text, quoted(row.text, read(row.label)))[0]

    def by_rule(row: Example) -> Marked:
        return related(row.text, read(row.label))

    def f1(form: Callable[[Example], Marked], metric: Any) -> float:
        return float(metric(frame(rows, [Prediction(r.example_id, written(form(r)), 1.0) for r in rows])))

    return {
        "spans as tags": f1(tagged, span_f1()),
        "spans as quotations": f1(said_again, span_f1()),
        "relations by the rule, on gold spans": f1(by_rule, relation_f1()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("phee", "tac"))
    parser.add_argument(
        "path", type=Path, help="folder with train.json and dev.json, or the file of TAC 2017"
    )
    parser.add_argument("--rows", type=int, default=1000, help="phee")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="phee")
    parser.add_argument("--folds", type=int, default=FOLDS, help="tac")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path(".pv/quality-extraction"))
    options = parser.parse_args()
    {"phee": phee, "tac": tac}[options.what](options)


if __name__ == "__main__":
    main()
