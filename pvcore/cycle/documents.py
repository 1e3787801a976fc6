"""The documents of a version: its dossier with the signatures of now, its model card, its bill of materials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvcore.annotations import dataset as datasets
from pvcore.config import Workspace
from pvcore.cycle import data
from pvcore.cycle.judging import Evaluation, stored_policy
from pvcore.cycle.material import intended_then, spread
from pvcore.cycle.signed import signatures
from pvcore.dossier import bom, card
from pvcore.dossier.approvals import with_approvals
from pvcore.dossier.described import Described
from pvcore.dossier.pdf import to_pdf
from pvcore.errors import ConfigError
from pvcore.problems import PROBLEMS
from pvcore.registry.blobs import get_blob, put_blob
from pvcore.registry.names import resolve
from pvcore.training.specification import Specification


def printed(workspace: Workspace, name: str, suffix: str, *, as_registered: bool = False) -> bytes:
    """A version's dossier as .html or .pdf: the stored page, then every signature as of the ledger's last entry.

    `as_registered`: the stored page alone.

    Raises ConfigError for another suffix, NotFound, PvError where a PDF cannot be made here.
    """
    if suffix not in (".html", ".pdf"):
        raise ConfigError(
            f"a dossier is written as .html or .pdf, not as {suffix or 'a file without a suffix'!r}."
        )
    found = resolve(workspace.store, workspace.ledger, name)
    page = get_blob(workspace.store, found.manifest.dossier).decode()
    if not as_registered:
        last = workspace.ledger.entries()[-1]
        page = with_approvals(
            page,
            signatures(workspace, found.digest),
            digest=found.manifest.dossier,
            asof=f"entry {last.sequence} of the ledger ({last.time})",
        )
    return to_pdf(page) if suffix == ".pdf" else page.encode()


def beside(
    workspace: Workspace, asked: Specification, judged: Evaluation, trained: Mapping[str, Any], number: int
) -> dict[str, dict[str, Any]]:
    """What goes where the adapter goes, as blobs: file name -> {"sha256", "size"}."""
    described = describe(workspace, asked, judged, trained, number)
    policy = stored_policy(workspace, judged.entry.body["policy"]).gate
    made = {card.FILE: card.model_card(described, policy), bom.FILE: bom.bill(described)}
    return {
        name: {"sha256": put_blob(workspace.store, content), "size": len(content)}
        for name, content in made.items()
    }


def describe(
    workspace: Workspace, asked: Specification, judged: Evaluation, trained: Mapping[str, Any], number: int
) -> Described:
    """The version that a candidate becomes, as its card and its bill of materials say it."""
    built, problem = data.dataset_entry(workspace, asked.dataset).body, PROBLEMS[asked.problem]
    languages = datasets.load(workspace.store, asked.dataset).cases["language"]
    return Described(
        problem=asked.problem,
        number=number,
        kind=problem.kind,
        labels=problem.labels,
        family=asked.family,
        base=asked.settings["base"],
        adapter=trained["adapter"],
        files=trained["files"],
        specification=asked.digest,
        code=asked.code,
        settings=asked.settings,
        seed=asked.seed,
        dataset=asked.dataset,
        counts=built["counts"],
        reach=spread(workspace, asked.dataset),
        languages=tuple(sorted({str(code) for code in languages if code})),
        dictionary=data.dictionary_digest(workspace, asked.dataset),
        meddra=built["version"],
        parent=asked.parent,
        policy=judged.entry.body["policy"],
        report_digest=judged.entry.body["report"],
        report=judged.report,
        decision=judged.decision,
        intended=intended_then(workspace, judged),
        environment=trained["environment"],
        created=judged.entry.time,
    )
