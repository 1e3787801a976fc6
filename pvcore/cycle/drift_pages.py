"""A check of drift as a person reads it: table, plot, and what is proposed in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvcore.advice.drift import SHOWN
from pvcore.cycle.learned import told
from pvcore.dossier.drift import drift_plot
from pvcore.dossier.finding import Finding


def table(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a signal, those that drifted first."""
    return [
        {
            "signal": s["name"],
            "held out": told(s["before"]),
            "now": told(s["now"]),
            "p": s["p"],
            "drifted": "yes" if s["drifted"] else "no",
        }
        for s in _ordered(report)
    ]


def sentences(report: Mapping[str, Any]) -> list[str]:
    """What was found and what is proposed."""
    found, asked = [], report["proposal"]
    if report["unseen"]:
        named = ", ".join(f"{name} ({count})" for name, count in report["unseen"][:SHOWN])
        found.append(f"Named, and never trained on: {named}.")
    new = f"{asked['new_rows']:,} labelled rows that it has not learned and {asked['waiting_batches']} batches wait"
    found.append(
        {
            "nothing": f"No drift: no update is needed for it; {new}.",
            "retrain": f"Drift: retrain (pv run retrain); {new}.",
            "annotate": "Drift, and nothing new is labelled: annotate first (pv next), then retrain.",
        }[asked["action"]]
    )
    if gain := asked["gain"]:
        found.append(
            f"The learning curve expects {gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f}) "
            f"{gain['metric']} of the new rows, if they are like the old ones."
        )
        found += [f"Not to be relied on: {doubt}." for doubt in gain["doubts"]]
    else:
        found.append(f"What they would bring is not known. Measure it: pv curve {report['problem']}")
    if cost := asked["last_training"]:
        found.append(f"The last training took {cost['seconds']:,.0f} s for {cost['rows']:,} rows.")
    return found


def _ordered(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    return sorted(report["signals"], key=lambda s: (not s["drifted"], s["p"], s["name"]))


def finding(report: Mapping[str, Any]) -> Finding:
    """The check as every page shows it, the signals that drifted first."""
    said = "drift" if report["drifted"] else "no drift"
    title = f"{report['version']}: {said} in {report['cases']:,} cases"
    alt = "Every rate that was compared, held out and now, with its interval; the mix of answers in its own panel."
    return Finding(title, alt, drift_plot(_ordered(report)), table(report), sentences(report))
