#!/usr/bin/env python3
"""Count an exported version's decisions and numbers again, without the product that made them: Python 3.9 or later.

    python3 -I recount.py FOLDER

First verify.py, which says whether the folder's records are those that were signed; then this file, which says whether
they follow from one another: each criterion of a decision from policy and report (floors, margins, slices, zero
tolerance, behaviour tests, Holm's correction, exact tests), and, in a folder with data, the report's values and counts
from labels and answers. One line a check: holds, DOES NOT HOLD, or not checked and why; exit code 1 if anything does
not hold. A bootstrap's interval is a draw of numpy's generator and cannot be drawn again here: it is taken as stated.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from math import comb, log
from pathlib import Path
from statistics import NormalDist
from typing import Any, NamedTuple

Json = dict[str, Any]
VERSIONS = ("champion", "anchor")
# What a policy may ask, and what it means where it says nothing.
ASKED = {"floors", "non_inferiority", "anchor", "superiority", "against", "slices", "behaviour"}
SETTINGS = {"confidence": 0.95, "multiple": "holm", "minimum": 30, "maximum_uses": 12}
SLICE = {"minimum": 30, "rule": "no_harm", "required": True, "zero_tolerance": None}
BEHAVIOUR = {"minimum": None, "margin": None, "tests": 1, "required": True}
# What is compared of a criterion, and what it means where it says nothing.
CHECK: Json = {"rule": "", "group": "all", "metric": "", "outcome": "", "required": True, "reference": None}
NUMBERS = ("value", "low", "high", "threshold", "p_worse")
ROUNDING = 1e-9  # 0.9 - 1.0 is not quite -0.1
quantile = NormalDist().inv_cdf
KNOWN = re.compile(r"accuracy(_at_[1-9]\d*)?|recall|specificity|precision|f1|average_precision|roc_auc")
PAIRED = re.compile(r"accuracy(_at_[1-9]\d*)?|recall|specificity")
TWO_SIDED = {"recall", "specificity", "precision", "f1", "average_precision", "roc_auc"}


class Wrong(Exception): ...


class NotChecked(Exception): ...


class Folder:
    """An exported folder: its ledger, and its files by the digest that they have."""

    def __init__(self, root: Path) -> None:
        self.root = root
        files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
        self.by_digest = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in files}
        self.name = json.loads((root / "export.json").read_bytes())["name"]
        self.entries = [json.loads(line) for line in (root / "ledger.jsonl").read_bytes().splitlines()]

    def evaluations(self) -> list[Json]:
        """Of the version's problem, those whose report was exported: of the version and all before it."""
        problem = self.name.partition("@")[0]
        judged = [e for e in self.entries if e["kind"] == "Evaluated" and e["body"]["problem"] == problem]
        return [entry for entry in judged if entry["body"]["report"] in self.by_digest]

    def blob(self, digest: str, what: str) -> bytes:
        if digest not in self.by_digest:
            raise NotChecked(f"{what} {digest[:12]} is not in the folder")
        return self.by_digest[digest].read_bytes()

    def record(self, digest: str, what: str) -> Any:
        return json.loads(self.blob(digest, what))

    def answers(self, digest: str) -> list[Json]:
        lines = self.blob(digest, "the list of answers").splitlines()
        return sorted(map(json.loads, lines), key=lambda answer: str(answer["example_id"]))


def gate_of(folder: Folder, entry: Json) -> Gate:
    body = entry["body"]
    report, whole = folder.record(body["report"], "report"), folder.record(body["policy"], "policy")
    settings = {**SETTINGS, **whole.get("evaluation", {})}
    return Gate(report, whole["problems"].get(body["problem"]), settings, body["champion"] is None)


