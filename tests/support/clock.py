"""A clock that goes ahead, to be put in the place of a module's `datetime`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any


def later(days: float) -> type[datetime]:
    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + timedelta(days=days)

    return Later
