"""What travels through the platform: Case, Annotation, Example, Question, Prediction with its guardrails.

All are frozen, hold only JSON values, and turn into the same canonical JSON on every machine, so
that a digest of them means the same everywhere.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

CRITERIA = ("death", "life_threatening", "hospitalisation", "disabling", "congenital_anomaly", "other")
"""The seriousness criteria of ICH E2B(R3) E.i.3.2 a-f, in the standard's order."""


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, no spaces and UTF-8: one value has one sequence of bytes.

    NaN and infinity raise ValueError, because JSON has no name for them.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def listed(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """What an annotation's value lists under a name (`criteria`, `unknown`); nothing where no list of names stands.

    Batches were admitted, and are kept, before the door refused `"criteria": null`.
    """
    found = value.get(name)
    return tuple(item for item in found if isinstance(item, str)) if isinstance(found, list | tuple) else ()


def digest(value: Any) -> str:
    """SHA-256 (64 hex digits) of bytes as they are, or of anything else as canonical JSON."""
    return hashlib.sha256(value if isinstance(value, bytes) else canonical(value)).hexdigest()


@dataclass(frozen=True, slots=True)
class Reaction:
    """One reaction (E.i): verbatim, the coded LLT with its MedDRA version, and what it led to.

    A criterion of `seriousness` that is not a key is not known (E2B nullFlavor NI), never False.
    `pt_name` stands alone where a source codes Preferred Terms by name only (VAERS).
    """

    verbatim: str = ""
    llt_code: str | None = None
    meddra_version: str | None = None
    pt_name: str | None = None
    seriousness: Mapping[str, bool] = field(default_factory=dict)
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Drug:
    """One drug (G.k): name as reported and its role (suspect, concomitant, interacting or None)."""

    name: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One individual case safety report. `received` is YYYY-MM-DD or None; `age_years` in years."""

    case_id: str
    narrative: str
    source: str = ""
    received: str | None = None
    age_years: float | None = None
    sex: str | None = None
    country: str | None = None
    language: str = "en"
    drugs: tuple[Drug, ...] = ()
    reactions: tuple[Reaction, ...] = ()


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one annotator said of one case for one problem.

    `target` says which part of the case is meant: "" for the whole case, the verbatim for coding.
    `value` is the problem's own JSON: {"serious": true, "criteria": ["death"]} for seriousness,
    {"llt_code": "90000001"} (or {"pt_name": ...}) for coding. Where `criteria` names any, the others are
    not met, but for those under "unknown" (E2B nullFlavor NI, or the annotators differ).
    """

    case_id: str
    problem: str
    value: Mapping[str, Any]
    annotator: str
    target: str = ""
    time: str | None = None
    guideline: str | None = None
    meddra_version: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its answer, as a problem poses it to a model.

    `label` is a class name (classification) or a code (coding). `cluster` names the group of
    near-identical cases that must never be split between training and test. `slices` are the
    names of the groups that the gate looks at one by one. `criteria` are further findings, met or not;
    one that is no key is not known, never False. `given` as in a Question.
    """

    example_id: str
    case_id: str
    text: str
    label: str
    cluster: str
    slices: tuple[str, ...] = ()
    criteria: Mapping[str, bool] | None = None
    given: tuple[str, ...] = ()


class Question(NamedTuple):
    """What a model is asked of a case. `given` are terms of the case's own fields: where the text reports one,
    an answer that lists drugs or events must not lose it.
    """

    example_id: str
    text: str
    given: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guardrail:
    """One check of one prediction: what was measured, what it was held against, how it ended.

    `outcome` is pass, warn (the answer is given and a person should look) or withhold. `value` and
    `threshold` are None where nothing could be measured; `words` says why and for whom.
    """

    name: str
    value: float | None
    threshold: float | None
    outcome: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer to one example.

    `score` is the number that the answer was decided by (probability of the positive class;
    cosine similarity of the best term). `ranked` is the ranking, best first, as (label, score).
    `input_digest` is the SHA-256 of the text as it was put to the model; `notes` names what was
    done to the input ("head and tail of 812 tokens") and what was not sure. `criteria` are the
    probabilities of the further findings that the model was able to learn, in the problem's order;
    `met` names those that reach their threshold. `confidence` is the calibrated probability that the
    answer is right, None where none was calibrated. `policy` is the digest of the policy whose guardrails let it
    through.

    An answer that a guardrail stopped is no answer: `answer` is "", `met` is empty, and what would have
    been said stands in `withheld`, for the person who now has to look. A set may be empty, so that "" alone says
    neither: `stopped` does.
    """

    example_id: str
    answer: str
    score: float
    ranked: tuple[tuple[str, float], ...] = ()
    input_digest: str = ""
    version: str = ""
    dictionary: str | None = None
    notes: tuple[str, ...] = ()
    criteria: tuple[tuple[str, float], ...] = ()
    met: tuple[str, ...] = ()
    confidence: float | None = None
    guardrails: tuple[Guardrail, ...] = ()
    withheld: str = ""
    policy: str | None = None

    @property
    def stopped(self) -> bool:
        """Whether a guardrail withheld the answer."""
        return bool(self.withheld) or any(check.outcome == "withhold" for check in self.guardrails)

    @property
    def said(self) -> str:
        """What the model said, given or withheld."""
        return self.withheld if self.stopped else self.answer

    @property
    def raised(self) -> tuple[Guardrail, ...]:
        """The guardrails that did not pass."""
        return tuple(check for check in self.guardrails if check.outcome != "pass")