def decided(folder: Folder, entry: Json) -> str:
    """Each criterion of the decision is one that the policy asks, and ends as the report's numbers say."""
    gate, decision = gate_of(folder, entry), folder.record(entry["body"]["decision"], "decision")
    if unknown := {*(gate.policy or {})} - ASKED:
        raise NotChecked(f"the policy asks {', '.join(sorted(unknown))}, of which this file knows nothing")
    made, told = Counter(map(plain, gate.criteria())), Counter(map(plain, decision["checks"]))
    left, more = (" and ".join((one - two).elements()) for one, two in ((made, told), (told, made)))
    if left or more:
        raise Wrong(f"policy and report give {left or 'no more'}, decided was {more or 'no more'}")
    rules = Counter(str(check["rule"]) for check in decision["checks"])
    return f"{decision['outcome']}: {', '.join(f'{n} {rule}' for rule, n in sorted(rules.items()))}"


def plain(check: Json) -> str:
    """What is compared of a criterion, numbers to seven digits."""
    numbers = {name: check[name] for name in NUMBERS if check.get(name) is not None}
    words = {name: check.get(name, usual) for name, usual in CHECK.items()}
    return json.dumps({**words, **{name: round(number, 7) + 0.0 for name, number in numbers.items()}})


class Gate(NamedTuple):
    """What a policy asks of a report, and how each criterion ends."""

    report: Json
    policy: Any
    settings: Json
    first: bool

    def criteria(self) -> Iterator[Json]:
        if self.policy is None:
            yield {"rule": "policy", "outcome": "fail"}
            return
        yield from self.overall()
        yield from self.slices()
        yield from self.behaviour()
        spent = self.report["uses"] > self.settings["maximum_uses"]
        yield {"rule": "uses", "outcome": "inconclusive" if spent else "pass"}

    def overall(self) -> Iterator[Json]:
        """Over all cases. A first version has to prove its floors, a later one not to be worse."""
        policy, few = self.policy, self.settings["minimum"]
        floors, moved = policy.get("floors", {}), policy.get("non_inferiority", {})
        if not (floors if self.first else moved):
            yield {"rule": "policy", "outcome": "fail"}
        for metric, floor in floors.items():
            yield self.judged("floor" if self.first else "floor kept", "all", metric, floor, few)
        frozen = {"anchor": policy["anchor"]["non_inferiority"]} if policy.get("anchor") else {}
        margins = {**({} if self.first else {"champion": moved, **frozen}), **policy.get("against", {})}
        for other, rules in margins.items():
            for metric, rule in rules.items():
                yield self.judged("non-inferiority", "all", metric, -rule["margin"], few, other)
        for other, rules in policy.get("superiority", {}).items():
            for metric, rule in {} if self.first and other in VERSIONS else rules.items():
                yield self.judged("superiority", "all", metric, rule["gain"], few, other)

    def rules(self) -> dict[str, Json]:
        """Slice -> its rule: of each that has one, and of each that was measured of a family (`source:*`)."""
        asked, rules = self.policy.get("slices", {}), dict[str, Json]()
        for name, rule in asked.items():
            family = [s for s in self.report["slices"] if name.endswith(":*") and s.startswith(name[:-1])]
            rules.update({member: {**SLICE, **asked.get(member, rule)} for member in family or [name]})
        return rules

    def slices(self) -> Iterator[Json]:
        """No slice is harmed by more than its margin, too small to tell, or has a case that is not tolerated."""
        rules = self.rules()
        tested = {n: self.result(n, r["metric"]) or {} for n, r in rules.items() if r["rule"] == "no_harm"}
        small = {n for n, found in tested.items() if found.get("support", 0) < rules[n]["minimum"]}
        adjusted = self.holm({n: self.result(n, rules[n]["metric"], "champion") for n in tested}, small)
        for name, rule in rules.items():
            metric, group = rule["metric"], self.report["slices"].get(name)
            about = {"group": name, "metric": metric}
            if group is None:
                outcome = "fail" if rule["required"] else "inconclusive"
                yield {"rule": "slice", **about, "outcome": outcome, "required": rule["required"]}
                continue
            if rule["zero_tolerance"] and not (self.first and rule["zero_tolerance"] == "newly_wrong"):
                outcome = "fail" if group.get("intolerable") else "pass"
                yield {"rule": "zero tolerance", **about, "outcome": outcome}
            if self.first:
                check = self.measured("slice", name, metric, rule["minimum"])
            elif name in tested:
                check = self.unharmed(name, rule, adjusted.get(name, 1.0))
            else:
                check = self.judged(
                    "non-inferiority", name, metric, -rule["margin"], rule["minimum"], "champion"
                )
            if "outcome" in check:
                yield {**check, "required": rule["required"]}

    def behaviour(self) -> Iterator[Json]:
        """Each kind of behaviour test: the share that passed, and how it differs from the champion's."""
        asked, kinds = self.policy.get("behaviour", {}), (self.report.get("behaviour") or {}).get("kinds", {})
        rules = {name: {**BEHAVIOUR, **given} for name, given in asked.items()}
        small = {n for n, r in rules.items() if r["margin"] is None or kinds.get(n, r)["tests"] < r["tests"]}
        adjusted = self.holm({name: kinds.get(name) for name in asked}, small)
        for name, rule in rules.items():
            kind = kinds.get(name)
            unsure = "inconclusive" if rule["required"] else "pass"
            check = {"rule": "behaviour", "group": name, "metric": "pass_rate" if kind else ""}
            if kind is None or kind["tests"] < rule["tests"]:
                yield {**check, "outcome": unsure if kind else "fail"}
                continue
            if rule["minimum"] is not None:
                share = kind["passed"] / kind["tests"]
                outcome = "pass" if share >= rule["minimum"] - ROUNDING else "fail"
                yield {**check, "outcome": outcome, "value": share, "threshold": rule["minimum"]}
            if rule["margin"] is None or self.first:
                continue
            check = {**check, "rule": "behaviour kept", "outcome": "fail"}
            if name in adjusted:
                more, p = (kind["passed"] - kind["champion"]) / kind["tests"], adjusted[name]
                worse = "fail" if p <= 1 - self.settings["confidence"] else unsure
                check["outcome"] = "pass" if more >= -rule["margin"] - ROUNDING else worse
                check.update(reference="champion", value=more, threshold=-rule["margin"], p_worse=p)
            yield check

    def result(self, group: str, metric: str, other: Any = None) -> Any:
        """What the report has of a metric in a group, or of its comparison; None if nothing."""
        there = self.report["overall"] if group == "all" else self.report["slices"].get(group)
        found = there and there["results"].get(metric)
        return found["against"].get(other) if found and other else found

    def measured(self, rule: str, group: str, metric: str, few: int, other: Any = None) -> Json:
        """A criterion with its numbers; where they are missing or of too few rows that is its outcome."""
        check, result = {"rule": rule, "group": group, "metric": metric}, self.result(group, metric)
        found = self.result(group, metric, other) if other else result and {"difference": result["candidate"]}
        if not found:
            return {**check, "outcome": "fail"}
        if result["support"] < few:
            return {**check, "outcome": "inconclusive"}
        numbers = {end: found["difference"][end] for end in ("value", "low", "high")}
        if None in numbers.values():
            return {**check, "outcome": "fail"}
        return {**check, **numbers, "reference": other, "p_worse": p_worse(found) if other else None}

    def judged(self, rule: str, group: str, metric: str, bound: float, few: int, other: Any = None) -> Json:
        """A value against a floor, or a difference against minus a margin or a gain, with its whole interval."""
        check = self.measured(rule, group, metric, few, other)
        if "outcome" in check:
            return check
        if other == "anchor":  # the k-th use of the cases asks the anchor's interval at 1 - alpha / k
            tail, value = (1 - self.report["confidence"]) / 2, check["value"]
            wide = quantile(tail / self.report["uses"]) / quantile(tail)
            check.update({end: value + (check[end] - value) * wide for end in ("low", "high")})
        turn, floor = self.turn(group, metric), rule.startswith("floor")
        limit, value = turn * bound if floor else bound, turn * check["value"]
        low, high = sorted((turn * check["low"], turn * check["high"]))
        fails = high < limit or (rule == "superiority" and high == limit)
        passes = low > limit
        if floor:  # later the value itself must not fall below it
            passes = (value if rule == "floor kept" else low) >= limit - ROUNDING
        outcome = "fail" if fails else "pass" if passes else "inconclusive"
        return {**check, "outcome": outcome, "threshold": turn * limit}

    def unharmed(self, group: str, rule: Json, p: float) -> Json:
        """Worse by more than the margin fails; so few cases that this would not have shown are inconclusive."""
        metric, margin = rule["metric"], rule["margin"]
        check = self.measured("no harm", group, metric, rule["minimum"], "champion")
        if "outcome" in check:
            return check
        turn, level = self.turn(group, metric), 1 - self.settings["confidence"]
        beyond = turn * check["value"] < -margin - ROUNDING
        found = self.result(group, metric)
        least = least_loss(found["against"]["champion"], found["support"], level)
        if beyond and p <= level:
            outcome = "fail"
        elif min(turn * check["low"], turn * check["high"]) > -margin:
            outcome = "pass"
        else:
            outcome = "inconclusive" if beyond or least > margin + ROUNDING else "pass"
        return {**check, "outcome": outcome, "threshold": turn * -margin, "p_worse": p}

    def turn(self, group: str, metric: str) -> int:
        """1, or -1 for a metric of which less is better."""
        return 1 if self.result(group, metric)["higher_is_better"] else -1

    def holm(self, tested: dict[str, Any], small: set[str]) -> dict[str, float]:
        """p(worse) of each that can be judged (reports of before: of each), corrected over all (Holm 1979)."""
        tested = {n: one for n, one in tested.items() if n not in small or "edition" not in self.report}
        found = [(p, name) for name, one in tested.items() if one and (p := p_worse(one)) is not None]
        highest, adjusted = 0.0, dict[str, float]()
        for rank, (p, name) in enumerate(sorted(found)):
            highest = max(highest, min(1.0, p * (len(found) - rank)))
            adjusted[name] = highest if self.settings["multiple"] == "holm" else p
        return adjusted


