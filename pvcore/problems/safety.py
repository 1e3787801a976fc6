"""The slices that matter for safety, made in one place for every problem, from what is known of a case.

    >>> case = {"narrative": "A woman in week 20 of her pregnancy fell.", "age_years": 17.0, "language": "en",
    ...         "source": "VAERS", "reactions": '[{"verbatim": "fell", "outcome": "fatal"}]'}
    >>> known_of(case, []).slices()
    ('death', 'language:en', 'paediatric', 'pregnancy', 'source:VAERS')
    >>> pregnant("She was not pregnant."), pregnant("A pregnancy test was negative.")
    (False, False)

They are put on held-out examples only: a policy names the designated events, and no policy may reach the
training, whose sampling keeps rows of each slice.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pvcore.problems import seriousness
from pvcore.problems.problem import Problem, value_of
from pvcore.records import Example

if TYPE_CHECKING:
    import pandas as pd

    from pvcore.meddra.release import Dictionary

GRAVE = ("death", "life_threatening")
ADULT = 18
"""Years (ICH E11)."""
_PREGNANT = re.compile(
    r"pregnan\w*|gravid\w*|\b(?:gestation\w*|trimester|f(?:o?e)t(?:al|us\w*)|in utero|miscarr\w+|stillb(?:orn|irth)\w*|"
    r"eclampsia|preeclampsia|abortion)\b",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:not|never|non|denie[sd]|no)[\s-]+(?:(?:been|being|currently|known|a|to be)\s+)*pregnan\w*|"
    r"pregnancy test\w*(?:\s+\w+){0,2}\s+negative|negative pregnancy test\w*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Changes:
    """Codes of terms that a release brought, and of those that it changed."""

    new: Collection[str] = ()
    changed: Collection[str] = ()


@dataclass(frozen=True)
class Known:
    """What is known of a case, for all problems: criteria met, special situations, coded terms (codes and names)."""

    case: Mapping[str, Any]
    met: frozenset[str] = frozenset()
    special: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def slices(self) -> tuple[str, ...]:
        """The slices that no dictionary is needed for, sorted."""
        age, text = self.case.get("age_years"), " ".join((self.case["narrative"], *sorted(self.names)))
        found = set(GRAVE) & self.met
        found |= {"paediatric"} if age is not None and age < ADULT else set()  # NaN is less than nothing
        found |= {"pregnancy"} if "pregnancy" in self.special or pregnant(text) else set()
        found |= {f"{what}:{self.case[what]}" for what in ("language", "source") if self.case.get(what)}
        return tuple(sorted(found))


def pregnant(text: str) -> bool:
    """Whether a text speaks of a pregnancy; a denied one does not count."""
    return bool(_PREGNANT.search(_DENIED.sub(" ", text)))


def known_of(case: Mapping[str, Any], labels: Iterable[Any], names: Mapping[str, str] | None = None) -> Known:
    """What a row of a dataset's cases and the rows of its labels say. `names` are those of codes."""
    met: set[str] = set()
    special: set[str] = set()
    codes: set[str] = set()
    told: set[str] = set()
    for reaction in json.loads(case.get("reactions") or "[]"):
        met |= {name for name, is_met in (reaction.get("seriousness") or {}).items() if is_met}
        met |= (
            {"death"} if str(reaction.get("outcome") or "").lower() in ("fatal", "died", "death") else set()
        )
        codes |= {reaction["llt_code"]} if reaction.get("llt_code") else set()
        told |= {reaction["pt_name"]} if reaction.get("pt_name") else set()
    for row in labels:
        value = value_of(row)
        if row.problem == seriousness.NAME and isinstance(value.get("serious"), bool):
            met |= {name for name, is_met in seriousness.judged(value).items() if is_met}
        elif row.problem == "triage":
            met, special = met | set(value.get("criteria", ())), special | set(value.get("special", ()))
        elif row.problem == "coding":
            codes |= {value["llt_code"]} if value.get("llt_code") else set()
            told |= {value["pt_name"]} if value.get("pt_name") else set()
    told |= {names[code] for code in codes if names and code in names}
    return Known(case, frozenset(met), frozenset(special), frozenset(codes), frozenset(told))


