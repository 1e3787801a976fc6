"""The check of a version loaded for real: what the policy asks of it, and what the door looks for.

Written by `pvcore.cycle.loaded` as a Loaded entry: a fresh process fetched the adapter from the registry and
answered the golden cases.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from pvcore.errors import GateError
from pvcore.registry.ledger import Entry, State

LOADED = "Loaded"


class LoadedPolicy(BaseModel):
    """The section `loaded` of policy.yaml. Without it nothing is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    required: bool = Field(default=False, description="no approval is requested without a check that passed")
    cases: int = Field(
        default=16, ge=1, description="held-out examples, and twice as many texts of behaviour tests at most"
    )
    rounds: int = Field(default=5, ge=3, description="of both models in turn; the median counts")
    latency: float = Field(
        default=1.5,
        gt=0,
        description="most that a round may take, times the champion's, after one re-measure",
    )


def last_check(state: State, version: str, report: str) -> Entry | None:
    """The newest Loaded entry of a version for one report."""
    found = (e for e in reversed(state.entries) if e.kind == LOADED and e.body["version"] == version)
    return next((e for e in found if e.body["report"] == report), None)


def require_loaded(state: State, version: str, report: str) -> None:
    """Raises GateError where the evaluation behind `report` asks for the check and none passed last."""
    for fact, advice in not_loaded(state, version, report):
        raise GateError(f"{fact}. {advice}")


def not_loaded(state: State, version: str, report: str) -> list[tuple[str, str]]:
    """What is missing of the check that the evaluation behind `report` asks for, and what to do; or nothing.

    Whether it asks stands in its Evaluated entry, so this needs no policy and holds again at the switch.
    """
    asks = any(
        e.kind == "Evaluated" and e.body["report"] == report and e.body.get("loaded") for e in state.entries
    )
    if not asks:
        return []
    name = version[:12]
    registered = state.version(version)
    if registered:
        name = f"{registered.body['problem']}@{registered.body['number']}"
    found = last_check(state, version, report)
    if found is None:
        fact = f"{name} was not loaded for real since it was evaluated, and the policy asks for it"
        return [(fact, f"Run: pv loaded {name}")]
    if found.body["outcome"] != "pass":
        reasons = "; ".join(found.body["reasons"])
        return [
            (f"{name} was loaded for real and did not pass: {reasons}", f"Again: pv loaded {name} --again")
        ]
    return []
