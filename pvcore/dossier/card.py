"""The model card: README.md of an adapter's folder, in the sections of Mitchell et al. 2019 (FAT*, arXiv:1810.03993).

It begins with the YAML that the Hugging Face hub reads (https://huggingface.co/docs/hub/model-cards). It says
nothing that changes after registration: whether a version is champion, and who signed, is in the ledger.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from pvcore.dossier import words
from pvcore.dossier.described import Described
from pvcore.dossier.tables import cell, facts, result_rows, slice_metric, slice_rows, spoken
from pvcore.evaluation.criteria import is_of_one
from pvcore.evaluation.gate import Policy
from pvcore.plain import inert

FILE = "README.md"
TASKS = {
    "classification": "text-classification",
    "set": "text-classification",
    "ranking": "sentence-similarity",
    "extraction": "token-classification",
}
"""Kind of problem -> the hub's name of the task."""


def model_card(version: Described, policy: Policy) -> bytes:
    """The card as UTF-8. The same version gives the same bytes."""
    lines = [
        "---",
        yaml.safe_dump(front_matter(version), sort_keys=False, allow_unicode=True).rstrip(),
        "---",
        "",
    ]
    lines += [f"# {inert(version.name)}", "", inert(version.intended.purpose)]
    for title, body in _sections(version, policy):
        lines += ["", f"## {title}", "", *body]
    return ("\n".join(lines) + "\n").encode()


def front_matter(version: Described) -> dict[str, Any]:
    """What the hub reads: licence, base, task, results. A licence that nobody stated is left out."""
    results = version.report.overall.results.items()
    metrics = [
        {"type": name, "name": spoken(name), "value": round(result.candidate.value, 4)}
        for name, result in results
        if result.candidate.value is not None and not is_of_one(name)
    ]
    task = TASKS[version.kind]
    found: dict[str, Any] = {"library_name": "peft", "base_model": version.base_name}
    if re.fullmatch(r"[A-Za-z0-9.+-]+", version.intended.licence):
        found["license"] = version.intended.licence.lower()
    elif version.intended.licence:
        found |= {"license": "other", "license_name": version.intended.licence}
    if version.languages:
        found["language"] = list(version.languages)
    dataset = {"name": f"held-out cases {version.report.held_out[:12]}", "type": "private"}
    result = {"task": {"type": task}, "dataset": dataset, "metrics": metrics}
    return {
        **found,
        "pipeline_tag": task,
        "tags": ["lora", "pharmacovigilance", version.problem],
        "model-index": [{"name": version.name, "results": [result]}],
    }


def _sections(version: Described, policy: Policy) -> Iterable[tuple[str, list[str]]]:
    intended, report = version.intended, version.report
    yield (
        "Model details",
        _facts(
            {
                "version": version.name,
                "registered from an evaluation of": version.created,
                "kind": f"LoRA adapter ({version.family}) of {version.base_name}, for {version.kind}",
                "base": {"source": version.base_name, "digest": version.base["digest"]},
                "adapter": version.adapter,
                "specification": version.specification,
                "continued from": version.parent or "the base",
                "licence of the adapter": intended.licence or "not stated",
                "licence of the base": version.base_licence or "not known here",
            }
        ),
    )
    yield (
        "Intended use",
        [
            inert(intended.origin),
            "",
            *_facts(intended.model_dump(include=set(words.INTENDED))),
            "",
            "Not meant for:",
            "",
            *_list(intended.not_for),
        ],
    )
    yield (
        "Factors",
        [
            "Groups of cases that were looked at one by one: "
            + (", ".join(f"{inert(spoken(g.name))} ({g.rows})" for g in report.slices.values()) or "none")
            + ". What is right is what the annotators agreed on."
        ],
    )
    yield (
        "Metrics",
        [
            *(f"- {inert(spoken(n))}: {words.METRICS.get(n, 'see the reference')}" for n in _shown(version)),
            "",
            f"Intervals at {report.confidence:.0%}, bootstrap by case cluster with {report.resamples} resamples. The "
            f"criteria were set beforehand, in the policy {version.policy[:12]}.",
        ],
    )
    yield (
        "Evaluation data",
        _facts(
            {
                "held-out examples": report.overall.rows,
                "clusters of near-identical cases": report.overall.clusters,
                "digest": report.held_out,
                "times this set has decided": report.uses,
                **({"labels": dict(report.overall.labels)} if version.labels else {}),
            }
        ),
    )
    yield (
        "Training data",
        _facts(
            {
                "dataset": version.dataset,
                **version.counts,
                **version.reach,
                "MedDRA": version.meddra or "none",
            }
        ),
    )
    yield (
        "Quantitative analyses",
        [
            f"The gate's decision: **{version.decision.outcome}**. {words.OUTCOMES[version.decision.outcome]}",
            "",
            *_results(version),
            *_groups(version, policy),
        ],
    )
    yield (
        "Ethical considerations",
        [
            *_list(intended.risks),
            "- The training data are reports about patients. They are not part of this folder; an adapter can still "
            "hold traces of what it was trained on: keep it as the policy for such data asks.",
            "- The model suggests; a qualified person decides.",
        ],
    )
    of_files = [said for name, said in words.BESIDE.items() if name in version.files]
    yield (
        "Caveats and recommendations",
        [*_list([*intended.limits, *words.LIMITS]), *(f"- {said}" for said in of_files)],
    )


def _shown(version: Described) -> list[str]:
    return [name for name in version.report.overall.results if not is_of_one(name)]


def _results(version: Described) -> list[str]:
    rows = result_rows(version.report)
    columns = ["metric", "candidate", *version.report.references]
    columns += ["difference to champion"] if "champion" in version.report.references else []
    return _table(columns, ([row["name"], *map(cell, row["cells"])] for row in rows))


def _groups(version: Described, policy: Policy) -> list[str]:
    metric = slice_metric(version.report, policy)
    rows = slice_rows(version.report, metric) if metric else []
    if not rows:
        return []
    columns = ["group", "examples", f"{spoken(metric)}, candidate"]
    columns += ["champion", "difference"] if "champion" in version.report.references else []
    return ["", *_table(columns, ([r["name"], str(r["rows"]), *map(cell, r["cells"])] for r in rows))]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    return [
        f"| {' | '.join(part if n == 1 else inert(part) for part in row)} |" for n, row in enumerate(lines)
    ]


def _facts(value: Mapping[str, Any]) -> list[str]:
    return [f"- {inert(name)}: {inert(said)}" for name, said in facts(value)]


def _list(items: Iterable[str]) -> list[str]:
    return [f"- {inert(item)}" for item in items]
