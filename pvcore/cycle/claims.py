"""What a version's records and its dossier claim, made again from what is stored: nothing is taken as said.

A report follows from the stored answers and the labels of the dataset, a decision from the report and the
policy, the dossier from all of them. With the program that wrote them each must be the same bytes; with
a later one the same numbers.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import MISSING, fields
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

from pvcore.config import Workspace
from pvcore.cycle import judging, registration
from pvcore.cycle.candidate import load_specification
from pvcore.cycle.checks import differences, require_same
from pvcore.cycle.program import program_digest
from pvcore.errors import RegistryError
from pvcore.evaluation.checks import Check
from pvcore.evaluation.gate import decide
from pvcore.evaluation.report import Comparison, Group, Report
from pvcore.records import digest
from pvcore.registry.blobs import get_blob
from pvcore.registry.ledger import Entry, State
from pvcore.registry.version import Version, read_version

DEFAULTS: Mapping[str, Any] = {
    field.name: list(field.default) if isinstance(field.default, tuple) else field.default
    for noun in (Report, Group, Comparison, Check)
    for field in fields(noun)
    if field.default is not MISSING
} | {"unavailable": {}, "edition": 1}
"""Fields that records of an earlier program may lack, and what such a record means by it."""


def specification(workspace: Workspace, version: Version) -> None:
    """What the run was asked for is what the manifest says it was. Raises RegistryError."""
    manifest, asked = version.manifest, load_specification(workspace, version.manifest.specification)
    parent = registered_version(workspace, asked.parent)
    files = {f: e["sha256"] for f, e in parent.manifest.adapter["files"].items()} if parent else None
    require_same(
        "they do not fit",
        {
            "problem": (manifest.problem, asked.problem),
            "dataset": (manifest.dataset, asked.dataset),
            "parent": (manifest.parent, asked.parent),
            "parent's files": (files, dict(asked.parent_files) if asked.parent_files else None),
            "base": (dict(manifest.base), dict(asked.settings["base"])),
            "recipe": (
                dict(manifest.recipe),
                {**asked.settings, "family": asked.family, "seed": asked.seed},
            ),
            "dictionary": (manifest.dictionary, asked.dictionary or manifest.dictionary),
        },
        "the manifest",
        "the specification",
    )


def records(workspace: Workspace, version: Version) -> None:
    """The ledger's entries of training, evaluation and registration say what the manifest says, in this order."""
    state, manifest = workspace.ledger.state(), version.manifest
    registered, trained = state.version(version.digest), state.find("Trained", manifest.specification)
    judged = evaluated(workspace, version)
    if registered is None or trained is None:
        raise RegistryError("the ledger has no entry of its training: nobody knows where its adapter is from")
    adapter = manifest.adapter
    _require_order(state, version, trained, judged, registered)
    require_same(
        "they do not fit",
        {
            "adapter": (
                adapter["digest"],
                digest({f: entry["sha256"] for f, entry in adapter["files"].items()}),
            ),
            "adapter trained": (adapter["digest"], trained.body["adapter"]),
            "adapter judged": (adapter["digest"], judged.body["adapter"]),
            "adapter registered": (adapter["digest"], registered.body["adapter"]),
            "files": (dict(adapter["files"]), trained.body["files"]),
            "environment": (dict(manifest.environment), trained.body["environment"]),
            "champion": (manifest.champion, judged.body["champion"]),
            "policy": (manifest.policy, judged.body["policy"]),
            "outcome": (manifest.outcome, judged.body["outcome"]),
            "decision": (
                dict(manifest.decision),
                json.loads(get_blob(workspace.store, judged.body["decision"])),
            ),
            "cases that were read": (
                manifest.read and {part: manifest.read[part] for part in ("root", "records")},
                registered.body.get("read"),
            ),
            "number": (
                version.number,
                [e.digest for e in state.versions(version.problem)].index(registered.digest) + 1,
            ),
        },
        "the manifest",
        "the ledger",
    )


def _require_order(state: State, version: Version, trained: Entry, judged: Entry, registered: Entry) -> None:
    """Nothing is judged before it was trained, nor continued or compared with what did not exist yet."""
    manifest = version.manifest
    steps = [("trained", trained), ("judged", judged), ("registered", registered)]
    pairs = [*pairwise(steps)]
    for role, name, step in (("parent", manifest.parent, 0), ("champion", manifest.champion, 1)):
        if name and (entry := state.version(name)):
            pairs.append(((f"its {role} registered", entry), steps[step]))
    for (first, one), (then, other) in pairs:
        if one.sequence >= other.sequence:
            raise RegistryError(
                f"{then} by ledger entry {other.sequence}, but {first} by entry {one.sequence} only"
            )


