"""The rows of a verification: what was checked, whether it holds, and why not; what was not checked says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pvcore.errors import PvError, RegistryError

Row = dict[str, Any]
HOLDS, BROKEN, OPEN = "yes", "no", "not checked"


class NotChecked(Exception):
    """A check that cannot be made here, with the reason."""


class Checks:
    """Rows in the order in which they were made."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def make(self, what: str, call: Callable[[], str | None], *needs: str) -> None:
        """Make one check. What `call` returns is a remark on a check that holds.

        `needs` names checks that this one rests on: where one of them does not hold, it is not made.
        """
        held = {row["check"] for row in self.rows if row["holds"] == HOLDS}
        open_ = [name for name in needs if name not in held]
        self.rows.append({"check": what, **(_resting(open_[0]) if open_ else _made(call))})


def _resting(name: str) -> Row:
    return {"holds": OPEN, "why": f"it rests on a check that does not hold: {name}"}


def _made(call: Callable[[], str | None]) -> Row:
    try:
        return {"holds": HOLDS, "why": call() or ""}
    except NotChecked as reason:
        return {"holds": OPEN, "why": str(reason)}
    except PvError as error:
        return {"holds": BROKEN, "why": str(error)}
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        # A forger's blob may be any JSON, or none.
        return {"holds": BROKEN, "why": f"it does not have the form that is expected: {error!r}"[:300]}


def require_same(what: str, pairs: Mapping[str, tuple[Any, Any]], here: str, there: str) -> None:
    """Raise RegistryError that names every pair whose sides differ: what `here` says, and what `there`."""
    wrong = [
        f"{name} is {_short(one)} in {here}, {_short(other)} in {there}"
        for name, (one, other) in pairs.items()
        if one != other
    ]
    if wrong:
        raise RegistryError(f"{what}: {'; '.join(wrong)}")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 72 else f"{text[:60]}... ({len(text)} characters)"


def differences(
    stored: Any, made: Any, place: str = "", *, defaults: Mapping[str, Any] | None = None
) -> list[str]:
    """Where two JSON values differ; numbers that agree to nine digits are the same (other libraries round so).

    A field of `defaults` that the stored one lacks is the same where the made one has the default.
    """
    if isinstance(stored, dict) and isinstance(made, dict):
        known = defaults or {}
        both = {name: known[name] for name in made if name not in stored and name in known} | stored
        found = [f"{place}.{name}".strip(".") for name in sorted({*both} ^ {*made})]
        where = [f"{name} is in one of them only" for name in found]
        return where + [
            line
            for name in sorted({*both} & {*made})
            for line in differences(both[name], made[name], f"{place}.{name}".strip("."), defaults=defaults)
        ]
    if isinstance(stored, list) and isinstance(made, list) and len(stored) == len(made):
        pairs = enumerate(zip(stored, made, strict=True), 1)
        return [
            line
            for n, (one, other) in pairs
            for line in differences(one, other, f"{place}, {n}", defaults=defaults)
        ]
    if _number(stored) and _number(made) and abs(stored - made) <= 1e-9 * max(abs(stored), abs(made), 1e-3):
        return []
    return [] if stored == made else [f"{place} is {_short(stored)}, made again {_short(made)}"]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
