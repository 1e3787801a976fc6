"""The user's prices, completed by what was measured here: speed, length of texts, the last training."""

from __future__ import annotations

import time
from typing import Any

from pydantic import ValidationError

from pvcore.advice.costs import Prices
from pvcore.config import Workspace, explain
from pvcore.cycle import candidate, data
from pvcore.cycle.situation import Situation
from pvcore.errors import ConfigError
from pvcore.problems import PROBLEMS

LETTERS = 4
"""Letters a token of English text: the rule of thumb of API price lists, where no count is given."""
TIMED = 100
"""Cases that are answered to measure a champion's speed."""


def prices(
    workspace: Workspace, problem: str, said: Situation, rows: list[Any], missing: int
) -> Prices | None:
    """The user's prices, completed by what was measured here; `missing` examples are still to be annotated.

    None without any. Raises ConfigError with every fault.
    """
    if not said.prices:
        return None
    posed = PROBLEMS[problem]
    known: dict[str, Any] = {"examples": missing, "minutes_per_label": said.minutes_per_case}
    if said.cases_per_month:
        known["cases_per_month"] = said.cases_per_month
    if rows:
        letters = sum(len(posed.prompt(row.text)) for row in rows[:500]) / len(rows[:500])
        known["tokens_in"] = letters / LETTERS
    trained = [e for e in workspace.ledger.entries() if e.kind == "Trained" and e.body["problem"] == problem]
    if trained:  # the longest, for runs of a learning curve are trainings, too
        known["training_hours"] = max(entry.body["seconds"] for entry in trained) / 3600
    if "cases_per_hour" not in said.prices and (speed := cases_per_hour(workspace, problem, rows)):
        known["cases_per_hour"] = speed
    try:
        return Prices.model_validate(known | said.prices)
    except ValidationError as error:
        raise ConfigError(explain("prices", error)) from None


def cases_per_hour(workspace: Workspace, problem: str, rows: list[Any]) -> float | None:
    """How many cases the champion answers an hour on this machine, loading not counted; None without one."""
    champion = candidate.champion_of(workspace, problem)
    if champion is None or not rows:
        return None
    asked = candidate.load_specification(workspace, champion.manifest.specification)
    terms = data.terms(workspace, asked)
    guardrails = workspace.policy(workspace.recipe(problem).policy).guardrails
    files, base = champion.manifest.adapter["files"], asked.settings["base"]
    number = min(TIMED, len(rows))
    with candidate.opened(workspace, files, base) as ask:

        def seconds(of: int) -> float:
            started = time.perf_counter()
            ask(rows[:of], terms=terms, policy=guardrails)
            return time.perf_counter() - started

        seconds(1)  # what is asked first is slower: libraries, memory and vectors of terms are made ready
        once, all_of_them = seconds(1), seconds(number)
    return 3600 * (number - 1) / max(1e-3, all_of_them - once) if number > 1 else None
