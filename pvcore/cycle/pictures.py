"""What the Prefect UI shows of a candidate: markdown with its pictures inside."""

from __future__ import annotations

from pvcore.config import Workspace
from pvcore.cycle.candidate import curve, train
from pvcore.cycle.judging import evaluation
from pvcore.dossier import plots
from pvcore.dossier import report as pages
from pvcore.dossier.finding import image


def curve_markdown(workspace: Workspace, specification: str) -> str:
    """The training curve as an image in markdown, with its figures."""
    body = train(workspace, specification)
    points = curve(workspace, specification)
    return (
        f"## {body['problem']}: training curve\n\n{image(plots.training_curve(points))}\n\n"
        f"{points[-1][0]} steps, {body['rows']} rows ({body['new_rows']} new, {body['replayed']} replayed), "
        f"{body['seconds']} s, final loss {points[-1][1]:.4f}, adapter `{body['adapter'][:12]}`\n"
    )


def gate_markdown(workspace: Workspace, key: str) -> str:
    """The gate's table with intervals, and its plot."""
    judged = evaluation(workspace, key)
    table = pages.markdown_gate_table(judged.report, judged.decision)
    return f"{table}\n\n{image(plots.gate_intervals(judged.decision))}\n"