def evaluated(workspace: Workspace, version: Version) -> Entry:
    """The evaluation that a version was registered with. Raises RegistryError."""
    for entry in judging.evaluations(workspace, version.manifest.specification):
        if (entry.body["report"], entry.body["policy"]) == (version.manifest.report, version.manifest.policy):
            return entry
    raise RegistryError("the ledger has no evaluation with the manifest's report and policy")


def decision(workspace: Workspace, entry: Entry) -> str:
    """The gate, asked again by the stored policy about the stored report, says the same. Raises RegistryError."""
    judged = judging.evaluation(workspace, entry.key)
    policy = judging.stored_policy(workspace, entry.body["policy"])
    made = decide(judged.report, policy.gate, first=entry.body["champion"] is None)
    if made.outcome != judged.decision.outcome or made.outcome != entry.body["outcome"]:
        raise RegistryError(
            f"report and policy give {made.outcome}, the decision says {judged.decision.outcome} "
            f"and the ledger {entry.body['outcome']}"
        )
    later = later_program(entry)
    stored = json.loads(get_blob(workspace.store, entry.body["decision"]))
    both = (_ordered(stored), _ordered(plain(made.to_json())))
    wrong = differences(*both, defaults=DEFAULTS if later else {})
    if later:  # it may put a reason into other words
        wrong = [line for line in wrong if "reason" not in line.partition(" is ")[0]]
    if wrong:
        raise RegistryError(f"the decision is not the one of its report and policy: {told(wrong)}")
    require_same(
        "they do not fit",
        {"reasons": (entry.body.get("reasons", stored["reasons"]), stored["reasons"])},
        f"ledger entry {entry.sequence}",
        "the decision",
    )
    return f"{made.outcome}, {len(made.checks)} criteria{assumed(entry)}"


def _ordered(decision: dict[str, Any]) -> dict[str, Any]:
    """Criteria in an order of their own: a stored policy has its keys sorted, the one that judged had not."""
    keys = ("rule", "group", "metric", "reference")
    checks = sorted(decision["checks"], key=lambda check: [str(check.get(key)) for key in keys])
    return {**decision, "checks": checks, "reasons": sorted(decision["reasons"])}


def dossier(workspace: Workspace, version: Version) -> str:
    """The dossier, written again from what is stored, is the one that is there. Raises RegistryError."""
    manifest, entry = version.manifest, evaluated(workspace, version)
    stored = get_blob(workspace.store, manifest.dossier).decode()
    judged = judging.evaluation(workspace, entry.key)
    made = registration.dossier(workspace, manifest.specification, judged, version.number)
    if made == stored:
        return "the same bytes, written again"
    if not later_program(entry):
        again = set(texts(made))
        wrong = [text for text in texts(stored) if text not in again]
        said = (
            "; ".join(repr(text[:80]) for text in wrong[:5]) or "its pictures, its form or what is left out"
        )
        raise RegistryError(f"written again it differs in {max(1, len(wrong))} place(s): {said}")
    claimed = claims(stored)
    if wrong := sorted((claimed - claims(made)).elements()):
        raise RegistryError(
            f"written again it does not say {', '.join(wrong[:10])}, {len(wrong)} in all{program(entry)}"
        )
    return f"a later program words it anew; its {claimed.total()} numbers, digests and outcomes are the same"


_CLAIM = re.compile(r"[0-9a-f]{12,64}|-?[0-9]+(?:\.[0-9]+)?%?|\b(?:pass|fail|inconclusive)\b")


class _Texts(HTMLParser):
    """What a reader sees of a page, passage by passage."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self.hidden = False

    def handle_data(self, data: str) -> None:
        if data.strip() and not self.hidden:
            self.found.append(" ".join(data.split()))


def texts(page: str) -> list[str]:
    """The passages of an HTML page, in order."""
    parser = _Texts()
    parser.feed(page)
    parser.close()
    return parser.found


def claims(page: str) -> Counter[str]:
    """What a page claims, however it is worded: each number, digest and outcome, as often as it stands there."""
    return Counter(claim for text in texts(page) for claim in _CLAIM.findall(text))


def later_program(entry: Entry) -> bool:
    return bool(entry.body.get("program") != program_digest())


def program(entry: Entry) -> str:
    return " (it was judged by another state of this program)" if later_program(entry) else ""


def assumed(entry: Entry) -> str:
    """The entry itself names its program, so a reader is told where that was believed."""
    said = "; the entry says that another state of this program made it, fields that this has may be absent"
    return said if later_program(entry) else ""


def told(lines: list[str]) -> str:
    more = f"; and {len(lines) - 5} more" if len(lines) > 5 else ""
    return "; ".join(lines[:5]) + more


def plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def registered_version(workspace: Workspace, name: str | None) -> Version | None:
    entry = workspace.ledger.state().version(name) if name else None
    if name and entry is None:
        raise RegistryError(f"version {name} is not registered in this ledger")
    return read_version(workspace.store, entry) if entry else None
