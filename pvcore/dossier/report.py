"""The dossier: one self-contained HTML page that a safety physician and an auditor read."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from pvcore.annotations.consistency_tables import summary, tables
from pvcore.dossier import plots, words
from pvcore.dossier.tables import (
    cards,
    check_row,
    confusion,
    criteria_rows,
    facts,
    frequencies,
    guardrail_rows,
    number,
    result_rows,
    slice_metric,
    slice_rows,
    spoken,
)
from pvcore.evaluation.criteria import is_of_one
from pvcore.evaluation.gate import CHAMPION, Decision, Policy
from pvcore.evaluation.report import Report
from pvcore.plain import inert

if TYPE_CHECKING:
    from jinja2 import Template


def dossier(
    *,
    version: str,
    problem: str,
    report: Report,
    decision: Decision,
    policy: Policy,
    champion: str | None = None,
    positive: str | None = None,
    purpose: str = "",
    limits: Sequence[str] = words.LIMITS,
    changed: Mapping[str, Any] | None = None,
    dataset: Mapping[str, Any] | None = None,
    agreement: Mapping[str, Any] | None = None,
    consistency: Mapping[str, Any] | None = None,
    dictionary: Mapping[str, Any] | None = None,
    migration: Mapping[str, int] | None = None,
    training: Mapping[str, Any] | None = None,
    curve: Sequence[tuple[int, float]] = (),
    specification: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
    approval: Mapping[str, Any] | None = None,
    approvers: str = "",
    reproduce: Sequence[str] = (),
    digests: Mapping[str, str] | None = None,
    created: str = "",
) -> str:
    """The page as HTML that loads nothing from elsewhere. The same arguments give the same bytes.

    `version` and `champion` are names ("seriousness@7"). `positive` is the label that recall counts;
    with it the answers are shown as counts and in sentences. `changed` comes from
    `evaluation.compare.changed_answers`, `consistency` is the JSON of an `annotations.consistency`
    report. `migration` counts rows by class. The other mappings are shown as they are, nested keys
    joined by a colon, in their order; their texts are escaped.
    """
    metric = slice_metric(report, policy)
    compared = CHAMPION in report.references
    shown_slices = slice_rows(report, metric) if report.slices and metric else []
    return _page().render(
        words=words,
        version=version,
        problem=problem,
        report=report,
        decision=decision,
        champion=champion,
        champion_seen=compared,
        created=created,
        purpose=purpose or words.PURPOSES.get(problem, ""),
        limits=limits,
        percent=f"{report.confidence:.0%}",
        cards=cards(report, decision),
        frequencies=frequencies(report, positive),
        checks=[check_row(check) for check in decision.checks],
        results=result_rows(report),
        criteria=criteria_rows(report),
        confusion=confusion(report, positive),
        label_line=", ".join(f"{count} {label}" for label, count in report.overall.labels.items())
        if positive
        else "",
        changed=changed,
        slices=shown_slices,
        slice_metric=spoken(metric),
        slice_plot=_image(plots.slice_values(report, metric)) if shown_slices else "",
        gate_plot=_image(plots.gate_intervals(decision)),
        reliability=report.reliability,
        guardrails=guardrail_rows(report.reliability) if report.reliability else [],
        reliability_plot=_image(plots.reliability_diagram(report.reliability)) if report.reliability else "",
        risk_plot=_image(plots.risk_coverage(report.reliability)) if report.reliability else "",
        curve_plot=_image(plots.training_curve(curve)) if curve else "",
        dataset=facts(dataset),
        agreement=facts(agreement),
        consistency=tables(consistency) if consistency else [],
        consistency_line=summary(consistency) if consistency else "",
        dictionary=facts(dictionary),
        migration=[(name, count, words.MIGRATION.get(name, "")) for name, count in (migration or {}).items()],
        training=facts(training),
        specification=facts(specification),
        environment=facts(environment),
        approval=facts(approval),
        approvers=approvers,
        reproduce=reproduce,
        digests=facts({**(digests or {}), "held-out set": report.held_out}),
        holm=policy.evaluation.multiple == "holm",
        contents=_contents(bool(shown_slices), bool(report.reliability), bool(dictionary or migration)),
    )


def markdown_gate_table(report: Report, decision: Decision) -> str:
    """Decision, reasons and every criterion as Markdown, for an artifact in the Prefect UI."""
    lines = [
        f"## {report.problem}: {decision.outcome.upper()}",
        "",
        words.OUTCOMES[decision.outcome],
        "",
        f"{report.overall.rows} held-out examples in {report.overall.clusters} clusters; intervals at "
        f"{report.confidence:.0%}; this held-out set has decided {report.uses} time(s).",
        "",
        "| criterion | asked | measured | interval | cases | outcome |",
        "|---|---|---:|---|---:|---|",
    ]
    for row in (check_row(check) for check in decision.checks):
        cells = (row["name"], row["asked"], row["value"], row["interval"], row["support"], row["outcome"])
        lines.append("| " + " | ".join(inert(str(cell)) for cell in cells) + " |")
    others = [name for name in report.references if name != CHAMPION]
    if others:
        header = ["metric", "candidate", *report.references]
        lines += ["", f"| {' | '.join(header)} |", "|---|" + "---:|" * (len(header) - 1)]
        for name, result in report.overall.results.items():
            if is_of_one(name):
                continue
            values = [result.candidate, *(result.against[other].reference for other in report.references)]
            lines.append(f"| {inert(spoken(name))} | {' | '.join(number(v.value) for v in values)} |")
    lines += _criteria_table(report)
    lines += ["", *(f"- {inert(reason)}" for reason in decision.reasons)]
    return "\n".join(lines) + "\n"


def _criteria_table(report: Report) -> list[str]:
    rows = criteria_rows(report)
    if not rows:
        return []
    ranked = [f"average precision, {name}" for name in ("candidate", *report.references)]
    header = ["seriousness criterion", "met", *ranked, "recall", "precision"]
    lines = ["", f"| {' | '.join(header)} |", "|---|" + "---:|" * (len(header) - 1)]
    for row in rows:
        cells = [row["name"], str(row["met"]), *(cell.value for cell in row["cells"])]
        lines.append(f"| {' | '.join(map(inert, cells))} |")
    return lines


def _contents(slices: bool, guardrails: bool, dictionary: bool) -> list[tuple[str, str]]:
    sections = [("decision", "Decision"), ("use", "Use and limits"), ("results", "Results")]
    sections += [("slices", "Groups")] if slices else []
    sections += [("guardrails", "Guardrails")] if guardrails else []
    sections += [("data", "Data")]
    sections += [("dictionary", "MedDRA")] if dictionary else []
    return [*sections, ("training", "Training"), ("approval", "Approval"), ("reproduce", "Reproduce")]


def _image(svg: bytes) -> str:
    # As an image, not inline: two figures on a page would share the ids inside them.
    return "data:image/svg+xml;base64," + b64encode(svg).decode()


@cache
def _page() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pvcore.dossier", "."), autoescape=True, undefined=StrictUndefined
    )
    environment.tests["digest"] = lambda value: bool(re.fullmatch(r"[0-9a-f]{64}", str(value)))
    return environment.get_template("page.html.j2")
