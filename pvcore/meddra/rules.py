"""What becomes of one coded row in another release, and the rule that says so.

The classes and the policies 1 to 4 are those of `pvcore.meddra.migrate`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from pvcore.meddra import matching
from pvcore.meddra.columns import is_in, looked_up
from pvcore.meddra.likeness import Likeness
from pvcore.meddra.release import Dictionary
from pvcore.meddra.suggestions import LIKE

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
    "demoted": "the PT that was chosen is an LLT of another PT now",
    "name_of_pt": "version not at hand: a PT has this name",
    "name_of_llt": "version not at hand: no PT has this name, and current LLTs of one PT have",
    "lexical_name": "version not at hand: current LLTs of one PT have these words",
    "ambiguous_name": "version not at hand: LLTs of several PTs have this name or these words",
    "no_such_name": "version not at hand: no term has this name",
    "no_pt_in_old": "no PT of the old release",
    "not_in_old": "no LLT of the old release",
    "not_in_new": "no LLT of the new release, which is against MedDRA's rules",
}
CLOSER = 0.1
"""By how much a new LLT must be more like the verbatim than the present one to be put forward, beside being
as like as LIKE. A person decides, so both err on showing.
"""
Answer = tuple[str | None, str, str, tuple[str, ...]]
"""New code or None, class, rule, codes to suggest first."""


class Rules:
    """The rules with what they look up, made once for a pair of releases."""

    def __init__(self, old: Dictionary, new: Dictionary, policy: int) -> None:
        self.old, self.new, self.policy = old, new, policy
        self.current = new.current_llts()
        self._key = matching.key_of(new.language)
        usable = old.tables["llt"].loc[old.tables["llt"]["llt_currency"] == "Y", "llt_code"]
        self._is_fresh = ~is_in(self.current["llt_code"], usable)
        self.fresh = set(self.current["llt_code"][self._is_fresh].tolist())
        self._code: dict[str, Answer] = {}

    def settled(self, pairs: pd.DataFrame) -> np.ndarray:
        """Whether `decide` can only say "unchanged" to a pair (llt_code, verbatim); shape (pairs,).

        Most rows of a release are such, so this is decided for all at once. Not in policy 4, which looks at
        every verbatim.
        """
        if self.policy == 4:
            return np.zeros(len(pairs), dtype=bool)
        before = looked_up(
            self.current["llt_code"], self.old.tables["llt"], "llt_code", "llt_name", "pt_code"
        )
        same = (before == self.current[["llt_name", "pt_code"]]).all(axis=1)
        same &= is_in(self.current["pt_code"], self._same_path)
        settled = is_in(pairs["llt_code"], self.current["llt_code"][same])
        if self.policy == 3:
            settled &= ~np.isin(matching.bags(pairs["verbatim"].tolist()), self._bags[self._is_fresh])
        return settled

    @cached_property
    def _same_path(self) -> pd.Index:
        """Codes of the PTs whose primary path is the same in both releases."""
        before, after = self.old.paths, self.new.paths
        return after.index[(before.reindex(after.index) == after).all(axis=1)]

    @cached_property
    def _stayed(self) -> frozenset[str]:
        return frozenset(self._same_path)

    @cached_property
    def _bags(self) -> np.ndarray:
        """`matching.bag` of the name of every current LLT."""
        return matching.bags(self.current["llt_name"].tolist())

    @cached_property
    def _by_bag(self) -> tuple[np.ndarray, list[str], list[str]]:
        """Bags in their order, and the codes and names of the current LLTs that they belong to."""
        order = np.argsort(self._bags, kind="stable")
        terms = self.current.iloc[order]
        return self._bags[order], terms["llt_code"].tolist(), terms["llt_name"].tolist()

    def _called(self, text: str, normal: Callable[[str], str] = str) -> list[str]:
        """Codes of the current LLTs whose name is `text`, or is made the same by `normal`."""
        bags, codes, names = self._by_bag
        number, wanted = matching.bag(text), normal(text)
        first, last = np.searchsorted(bags, [number, number + 1])
        return [codes[n] for n in range(first, last) if normal(names[n]) == wanted]

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
            return None, "needs_review", "not_in_new", tuple(self._called(name))
        if not new.is_current(code):
            return self._not_current(code, name)
        if new.llt_name(code) != name:
            moved = [c for c in self._called(name) if c != code]
            if moved and (self.policy < 3 or len(moved) > 1):
                return None, "needs_review", "name_moved", tuple(moved)
            return (moved[0], "recoded", "code_switch", ()) if moved else (code, "renamed", "", ())
        same = old.pt_of(code) == new.pt_of(code) and new.pt_of(code) in self._stayed
        return code, "unchanged" if same else "hierarchy_refreshed", "", ()

    def _not_current(self, code: str, name: str) -> Answer:
        pt = self.new.pt_of(code)
        if self.policy == 1:
            return None, "needs_review", "not_current", (pt,)
        if self.old.pt_of(code) != pt:
            return None, "needs_review", "not_current_and_moved", (pt, self.old.pt_of(code))
        same = [c for c in self._called(name, self._key) if self.new.pt_of(c) == pt]
        if len(same) == 1 and same[0] != pt:
            return same[0], "recoded", "same_words", ()
        return pt, "recoded", "preferred_term", ()

    def _by_verbatim(self, code: str, verbatim: str, answer: Answer) -> Answer:
        """A better LLT by the verbatim alone, or `answer`."""
        kept = answer[0] == code
        name = self.new.llt_name(code) if code in self.new else ""
        for rule, normal in (("verbatim_direct", matching.exact), ("verbatim_lexical", self._key)):
            if kept and normal(name) == normal(verbatim):
                return answer  # the present LLT says it already
            found = [c for c in self._called(verbatim, normal) if c != code and (not kept or c in self.fresh)]
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

    def closer(self, pairs: Sequence[tuple[str, str]], decided: Sequence[Answer]) -> dict[int, Answer]:
        """Policy 4: pairs for which a new LLT is more like the verbatim than what they have; for review."""
        asked = [
            (number, pair[1], answer[0])
            for number, (pair, answer) in enumerate(zip(pairs, decided, strict=True))
            if pair[1] and answer[0]
        ]
        if not asked or not self.fresh:
            return {}
        verbatims, codes = [verbatim for _, verbatim, _ in asked], [code for *_, code in asked]
        relevant = self.current["llt_code"].isin(self.fresh | set(codes))
        likeness = Likeness(self.current[relevant])
        present, fresh = likeness.between(verbatims, codes), likeness.only(self.fresh)
        answers: dict[int, Answer] = {}
        for (number, _, code), has, cosines in zip(asked, present, fresh.cosines(verbatims), strict=True):
            best = int(np.argmax(cosines))
            if cosines[best] >= LIKE and cosines[best] > has + CLOSER:
                answers[number] = (None, "needs_review", "closer_concept", (str(fresh.codes[best]), code))
        return answers
