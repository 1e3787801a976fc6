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

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pvcore.errors import BatchError, ConfigError, Fault
from pvcore.meddra.columns import looked_up
from pvcore.meddra.mapping import Migration
from pvcore.meddra.release import Dictionary
from pvcore.meddra.rules import Rules
from pvcore.meddra.suggestions import Nearest, rank

TOP = 5
"""Suggestions for a row."""


def migrate(
    rows: pd.DataFrame, old: Dictionary, new: Dictionary, *, policy: int = 3, nearest: Nearest | None = None
) -> Migration:
    """Classify and carry `rows` (row_id, llt_code, verbatim) from `old` to `new`.

    Decided once for each distinct pair of code and verbatim. `nearest` is asked once, about rows that
    need review, and only for their suggestions: it decides nothing. Raises ConfigError for a policy
    other than 1 to 4 and BatchError for rows without the columns or with a row_id twice.
    """
    check(rows, "llt_code", policy)
    codes, verbatims = rows["llt_code"].astype("str"), rows["verbatim"].fillna("").astype("str")
    which, pairs = _distinct(codes, verbatims)
    rules = Rules(old, new, policy)
    asked = np.flatnonzero(~rules.settled(pairs)).tolist()
    said = list(pairs.iloc[asked].itertuples(index=False, name=None))
    decided = [rules.decide(*pair) for pair in said]
    if policy == 4:
        for number, answer in rules.closer(said, decided).items():
            decided[number] = answer
    review = [number for number, answer in enumerate(decided) if answer[0] is None]
    ranked = _suggested(rules, [said[n] for n in review], [decided[n][3] for n in review], nearest)
    suggestions = dict(zip(review, ranked, strict=True))
    pts = looked_up(pairs["llt_code"], rules.current, "llt_code", "pt_code")
    made: dict[str, list[object]] = {
        "new_code": pairs["llt_code"].tolist(),
        "new_pt_code": pts["pt_code"].tolist(),
        "class": ["unchanged"] * len(pairs),
        "rule": [""] * len(pairs),
        "suggestions": [[]] * len(pairs),
    }
    for number, (at, (code, kind, rule, _)) in enumerate(zip(asked, decided, strict=True)):
        row = (code, new.pt_of(code) if code else None, kind, rule, suggestions.get(number, []))
        for values, value in zip(made.values(), row, strict=True):
            values[at] = value
    table = pd.DataFrame({"row_id": rows["row_id"].astype("str").array, "old_code": codes.array})
    for name, values in made.items():
        table[name] = spread(values, which, "str" if name in ("class", "rule") else "object")
    return Migration(old.version, new.version, old.digest, new.digest, policy, table)


def check(rows: pd.DataFrame, label: str, policy: int) -> None:
    """Raises ConfigError or BatchError for what cannot be migrated."""
    if policy not in (1, 2, 3, 4):
        raise ConfigError(f"migration policy {policy}: there are 1 to 4, see the ICH guidance on versioning")
    needed = ("row_id", label, "verbatim") if label == "llt_code" else ("row_id", label)
    faults = [Fault("rows", f"no column {name}") for name in needed if name not in rows.columns]
    if not faults and not rows["row_id"].is_unique:
        twice = rows["row_id"][rows["row_id"].duplicated()]
        faults = [Fault(f"row {row_id}", "the row_id is there twice") for row_id in twice]
    if faults:
        raise BatchError("rows to migrate", faults)


def _distinct(codes: pd.Series, verbatims: pd.Series) -> tuple[np.ndarray, pd.DataFrame]:
    """For every row the number of its pair, and the pairs (llt_code, verbatim) in the order in which they
    first come.
    """
    (code, code_values), (said, said_values) = codes.factorize(), verbatims.factorize()
    wide = max(len(said_values), 1)
    which, pairs = pd.factorize(code * wide + said)
    taken = {
        "llt_code": code_values.array.take(pairs // wide),
        "verbatim": said_values.array.take(pairs % wide),
    }
    return which, pd.DataFrame(taken)


def spread(values: Sequence[object], which: np.ndarray, dtype: str) -> pd.Series:
    """The value of every row, by its number among `values`."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return pd.Series(pd.array(array, dtype=dtype).take(which), dtype=dtype)


def _suggested(
    rules: Rules, pairs: Sequence[tuple[str, str]], first: Sequence[Sequence[str]], nearest: Nearest | None
) -> list[list[str]]:
    """TOP ranked current LLTs for every pair: those that a rule named, then by `rank`."""
    old, new = rules.old, rules.new
    texts = [verbatim or (old.llt_name(code) if code in old else "") for code, verbatim in pairs]
    usable = [[c for c in named if c in new and new.is_current(c)] for named in first]
    found = rank(texts, rules.current, top=TOP, nearest=nearest)
    return [list(dict.fromkeys([*a, *b]))[:TOP] for a, b in zip(usable, found, strict=True)]
