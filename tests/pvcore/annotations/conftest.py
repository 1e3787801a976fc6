"""A small dictionary, generated once, with cases of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvcore.annotations.generate import generate_cases
from pvcore.meddra.generate import Size, Truth, generate
from pvcore.records import Annotation, Case

Generated = tuple[tuple[Case, ...], tuple[Annotation, ...]]


@pytest.fixture(scope="session")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return generate(Path(tmp_path_factory.mktemp("release")), version="29.0", seed=1, size=Size.small())


@pytest.fixture(scope="session")
def generated(truth: Truth) -> Generated:
    return generate_cases(truth.dictionary, n=120, seed=1, prefix="T")


class Memory(dict[str, bytes]):
    """A store in memory."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        new = key not in self
        self.setdefault(key, data)
        return new

    def get(self, key: str) -> bytes:  # type: ignore[override]
        return self[key]


@pytest.fixture
def store() -> Memory:
    return Memory()
