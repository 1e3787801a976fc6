"""The bill of materials: what a version was made of, as CycloneDX 1.6 JSON (https://cyclonedx.org/docs/1.6/json/).

The version is the component that the document describes, with its model card; base, data, dictionary and
libraries are its components, by digest or package URL. Licences are those that publishers state, and are
left out where nobody stated one.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from pvcore.dossier import words
from pvcore.dossier.described import LIBRARIES, Described
from pvcore.dossier.tables import spoken
from pvcore.evaluation.report import Estimate, Group

FILE = "bom.cdx.json"
SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"
PURPOSES = {"encoder": "encoder transformer with LoRA", "causal": "causal transformer with LoRA"}


def bill(version: Described) -> bytes:
    """The document as UTF-8. One version has one sequence of bytes: its specification gives the serial number."""
    data = [_dataset(version), *([_dictionary(version)] if version.dictionary else [])]
    libraries = [
        _library(name, version.environment[name]) for name in LIBRARIES if name in version.environment
    ]
    parts = [_base(version), *data, *libraries]
    document = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, version.specification)}",
        "version": 1,
        "metadata": {
            "timestamp": version.created,
            "component": _model(version, [d["bom-ref"] for d in data]),
        },
        "components": parts,
        "dependencies": [
            {"ref": "model", "dependsOn": [part["bom-ref"] for part in parts]},
            *({"ref": part["bom-ref"]} for part in parts),
        ],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _model(version: Described, data: list[str]) -> dict[str, Any]:
    return {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": version.problem,
        "version": str(version.number),
        "description": version.intended.purpose,
        **_licences(version.intended.licence),
        "pedigree": {"ancestors": [_named(version)]},
        "components": [
            {"type": "file", "bom-ref": f"file:{name}", "name": name, "hashes": _hash(entry["sha256"])}
            for name, entry in sorted(version.files.items())
        ],
        "modelCard": _card(version, data),
        "properties": _properties(
            {
                "adapter": version.adapter,
                "specification": version.specification,
                "code": version.code,
                "parent": version.parent or "",
                "policy": version.policy,
                "report": version.report_digest,
                "decision": version.decision.outcome,
                "seed": str(version.seed),
            }
        ),
    }


def _card(version: Described, data: list[str]) -> dict[str, Any]:
    intended = version.intended
    groups = [version.report.overall, *version.report.slices.values()]
    return {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": version.kind,
            "architectureFamily": PURPOSES[version.family],
            "modelArchitecture": version.base_name,
            "datasets": [{"ref": ref} for ref in data],
            "inputs": [{"format": "text"}],
            "outputs": [{"format": ", ".join(version.labels) or "MedDRA terms"}],
        },
        "quantitativeAnalysis": {
            "performanceMetrics": [metric for group in groups for metric in _metrics(group)]
        },
        "considerations": {
            "users": list(intended.users),
            "useCases": [text for text in (intended.question_of_interest, intended.context_of_use) if text],
            "technicalLimitations": [*intended.limits, *words.LIMITS],
            "ethicalConsiderations": [
                {"name": risk, "mitigationStrategy": intended.oversight} for risk in intended.risks
            ],
        },
        "properties": _properties({"intended use": intended.origin}),
    }


def _metrics(group: Group) -> list[dict[str, Any]]:
    return [
        {
            "type": spoken(name),
            "value": f"{result.candidate.value:.4f}",
            **({} if group.name == "all" else {"slice": group.name}),
            **_interval(result.candidate),
        }
        for name, result in group.results.items()
        if result.candidate.value is not None
    ]


def _interval(shown: Estimate) -> dict[str, Any]:
    if shown.low is None or shown.high is None:
        return {}
    return {"confidenceInterval": {"lowerBound": f"{shown.low:.4f}", "upperBound": f"{shown.high:.4f}"}}


def _named(version: Described) -> dict[str, Any]:
    """The base as an ancestor: by name and digest, its details are in the component."""
    digest = _hash(version.base["digest"])
    return {
        "type": "machine-learning-model",
        "name": version.base_name,
        **({"hashes": digest} if digest else {}),
    }


def _base(version: Described) -> dict[str, Any]:
    revision = str(version.base["source"]).rpartition("@")[2] if "@" in str(version.base["source"]) else ""
    return {
        **_named(version),
        "bom-ref": "base",
        **({"version": revision} if revision else {}),
        "description": "The base model, whose weights the adapter was trained on. The hash is the digest of its "
        "weights files as the platform defines it (pv base).",
        **_licences(version.base_licence),
    }


def _dataset(version: Described) -> dict[str, Any]:
    return {
        "type": "data",
        "bom-ref": "dataset",
        "name": "dataset",
        "version": version.dataset[:12],
        "description": "Annotated individual case safety reports, with their splits; not distributed.",
        "hashes": _hash(version.dataset),
        "data": [
            {
                "type": "dataset",
                "name": version.dataset,
                "classification": "confidential",
                "sensitiveData": [
                    "health data of persons, without direct identifiers as far as a search finds them"
                ],
                "description": "; ".join(f"{name}: {said}" for name, said in version.reach.items()),
            }
        ],
    }


def _dictionary(version: Described) -> dict[str, Any]:
    return {
        "type": "data",
        "bom-ref": "dictionary",
        "name": "MedDRA",
        **({"version": version.meddra} if version.meddra else {}),
        "description": "The dictionary of the labels; licensed by the MedDRA MSSO and not distributed.",
        "hashes": _hash(str(version.dictionary)),
        **_licences("MedDRA subscription"),
        "data": [{"type": "definition", "name": "terminology"}],
    }


def _library(name: str, number: str) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": f"pkg:{name}",
        "name": name,
        "version": number,
        **_licences(LIBRARIES[name]),
        "purl": f"pkg:pypi/{name}@{number.replace('+', '%2B')}",
    }


def _licences(said: str) -> dict[str, Any]:
    """An SPDX id where it is one that this document uses, else a name; nothing where nobody said."""
    if not said:
        return {}
    return {"licenses": [{"license": {"id": said} if said in SPDX else {"name": said}}]}


SPDX = frozenset(
    ("Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CC-BY-4.0", "GPL-3.0-only")
)


def _hash(digest: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digest}] if re.fullmatch(r"[0-9a-f]{64}", digest) else []


def _properties(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": f"pv:{name}", "value": value} for name, value in values.items() if value]
