"""Cases to annotate next as a file that an annotator can open, and that comes back as a batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pvcore.annotations.label_studio_config import extraction_config, labeling_config
from pvcore.annotations.label_studio_write import write_tasks
from pvcore.annotations.table_write import write_answers
from pvcore.cycle.targeting import Chosen, case_of
from pvcore.errors import ConfigError
from pvcore.problems import PROBLEMS
from pvcore.problems.problem import example_id
from pvcore.records import Annotation, Prediction

TABLES: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "triage": lambda answer: {"class": answer},
    "ddi": lambda answer: {"interaction": answer == PROBLEMS["ddi"].positive},
}
"""Problems that Label Studio has no form for here: the value of an annotation that says an answer."""


def suffix_of(problem: str) -> str:
    """What a work list of a problem is: Label Studio tasks, or a table."""
    return ".csv" if problem in TABLES else ".json"


def write(chosen: Chosen, problem: str, path: Path) -> Path | None:
    """The chosen cases with the version's answers for a person to correct; filled in, they come back through the inbox.

    Label Studio tasks with predictions; of pts without: its sets are made of codings, and the PTs stand in the reason.
    Of triage and ddi a table, a row a case. Returns the configuration of the project, written beside the tasks. Raises
    ConfigError for a file of the other kind.
    """
    require_suffix(problem, path)
    answered = {case_of(p): p.said for p in chosen.predictions if p.said}
    if problem in TABLES:
        answers = {case_id: TABLES[problem](said) for case_id, said in answered.items()}
        write_answers(chosen.cases, path, problem, answers=answers, reasons=chosen.reasons)
        return None
    reasons = chosen.reasons
    if problem == "pts":
        reasons = {name: f"{why}; PTs: {answered.get(name) or 'none'}" for name, why in reasons.items()}
    suggestions = [said for p in chosen.predictions for said in _suggestions(problem, chosen, p)]
    return write_tasks(
        chosen.cases, path, suggestions=suggestions, reasons=reasons, spans=problem == "extraction"
    )


def require_suffix(problem: str, path: Path) -> None:
    """Raises ConfigError where a file's name is not that of a problem's work list."""
    if path.suffix != suffix_of(problem):
        raise ConfigError(f"{path.name}: a work list of {problem} is written as {suffix_of(problem)}.")


def write_config(problem: str, path: Path) -> None:
    """The configuration of a project for a problem's tasks, beside them; of a table there is none."""
    if problem not in TABLES:
        text = extraction_config() if problem == "extraction" else labeling_config()
        path.with_suffix(".config.xml").write_text(text, "utf-8")


def _suggestions(problem: str, chosen: Chosen, prediction: Prediction) -> list[Annotation]:
    """The answer as a pre-annotation, where Label Studio's form of this problem can show one."""
    case_id, said = case_of(prediction), prediction.said
    if problem == "seriousness" and said:
        serious = said == PROBLEMS[problem].positive
        value: dict[str, Any] = {"serious": serious}
        if (
            serious and prediction.met
        ):  # a case that is not serious meets none: accepted as it is, it would be refused
            value["criteria"] = list(prediction.met)
        return [Annotation(case_id, problem, value, chosen.version)]
    if problem == "extraction" and said:
        return [Annotation(case_id, problem, {"spans": json.loads(said)["spans"]}, chosen.version)]
    if problem == "coding" and said:
        return [
            Annotation(
                case_id, problem, {"llt_code": said}, chosen.version, target=reaction.verbatim,
                meddra_version=prediction.dictionary,
            )
            for case in chosen.cases
            if case.case_id == case_id
            for reaction in case.reactions
            if reaction.verbatim and example_id(case_id, problem, reaction.verbatim) == prediction.example_id
        ]  # fmt: skip
    return []
