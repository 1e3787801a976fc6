"""YAML as this project reads it: plain values, and no key twice.

YAML forbids a key that stands twice in one mapping (1.2.2, 3.2.1.1), but PyYAML lets the last one win
without a word: a floor of the gate that somebody copied below the first one would be gone unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

__all__ = ["RepeatedKeys", "load", "replace"]
_MERGE, _NULL = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:null"


MOST = 100_000
"""Values of a document with its aliases written out; the longest recipe has some hundred."""


class RepeatedKeys(yaml.YAMLError):
    """Keys that stand twice in one mapping, with both lines of each."""


def load(text: str | bytes, *, as_written: bool = False) -> Any:
    """The value of a YAML document, None for an empty one.

    `as_written` takes every scalar for the text that stands there, where YAML 1.1 makes False of `No` and 83 of
    `0123`; nothing stays None. Raises RepeatedKeys naming all of them, and yaml.YAMLError for what is no YAML.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node and _written_out(node, {}) > MOST:
            raise yaml.YAMLError(f"its aliases stand for more than {MOST} values")
        repeated = list(_repeated(node, "", set())) if node else []
        if repeated:
            raise RepeatedKeys("; ".join(repeated))
        if as_written:
            return _as_written(node)
        return loader.construct_document(node) if node else None
    finally:
        loader.dispose()


def _as_written(node: yaml.Node | None) -> Any:
    if node is not None and node.tag not in yaml.SafeLoader.yaml_constructors:
        raise yaml.YAMLError(f"no plain value: {node.tag}")
    if isinstance(node, yaml.MappingNode):
        if not all(isinstance(key, yaml.ScalarNode) for key, _ in node.value):
            raise yaml.YAMLError("a key is no text")
        return {_as_written(key): _as_written(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_as_written(item) for item in node.value]
    return None if node is None or node.tag == _NULL else node.value


def replace(text: str, path: Sequence[str], value: str) -> str:
    """The document with `value` in place of the scalar at `path`; every other character stays as it is.

    Raises KeyError where nothing stands there.
    """
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for name in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((found for key, found in pairs if key.value == name), None)
    if not isinstance(node, yaml.ScalarNode):
        raise KeyError(".".join(path))
    return text[: node.start_mark.index] + value + text[node.end_mark.index :]


def _written_out(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values there are with every alias written out: ten lines of aliases can stand for billions."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = 0  # an alias inside of what it names
    inner = node.value if isinstance(node, yaml.CollectionNode) else ()
    parts = (part for item in inner for part in (item if isinstance(item, tuple) else (item,)))
    known[id(node)] = 1 + sum(_written_out(part, known) for part in parts)
    return known[id(node)]


def _repeated(node: yaml.Node, path: str, seen: set[int]) -> Iterator[str]:
    """`seen` are nodes that an alias leads to again."""
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _repeated(item, f"{path}[{number}]", seen)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            name = f"{path}.{key.value}".lstrip(".")
            line = key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                if (key.tag, key.value) in lines:
                    yield f"{name} stands in line {lines[key.tag, key.value]} and again in line {line}"
                lines.setdefault((key.tag, key.value), line)
            yield from _repeated(value, name, seen)