def at_most(wins: int, trials: int) -> float:
    """The chance of so few wins if both were equal: the exact one-sided sign test (McNemar)."""
    return sum(comb(trials, number) for number in range(wins + 1)) / 2**trials


def p_worse(found: Json) -> Any:
    """Counted again where there are counts, of clusters or of tests; the p-value of a bootstrap is the report's."""
    wins = found.get("candidate_better", found.get("better"))
    if wins is None:
        return found.get("p_worse")
    return at_most(wins, wins + found.get("reference_better", found.get("worse")))


def least_loss(found: Json, support: int, level: float) -> float:
    """The smallest loss that a test at `level` would have shown: by counts, or by the standard error."""
    wins, clusters = found.get("candidate_better"), found.get("clusters")
    if clusters and wins is not None:
        shown = (n for n in range(wins, clusters - wins + 1) if at_most(wins, wins + n) <= level)
        return (next(shown, clusters + wins) - wins) / clusters
    return max(quantile(1 - level) * (found["difference"]["error"] or 0.0), -log(level) / support)


class Row(NamedTuple):
    """A held-out example, and what a model said of it: None where the answer was withheld."""

    case: str
    cluster: str
    label: str
    answer: str | None
    ranked: list[str]
    score: float


class Held(NamedTuple):
    """An evaluation's held-out examples as each model answered them, and the groups that they are in."""

    models: dict[str, list[Row]]
    slices: list[list[str]]

    def of(self, who: str, group: str) -> list[Row]:
        rows = self.models[who]
        return [row for row, slices in zip(rows, self.slices) if group == "all" or group in slices]


