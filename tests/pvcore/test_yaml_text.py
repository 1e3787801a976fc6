"""YAML is read as plain values, and a key that stands twice is refused wherever it stands."""

from __future__ import annotations

import pytest
import yaml

from pvcore.yaml_text import RepeatedKeys, load, replace


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 1\nb: 2\na: 1\n", ["a stands in line 1 and again in line 3"]),
        ("{a: 1, a: 2}", ["a stands in line 1 and again in line 1"]),
        ("x:\n- y: {z: 1}\n- y:\n    z: 1\n    z: 2\n", ["x[1].y.z stands in line 4 and again in line 5"]),
        ("a: 1\n'a': 2\nb: 1\n\nb: 2\n",
         ["a stands in line 1 and again in line 2", "b stands in line 3 and again in line 5"]),
    ],
)  # fmt: skip
def test_a_key_that_stands_twice(text: str, told: list[str]) -> None:
    with pytest.raises(RepeatedKeys) as refused:
        load(text)
    assert str(refused.value).split("; ") == told


def test_everything_else_is_read_as_pyyaml_does() -> None:
    text = "base: &b {x: 1, y: [1, 2]}\nmore: {<<: *b, x: 2}\nagain: *b\n1: one\n'1': text\nd: 2026-01-02\n"
    assert load(text) == yaml.safe_load(text) and load(text)["more"]["x"] == 2
    assert load("") is None and load(b"a: 1") == {"a": 1}
    with pytest.raises(yaml.YAMLError):
        load("a: [")
    with pytest.raises(yaml.YAMLError):
        load("!!python/object:os.system {}")


def test_one_value_is_replaced_and_nothing_else() -> None:
    text = '# first\na: {b: 1}\r\nc:   # why\n  digest: "old"  # é: of the weights\n  other: old\n'
    assert replace(text, ("c", "digest"), "new") == text.replace('"old"', "new")
    assert replace(text, ("a", "b"), "2") == text.replace("b: 1", "b: 2")
    for path in (("c",), ("c", "none"), ("a", "b", "deeper")):
        with pytest.raises(KeyError):
            replace(text, path, "new")


def test_aliases_that_stand_for_billions_are_refused_and_a_few_are_not() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(yaml.YAMLError, match="aliases stand for more than"):
        load("\n".join(lines))
    assert len(load("\n".join(lines[:3]))) == 3
