"""How often each guardrail did not pass on the held-out cases, and what it was held against."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pvcore.dossier import words
from pvcore.evaluation.reliability import Reliability


def guardrail_rows(found: Reliability, counted: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a guardrail: its threshold, cases that were checked, warned, withheld.

    `counted` is of `count`; without it only those that were raised are known.
    """
    raised = {name: {**of, "threshold": None, "checked": None} for name, of in found.raised.items()}
    return [
        {
            "name": name,
            "meaning": words.GUARDRAILS.get(name, ""),
            "threshold": "" if of["threshold"] is None else f"{of['threshold']:.4g}",
            "checked": "" if of["checked"] is None else f"{of['checked']:,}",
            "warned": of.get("warn", 0),
            "withheld": of.get("withhold", 0),
        }
        for name, of in (counted or raised).items()
    ]


def count(predictions: Iterable[bytes]) -> dict[str, dict[str, Any]]:
    """Guardrail -> its threshold, predictions checked, passed, warned and withheld, from stored predictions.

    A threshold that is not the same for all of them is None.
    """
    outcomes: dict[str, Counter[str]] = {}
    thresholds: dict[str, set[float | None]] = {}
    for line in predictions:
        for check in json.loads(line)["guardrails"]:
            outcomes.setdefault(check["name"], Counter())[check["outcome"]] += 1
            thresholds.setdefault(check["name"], set()).add(check["threshold"])
    return {
        name: {
            "threshold": min(thresholds[name], key=str) if len(thresholds[name]) == 1 else None,
            "checked": counts.total(),
            **counts,
        }
        for name, counts in sorted(outcomes.items())
    }