def held_out(folder: Folder, entry: Json) -> Held:
    """Labels are those of the digest that the report names. Of slices and cases there is what the export says."""
    body, models = entry["body"], dict[str, list[Row]]()
    held = folder.record(body["held_out"], "the list of labels")
    groups = json.loads((folder.root / "data" / f"groups-{entry['sequence']}.json").read_bytes())
    for who, digest in {"candidate": body["predictions"], **body["answers"]}.items():
        answers = folder.answers(digest)
        if [answer["example_id"] for answer in answers] != [example for example, _, _ in held]:
            raise Wrong(f"the answers of {who} are not to the held-out examples")
        models[who] = [
            Row(groups[example]["case"], cluster, label, *told(said), said["score"])
            for (example, cluster, label), said in zip(held, answers)
        ]
    return Held(models, [groups[example]["slices"] for example, _, _ in held])


def told(said: Json) -> tuple[str | None, list[str]]:
    """Answer and ranking. "" alone is no sign that a guardrail stopped the answer: it may be an empty set."""
    if said["withheld"] or any(check["outcome"] == "withhold" for check in said["guardrails"]):
        return None, [said["answer"]]
    return said["answer"], [label for label, _ in said["ranked"]] or [said["answer"]]


def right(metric: str, row: Row, positive: str) -> bool | None:
    """Whether an answer is right as a metric counts it; None where the row does not count."""
    true, said = row.label == positive, row.answer == positive
    if metric == "recall":
        return said if true else None
    if metric == "specificity":  # an answer that was withheld is none: somebody has to look
        return None if true else not said and row.answer is not None
    if metric == "precision":
        return true if said else None
    if metric.startswith("accuracy_at_"):
        return row.label in row.ranked[: int(metric[len("accuracy_at_") :])]
    return row.label == row.answer


