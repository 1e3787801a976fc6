"""The recipes for other bases: their targets fit the architectures they are for, trained and asked in small."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pvcore import yaml_text
from pvcore.config import Recipe, bases
from pvcore.inference.base import base_digest, put_base, resolve_base
from pvcore.inference.check import check_base
from pvcore.inference.heads import head_for
from pvcore.inference.predict import load
from pvcore.problems import problem
from pvcore.registry.store import open_store
from pvcore.training.settings import sections
from pvcore.training.specification import Specification

KINDS = {
    "llama-3.1-8b": "llama",
    "mistral-7b": "mistral",
    "phi-3.5-mini": "phi3",
    "qwen2.5-7b": "qwen2",
    "sapbert": "bert",
    "smollm2-135m": "llama",
}
"""Of each recipe transformers' name of the architecture."""
RECIPES = {name: Recipe.model_validate(yaml_text.load(text)) for name, text in bases().items()}


def settings_of(recipe: Recipe, folder: Path, **changes: Any) -> dict[str, Any]:
    """The recipe's own settings for a tiny base: shorter and fewer, with all else as written."""
    written = recipe.trained_by()
    written["base"]["digest"] = base_digest(folder)
    written["lora"] |= {"rank": 4, "alpha": 8}
    written["text"]["max_tokens"] = 512
    written["training"] |= {"epochs": 1, "batch": 4, "micro_batch": 2}
    return sections(written).model_dump(mode="json")


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_trains_and_answers_with_its_own_targets(
    name: str, tiny_of: Callable[[str], Path], rows: Any, train: Any, tmp_path: Path
) -> None:
    recipe, tiny = RECIPES[name], tiny_of(KINDS[name])
    store = open_store(str(tmp_path / "store"))
    digest = put_base(tiny, store, "bases/tiny")
    folder = resolve_base("store:bases/tiny", digest, cache=tmp_path / "cache", store=store)
    assert resolve_base(str(tiny), digest) == tiny and base_digest(folder) == digest

    settings = settings_of(recipe, folder)
    found = check_base(
        folder,
        head=head_for(recipe.family, problem(recipe.problem)).name,
        targets=recipe.lora.targets,
        rank=4,
        max_tokens=512,
        bits=recipe.quantisation.bits,
        compute=recipe.quantisation.compute,
    )
    assert found.faults == () and found.layers and set(found.layers) == set(recipe.lora.targets)

    specification = Specification(recipe.problem, recipe.family, settings, "0" * 64, recipe.seed)
    done = train(specification, rows(8, 1), base=folder)
    assert len(done.curve) == 2
    answers = load(done.adapter, folder).predict(rows(2, 2))
    assert {answer.answer for answer in answers} <= {"serious", "non-serious"} and len(answers) == 2


def test_every_recipe_of_the_hub_pins_a_full_commit_and_waits_for_its_digest() -> None:
    assert set(RECIPES) == set(KINDS)
    for name, recipe in RECIPES.items():
        if name == "smollm2-135m":  # made of a package's file, which is the same for everybody
            assert (recipe.base.source, len(recipe.base.digest)) == ("models/smollm2-135m", 64)
        else:
            assert len(recipe.base.source.partition("@")[2]) == 40 and recipe.base.digest == "unpinned"


SHAPES = {  # of the published configurations: vocabulary, width, inner width, layers, heads, their keys
    "llama-3.1-8b": ("LlamaForCausalLM", 128256, 4096, 14336, 32, 32, 8),
    "mistral-7b": ("MistralForCausalLM", 32768, 4096, 14336, 32, 32, 8),
    "phi-3.5-mini": ("Phi3ForCausalLM", 32064, 3072, 8192, 32, 32, 32),
    "qwen2.5-7b": ("Qwen2ForCausalLM", 152064, 3584, 18944, 28, 28, 4),
    "sapbert": ("BertModel", 30522, 768, 3072, 12, 12, 12),
    "smollm2-135m": ("LlamaForCausalLM", 49152, 576, 1536, 30, 9, 3),
}
TIED = {"smollm2-135m"}
"""Whose output head is the embeddings."""
SIZES = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads",
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_size_and_memory_that_a_recipe_states_are_those_of_its_shapes(name: str, tmp_path: Path) -> None:
    recipe, (architecture, *sizes) = RECIPES[name], SHAPES[name]
    shape = {
        "model_type": KINDS[name],
        "architectures": [architecture],
        "tie_word_embeddings": name in TIED,
        **dict(zip(SIZES, sizes, strict=True)),
    }
    (tmp_path / "config.json").write_text(json.dumps(shape))
    found = check_base(
        tmp_path,
        head=head_for(recipe.family, problem(recipe.problem)).name,
        targets=recipe.lora.targets,
        rank=recipe.lora.rank,
        max_tokens=recipe.text.max_tokens,
        bits=recipe.quantisation.bits,
        compute=recipe.quantisation.compute,
    )
    weights, adapter = (f"{size / 1e9:.2f} GB for the" for size in (found.weights, found.adapter))
    text = bases()[name]
    assert f"{weights} weights, {adapter} adapter" in text
    page = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "recipes.md").read_text("utf-8")
    line = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
    assert line.endswith(f" | {found.trained:.1%} | {found.weights / 1e9:.2f} + {found.adapter / 1e9:.2f} |")
    assert f"{found.parameters / 1e9:.{2 if found.parameters < 1e9 else 1}f} billion parameters" in text
