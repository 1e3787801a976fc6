"""What a case costs: a small model on an own machine, a large one behind an API, a person.

All prices are the user's, in one currency. A share of the cases is looked at by a person whichever model
answers; what differs is what the answer itself costs, and what it costs to have the model at all.

    >>> prices = Prices(cases_per_month=20_000, tokens_in=900, tokens_out=40, api_in=3.0, api_out=15.0,
    ...                 machine_per_hour=1.2, cases_per_hour=15_000, training_hours=4, updates_per_year=4,
    ...                 examples=2_000, minutes_per_label=2, person_per_hour=45)
    >>> found = compare(prices)
    >>> round(found.local, 5), round(found.api, 5), round(found.person, 2)
    (8e-05, 0.0033, 1.5)
    >>> round(found.break_even)  # cases a month from which the small model is the cheaper one
    78199
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field


class Prices(BaseModel):
    """The user's prices and volumes. Tokens are those of one case, prompt and answer, as the API counts them."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cases_per_month: float = Field(gt=0)
    months: int = Field(default=24, ge=1, description="over which training and annotation are spread")
    tokens_in: float = Field(gt=0, description="of the prompt, instruction and examples included")
    tokens_out: float = Field(default=20, gt=0)
    api_in: float = Field(ge=0, description="per million tokens read")
    api_out: float = Field(ge=0, description="per million tokens written")
    calls_per_case: float = Field(default=1, ge=1, description="of the API: votes, retries, a judge")
    machine_per_hour: float = Field(ge=0, description="of the machine that answers and trains")
    cases_per_hour: float = Field(
        gt=0, description="that it answers: `pv advise` measures it where a champion is"
    )
    training_hours: float = Field(default=1, ge=0, description="of one training")
    updates_per_year: float = Field(default=4, ge=0)
    examples: int = Field(default=0, ge=0, description="still to be annotated before the first training")
    minutes_per_label: float = Field(
        default=2, gt=0, description="of a person, per annotation or case coded by hand"
    )
    annotators: int = Field(default=2, ge=1, description="who judge every example")
    person_per_hour: float = Field(default=50, ge=0)


@dataclass(frozen=True, slots=True)
class Costs:
    """Per case and over all months. `local` and `api` are an answer alone; `local_fixed` is what a small model
    costs beside its answers (annotation, trainings), over all months. `break_even`: cases a month from which
    the small model is cheaper, None where it never is.
    """

    local: float
    api: float
    person: float
    local_fixed: float
    cases: float
    break_even: float | None

    @property
    def local_total(self) -> float:
        """Of the small model over all months."""
        return self.local_fixed + self.local * self.cases

    @property
    def api_total(self) -> float:
        """Of the large model over all months."""
        return self.api * self.cases

    @property
    def person_total(self) -> float:
        """Of people who code every case by hand, over all months."""
        return self.person * self.cases

    @property
    def cheaper(self) -> bool:
        """Whether the small model costs no more than the large one."""
        return self.local_total <= self.api_total


def compare(prices: Prices) -> Costs:
    """The three ways side by side."""
    p = prices
    local = p.machine_per_hour / p.cases_per_hour
    api = p.calls_per_case * (p.tokens_in * p.api_in + p.tokens_out * p.api_out) / 1e6
    person = p.minutes_per_label / 60 * p.person_per_hour
    trainings = 1 + p.updates_per_year * p.months / 12
    fixed = p.examples * p.annotators * person + trainings * p.training_hours * p.machine_per_hour
    saved = (api - local) * p.months
    even = fixed / saved if saved > 0 else None
    return Costs(local, api, person, fixed, p.cases_per_month * p.months, even)
