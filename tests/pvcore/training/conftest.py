"""Models, rows and specifications that are small enough for a test."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pvcore.inference.base import base_digest
from pvcore.records import Example
from pvcore.training.settings import sections
from pvcore.training.specification import Specification
from pvcore.training.train import TrainResult
from pvcore.training.train import train as run


@pytest.fixture(autouse=True)
def one_thread():
    """One thread, so that tests that run side by side do not wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make_rows(count: int, seed: int) -> list[Example]:
    """Rows that even a tiny model of random weights can learn: one word decides."""
    chance = random.Random(seed)
    words = ["patient", "took", "drug", "and", "felt", "rash", "nausea", "later", "at", "home", "daily"]
    made = []
    for number in range(count):
        serious = chance.random() < 0.5
        text = chance.choices(words, k=chance.randint(5, 14))
        text.insert(chance.randrange(len(text)), "hospital" if serious else "well")
        name = f"{seed}-{number}"
        made.append(
            Example(f"e{name}", f"c{name}", " ".join(text), ["non-serious", "serious"][serious], f"k{name}")
        )
    return made


@pytest.fixture
def rows() -> Callable[[int, int], list[Example]]:
    return make_rows


@pytest.fixture
def terms() -> pd.DataFrame:
    """Forty invented terms: twenty PTs, each with its own LLT and a synonym."""
    sites = ["liver", "eye", "skin", "heart", "bone", "nose", "ear", "lung", "brain", "foot"]
    made = []
    for number, (site, finding) in enumerate([(s, f) for s in sites for f in ("pain", "swelling")]):
        code = str(90_000_000 + 2 * number)
        made.append((code, f"{site} {finding}", code))
        made.append((str(int(code) + 1), f"{finding} of the {site}", code))
    return pd.DataFrame(made, columns=["llt_code", "llt_name", "pt_code"])


@pytest.fixture
def verbatims(terms: pd.DataFrame) -> list[Example]:
    """One reporter's wording for each term."""
    return [
        Example(f"v{code}", f"c{code}", f"bad {name} again", code, f"k{code}")
        for code, name in zip(terms["llt_code"], terms["llt_name"], strict=True)
    ]


def make_specification(
    base: Path, problem: str = "seriousness", family: str = "encoder", seed: int = 17, parent: Any = None,
    **changes: Any,
) -> Specification:  # fmt: skip
    """A specification for a tiny base; `training__epochs=2` changes one value."""
    settings: dict[str, dict[str, Any]] = {
        "base": {"source": "package:tiny", "digest": base_digest(base)},
        "quantisation": {},
        "lora": {"rank": 4, "alpha": 8, "dropout": 0.1},
        "text": {"max_tokens": 32},
        "training": {"epochs": 2, "batch": 8, "learning_rate": 5e-3, "checkpoint_every": 2},
        "mixture": {},
    }
    if family == "causal":
        settings["lora"]["targets"] = ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"]
        settings["text"]["max_tokens"] = 512
    for name, value in changes.items():
        section, _, key = name.partition("__")
        settings[section][key] = value
    return Specification(
        problem=problem,
        family=family,
        settings=sections(settings).model_dump(mode="json"),
        dataset="0" * 64,
        seed=seed,
        parent=parent.digest if parent else None,
        parent_files=dict(parent.files) if parent else None,
    )


@pytest.fixture
def specify() -> Callable[..., Specification]:
    return make_specification


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., TrainResult]:
    """Train in a folder of its own each time: train(specification, rows, tune, base=...)."""
    count = iter(range(1000))

    def function(
        specification: Specification, rows: Any, tune: Any = (), known: Any = None, **options: Any
    ) -> TrainResult:
        number = next(count)
        options.setdefault("workdir", tmp_path / f"work-{number}")
        options.setdefault("output", tmp_path / f"adapter-{number}")
        further = {} if known is None else {"known": known}
        return run(specification, {"train": rows, "tune": tune, **further}, **options)

    return function


if __name__ == "__main__":  # the process that test_exact kills: base, work, output
    base, work, output = map(Path, sys.argv[1:])
    found = run(
        make_specification(base),
        {"train": make_rows(40, 1), "tune": make_rows(8, 2)},
        base=base,
        workdir=work,
        output=output,
        threads=1,
        progress=lambda step, total, loss: print(step, flush=True),
    )
    print(found.digest, found.resumed_from, flush=True)
