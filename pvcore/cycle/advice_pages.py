"""Advice as it is shown: tables for a terminal, and one HTML page."""

from __future__ import annotations

from typing import Any

from pvcore.cycle import compared, drift_pages, phase_pages
from pvcore.cycle import learned as curves
from pvcore.cycle.advising import Advised
from pvcore.dossier.advice import advice_page, costs_shown, data_shown
from pvcore.dossier.finding import Finding

Table = tuple[str, list[dict[str, Any]], str]
"""(Title, rows, a sentence below.)"""


def tables(found: Advised) -> list[Table]:
    """What the data holds and what each way costs, for a terminal; only what is known."""
    held = data_shown(found.data, found.agreement, found.learned.labels if found.learned else {})
    known = {"alpha": held["with_alpha"], "gain": held["with_gain"]}
    labels = [{key: row[key] for key in row if known.get(key, True)} for row in held["labels"]]
    more = f"{held['more']:,} more labels are not shown." if held["more"] else ""
    shown: list[Table] = [(held["summary"], labels, more)]
    if found.data.coverage:
        rows = [
            {"share": f"{row.share:.0%}", "terms": row.terms, "fewest_examples": row.fewest}
            for row in found.data.coverage
        ]
        shown.append(("terms that make up the volume", rows, "Start with the first, widen step by step."))
    if found.costs and found.prices:
        costs = costs_shown(found.costs, found.prices.months)
        shown.append((f"costs over {found.prices.months} months", costs["rows"], costs["words"]))
    return shown


def page(found: Advised) -> str:
    """The advice as one HTML page, with everything that was measured of the problem."""
    return advice_page(
        found.problem,
        found.advice,
        found.data,
        agreement=found.agreement,
        gains=found.learned.labels if found.learned else {},
        measured=_measured(found),
        costs=found.costs,
        months=found.prices.months if found.prices else 0,
    )


def _measured(found: Advised) -> dict[str, Finding | str]:
    """Question -> what answers it, or the command that would measure it."""
    name, target = found.problem, found.facts.target
    return {
        "How much would more data bring?": curves.finding(found.learned, target)
        if found.learned
        else f"pv curve {name}",
        "Which base?": compared.finding(name, found.bases) if found.bases else f"pv bases {name} BASE BASE",
        "What did annotating bring?": phase_pages.finding(found.phases)
        if found.phases
        else f"pv phases {name} --run",
        "Does the champion still see what it was trained on?": drift_pages.finding(found.drift)
        if found.drift
        else f"pv drift {name}",
    }
