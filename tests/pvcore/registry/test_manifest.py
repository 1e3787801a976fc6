"""A version is registered once, whole, and found by every one of its names."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pvcore.errors import NotFound, RegistryError
from pvcore.records import canonical, digest
from pvcore.registry.blobs import get_blob
from pvcore.registry.manifest import Manifest, fetch_adapter, manifest_from, register, resolve

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


def test_all_faults_of_a_manifest_come_together(registry: Registry) -> None:
    fields = registry.fields("one")
    with pytest.raises(RegistryError) as caught:
        manifest_from({**fields, "report": "x", "created": "yesterday", "problem": "../x"})
    assert all(word in str(caught.value) for word in ("report", "created", "problem"))
    del fields["dossier"]
    with pytest.raises(RegistryError, match=r"dossier is missing\n  extra is not a field"):
        manifest_from({**fields, "extra": 1})


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"decision": {"outcome": "maybe"}},
        {"adapter": {"digest": "0" * 64, "files": {}}},
        {"adapter": {"digest": "0" * 64, "files": {"../x": {"sha256": "0" * 64}}}},
        {"adapter": {"digest": "0" * 64, "files": {"x": {"sha256": "0"}}}},
        {"adapter": {"files": {"x": {"sha256": "0" * 64}}}},
    ],
)
def test_faulty_manifests(registry: Registry, change: dict[str, Any]) -> None:
    with pytest.raises(RegistryError, match="cannot be used"):
        manifest_from({**registry.fields("one"), **change})


def test_adapter_is_a_plain_folder_with_the_same_bytes(registry: Registry, tmp_path: Path) -> None:
    version = registry.version("one")
    folder = fetch_adapter(registry.store, version, tmp_path / "fetched")
    original = registry.folder / "adapter-one"
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        p.name: p.read_bytes() for p in original.iterdir()
    }


def test_altered_manifest_is_refused(registry: Registry) -> None:
    version = registry.version("one")
    file = registry.store.root / "blobs" / "sha256" / version.digest
    file.write_bytes(file.read_bytes().replace(b'"pass"', b'"fail"'))
    with pytest.raises(RegistryError, match="altered"):
        resolve(registry.store, registry.ledger, "seriousness@1")


def test_manifest_survives_its_json(registry: Registry) -> None:
    manifest = manifest_from(registry.fields("one"))
    assert isinstance(manifest, Manifest)
    assert manifest_from(json.loads(canonical(manifest))) == manifest
