"""Versions that a candidate is compared with, each asked once: the champion, and the anchor that the policy names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pvcore.config import Workspace
from pvcore.cycle.lineage import consumed
from pvcore.errors import NotFound, PvError
from pvcore.evaluation.comparing import ANCHOR, CHAMPION
from pvcore.evaluation.policy import Policy
from pvcore.records import Prediction
from pvcore.registry.ledger import Entry, State
from pvcore.registry.names import find
from pvcore.registry.version import Version, read_version

UNASKED = "{} could not be asked: "
"""How a reason begins where a version, by name, was there and did not answer."""


@dataclass(frozen=True)
class References:
    """Versions by the name that a report gives them, and why one that the policy asks for is not among them."""

    versions: Mapping[str, Version]
    unavailable: Mapping[str, str] = field(default_factory=dict)

    @property
    def specifications(self) -> list[str]:
        """What trained them: none of them may be judged by a case that it has learned from."""
        return [version.manifest.specification for version in self.versions.values()]

    def answered(
        self, answer: Callable[[Version], list[Prediction]]
    ) -> tuple[dict[str, list[Prediction]], dict[str, str]]:
        """(name -> answers, name -> why there are none). A version with two names is asked once.

        A champion that cannot be asked raises; an anchor that cannot is a reason for the gate.
        """
        found: dict[str, list[Prediction]] = {}
        missing = dict(self.unavailable)
        for name, version in self.versions.items():
            known = next((n for n in found if self.versions[n].digest == version.digest), None)
            try:
                found[name] = found[known] if known else answer(version)
            except PvError as error:
                if name != ANCHOR:
                    raise
                missing[name] = f"{UNASKED.format(version.name)}{error}"
        return found, missing


def references_of(
    workspace: Workspace, state: State, problem: str, policy: Policy, champion: Version | None
) -> References:
    """The champion, and the anchor that the policy asks for by this state; neither before the first promotion."""
    asked = policy.problems.get(problem)
    if champion is None:
        return References({})
    if asked is None or asked.anchor is None:
        return References({CHAMPION: champion})
    try:
        anchor = read_version(workspace.store, anchor_entry(state, problem, asked.anchor.version))
        consumed(workspace, anchor.manifest.specification)
    except PvError as error:
        return References({CHAMPION: champion}, {ANCHOR: str(error)})
    return References({CHAMPION: champion, ANCHOR: anchor})


def anchor_entry(state: State, problem: str, which: str) -> Entry:
    """The entry of the version that an anchor means. Raises NotFound, also for a version of another problem."""
    first = [switch.body["version"] for switch in state.history(problem)[:1]]
    found = find(state, first[0] if which == "first" and first else which)
    if found.body["problem"] != problem:
        raise NotFound(
            f"the policy's anchor {which} is a version of {found.body['problem']}, not of {problem}."
        )
    return found
