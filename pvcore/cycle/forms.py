"""What a person reads before answering a request: the form, its page, and what the runs have found."""

from __future__ import annotations

import shlex

from pvcore.config import Workspace
from pvcore.cycle import candidate, judging, pictures
from pvcore.cycle.approval import Request, counted, entry_of
from pvcore.cycle.signed import in_a_line
from pvcore.dossier import plots
from pvcore.evaluation.criteria import is_of_one
from pvcore.evaluation.gate import Decision
from pvcore.evaluation.report import Report
from pvcore.plain import inert
from pvcore.registry.names import resolve

VERBS = {
    "promote": "Promote",
    "rollback": "Roll back to",
    "override": "Emergency: override the gate for",
}


def _measured(workspace: Workspace, asked: Request) -> tuple[Report, Decision]:
    """The report that the request names, with its decision."""
    report = entry_of(workspace, asked).body["report"]
    found = next(
        entry
        for entry in reversed(workspace.ledger.entries())
        if entry.kind == "Evaluated" and entry.body["report"] == report
    )
    judged = judging.evaluation(workspace, found.key)
    return judged.report, judged.decision


def form_markdown(workspace: Workspace, asked: Request, refusal: str = "") -> str:
    """What stands above the form: what is asked, the gate's table, how to sign."""
    from pvcore.dossier.report import markdown_gate_table

    report, decision = _measured(workspace, asked)
    here = shlex.quote(str(workspace.root))  # a path may have spaces, and the command is copied
    lines = [f"> **{inert(refusal)}**\n"] if refusal else []
    lines += [
        f"# {VERBS[asked.action]} {asked.version}?",
        f"It would replace {asked.expected or 'nothing: this is the first champion'}.",
        *([f"The request can be answered until {asked.until}."] if asked.until else []),
        "",
        *([f"**It would be champion although {inert(fact)}.**\n" for fact in asked.waived]),
        markdown_gate_table(report, decision),
        "",
        *(f"Signed so far: {inert(line)}\n" for line in _so_far(workspace, asked)),
        "Your signature binds decision, name and reason to this request. On a machine with your key:",
        "",
        f"    pv sign {asked.version} --name you@example.org --reason 'why' --key ~/.ssh/id_ed25519 "
        f"-w {here}",
        "",
        "Add `--reject` to sign a rejection. Enter the same name and reason below, and the signature it prints.",
        f"The dossier: `pv registry dossier {asked.version} dossier.html -w {here}`",
    ]
    return "\n".join(lines)


def _so_far(workspace: Workspace, asked: Request) -> list[str]:
    state, entry = workspace.ledger.state(), entry_of(workspace, asked)
    given, ignored = counted(workspace, entry)
    return [in_a_line(workspace, state, e) for e in given] + [
        f"NOT COUNTED, entry {number}: {why}" for number, why in ignored.items()
    ]


def page_markdown(workspace: Workspace, asked: Request) -> str:
    """The approval request as an artifact: the form's text with the plots."""
    _, decision = _measured(workspace, asked)
    images = [pictures.image(plots.gate_intervals(decision))]
    version = resolve(workspace.store, workspace.ledger, asked.version)
    images.append(
        pictures.image(plots.training_curve(candidate.curve(workspace, version.manifest.specification)))
    )
    return form_markdown(workspace, asked) + "\n\n" + "\n\n".join(images)


def decisions(workspace: Workspace, since: int = 0) -> list[str]:
    """What was learned after ledger entry `since`: migrations, agreement, decisions, the model beside a word list."""
    lines = []
    for entry in workspace.ledger.entries()[since:]:
        body = entry.body
        if entry.kind == "Migrated":
            counts = ", ".join(f"{number} {name}" for name, number in body["counts"].items() if number)
            lines.append(f"labels carried from {body['from']} to {body['to']}: {counts}")
        if entry.kind == "DatasetBuilt":
            lines += [f"kappa, {who}: {value} ({of} judged)" for who, (value, of) in body["kappa"].items()]
        if entry.kind == "Evaluated":
            report = judging.evaluation(workspace, entry.key).report
            lines.append(f"{report.problem}: {body['outcome']}, {report.overall.rows} held-out examples")
            for result in report.overall.results.values():
                if is_of_one(result.metric):
                    continue
                others = [f"{name} {_value(c.reference.value)}" for name, c in result.against.items()]
                lines.append(f"  {result.metric}: {_value(result.candidate.value)} ({', '.join(others)})")
            if body["outcome"] != "pass":
                lines += [f"  {reason}" for reason in body["reasons"]]
    return lines


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
