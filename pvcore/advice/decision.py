"""Fine-tune a small model, prompt a large one, annotate first, or leave it to people: a ladder of questions.

Each question has an answer that goes on and one that ends, with what it ends in. The same table is asked,
drawn as a flowchart, and asked again with one answer turned, which shows what would change the outcome.

    >>> facts = Facts(cases_per_month=20_000, fixed_answers=True, guideline=True, kappa=0.81, examples=1_400,
    ...               enough=500, target=0.8, reached=Interval(0.83, 0.81, 0.85), data_may_leave=False)
    >>> found = decide(facts)
    >>> found.outcome, [step.name for step in found.path]
    ('fine-tune', ['volume', 'form', 'agreement', 'examples', 'target', 'constraints'])
    >>> [(change.step, change.outcome) for change in found.changes][:2]
    [('volume', 'people'), ('form', 'people')]

The order follows what cannot be bought: a rule first, then agreement on it, then examples, then price.
Ranges of examples: `sufficiency`. Agreement: a kappa of 0.6 is the lower end of "substantial" (Landis & Koch
1977); labels that people do not share cannot be learned better than they agree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from pvcore.advice.costs import Costs
from pvcore.evaluation.curve import Interval

Outcome = Literal["fine-tune", "large model", "annotate first", "people"]
MEANING: Mapping[Outcome, str] = {
    "fine-tune": "fine-tune a small model",
    "large model": "prompt a large general model",
    "annotate first": "annotate first, then ask again",
    "people": "leave it to people",
}
KAPPA = 0.6
"""Agreement that is asked for before anything is trained."""
HOURS = 8.0
"""Hours of people's work a month below which no model pays for its validation."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known; None is unknown. `reached` is the score of a model on the user's data, measured or read from
    the learning curve, `ahead` what it would be with `more` examples; `enough` the low end of the range to start with;
    `minutes` a person's, for a case. The constraints: whether texts may leave the house, whether an answer has
    to be the same bytes years later, whether each model must be shown to an auditor.
    """

    cases_per_month: float | None = None
    minutes: float = 2.0
    fixed_answers: bool | None = None
    guideline: bool | None = None
    kappa: float | None = None
    kappa_between: Interval | None = None
    examples: int = 0
    enough: int = 500
    target: float | None = None
    reached: Interval | None = None
    ahead: Interval | None = None
    more: int = 500
    rows_for_target: float | None = None
    flat: bool = False
    data_may_leave: bool | None = None
    same_answer: bool | None = None
    audited: bool | None = None
    costs: Costs | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A question that was reached: its answer in words, `goes_on` or not, and where it ends."""

    name: str
    question: str
    evidence: str
    goes_on: bool
    ends_in: Outcome


@dataclass(frozen=True, slots=True)
class Change:
    """If the answer to `step` were the other one, the outcome would be `outcome`."""

    step: str
    words: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Advice:
    """The outcome, the questions that led to it in order, what would change it, and where each question ends."""

    outcome: Outcome
    path: tuple[Step, ...]
    changes: tuple[Change, ...]
    ends: Mapping[str, Outcome]

    @property
    def reasons(self) -> tuple[str, ...]:
        """A sentence a question, the one that decided last."""
        return tuple(f"{step.question} {step.evidence}" for step in self.path)


@dataclass(frozen=True, slots=True)
class Rung:
    """A question of the ladder. `ask` gives (goes on or not, the evidence in words); `ends` where it ends if not;
    `otherwise` says in words what the other answer would be, for (going on now, ended now)."""

    name: str
    question: str
    ask: Callable[[Facts], tuple[bool, str]]
    ends: Callable[[Facts], Outcome]
    otherwise: tuple[str, str]


def decide(facts: Facts) -> Advice:
    """Ask the ladder from its first question; see the module."""
    outcome, path = _asked(facts, {})
    changes = []
    for step in path:
        other, _ = _asked(facts, {step.name: not step.goes_on})
        if other != outcome:
            words = next(rung for rung in LADDER if rung.name == step.name).otherwise[not step.goes_on]
            changes.append(Change(step.name, words, other))
    return Advice(outcome, tuple(path), tuple(changes), {rung.name: rung.ends(facts) for rung in LADDER})


def _asked(facts: Facts, turned: Mapping[str, bool]) -> tuple[Outcome, list[Step]]:
    path = []
    for rung in LADDER:
        goes_on, evidence = rung.ask(facts)
        goes_on = turned.get(rung.name, goes_on)
        path.append(Step(rung.name, rung.question, evidence, goes_on, rung.ends(facts)))
        if not goes_on:
            return rung.ends(facts), path
    return "large model", path


def _volume(facts: Facts) -> tuple[bool, str]:
    if facts.cases_per_month is None:
        return True, "The volume is not known; taken as enough."
    hours = facts.cases_per_month * facts.minutes / 60
    return hours >= HOURS, (
        f"{facts.cases_per_month:,.0f} cases a month are {_beside(hours, HOURS, 0)} hours of people's work; below "
        f"{HOURS:.0f} no model pays for its validation."
    )


