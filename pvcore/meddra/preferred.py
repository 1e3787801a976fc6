"""Carry rows that are coded by the name of a Preferred Term, as in VAERS, to another release.

With the release that they were coded in at hand, the name leads to the code of the PT and from there by
the rules of `migrate`, for the LLT with the PT's own code: the row ends on the PT that this LLT belongs
to, so a demotion recodes it. Without that release only names are left. A PT that became an LLT kept its
name there, so most demotions are found; a PT that got other words is found by lexical variant or not at
all, and a person decides. That the path above a PT changed cannot be seen without the old release.

A verbatim takes no part in the decision (policies 3 and 4 are about LLTs); it is what suggestions are
ranked by where there is one, else the name is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pandas as pd

from pvcore.meddra import matching
from pvcore.meddra.mapping import Migration, columns
from pvcore.meddra.migrate import check, spread
from pvcore.meddra.release import Dictionary
from pvcore.meddra.rules import Answer, Rules
from pvcore.meddra.suggestions import Nearest, rank

LABEL = "pt_name"
_MORE = 4
"""LLTs ranked for each PT that is wanted: several of the likeliest belong to one PT."""


def migrate_names(
    rows: pd.DataFrame,
    old: Dictionary | str,
    new: Dictionary,
    *,
    policy: int = 3,
    nearest: Nearest | None = None,
) -> Migration:
    """Classify and carry `rows` (row_id, pt_name and, if there are any, verbatim) to `new`.

    `old` is the release that they were coded in, or its version ("8.1") where it is not at hand.
    Raises ConfigError and BatchError as `migrate` does.
    """
    check(rows, LABEL, policy)
    names = rows[LABEL].fillna("").astype("str")
    which, values = names.factorize()
    decide: Callable[[str], tuple[str, Answer]]
    decide = _by_name(new, policy) if isinstance(old, str) else _by_code(old, new, policy)
    decided = [decide(str(name)) for name in values]
    codes = [answer[0] for _, answer in decided]
    made: dict[str, list[object]] = {
        "old_code": [code for code, _ in decided],
        "new_code": list(codes),
        "new_pt_code": list(codes),
        "class": [answer[1] for _, answer in decided],
        "rule": [answer[2] for _, answer in decided],
        "new_name": [new.pt_name(code) if code else None for code in codes],
    }
    table = pd.DataFrame({"row_id": rows["row_id"].astype("str").array, "old_name": names.array})
    for column, found in made.items():
        dtype = "str" if column in ("old_code", "class", "rule") else "object"
        table[column] = spread(found, which, dtype)
    table["suggestions"] = _suggestions(rows, names, [decided[n][1] for n in which], new, nearest)
    before = (old, "") if isinstance(old, str) else (old.version, old.digest)
    ordered = table[list(columns(LABEL))]
    return Migration(before[0], new.version, before[1], new.digest, policy, ordered, LABEL)


def _by_code(old: Dictionary, new: Dictionary, policy: int) -> Callable[[str], tuple[str, Answer]]:
    """Name -> the PT's code in `old`, and the answer of the rules for it, lifted to PT level."""
    rules = Rules(old, new, policy)
    pt = old.tables["pt"]
    known = {
        matching.exact(n): c for n, c in zip(pt["pt_name"].tolist(), pt["pt_code"].tolist(), strict=True)
    }
    known |= dict(zip(pt["pt_name"].tolist(), pt["pt_code"].tolist(), strict=True))

    def decide(name: str) -> tuple[str, Answer]:
        code = known.get(name) or known.get(matching.exact(name))
        if code is None:
            return "", (None, "unknown_code", "no_pt_in_old", ())
        found, kind, rule, first = rules.decide(code, "")
        if found is None:
            return code, (None, kind, rule, first)
        target = new.pt_of(found)
        if kind == "recoded" or target != code:
            return code, (target, "recoded", rule or "demoted", ())
        renamed = kind == "renamed" or new.pt_name(target) != name
        return code, (target, "renamed" if renamed else kind, rule, ())

    return decide


def _by_name(new: Dictionary, policy: int) -> Callable[[str], tuple[str, Answer]]:
    """Name -> "" and an answer by names of `new` alone."""
    llt, pt, key = new.tables["llt"], new.tables["pt"], matching.key_of(new.language)
    preferred = dict(zip(map(matching.exact, pt["pt_name"].tolist()), pt["pt_code"].tolist(), strict=True))
    named: dict[str, set[tuple[str, bool]]] = defaultdict(set)
    worded: dict[str, set[str]] = defaultdict(set)
    values = (llt["llt_name"].tolist(), llt["pt_code"].tolist(), (llt["llt_currency"] == "Y").tolist())
    for term, code, current in zip(*values, strict=True):
        named[matching.exact(term)].add((code, current))
        if current:
            worded[key(term)].add(code)

    def decide(name: str) -> tuple[str, Answer]:
        exact = matching.exact(name)
        if exact in preferred:
            code = preferred[exact]
            kind = "unchanged" if new.pt_name(code) == name else "renamed"
            return "", (code, kind, "name_of_pt", ())
        if exact in named:
            return "", _at_llts(named[exact], policy)
        words = sorted(worded.get(key(name), ())) if exact else []
        if len(words) == 1 and policy >= 3:
            return "", (words[0], "recoded", "lexical_name", ())
        rule = "ambiguous_name" if len(words) > 1 else "no_such_name"
        return "", (None, "needs_review", rule, tuple(words))

    return decide


def _at_llts(found: set[tuple[str, bool]], policy: int) -> Answer:
    """The answer for the name of LLTs, given as (PT, current): it was a PT's, so the term has moved."""
    pts = sorted({code for code, _ in found})
    if len(pts) > 1:
        return None, "needs_review", "ambiguous_name", tuple(pts)
    if any(current for _, current in found):
        return pts[0], "recoded", "name_of_llt", ()
    return None, "needs_review", "not_current" if policy == 1 else "not_current_and_moved", tuple(pts)


def _suggestions(
    rows: pd.DataFrame, names: pd.Series, answers: list[Answer], new: Dictionary, nearest: Nearest | None
) -> pd.Series:
    """Ranked PTs for every row that needs a person; an empty list for the others."""
    said = (
        rows["verbatim"].fillna("").astype("str") if "verbatim" in rows else pd.Series("", index=rows.index)
    )
    asked = {
        (name, text): answer[3]
        for name, text, answer in zip(names, said, answers, strict=True)
        if answer[0] is None
    }
    texts = [text or name for name, text in asked]
    ranked = rank(texts, new.current_llts(), top=5 * _MORE, nearest=nearest)
    best: dict[tuple[str, str], list[str]] = {}
    for (pair, first), found in zip(asked.items(), ranked, strict=True):
        pts = [new.pt_of(code) for code in (*first, *found) if code in new]
        best[pair] = list(dict.fromkeys(pts))[:5]
    lists = [
        best[name, text] if answer[0] is None else []
        for name, text, answer in zip(names, said, answers, strict=True)
    ]
    return pd.Series(lists, dtype="object")