def by_score(metric: str, rows: list[Row], positive: str) -> float | None:
    """Average precision, or the area under the ROC curve (Mann-Whitney); equal scores are one step."""
    total = sum(row.label == positive for row in rows)
    found = seen = precision = won = 0.0
    for _, same in groupby(sorted(rows, key=lambda row: -row.score), lambda row: row.score):
        labels = [row.label == positive for row in same]
        hits, misses = sum(labels), len(labels) - sum(labels)
        below = len(rows) - total - (seen - found) - misses
        found, seen = found + hits, seen + len(labels)
        precision, won = precision + hits * found / seen, won + hits * (below + misses / 2)
    if metric == "average_precision":
        return precision / total if total else None
    return won / (total * (len(rows) - total)) if 0 < total < len(rows) else None


def value(metric: str, rows: list[Row], positive: str) -> tuple[int, float | None]:
    """(rows that carry the information, value) of a metric; None where it is not defined."""
    true = sum(row.label == positive for row in rows)
    if metric in ("average_precision", "roc_auc"):
        return min(true, len(rows) - true), by_score(metric, rows, positive)
    if metric == "f1":
        said = sum(row.answer == positive for row in rows)
        both = sum(row.label == row.answer == positive for row in rows)
        return true, 2 * both / (said + true) if said + true else None
    hits = [hit for row in rows if (hit := right(metric, row, positive)) is not None]
    return len(hits), sum(hits) / len(hits) if hits else None


def discordant(metric: str, mine: list[Row], theirs: list[Row], positive: str) -> Json:
    """Clusters in which one of two models is right more often, and all that count."""
    net: Counter[str] = Counter()
    for row, other in zip(mine, theirs):
        if (hit := right(metric, row, positive)) is not None:
            net[row.cluster] += hit - bool(right(metric, other, positive))
    better, worse = sum(n > 0 for n in net.values()), sum(n < 0 for n in net.values())
    return {"candidate_better": better, "reference_better": worse, "clusters": len(net)}


def differences(group: Json, held: Held, positive: str) -> Iterator[str]:
    """Where a group of the report has other numbers than labels and answers give, and how many it has: a line each."""
    rows, name = held.of("candidate", group["name"]), group["name"]
    labels = Counter(row.label for row in rows).most_common()
    made: Json = {"rows": len(rows), "clusters": len({row.cluster for row in rows})}
    yield from unlike(name, made, group)
    yield from (
        f"{name}: {n} {label}" for label, n in labels if len(labels) <= 20 and group["labels"].get(label) != n
    )
    for metric, result in group["results"].items():
        if not KNOWN.fullmatch(metric):
            continue
        support, mine = value(metric, rows, positive)
        yield from unlike(f"{name}: {metric}", {"support": support}, result)
        yield from unlike(f"{name}: {metric}", {"value": mine}, result["candidate"])
        for who, found in result["against"].items():
            where, others = f"{name}: {metric} beside {who}", held.of(who, name)
            theirs = value(metric, others, positive)[1]
            yield from unlike(where, {"value": theirs}, found["reference"])
            if found.get("candidate_better") is not None:
                counts = discordant(metric, rows, others, positive)
                p = at_most(
                    counts["candidate_better"], counts["candidate_better"] + counts["reference_better"]
                )
                yield from unlike(where, {**counts, "p_worse": p}, found)
            if mine is not None and theirs is not None:
                yield from unlike(where, {"value": mine - theirs}, found["difference"])


