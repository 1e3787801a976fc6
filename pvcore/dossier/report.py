"""The dossier: one self-contained HTML page that a safety physician and an auditor read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pvcore.annotations.consistency_tables import summary, tables
from pvcore.dossier import mapping, plots, words
from pvcore.dossier.guardrails import guardrail_rows
from pvcore.dossier.intended import IntendedUse
from pvcore.dossier.tables import (
    DASH,
    cards,
    check_row,
    confusion,
    criteria_rows,
    effect_rows,
    facts,
    frequencies,
    number,
    result_rows,
    slice_metric,
    slice_rows,
    spoken,
)
from pvcore.dossier.templates import image, templates
from pvcore.evaluation.criteria import is_of_one
from pvcore.evaluation.gate import CHAMPION, Decision, Policy
from pvcore.evaluation.report import Report
from pvcore.plain import inert


def dossier(
    *,
    version: str,
    problem: str,
    report: Report,
    decision: Decision,
    policy: Policy,
    champion: str | None = None,
    positive: str | None = None,
    intended: IntendedUse | None = None,
    changed: Mapping[str, Any] | None = None,
    mended: Mapping[str, Any] | None = None,
    behaviour: Mapping[str, Any] | None = None,
    effects: Mapping[str, Any] | None = None,
    guardrails: Mapping[str, Mapping[str, Any]] | None = None,
    dataset: Mapping[str, Any] | None = None,
    balance: Sequence[Sequence[Any]] = (),
    batches: Sequence[Sequence[Any]] = (),
    agreement: Mapping[str, Any] | None = None,
    consistency: Mapping[str, Any] | None = None,
    dictionary: Mapping[str, Any] | None = None,
    migration: Mapping[str, int] | None = None,
    training: Mapping[str, Any] | None = None,
    curve: Sequence[tuple[int, float]] = (),
    learning: Mapping[str, Any] | None = None,
    specification: Mapping[str, Any] | None = None,
    environment: Mapping[str, Any] | None = None,
    approvers: str = "",
    signatures: int = 1,
    reproduce: Sequence[str] = (),
    digests: Mapping[str, str] | None = None,
    created: str = "",
) -> str:
    """The page as HTML that loads nothing from elsewhere. The same arguments give the same bytes.

    `version` and `champion` are names ("seriousness@7"). `positive` is the label that recall counts;
    with it the answers are shown as counts and in sentences. `changed` comes from `failures.shown`, `mended`
    says what became of the failure modes of the phase before (`cycle.mending`),
    `learning` holds the problem's learning curve as it was (`cycle.learned`): plot (SVG), words, facts;
    `guardrails` from `guardrails.count`; `behaviour` and `effects` (a new dictionary's, apart from the model's)
    are JSON of the report, `consistency` is that of an `annotations.consistency` report. `balance` and
    `batches` are tables, names of the columns first; `migration` counts rows by class. The other mappings
    are shown as they are, nested keys joined by a colon, in their order. All texts are escaped.
    """
    intended = intended or IntendedUse()
    titles = _titles(bool(report.slices), bool(report.reliability), bool(dictionary or migration))
    metric = slice_metric(report, policy)
    compared = CHAMPION in report.references
    shown_slices = slice_rows(report, metric) if report.slices and metric else []
    page = templates().get_template("page.html.j2")
    return page.render(
        words=words,
        mapping=mapping,
        titles=titles,
        dash=DASH,
        version=version,
        problem=problem,
        report=report,
        decision=decision,
        champion=champion,
        champion_seen=compared,
        created=created,
        intended=intended,
        intended_rows=facts(intended.model_dump(include=set(words.INTENDED))),
        limits=[*intended.limits, *words.LIMITS],
        positive=positive,
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
        mended=mended,
        slices=shown_slices,
        slice_metric=spoken(metric),
        slice_plot=image(plots.slice_values(report, metric)) if shown_slices else "",
        gate_plot=image(plots.gate_intervals(decision)),
        reliability=report.reliability,
        guardrails=guardrail_rows(report.reliability, guardrails or {}) if report.reliability else [],
        behaviour=behaviour,
        effects={**effects, "results": effect_rows(effects)} if effects else None,
        reliability_plot=image(plots.reliability_diagram(report.reliability)) if report.reliability else "",
        risk_plot=image(plots.risk_coverage(report.reliability)) if report.reliability else "",
        curve_plot=image(plots.training_curve(curve)) if curve else "",
        change_plot=image(plots.change(report)) if compared else "",
        dataset=facts(dataset),
        agreement=facts(agreement),
        balance=balance,
        batches=batches,
        consistency=tables(consistency) if consistency else [],
        consistency_line=summary(consistency) if consistency else "",
        dictionary=facts(dictionary),
        migration=[(name, count, words.MIGRATION.get(name, "")) for name, count in (migration or {}).items()],
        learning={**learning, "plot": image(learning["plot"]), "facts": facts(learning["facts"])}
        if learning
        else None,
        training=facts(training),
        specification=facts(specification),
        environment=facts(environment),
        approvers=approvers,
        signatures=signatures,
        reproduce=reproduce,
        digests=facts({**(digests or {}), "held-out set": report.held_out}),
        holm=policy.evaluation.multiple == "holm",
        contents=titles.items(),
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


def commands(version: str) -> tuple[str, ...]:
    """What a reader runs to check a version and to make it again."""
    return (
        f"pv verify {version}",
        f"pv history {version.partition('@')[0]}",
        f"pv run rebuild version={version}",
        f"pv registry show {version}",
        f"pv audit absent CASE {version}",
    )


def _titles(slices: bool, guardrails: bool, dictionary: bool) -> dict[str, str]:
    """Id -> short title of every section that the page has, in its order."""
    left_out = {"slices": not slices, "guardrails": not guardrails, "dictionary": not dictionary}
    return {name: title for name, title in words.SECTIONS.items() if not left_out.get(name)}
