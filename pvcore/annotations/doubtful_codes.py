"""Which coded labels are likely wrong: what the dictionary, and other coders of the same words, contradict.

A verbatim that is the name of a term of another PT, that most others code otherwise, or that is far more
like a term of another PT than like any term of its own. Words are compared, not meanings: a right code for
words that look like another term's is doubted too, and a wrong one for words that look like no term's is not.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pvcore.annotations.agreement import Label
from pvcore.meddra import matching
from pvcore.meddra.likeness import Likeness
from pvcore.meddra.release import Dictionary

LIKELY = 0.3
"""From this doubt on a label is taken for an error; measured in docs/consistency.md."""


@dataclass(frozen=True, slots=True)
class DoubtfulCode:
    """A coded label, what would fit better, and why; codes are LLTs. `doubt` is in [0, 1], high is doubtful."""

    case_id: str
    verbatim: str
    given: str
    given_name: str
    suggested: str
    suggested_name: str
    doubt: float
    reason: str

    @property
    def likely(self) -> bool:
        """Whether it is taken for an error."""
        return self.doubt >= LIKELY


@dataclass(frozen=True, slots=True)
class _Doubt:
    """Against one PT for one verbatim. `suggested` is an LLT code."""

    doubt: float
    suggested: str
    reason: str
    named: bool = False
    """Whether the verbatim is the very name of the suggested term."""


def doubtful_codes(
    labels: Iterable[Label], dictionary: Dictionary, *, most: int | None = None
) -> list[DoubtfulCode]:
    """The labels of `coding` that something speaks against, the most doubtful first.

    What is coded in another version than the dictionary's, or to a code that it does not have, is left out.
    `most` verbatims are compared with the dictionary's names (None: all), those first that are least like
    the term they are coded to; what others said is looked at for all.
    """
    coded = [(label, code) for label in labels if (code := _code(label, dictionary))]
    if not coded:
        return []
    by_words: dict[str, list[str]] = defaultdict(list)
    for label, code in coded:
        by_words[matching.key(label.target)].append(code)
    asked: dict[str, dict[str, None]] = defaultdict(dict)
    for label, code in coded:
        asked[label.target][dictionary.pt_of(code)] = None
    by_names = _by_names(asked, coded, dictionary, most)
    found = []
    for label, code in coded:
        pt, same_words = dictionary.pt_of(code), by_words[matching.key(label.target)]
        by_name = _confirmed(by_names.get((label.target, pt)), same_words, pt, dictionary)
        doubts = [d for d in (by_name, _by_others(same_words, pt, dictionary)) if d]
        if doubts:
            found.append(_doubtful(label, code, max(doubts, key=lambda d: d.doubt), dictionary))
    return sorted(found, key=lambda d: (-d.doubt, d.case_id, d.verbatim))


def _doubtful(label: Label, code: str, worst: _Doubt, dictionary: Dictionary) -> DoubtfulCode:
    names = dictionary.llt_name(code), dictionary.llt_name(worst.suggested)
    given = (label.case_id, label.target, code, names[0])
    return DoubtfulCode(*given, worst.suggested, names[1], worst.doubt, worst.reason)


def _code(label: Label, dictionary: Dictionary) -> str | None:
    code = label.value.get("llt_code")
    fits = label.problem == "coding" and label.target and label.meddra_version == dictionary.version
    return code if fits and isinstance(code, str) and code in dictionary else None


def _by_others(codes: Sequence[str], pt: str, dictionary: Dictionary) -> _Doubt | None:
    """What is said of the same words elsewhere, if more say one other PT than this one."""
    count = Counter(dictionary.pt_of(code) for code in codes)
    other, number = max(count.items(), key=lambda item: (item[1], item[0]))
    if other == pt or number <= count[pt]:
        return None
    llts = Counter(code for code in codes if dictionary.pt_of(code) == other)
    best = max(llts, key=lambda code: (llts[code], code))
    return _Doubt(
        round(number / len(codes), 6), best, f"so in {number} of {len(codes)} cases with these words"
    )


def _confirmed(doubt: _Doubt | None, codes: Sequence[str], pt: str, dictionary: Dictionary) -> _Doubt | None:
    """Mere likeness says the less, the more cases with the same words are coded to this PT as well."""
    if doubt is None or doubt.named:
        return doubt
    agreeing = sum(dictionary.pt_of(code) == pt for code in codes)
    return dataclasses.replace(doubt, doubt=round(doubt.doubt / agreeing, 6))


def _by_names(
    asked: Mapping[str, Iterable[str]],
    coded: Sequence[tuple[Label, str]],
    dictionary: Dictionary,
    most: int | None,
) -> dict[tuple[str, str], _Doubt]:
    """(verbatim, PT) -> what the names of other PTs say. `asked` are the PTs that a verbatim is coded to."""
    llt = dictionary.tables["llt"]
    likeness = Likeness(llt)
    pts, names = pd.factorize(np.array([dictionary.pt_of(code) for code in likeness.codes], dtype=object))
    number_of = {name: number for number, name in enumerate(names)}
    texts = _least_like(asked, coded, likeness)[:most]
    found = {}
    for text, cosines in zip(texts, likeness.cosines(texts), strict=True):
        for pt in asked[text]:
            own = pts == number_of[pt]
            best = int(np.argmax(np.where(own, -1.0, cosines)))
            theirs, ours = float(cosines[best]), float(cosines[own].max())
            if theirs > ours:
                found[text, pt] = _against(text, str(likeness.codes[best]), theirs, ours, dictionary)
    return found


def _against(text: str, code: str, theirs: float, ours: float, dictionary: Dictionary) -> _Doubt:
    """The term may be one that is no longer current: then its PT is suggested."""
    suggested = code if dictionary.is_current(code) else dictionary.pt_of(code)
    name = dictionary.llt_name(code)
    if matching.key(name) == matching.key(text):
        return _Doubt(1.0, suggested, f"is the name of {name}", named=True)
    return _Doubt(round(theirs - ours, 6), suggested, f"likeness {theirs:.2f}, to its own PT {ours:.2f}")


def _least_like(asked: Iterable[str], coded: Sequence[tuple[Label, str]], likeness: Likeness) -> list[str]:
    """The verbatims, those first that are least like a term that they are coded to."""
    own = likeness.between([label.target for label, _ in coded], [code for _, code in coded])
    least = dict.fromkeys(asked, 1.0)
    for (label, _), cosine in zip(coded, own.tolist(), strict=True):
        least[label.target] = min(least[label.target], cosine)
    return sorted(least, key=lambda text: (least[text], text))