def forbidden(gate: Gate, held: Held, positive: str) -> Iterator[str]:
    """Where the report has other cases that the policy's zero tolerance forbids than labels and answers give."""
    for name, rule in gate.rules().items() if gate.policy else ():
        if name not in gate.report["slices"] or not KNOWN.fullmatch(rule["metric"]):
            continue
        metric = rule["metric"] if PAIRED.fullmatch(rule["metric"]) else "accuracy"
        rows = held.of("candidate", name)
        before = held.of("champion", name) if "champion" in held.models else []
        wrong = [row.answer is not None and right(metric, row, positive) is False for row in rows]
        if rule["zero_tolerance"] == "newly_wrong":
            wrong = [new and bool(right(metric, row, positive)) for new, row in zip(wrong, before)]
        cases = sorted({row.case for bad, row in zip(wrong, rows) if bad and rule["zero_tolerance"]})
        if cases != list(gate.report["slices"][name].get("intolerable", [])):
            yield f"{name}: not tolerated are {cases}"


def unlike(where: str, made: Json, said: Json) -> Iterator[str]:
    for name, number in made.items():
        known = number is not None and said[name] is not None
        if abs(number - said[name]) > ROUNDING if known else number is not said[name]:
            yield f"{where}: {name} is {number}, the report says {said[name]}"


def counted(folder: Folder, entry: Json) -> str:
    """Values, counts and exact tests of the report, by every metric that is known here."""
    gate, held = gate_of(folder, entry), held_out(folder, entry)
    groups = [gate.report["overall"], *gate.report["slices"].values()]
    metrics = {metric for group in groups for metric in group["results"]}
    known = sorted(filter(KNOWN.fullmatch, metrics))
    rest = sorted(metrics - {*known})
    # Which of its labels a problem looks for no record says: it is the one that the report fits best.
    labels = sorted({row.label for row in held.models["candidate"]}) if {*known} & TWO_SIDED else [""]
    tried = {one: [line for group in groups for line in differences(group, held, one)] for one in labels}
    positive = min(labels, key=lambda label: len(tried[label]))
    wrong = [*tried[positive], *forbidden(gate, held, positive)]
    if wrong:
        raise Wrong(f"labels and answers give other numbers: {'; '.join(wrong[:5])} ({len(wrong)} in all)")
    looked = f", {positive!r} looked for" if positive else ""
    return f"{', '.join(known)} in {len(groups)} groups{looked}; not {', '.join(rest) or 'one left'}"


FAULTS = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)
CHECKS = {"decision, from policy and report": decided, "report, from labels and answers": counted}


def recount(root: Path) -> int:
    """Make every check and print it; returns how many did not hold."""
    results = Counter[str]()
    try:
        folder = Folder(root)
        entries = folder.evaluations()
    except FAULTS as fault:
        print(f"DOES NOT HOLD  the folder: cannot be read as what it should be, see verify.py: {fault!r}")
        return 1
    for entry in entries:
        for what, check in CHECKS.items():
            try:
                result, why = "holds", check(folder, entry)
            except NotChecked as told:
                result, why = "not checked", str(told)
            except Wrong as told:
                result, why = "DOES NOT HOLD", str(told)
            except FAULTS as fault:
                result, why = "DOES NOT HOLD", f"cannot be read as what it should be: {fault!r}"
            results[result] += 1
            print(f"{result:14} evaluation, entry {entry['sequence']}: {what}: {why}")
    print("not checked    a bootstrap's intervals and p-values, a dictionary's effect: pv verify does")
    print("\n" + ", ".join(f"{number} {result}" for result, number in sorted(results.items())))
    return results["DOES NOT HOLD"]


def main() -> int:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("folder", type=Path)
    return 1 if recount(parser.parse_args().folder) else 0


if __name__ == "__main__":
    raise SystemExit(main())