@dataclass(frozen=True)
class Designated:
    """Designated medical events of a user: codes with all terms below them, and names for texts."""

    codes: frozenset[str] = frozenset()
    names: tuple[str, ...] = ()
    _words: re.Pattern[str] | None = field(default=None, repr=False)

    def in_text(self, text: str) -> bool:
        """Whether a text names one, in these words."""
        return bool(self._words and self._words.search(text))

    @staticmethod
    def of(terms: Sequence[str], dictionary: Dictionary | None) -> tuple[Designated, list[str]]:
        """The events that a list of PT or LLT names and codes means, and the entries that no term has.

        A PT takes all its LLTs along. Without a dictionary a name stands for itself, and a code is unknown.
        """
        llt = dictionary.tables["llt"] if dictionary else None
        by_name, pt_of, below = {}, {}, {}
        if llt is not None:
            pt_of = dict(zip(llt["llt_code"], llt["pt_code"], strict=True))
            by_name = {n.casefold(): c for n, c in zip(llt["llt_name"], llt["llt_code"], strict=True)}
            below = llt.groupby("pt_code")["llt_code"].agg(set).to_dict()
        names = dict(zip(llt["llt_code"], llt["llt_name"], strict=True)) if llt is not None else {}
        codes, words, unknown = set(), set(), []
        for term in terms:
            code = term if term in pt_of else by_name.get(term.casefold())
            if code is not None:
                meant = {code} | below.get(code, set())
                codes |= meant
                words |= {names[one] for one in meant}
            elif dictionary is None and not term.isdigit():
                words.add(term)
            else:
                unknown.append(term)
        ordered = tuple(sorted(words))
        pattern = r"\b(?:" + "|".join(re.escape(w) for w in sorted(words, key=len, reverse=True)) + r")\b"
        found = re.compile(pattern, re.IGNORECASE) if words else None
        return Designated(frozenset(codes), ordered, found), unknown


def with_slices(
    examples: Sequence[Example],
    problem: Problem,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    dictionary: Dictionary | None = None,
    *,
    changes: Changes = Changes(),
    designated: Designated = Designated(),
) -> list[Example]:
    """The examples, each with the safety slices of its case beside its own.

    `cases` and `labels` are the tables of a dataset; labels of all problems count. Terms are those that an
    example's label names where answers are terms, else all that its case is coded by.
    """
    asked = {example.case_id for example in examples}
    llt = dictionary.tables["llt"] if dictionary else None
    names = dict(zip(llt["llt_code"], llt["llt_name"], strict=True)) if llt is not None else {}
    of_case: dict[str, list[Any]] = {}
    for row in labels[labels["case_id"].isin(asked)].itertuples():
        of_case.setdefault(str(row.case_id), []).append(row)
    rows = cases[cases["case_id"].isin(asked)].to_dict("records")
    known = {case["case_id"]: known_of(case, of_case.get(case["case_id"], ()), names) for case in rows}
    return [_marked(e, known[e.case_id], problem, changes, designated) for e in examples]


def _marked(
    example: Example, known: Known, problem: Problem, changes: Changes, designated: Designated
) -> Example:
    codes = frozenset(example.label.split()) if problem.terms else known.codes
    found = {*example.slices, *known.slices()}
    found |= {"new_terms"} if codes & frozenset(changes.new) else set()
    found |= {"changed_terms"} if codes & frozenset(changes.changed) else set()
    text = " ".join((known.case["narrative"], *sorted(known.names)))
    if (codes | known.codes) & designated.codes or designated.in_text(text):
        found.add("designated_events")
    return dataclasses.replace(example, slices=tuple(sorted(found)))
