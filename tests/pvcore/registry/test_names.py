"""A version is found by every one of its names."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pvcore.errors import NotFound
from pvcore.records import canonical
from pvcore.registry.blobs import get_blob
from pvcore.registry.names import resolve

Registry = Any


def test_registered_once_and_found_by_every_name(registry: Registry, again: Callable[[Any], Any]) -> None:
    one, two = registry.champion("one"), registry.champion("two")
    assert (one.name, two.name) == ("seriousness@1", "seriousness@2")
    three = registry.version("three")
    mine = again(registry)
    for name, version in {
        "seriousness@1": one,
        "seriousness@2": two,
        "seriousness@champion": two,
        "seriousness@previous": one,
        "seriousness@latest": three,
        one.digest: one,
        three.digest[:12]: three,
    }.items():
        assert resolve(mine.store, mine.ledger, name) == version
    assert json.loads(get_blob(mine.store, one.digest)) == json.loads(canonical(one.manifest))


@pytest.mark.parametrize(
    "name",
    [
        "seriousness@4",
        "seriousness@0",
        "seriousness@-1",
        "seriousness@",
        "coding@1",
        "",
        "@",
        "a" * 64,
        "abc",
    ],
)
def test_unknown_names(registry: Registry, name: str) -> None:
    registry.version("one")
    with pytest.raises(NotFound):
        resolve(registry.store, registry.ledger, name)
    with pytest.raises(NotFound, match="no champion yet"):
        resolve(registry.store, registry.ledger, "seriousness@champion")
