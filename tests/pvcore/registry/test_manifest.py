"""A manifest is what its fields say, or all its faults are told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pvcore.errors import RegistryError
from pvcore.records import canonical
from pvcore.registry.manifest import Manifest, manifest_from

Registry = Any


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


def test_manifest_survives_its_json(registry: Registry) -> None:
    manifest = manifest_from(registry.fields("one"))
    assert isinstance(manifest, Manifest)
    assert manifest_from(json.loads(canonical(manifest))) == manifest
