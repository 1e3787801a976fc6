"""Who was champion when: the switches that were in force at a time, with the signatures that made them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time
from typing import Any

from pvcore.config import Workspace
from pvcore.cycle.signed import named, signature
from pvcore.errors import ConfigError, NotFound, PvError
from pvcore.registry import promotion
from pvcore.registry.entry import Entry, utc
from pvcore.registry.proof import verify_switch
from pvcore.registry.state import State

Row = dict[str, Any]


def champions_at(workspace: Workspace, problem: str, at: str) -> list[Row]:
    """The champion at a time, or every champion of a day ("2026-03-01", UTC), oldest first; of all problems for "".

    `signed` is "yes" where the signatures are verified to ask for just this switch, else why they are not.
    Times are the clocks of those who wrote the ledger; `until` is None while a switch is in force. Raises
    NotFound for an unknown problem and for a time before its first champion, ConfigError for no time.
    """
    first, last = _span(at)
    state = workspace.ledger.state()
    if problem and problem not in state.problems():
        known = ", ".join(state.problems()) or "none"
        raise NotFound(f"the ledger knows no problem {problem!r}. It knows: {known}.")
    asked = [problem] if problem else state.problems()
    switches = [entry for name in asked for entry in _in_force(state, name, first, last)]
    if not switches:
        raise NotFound(_nobody(state, problem, at))
    return [_row(workspace, state, entry) for entry in switches]


def _nobody(state: State, problem: str, at: str) -> str:
    if not problem:
        return f"no problem had a champion at {at}."
    history = state.history(problem)
    told = f"the first one since {history[0].time}" if history else "and has none yet"
    return f"{problem} had no champion at {at}, {told}."


def _in_force(state: State, problem: str, first: datetime, last: datetime) -> list[Entry]:
    """The switches of a problem that were in force between two moments, oldest first."""
    before = state.champion_at(problem, first)
    return [e for e in state.history(problem) if e is before or first < e.moment <= last]


def _span(at: str) -> tuple[datetime, datetime]:
    """First and last moment of what was asked: of a day, or twice the same of a time."""
    with suppress(ValueError):  # a day, however ISO 8601 writes it: 20260301, 2026-W09-7
        day = date.fromisoformat(at)
        return datetime.combine(day, time.min, UTC), datetime.combine(day, time.max, UTC)
    try:
        moment = utc(at).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigError(
            f"{at!r} is no time: write 2026-03-01 for a day, or 2026-03-01T12:00:00Z (UTC where no zone stands)."
        ) from None
    return moment, moment


def _row(workspace: Workspace, state: State, switch: Entry) -> Row:
    later = [e for e in state.history(switch.body["problem"]) if e.sequence > switch.sequence]
    approvals = [named(state, reference, promotion.APPROVED) for reference in switch.body["approvals"]]
    return {
        "version": switch.body["name"],
        "since": switch.time,
        "until": later[0].time if later else None,
        "by": f"{switch.kind}, entry {switch.sequence}",
        "signatures": [signature(workspace, state, approval) for approval in approvals if approval],
        "signed": _proven(workspace, state, switch),
        "digest": switch.body["version"],
        "switch": switch.digest,
    }


def _proven(workspace: Workspace, state: State, switch: Entry) -> str:
    try:
        verify_switch(state, workspace.store, switch, keys=workspace.keys)
    except PvError as error:
        return f"no: {error}"
    return "yes"
