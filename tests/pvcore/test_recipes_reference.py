"""docs/reference/recipes.md has every key of a recipe with its default and its values, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel

from pvcore.config import Recipe, bases

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "recipes.md").read_text("utf-8")
BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}


def keys(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, str, str, str]]:
    """(key, default, values, description) of each key, sections taken apart, null as a default kept."""
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        inner = next((t for t in (field.annotation, *get_args(field.annotation)) if _section(t)), None)
        if inner is not None:
            yield from keys(inner, f"{path}{name}.")
            if NoneType in get_args(field.annotation):
                yield (
                    f"{path}{name}",
                    _shown(field.get_default(call_default_factory=True)),
                    "section or null",
                    "",
                )
            continue
        default = "" if field.is_required() else _shown(field.get_default(call_default_factory=True))
        yield f"{path}{name}", default, _values(schema["properties"][name]), field.description or ""


def _section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _shown(value: Any) -> str:
    if isinstance(value, BaseModel):
        return "section"
    plain = {None: "null", True: "true", False: "false"}
    if isinstance(value, bool | NoneType):
        return plain[value]
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def _values(said: dict[str, Any]) -> str:
    """The values that a key takes, from its JSON schema: types, choices and bounds."""
    parts = said.get("anyOf", [said])
    words = []
    for part in parts:
        if "enum" in part:
            words.append(", ".join(map(str, part["enum"])))
        elif "const" in part:
            words.append(str(part["const"]))
        else:
            kind = {"string": "text", "array": "list", "object": "mapping", "boolean": "true, false"}
            bounds = [form.format(part[name]) for name, form in BOUNDS.items() if name in part]
            words.append(
                " ".join([kind.get(part.get("type", ""), part.get("type", "any")), ", ".join(bounds)])
            )
    return " or ".join(word.strip() for word in words)


def row(key: str, default: str, values: str, description: str) -> str:
    return f"| `{key}` | {f'`{default}`' if default else 'required'} | {values} | {description} |"


def test_the_reference_has_every_key_with_its_default_and_values() -> None:
    expected = {found[0]: row(*found) for found in keys(Recipe)}
    table = TEXT.partition("\n## ")[0]
    cells = re.findall(r"^\| `([a-z_.]+)` \| (.*?) \| (.*?) \| (.*) \|$", table, re.M)
    written = {found[0]: found for found in cells}
    stale = sorted(set(written) - set(expected))
    assert not stale, f"docs/reference/recipes.md has keys that no recipe has: {stale}"
    missing = [text for key, text in expected.items() if key not in written]
    assert not missing, "docs/reference/recipes.md lacks these rows:\n" + "\n".join(missing)
    for key, text in expected.items():
        said = "| " + " | ".join((f"`{key}`", *written[key][1:3])) + " |"
        assert text.startswith(said), f"docs/reference/recipes.md says {said}, the settings {text}"
        assert len(written[key][3]) > 10, f"docs/reference/recipes.md says nothing about {key}"


def test_the_reference_names_every_base() -> None:
    assert all(f"`{name}`" in TEXT for name in bases())


if __name__ == "__main__":  # the rows, to begin a page or to add a key
    print("\n".join(row(*found) for found in keys(Recipe)))