def _form(facts: Facts) -> tuple[bool, str]:
    if facts.fixed_answers and facts.guideline is not False:
        rule = (
            "a guideline says how to choose" if facts.guideline else "whether a guideline stands is not known"
        )
        return True, f"The answers are classes, terms or spans, and {rule}."
    lacks = "Answers are free text" if not facts.fixed_answers else "No written guideline says how to choose"
    return False, f"{lacks}: there is nothing consistent to learn."


def _agreement(facts: Facts) -> tuple[bool, str]:
    if facts.kappa is None:
        return False, "Nobody knows: no case was judged by two people. Let two judge the same 50 cases."
    sure = facts.kappa_between
    between = f" ({sure.low:.2f} to {sure.high:.2f})" if sure else ""
    return facts.kappa >= KAPPA, f"Kappa is {_beside(facts.kappa, KAPPA, 2)}{between}; {KAPPA} is asked for."


def _beside(value: float, bound: float, digits: int) -> str:
    """A number with as many digits as tell it from the bound that it is held against."""
    while value != bound and round(value, digits) == round(bound, digits):
        digits += 1
    return f"{value:,.{digits}f}"


def _examples(facts: Facts) -> tuple[bool, str]:
    found = f"{facts.examples:,} labelled examples; {facts.enough:,} are a starting point."
    if facts.examples >= facts.enough:
        return True, found
    if _surely(facts):
        return True, f"{found} The target is reached with fewer."
    if facts.flat:
        return (
            True,
            f"{found} The learning curve of this data is flat already: more of the same brings nothing.",
        )
    need = facts.rows_for_target
    more = f" The learning curve reaches the target at about {need:,.0f}." if need else ""
    return False, f"{found} {facts.enough - facts.examples:,} more are needed to start with.{more}"


def _surely(facts: Facts) -> bool:
    return facts.target is not None and facts.reached is not None and facts.reached.low >= facts.target


def _target(facts: Facts) -> tuple[bool, str]:
    if facts.target is None or facts.reached is None:
        return True, "No target was set or nothing was measured yet: `pv curve` measures it on your data."
    high = _beside(facts.reached.high, facts.target, 3)
    shown = f"{facts.reached.value:.3f} ({facts.reached.low:.3f} to {high})"
    if facts.reached.high >= facts.target:
        return True, f"A model reaches {shown} of the {facts.target:g} that is asked for."
    if facts.ahead is None:
        return False, f"A model reaches {shown}, short of {facts.target:g}."
    ahead = f"{facts.ahead.value:.3f} with {facts.more:,} more examples"
    if facts.flat:
        return False, f"A model reaches {shown}, short of {facts.target:g}, and the curve is flat ({ahead})."
    return False, f"A model reaches {shown}, short of {facts.target:g}; {ahead}."


def _free(facts: Facts) -> tuple[bool, str]:
    bound = [
        words
        for asked, words in (
            (
                facts.data_may_leave is not True,
                "texts may not leave the house (or nobody has said that they may)",
            ),
            (facts.same_answer is True, "an answer has to be the same bytes years later"),
            (facts.audited is True, "what was trained on what has to be shown"),
        )
        if asked
    ]
    if bound:
        return False, f"No: {'; '.join(bound)}."
    return True, "Yes: texts may leave, and neither the same bytes nor an audit are asked for."


def _price(facts: Facts) -> tuple[bool, str]:
    if facts.costs is None:
        return (
            False,
            "No prices were given, so price speaks for neither; the small model's answers can be shown again.",
        )
    costs = facts.costs
    even = "never" if costs.break_even is None else f"from {costs.break_even:,.0f} cases a month"
    return not costs.cheaper, (
        f"Small model {costs.local_total:,.0f}, API {costs.api_total:,.0f} over all months; the small one is cheaper "
        f"{even}."
    )


def _without_model(facts: Facts) -> Outcome:
    free = facts.data_may_leave is True and facts.same_answer is not True and facts.audited is not True
    return "large model" if free else "people"


def _short_of_target(facts: Facts) -> Outcome:
    return "people" if facts.flat else "annotate first"


LADDER: tuple[Rung, ...] = (
    Rung(
        "volume", "Is there work enough for a machine?", _volume, lambda f: "people",
        ("too few cases a month", "enough cases a month"),
    ),
    Rung(
        "form", "Has every answer a fixed form, and a rule?", _form, _without_model,
        ("free text, or no rule", "a list of answers and a written rule"),
    ),
    Rung(
        "agreement", "Do people agree on it?", _agreement, lambda f: "annotate first",
        ("people disagree", f"two people reach a kappa of {KAPPA}"),
    ),
    Rung(
        "examples", "Are there examples enough?", _examples, lambda f: "annotate first",
        ("too few examples", "enough examples"),
    ),
    Rung(
        "target", "Does a small model reach what is asked for?", _target, _short_of_target,
        ("the target is out of reach", "the target is reached"),
    ),
    Rung(
        "constraints", "May a model outside the house answer?", _free, lambda f: "fine-tune",
        ("texts must stay, or an audit is asked for", "texts may leave, no audit, no same bytes"),
    ),
    Rung(
        "price", "Is a large model the cheaper one?", _price, lambda f: "fine-tune",
        ("the small model is cheaper", "the large model is cheaper"),
    ),
)  # fmt: skip
"""In this order. Who answers all of them so that it goes on prompts a large model."""
