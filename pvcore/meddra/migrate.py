"""Carry coded rows from one release to the next: every row ends in exactly one class.

unchanged            the LLT is current, with the same name, PT and primary path
renamed              the LLT is current under another name; code kept
hierarchy_refreshed  the LLT is current; its PT or the path above it is another; code kept
recoded              the row gets another LLT; `rule` says why
needs_review         a person has to choose; `suggestions` are ranked by likeness of names
unknown_code         the code is no LLT of the old release

Source: 'MedDRA Term Selection: Points to Consider', appendix on versioning, whose four options are the
policies 1 to 4, each with all of the one before:

1. nothing is recoded; what can no longer be used needs review;
2. LLTs that are not current are recoded: to the LLT of their PT that says the same in other words, else
   to the LLT of the PT itself, as safety databases do. If they went to another PT too, a person decides;
3. rows are recoded to LLTs that match the verbatim directly or lexically, if these are new in the
   version (or the row's LLT is not current), and to the code that its term's name switched to;
4. new LLTs that are a closer concept than the present one are put before a person.

No row stays on an LLT that is not current, whatever the policy, and nothing ambiguous is decided here.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pvcore.errors import BatchError, ConfigError, Fault
from pvcore.meddra import matching
from pvcore.meddra.release import Dictionary

CLASSES = ("unchanged", "renamed", "hierarchy_refreshed", "recoded", "needs_review", "unknown_code")
COLUMNS = ("row_id", "old_code", "new_code", "new_pt_code", "class", "rule", "suggestions")
RULES: dict[str, str] = {
    "": "nothing to decide",
    "same_words": "not current; a current LLT of its PT has the same words",
    "preferred_term": "not current; replaced by its PT",
    "verbatim_direct": "the verbatim is the name of one LLT that is new or replaces one not current",
    "verbatim_lexical": "the verbatim has the words of one LLT that is new or replaces one not current",
    "code_switch": "the name that was chosen is at another code now",
    "not_current": "not current, and policy 1 recodes nothing",
    "not_current_and_moved": "not current, and moved to another PT",
    "name_moved": "the name that was chosen is at another code now, and the policy does not recode for it",
    "ambiguous_verbatim": "the verbatim matches several LLTs, or one of another PT than a term not current",
    "closer_concept": "a new LLT is more like the verbatim than the present one",
    "not_in_old": "no LLT of the old release",
    "not_in_new": "no LLT of the new release, which is against MedDRA's rules",
}
LIKE, CLOSER = 0.5, 0.1
"""A new LLT is put forward if its likeness to the verbatim (cosine of character n-grams) is at least
LIKE, and by more than CLOSER above that of the present LLT. A person decides, so both err on showing."""


@dataclass(frozen=True, eq=False)
class Migration:
    """The mapping of every row. `rows` has COLUMNS; codes are None where there is none.

    It is stored as JSON, replayed by `apply` and taken back by `revert`.
    """

    old_version: str
    new_version: str
    old_digest: str
    new_digest: str
    policy: int
    rows: pd.DataFrame = field(repr=False)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Rows in every class, zero included."""
        found = self.rows["class"].value_counts()
        return {name: int(found.get(name, 0)) for name in CLASSES}

    @property
    def impacted(self) -> int:
        """Rows that are not unchanged: what the maintenance organisation's impact report counts."""
        return len(self.rows) - self.counts["unchanged"]

    def work_list(self) -> pd.DataFrame:
        """Rows that a person has to code again: needs_review and unknown_code."""
        return self.rows[self.rows["new_code"].isna()].reset_index(drop=True)

    def apply(self, rows: pd.DataFrame) -> pd.DataFrame:
        """`rows` with their new llt_code, without those of the work list.

        Raises BatchError if a row is not in the mapping, or is not on the code that it was mapped from.
        """
        return self._replay(rows, "old_code", "new_code")

    def revert(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows as `apply` returned them, back on their old codes."""
        return self._replay(rows, "new_code", "old_code")

    def _replay(self, rows: pd.DataFrame, source: str, target: str) -> pd.DataFrame:
        mapping = self.rows.set_index("row_id")
        ids = rows["row_id"].astype("str")
        expected = ids.map(mapping[source])
        work = ids.isin(mapping.index[mapping["new_code"].isna()]) & (source == "old_code")
        wrong = ~((expected == rows["llt_code"]).fillna(False).astype(bool))
        if wrong.any():
            raise BatchError(
                f"migration {self.old_version} to {self.new_version}",
                [
                    Fault(
                        f"row {row_id}",
                        f"code {code}, expected {known if isinstance(known, str) else 'no such row'}",
                    )
                    for row_id, code, known in zip(
                        ids[wrong], rows["llt_code"][wrong], expected[wrong], strict=True
                    )
                ],
                "The mapping belongs to other rows.",
            )
        kept = rows[~work].copy()
        kept["llt_code"] = ids[~work].map(mapping[target])
        return kept.reset_index(drop=True)

    def to_json(self) -> str:
        """The mapping with versions, digests, policy and counts."""
        value = {
            "old": {"version": self.old_version, "digest": self.old_digest},
            "new": {"version": self.new_version, "digest": self.new_digest},
            "policy": self.policy,
            "counts": self.counts,
            "rows": [list(row) for row in zip(*(self.rows[c].tolist() for c in COLUMNS), strict=True)],
        }
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Migration:
        """The migration that `to_json` wrote. Raises BatchError if it is not one."""
        try:
            value = json.loads(text)
            old, new = value["old"], value["new"]
            return cls(
                old["version"],
                new["version"],
                old["digest"],
                new["digest"],
                value["policy"],
                _frame(value["rows"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BatchError("migration", [Fault("JSON", f"not a stored migration: {error}")]) from error


def migrate(rows: pd.DataFrame, old: Dictionary, new: Dictionary, *, policy: int = 3) -> Migration:
    """Classify and carry `rows` (row_id, llt_code, verbatim) from `old` to `new`.

    Decided once for each distinct pair of code and verbatim. Raises ConfigError for a policy other than
    1 to 4 and BatchError for rows without the columns or with a row_id twice.
    """
    if policy not in (1, 2, 3, 4):
        raise ConfigError(f"migration policy {policy}: there are 1 to 4, see the ICH guidance on versioning")
    _check(rows)
    codes = rows["llt_code"].astype("str")
    pairs, at = _distinct(codes, rows["verbatim"].fillna("").astype("str"))
    rules = _Rules(old, new, policy)
    decided = {pair: rules.decide(*pair) for pair in pairs}
    if policy == 4:
        decided.update(rules.closer({pair: answer for pair, answer in decided.items() if answer[0]}))
    review = [pair for pair in pairs if decided[pair][0] is None]
    suggestions = dict(zip(review, rules.suggest(review, [decided[pair][3] for pair in review]), strict=True))
    answers = [
        (code, new.pt_of(code) if code else None, name, rule, suggestions.get(pair, []))
        for pair, (code, name, rule, _) in decided.items()
    ]
    carried = pd.DataFrame(answers, columns=list(COLUMNS[2:]), dtype="object")
    carried = carried.astype({"class": "str", "rule": "str"}).take(at).reset_index(drop=True)
    given = pd.DataFrame({"row_id": rows["row_id"].astype("str").array, "old_code": codes.array})
    table = pd.concat([given, carried], axis=1)
    return Migration(old.version, new.version, old.digest, new.digest, policy, table)


def _distinct(codes: pd.Series, verbatims: pd.Series) -> tuple[list[tuple[str, str]], np.ndarray]:
    """The distinct pairs in their order, and which of them each row has; shape (rows,)."""
    (left, code), (right, verbatim) = pd.factorize(codes), pd.factorize(verbatims)
    at, both = pd.factorize(left * max(len(verbatim), 1) + right)
    first, second = np.divmod(both, max(len(verbatim), 1))
    return list(zip(code.take(first).tolist(), verbatim.take(second).tolist(), strict=True)), at


def _check(rows: pd.DataFrame) -> None:
    missing = [name for name in ("row_id", "llt_code", "verbatim") if name not in rows.columns]
    faults = [Fault("rows", f"no column {name}") for name in missing]
    if not missing:
        twice = rows["row_id"][rows["row_id"].duplicated()]
        faults = [Fault(f"row {row_id}", "the row_id is there twice") for row_id in twice]
    if faults:
        raise BatchError("rows to migrate", faults)


def _frame(rows: list[Any]) -> pd.DataFrame:
    frame = pd.DataFrame([tuple(row) for row in rows], columns=list(COLUMNS), dtype="object")
    for name in ("row_id", "old_code", "class", "rule"):
        frame[name] = frame[name].astype("str")
    return frame


Answer = tuple[str | None, str, str, tuple[str, ...]]
"""New code or None, class, rule, codes to suggest first."""


_NORMAL = {"verbatim_direct": matching.exact, "verbatim_lexical": matching.key}


class _Rules:
    """The rules with what they look up, made once for a pair of releases."""

    def __init__(self, old: Dictionary, new: Dictionary, policy: int) -> None:
        self.old, self.new, self.policy = old, new, policy
        self.current = new.current_llts()
        self.named: dict[str, list[str]] = defaultdict(list)
        self.of_pt: dict[str, list[str]] = defaultdict(list)
        columns = (self.current[name].tolist() for name in ("llt_code", "llt_name", "pt_code"))
        for code, name, pt in zip(*columns, strict=True):
            self.named[name].append(code)
            self.of_pt[pt].append(code)
        self.fresh = {c for c in self.current["llt_code"].tolist() if c not in old or not old.is_current(c)}
        self._code: dict[str, Answer] = {}
        self._matches: dict[tuple[str, bool], dict[str, list[str]]] = {}

    def _matching(self, rule: str, *, kept: bool) -> dict[str, list[str]]:
        """Current LLTs by their name as the rule compares it; for a term that is kept only the new ones.

        Made when first asked for: to normalise 80,000 names takes longer than to carry a million rows.
        """
        if (rule, kept) not in self._matches:
            found: dict[str, list[str]] = defaultdict(list)
            for name, codes in self.named.items():
                if usable := [code for code in codes if not kept or code in self.fresh]:
                    found[_NORMAL[rule](name)] += usable
            self._matches[rule, kept] = {name: sorted(codes) for name, codes in found.items()}
        return self._matches[rule, kept]

    def decide(self, code: str, verbatim: str) -> Answer:
        """What becomes of a row, by its code and, from policy 3 on, its verbatim."""
        if code not in self._code:
            self._code[code] = self._by_code(code)
        answer = self._code[code]
        if self.policy < 3 or not verbatim or answer[1] == "unknown_code" or answer[2] == "code_switch":
            return answer
        return self._by_verbatim(code, verbatim, answer)

    def _by_code(self, code: str) -> Answer:
        old, new = self.old, self.new
        if code not in old:
            return None, "unknown_code", "not_in_old", (code,) if code in new and new.is_current(code) else ()
        name = old.llt_name(code)
        if code not in new:
            return None, "needs_review", "not_in_new", tuple(self.named.get(name, ()))
        if not new.is_current(code):
            return self._not_current(code, name)
        if new.llt_name(code) != name:
            moved = [c for c in self.named.get(name, ()) if c != code]
            if moved and (self.policy < 3 or len(moved) > 1):
                return None, "needs_review", "name_moved", tuple(moved)
            return (moved[0], "recoded", "code_switch", ()) if moved else (code, "renamed", "", ())
        before, after = old.primary_path(old.pt_of(code)), new.primary_path(new.pt_of(code))
        return code, "unchanged" if before == after else "hierarchy_refreshed", "", ()

    def _not_current(self, code: str, name: str) -> Answer:
        pt = self.new.pt_of(code)
        if self.policy == 1:
            return None, "needs_review", "not_current", (pt,)
        if self.old.pt_of(code) != pt:
            return None, "needs_review", "not_current_and_moved", (pt, self.old.pt_of(code))
        wanted = matching.key(name)
        same = [c for c in self.of_pt[pt] if matching.key(self.new.llt_name(c)) == wanted]
        if len(same) == 1 and same[0] != pt:
            return same[0], "recoded", "same_words", ()
        return pt, "recoded", "preferred_term", ()

    def _by_verbatim(self, code: str, verbatim: str, answer: Answer) -> Answer:
        """A better LLT by the verbatim alone, or `answer`."""
        kept = answer[0] == code
        name = self.new.llt_name(code) if code in self.new else ""
        if kept and name == verbatim:
            return answer
        for rule, normal in _NORMAL.items():
            wanted = normal(verbatim)
            if kept and normal(name) == wanted:
                return answer  # the present LLT says it already
            found = [c for c in self._matching(rule, kept=kept).get(wanted, ()) if c != code]
            if len(found) > 1 and self._one_preferred(found):
                found = [self.new.pt_of(found[0])]
            if len(found) == 1 and (kept or self._same_pt(found[0], code)):
                return found[0], "recoded", rule, ()
            if found:
                return None, "needs_review", "ambiguous_verbatim", tuple(found)
        return answer

    def _same_pt(self, found: str, code: str) -> bool:
        """Whether both are of one PT; a code that the new release does not have is of none."""
        return code not in self.new or self.new.pt_of(found) == self.new.pt_of(code)

    def _one_preferred(self, codes: list[str]) -> bool:
        """Whether the codes are synonyms of one PT that is among them: then the PT says the same."""
        pts = {self.new.pt_of(code) for code in codes}
        return len(pts) == 1 and pts <= set(codes)

    def closer(self, kept: dict[tuple[str, str], Answer]) -> dict[tuple[str, str], Answer]:
        """Policy 4: rows for which a new LLT is more like the verbatim than what they have; for review."""
        pairs = [pair for pair, (code, *_) in kept.items() if pair[1] and code]
        if not pairs or not self.fresh:
            return {}
        verbatims, codes = [verbatim for _, verbatim in pairs], [str(kept[pair][0]) for pair in pairs]
        relevant = self.current["llt_code"].isin(self.fresh | set(codes))
        likeness = matching.Likeness(self.current[relevant])
        present, fresh = likeness.between(verbatims, codes), likeness.only(self.fresh)
        answers: dict[tuple[str, str], Answer] = {}
        for pair, code, has, cosines in zip(pairs, codes, present, fresh.cosines(verbatims), strict=True):
            best = int(np.argmax(cosines))
            if cosines[best] >= LIKE and cosines[best] > has + CLOSER:
                answers[pair] = (None, "needs_review", "closer_concept", (str(fresh.codes[best]), code))
        return answers

    def suggest(
        self, pairs: list[tuple[str, str]], first: list[tuple[str, ...]], top: int = 5
    ) -> list[list[str]]:
        """Ranked current LLTs for every pair, those that a rule named in front."""
        if not pairs:
            return []
        texts = [
            verbatim or (self.old.llt_name(code) if code in self.old else "") for code, verbatim in pairs
        ]
        ranked = matching.Likeness(self.current).rank(texts, top=top)
        usable = [[c for c in named if c in self.new and self.new.is_current(c)] for named in first]
        return [
            list(dict.fromkeys([*named, *found]))[:top] for named, found in zip(usable, ranked, strict=True)
        ]
