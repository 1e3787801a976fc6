"""What the gate does over many evaluations: how often it errs, printed as the tables of docs/benchmarks/gate.md.

    python benchmarks/gate_simulation.py [rounds]

Simulated are answers: the champion has 90% of the cases right, and a candidate differs from it in a given share of
them, in both directions, by as much as its true difference says. What is measured of the answers goes through the
gate's own functions into a report, and `decide` judges it by the policy below. Only the bootstrap is drawn by its
law (with one row a cluster the resampled sum is multinomial) instead of row by row, which is 50 times faster;
the last table judges a sample both ways.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvcore.evaluation import compare, paired
from pvcore.evaluation import metrics as m
from pvcore.evaluation.comparing import ANCHOR, CHAMPION
from pvcore.evaluation.gate import Decision, decide
from pvcore.evaluation.policy import Policy
from pvcore.evaluation.report import Comparison, Estimate, Group, Report, Result
from pvcore.records import Example, Prediction

Bools = NDArray[np.bool_]
RIGHT, DIFFER, SLICES, RESAMPLES, SEED = 0.90, 0.08, 20, 1000, 17
MARGIN, SLICE_MARGIN, MINIMUM = 0.02, 0.10, 30
STEP, SUCCESSIVE = 0.005, 50


def policy(slices: int = SLICES, maximum_uses: int = 12, slice_margin: float = SLICE_MARGIN) -> Policy:
    """That of docs/reference/policy.md for 3,000 held-out cases: 2 points overall, 10 in a slice."""
    rule = {"metric": "accuracy", "margin": slice_margin, "minimum": MINIMUM}
    section = {
        "non_inferiority": {"accuracy": {"margin": MARGIN}},
        "anchor": {"version": "first", "non_inferiority": {"accuracy": {"margin": MARGIN}}},
        "slices": {f"slice {n:02d}": rule for n in range(slices)},
    }
    settings = {"resamples": RESAMPLES, "maximum_uses": maximum_uses}
    return Policy.model_validate({"problems": {"seriousness": section}, "evaluation": settings})


# --- answers ----------------------------------------------------------------------------------------


def moved(rng: np.random.Generator, right: Bools, share: float, difference: float, differ: float) -> Bools:
    """Answers of a model that differs from one with `share` right in `differ` of all cases, truly by `difference`."""
    lost, won = (differ - difference) / 2 / share, (differ + difference) / 2 / (1 - share)
    draw = rng.random(len(right))
    return np.where(right, draw >= lost, draw < won)


# --- from answers to a decision ---------------------------------------------------------------------


def measured(right: Bools, others: Mapping[str, Bools], slices: int, uses: int = 1) -> Report:
    """What `evaluate` reports of accuracy, with the bootstrap drawn by its law. Slices are equal parts, in order."""
    parts = np.array_split(np.arange(len(right)), slices) if slices else []
    groups = {"all": np.arange(len(right)), **{f"slice {n:02d}": part for n, part in enumerate(parts)}}
    found = {
        name: _group(name, right[at], {who: v[at] for who, v in others.items()})
        for name, at in groups.items()
    }
    return Report(
        "seriousness", found.pop("all"), found, tuple(others), "", uses, 0.95, RESAMPLES, SEED, fresh=len(right)
    )  # fmt: skip


def _group(name: str, right: Bools, others: Mapping[str, Bools]) -> Group:
    rows = len(right)
    against = {
        who: _compared(rows, int((right & ~other).sum()), int((~right & other).sum()))
        for who, other in others.items()
    }
    result = Result("accuracy", rows, True, _alone(rows, int(right.sum())), against)
    return Group(name, rows, rows, {}, {"accuracy": result})


@cache
def _alone(rows: int, right: int) -> Estimate:
    drawn = np.random.default_rng([SEED, rows, right]).binomial(rows, right / rows, RESAMPLES)
    return compare._estimate(right / rows, drawn / rows, 0.95)


@cache
def _compared(rows: int, won: int, lost: int) -> Comparison:
    """The comparison of two models of which one alone is right in `won` rows and the other in `lost`."""
    drawn = np.random.default_rng([SEED, rows, won, lost]).multinomial(
        rows, [won / rows, lost / rows, 1 - (won + lost) / rows], RESAMPLES
    )
    codes = np.arange(rows)
    first, second = codes < won, (codes >= won) & (codes < won + lost)
    estimate = compare._estimate((won - lost) / rows, (drawn[:, 0] - drawn[:, 1]) / rows, 0.95)
    difference = compare._widened_difference(estimate, first, second, codes, 0.95)
    sign = paired.sign_test(first, second, codes)
    return Comparison(estimate, difference, sign.p_worse, compare.EXACT, sign.better, sign.worse, rows)


class Judged(NamedTuple):
    """One evaluation: the decision, and how its slices ended."""

    decision: Decision
    slices: Counter[str]

    def of(self, name: str) -> str:
        """How one slice ended."""
        return next(check.outcome for check in self.decision.checks if check.group == name)


def judged(report: Report, asked: Policy) -> Judged:
    found = decide(report, asked, first=False)
    return Judged(found, Counter(c.outcome for c in found.checks if c.group != "all"))


def once(
    rng: np.random.Generator, rows: int, difference: float, differ: float, slices: int = SLICES
) -> Judged:
    """A candidate beside a champion that is the anchor, at the first use of the cases, with slices or without."""
    champion = rng.random(rows) < RIGHT
    candidate = moved(rng, champion, RIGHT, difference, differ)
    return judged(measured(candidate, {CHAMPION: champion, ANCHOR: champion}, slices), policy(slices))


# --- the claims -------------------------------------------------------------------------------------


def percent(share: float) -> str:
    return f"{100 * share:.1f}%"


def table(*rows: tuple[Any, ...]) -> None:
    head, *rest = rows
    print("| " + " | ".join(map(str, head)) + " |")
    print("|---" * len(head) + "|")
    for row in rest:
        print("| " + " | ".join(map(str, row)) + " |")
    print(flush=True)


def one_evaluation(rounds: int) -> None:
    """Equal models and worse ones, at several sizes: what passes."""
    rows: list[tuple[Any, ...]] = [
        (
            "held-out cases",
            "differ in",
            "equal passes",
            "equal blocked",
            "1 point worse passes",
            "2 points worse passes",
        )
    ]
    for size in (500, 1000, 3000):
        for differ in (0.04, DIFFER):
            rng = np.random.default_rng([SEED, size, round(1000 * differ)])
            passes = [
                np.mean([once(rng, size, d, differ, 0).decision.outcome == "pass" for _ in range(rounds)])
                for d in (0.0, -0.01, -0.02)
            ]
            shown = [percent(float(p)) for p in passes]
            rows.append((f"{size:,}", percent(differ), shown[0], percent(1 - float(passes[0])), *shown[1:]))
    table(*rows)


def families(rounds: int) -> None:
    """Twenty slices of equal models: how often any fails, any is inconclusive, and what of harm is found."""
    rows: list[tuple[Any, ...]] = [
        ("cases a slice", "any slice fails", "the same, margin 2 points", "any slice fails or is inconclusive",
         "whole gate blocks", "slice worse by 10 points passes", "slice worse by 20 points passes")
    ]  # fmt: skip
    for size in (40, 60, 80, 100, 150):
        rng = np.random.default_rng([SEED, size])
        ended, blocked, strict, harmed = [], [], [], []
        for _ in range(rounds):
            report = _equal(rng, size, 0.0)
            found = judged(report, policy())
            ended.append(found.slices)
            blocked.append(found.decision.outcome != "pass")
            strict.append(judged(report, policy(slice_margin=0.02)).slices)
            harmed.append([judged(_equal(rng, size, harm), policy()).of("slice 00") for harm in (-0.1, -0.2)])
        shares = (
            [slices["fail"] > 0 for slices in ended],
            [slices["fail"] > 0 for slices in strict],
            [slices["pass"] < SLICES for slices in ended],
            blocked,
            [low == "pass" for low, _ in harmed],
            [high == "pass" for _, high in harmed],
        )
        rows.append((size, *(percent(float(np.mean(share))) for share in shares)))
    table(*rows)


def _equal(rng: np.random.Generator, size: int, harm: float) -> Report:
    """Equal models, but for the first slice, in which the candidate is worse by `harm`."""
    champion = rng.random(size * SLICES) < RIGHT
    candidate = moved(rng, champion, RIGHT, 0.0, DIFFER)
    if harm:
        candidate[:size] = moved(rng, champion[:size], RIGHT, harm, DIFFER - harm)
    return measured(candidate, {CHAMPION: champion, ANCHOR: champion}, SLICES)


def successive(runs: int) -> None:
    """Fifty candidates in a row, each half a point worse than its champion: what is lost against the anchor."""
    rows: list[tuple[Any, ...]] = [
        (
            "references",
            "uses of one set",
            "differ in",
            "mean loss",
            "95% of runs lose at most",
            "runs that lose at most 2 points",
        )
    ]
    both = (CHAMPION, ANCHOR)
    for names, budget, differ, growing in (
        ((CHAMPION,), SUCCESSIVE, DIFFER, True), (both, 12, DIFFER, False), (both, 1, DIFFER, True),
        (both, 12, DIFFER, True), (both, 12, 0.04, True), (both, SUCCESSIVE, DIFFER, True),
    ):  # fmt: skip
        rng = np.random.default_rng([SEED, budget, round(1000 * differ)])
        losses = np.array([_lost(rng, names, budget, differ, growing) for _ in range(runs)])
        rows.append((
            " and ".join(names) + ("" if growing else ", always at 95%"), budget, percent(differ),
            f"{100 * losses.mean():.2f} points",
            f"{100 * np.quantile(losses, 0.95, method='inverted_cdf'):.1f} points",
            percent(float(np.mean(losses <= 0.02 + 1e-9))),
        ))  # fmt: skip
    table(*rows)


def _lost(
    rng: np.random.Generator, names: tuple[str, ...], budget: int, differ: float, growing: bool
) -> float:
    """The true loss after all candidates. When the budget is spent, 3,000 fresh cases are there.

    Not `growing`: the anchor is held to the same interval at every use.
    """
    promoted, used = 0, 0
    asked = policy(0, budget)
    if ANCHOR not in names:
        section = asked.problems["seriousness"].model_copy(update={"anchor": None})
        asked = asked.model_copy(update={"problems": {"seriousness": section}})
    anchor, champion = _history(rng, promoted, differ)
    for _ in range(SUCCESSIVE):
        if used == budget:
            (anchor, champion), used = _history(rng, promoted, differ), 0
        used += 1
        candidate = moved(rng, champion, RIGHT - promoted * STEP, -STEP, differ)
        found = measured(candidate, {CHAMPION: champion, ANCHOR: anchor}, 0, used if growing else 1)
        if decide(found, asked, first=False).outcome == "pass":
            champion, promoted = candidate, promoted + 1
    return promoted * STEP


def _history(rng: np.random.Generator, promoted: int, differ: float) -> tuple[Bools, Bools]:
    """Answers of the anchor and of the champion that so many promotions made of it, to 3,000 fresh cases."""
    anchor = rng.random(3000) < RIGHT
    champion = anchor
    for step in range(promoted):
        champion = moved(rng, champion, RIGHT - step * STEP, -STEP, differ)
    return anchor, champion


def agreement(sample: int) -> None:
    """The same answers through `evaluate`, row by row, and through the fast way."""
    rng, asked = np.random.default_rng([SEED, 5]), policy()
    same, checks, alike, gaps = 0, 0, 0, []
    for _ in range(sample):
        champion = rng.random(3000) < RIGHT
        candidate = moved(rng, champion, RIGHT, float(rng.choice([0.0, -0.01, -0.02])), DIFFER)
        fast = decide(measured(candidate, {CHAMPION: champion, ANCHOR: champion}, SLICES), asked, first=False)
        rows, before = _frame(candidate), _frame(champion)
        slow = decide(
            compare.evaluate(
                "seriousness", [m.accuracy()], rows, before, asked, SEED, baselines={ANCHOR: before}
            ),
            asked,
            first=False,
        )
        same += fast.outcome == slow.outcome
        for a, b in zip(fast.checks, slow.checks, strict=True):
            assert (a.rule, a.group, a.reference) == (b.rule, b.group, b.reference)
            assert abs((a.value or 0.0) - (b.value or 0.0)) < 1e-9
            checks, alike = checks + 1, alike + (a.outcome == b.outcome)
            gaps += (
                [abs(a.low - b.low)] if a.low is not None and b.low is not None and a.group == "all" else []
            )
    table(
        (
            "evaluations",
            "same decision",
            "same outcome of a check",
            "largest gap of an interval's lower end, all cases",
        ),
        (sample, same, f"{alike} of {checks}", f"{100 * max(gaps):.2f} points"),
    )


def _frame(right: Bools) -> Any:
    part = np.repeat(np.arange(SLICES), len(right) // SLICES)
    names = [f"e{n:05d}" for n in range(len(right))]
    examples = [
        Example(name, name, "", "serious", name, (f"slice {number:02d}",))
        for name, number in zip(names, part, strict=True)
    ]
    answers = [
        Prediction(n, "serious" if ok else "non-serious", 0.5) for n, ok in zip(names, right, strict=True)
    ]
    return compare.frame(examples, answers)


def main(rounds: int) -> None:
    began = time.process_time()
    print(f"## One evaluation ({rounds:,} rounds a number, margin {MARGIN:g})\n")
    one_evaluation(rounds)
    print(f"## {SLICES} slices of equal models ({rounds // 4:,} rounds a number, margin {SLICE_MARGIN:g})\n")
    families(rounds // 4)
    print(
        f"## {SUCCESSIVE} successive candidates, each {100 * STEP:g} points worse ({rounds // 5:,} runs, 3,000 cases)\n"
    )
    successive(rounds // 5)
    print("## The fast way and `evaluate`\n")
    agreement(max(2, rounds // 50))
    print(f"{time.process_time() - began:.0f} s of one core; numpy {np.__version__}, seed {SEED}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
