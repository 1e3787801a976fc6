"""Extraction on sentences of published case reports (PHEE): the recipe beside a word list, by span F1.

    python benchmarks/quality_extraction.py PHEE_FOLDER [--rows 1000] [--epochs 4] [--threads 1]

Trains pvcore/recipes/extraction.yaml on `--rows` sentences of train.json (the first by digest) and asks all of
dev.json, without those of an abstract that is trained on. A drug is the Drug of any event, a reaction the Effect of
an adverse event; they belong together where one event names both. Prints F1, by slice too, and what bounds it: how
many gold spans the tags and the quotations can say, and how good the relation's rule is on gold spans.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from pvcore.evaluation.compare import frame
from pvcore.evaluation.lexicon import lexicon
from pvcore.evaluation.span_metrics import relation_f1, span_f1
from pvcore.evaluation.spans import DRUG, REACTION, Marked, Span, read, related, written
from pvcore.inference.base import resolve_base
from pvcore.inference.heads.tagging import spans_of, tags_of, windows
from pvcore.inference.model import load_tokenizer
from pvcore.inference.predict import load
from pvcore.problems.extraction import EXTRACTION, LABELS, slices
from pvcore.problems.quoting import located, quoted
from pvcore.records import Example, Prediction, digest
from pvcore.training.settings import sections
from pvcore.training.specification import Specification
from pvcore.training.train import train


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


def answer(rows: Sequence[Example], asked: Sequence[Example], options: Any) -> tuple[list[Prediction], float]:
    """What the recipe's model says of `asked` after training on `rows`, and the seconds of its training."""
    recipe = yaml.safe_load((resources.files("pvcore.recipes") / "extraction.yaml").read_text("utf-8"))
    base = resolve_base(recipe["base"]["source"], recipe["base"]["digest"])
    keys = ("base", "quantisation", "lora", "text", "training", "mixture")
    settings = {key: recipe[key] for key in keys}
    settings["training"] |= {"epochs": options.epochs, "checkpoint_every": 10_000}
    specification = Specification(
        "extraction", recipe["family"], sections(settings).model_dump(mode="json"), "0" * 64, recipe["seed"]
    )
    with tempfile.TemporaryDirectory() as scratch:
        result = train(
            specification, {"train": rows}, base=base, workdir=Path(scratch, "work"),
            output=Path(scratch, "adapter"), threads=options.threads,
        )  # fmt: skip
        return load(result.adapter, base).predict(asked, threads=options.threads), result.seconds


def ceilings(rows: Sequence[Example]) -> dict[str, float]:
    """F1 of the gold spans against what is left of them in a form, and of the gold relations against the rule."""
    recipe = yaml.safe_load((resources.files("pvcore.recipes") / "extraction.yaml").read_text("utf-8"))
    tokenizer = load_tokenizer(resolve_base(recipe["base"]["source"], recipe["base"]["digest"]))

    def tagged(row: Example) -> Marked:
        places, _ = windows(tokenizer, row.text, recipe["text"]["max_tokens"])
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
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("phee", type=Path, help="folder with train.json and dev.json")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    started = time.monotonic()
    rows = sorted(sentences(options.phee / "train.json"), key=lambda r: digest(r.example_id))[: options.rows]
    known = {row.cluster for row in rows}
    asked = [row for row in sentences(options.phee / "dev.json") if row.cluster not in known]
    answers, seconds = answer(rows, asked, options)
    frames = {
        "recipe": frame(asked, answers, EXTRACTION.judged),
        "lexicon": frame(asked, lexicon(rows, asked), EXTRACTION.judged),
    }
    print(f"{len(rows)} sentences trained on ({seconds:.0f} s), {len(asked)} asked")
    print(f"{'metric':22} {'gold':>6} {'recipe':>8} {'lexicon':>8}")
    for name, metric in EXTRACTION.metrics.items():
        values = "".join(f" {metric(table):8.3f}" for table in frames.values())
        print(f"{name:22} {metric.support(frames['recipe']):6}{values}")
    print(f"\n{'slice':22} {'rows':>6} {'span_f1':>17} {'span_f1_overlap':>17}   (recipe, lexicon)")
    for name in sorted({name for row in asked for name in row.slices}):
        inside = frames["recipe"]["slices"].map(lambda names, name=name: name in names)
        cells = "".join(
            " " * 4 + "".join(f" {metric(table[inside]):6.3f}" for table in frames.values())
            for metric in (span_f1(), span_f1(overlap=True))
        )
        print(f"{name:22} {int(inside.sum()):6}{cells}")
    print("\nat most")
    for name, value in ceilings(asked).items():
        print(f"{name:38} {value:.3f}")
    print(f"\n{time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    main()
