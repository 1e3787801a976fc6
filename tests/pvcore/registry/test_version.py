"""A version is registered once, whole, and comes back with the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pvcore.errors import RegistryError
from pvcore.records import digest
from pvcore.registry.names import resolve
from pvcore.registry.version import fetch_adapter, register

Registry = Any


def test_same_specification_again_is_the_same_version(registry: Registry) -> None:
    version = registry.version("one")
    assert registry.version("one", created="2031-01-01T00:00:00Z", report=version.manifest.dossier) == version
    assert len(registry.ledger.entries()) == 1
    with pytest.raises(RegistryError, match="not reproducible"):
        adapter = {**version.manifest.adapter, "digest": digest("other bytes")}
        registry.version("one", adapter=adapter)


def test_numbers_have_no_gaps_whoever_races(registry: Registry, again: Callable[[Any], Any]) -> None:
    fields = [registry.fields(f"v{n}") for n in range(6)]
    several = [again(registry) for _ in fields]
    with ThreadPoolExecutor(6) as pool:
        versions = list(
            pool.map(
                lambda pair: register(pair[0].store, pair[0].ledger, pair[1], "t"),
                zip(several, fields, strict=True),
            )
        )
    assert sorted(v.number for v in versions) == [1, 2, 3, 4, 5, 6]


def test_manifest_is_written_last(registry: Registry) -> None:
    absent = digest(b"never stored")
    with pytest.raises(RegistryError, match=rf"does not have:\n  dataset: {absent}\n  dossier: {absent}"):
        registry.version("one", dataset=absent, dossier=absent)
    for role in ("parent", "champion"):
        with pytest.raises(RegistryError, match=f"the {role} .* is not a registered version"):
            registry.version("one", **{role: absent})
    assert registry.ledger.entries() == ()


def test_altered_manifest_is_refused(registry: Registry) -> None:
    version = registry.version("one")
    file = registry.store.root / "blobs" / "sha256" / version.digest
    file.write_bytes(file.read_bytes().replace(b'"pass"', b'"fail"'))
    with pytest.raises(RegistryError, match="altered"):
        resolve(registry.store, registry.ledger, "seriousness@1")


def test_adapter_is_a_plain_folder_with_the_same_bytes(registry: Registry, tmp_path: Path) -> None:
    version = registry.version("one")
    folder = fetch_adapter(registry.store, version, tmp_path / "fetched")
    original = registry.folder / "adapter-one"
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        p.name: p.read_bytes() for p in original.iterdir()
    }
