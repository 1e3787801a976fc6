"""A version change of MedDRA as one self-contained HTML page: what a coder reads instead of a spreadsheet."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import pandas as pd

from pvcore.dossier.templates import templates
from pvcore.meddra.diff import DictionaryDiff
from pvcore.meddra.impact import ERRORS, Impact
from pvcore.meddra.kinds import KINDS
from pvcore.meddra.release import Dictionary

MEANING: dict[str, str] = {
    "new_llts": "Can be chosen from now on.",
    "new_pts": "A new concept; look whether cases were coded to something near it for want of it.",
    "promotions": "Counts on its own from now on, no longer under its former PT.",
    "demotions": "Cases count under another PT from now on.",
    "llts_moved": "Cases count under another PT from now on; the LLT stays.",
    "llt_primary_soc_changes": "Cases count under another SOC from now on.",
    "pt_primary_soc_changes": "Cases count under another SOC from now on.",
    "name_changes": "The same code, written otherwise.",
    "code_switches": "The name is at another code now: look at what the reporter said.",
    "currency_changes": "May no longer be used for coding, or may be used again.",
    "complex_changes": "Several changes at once.",
    "hierarchy_changes": "The way up to the SOC is another one.",
    "smq_changes": "A standardised query itself, or a query inside it.",
    "smq_pt_changes": "Which PTs a standardised query finds.",
    "smq_llt_changes": "Which LLTs a standardised query finds.",
    "removed": "Against MedDRA's rules: ask the maintenance organisation.",
}
_CODES = re.compile(r"\b[0-9]{8}\b(?: [0-9]{8}\b)*")
_LIST = ("name", "level", "description", "source", "note", "status", "algorithm")
_CONTENT = ("level", "scope", "category", "weight", "status")
_WORDS = {
    ("status", "A"): "active", ("status", "I"): "inactive",
    ("scope", "1"): "broad", ("scope", "2"): "narrow", ("scope", "3"): "child, narrow",
    ("scope", "4"): "child, broad",
}  # fmt: skip


def release_report(
    found: DictionaryDiff,
    old: Dictionary,
    new: Dictionary,
    *,
    impact: Impact | None = None,
    codings: pd.DataFrame | None = None,
    created: str = "",
) -> str:
    """The page, which loads nothing from elsewhere. The same arguments give the same bytes.

    `impact` is that of the rows in `codings` (row_id, case_id, verbatim, ...), whose cases are shown
    beside the changes they meet. Texts are escaped; the page's own script is named by its digest in its
    security policy, and no other runs.
    """
    environment = templates()
    script = environment.loader.get_source(environment, "release.js.j2")[0]  # type: ignore[union-attr]
    data = {
        "kinds": list(KINDS.values()),
        "changes": _changes(found, old, new),
        "cases": _cases(found, impact, codings),
    }
    return environment.get_template("release.html.j2").render(
        found=found,
        language=new.language,
        created=created,
        impact=impact,
        errors=_errors(impact),
        kinds=[
            {"number": number, "title": title, "count": found.counts[kind], "meaning": MEANING[kind],
             "rows": impact.by_kind[kind] if impact else None}
            for number, (kind, title) in enumerate(KINDS.items())
        ],
        data=_inert(json.dumps(data, ensure_ascii=False, separators=(",", ":"))),
        script=script,
        script_digest=b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )  # fmt: skip


def _changes(found: DictionaryDiff, old: Dictionary, new: Dictionary) -> list[list[Any]]:
    """For every change: level, code, name, number of its kind, before, after, all in words."""
    numbers = {kind: number for number, kind in enumerate(KINDS)}
    names = _names(old), _names(new)
    rows = []
    for level, code, name, kind, was, now in found.changes.itertuples(index=False, name=None):
        if kind.startswith("smq"):
            shown = " in ".join(
                names[1].get(part, names[0].get(part, part)) for part in code.split("/")[::-1]
            )
            before, after = _smq(was, now, inside="/" in code)
        else:
            shown = name
            before, after = _said(kind, was, names[0]), _said(kind, now, names[1])
        rows.append([level, code, shown, numbers[kind], before, after])
    return rows


def _names(dictionary: Dictionary) -> dict[str, str]:
    """Code -> name, whatever its level: codes are unique over the levels, but for a PT and its own LLT."""
    names: dict[str, str] = {}
    for table, level in (("smq_list", "smq"), *((t, t) for t in ("llt", "hlt", "hlgt", "soc", "pt"))):
        if table in dictionary.tables:
            frame = dictionary.tables[table]
            names |= dict(zip(frame[f"{level}_code"].tolist(), frame[f"{level}_name"].tolist(), strict=True))
    return names


def _said(kind: str, value: str, names: Mapping[str, str]) -> str:
    """One side of a change in words: names for codes, and what Y and N mean."""
    if kind == "currency_changes":
        return {"Y": "current", "N": "not current"}.get(value, value)
    if kind == "complex_changes":
        parts = [part.partition(": ") for part in value.split("; ")]
        return "; ".join(_said(name, rest, names) for name, _, rest in parts)
    if kind in ("name_changes", "code_switches"):
        return value
    return _CODES.sub(lambda codes: "; ".join(names.get(c, c) for c in codes[0].split(" ")), value)


def _smq(was: str, now: str, *, inside: bool) -> tuple[str, str]:
    """The fields of an SMQ, or of a term in it, that differ."""
    fields = _CONTENT if inside else _LIST
    before, after = was.split("$"), now.split("$")
    if len(before) != len(fields) or len(after) != len(fields):  # it came or went
        return ("not in it", "added") if not was else ("in it", "taken out") if not now else (was, now)
    other = [n for n, (one, two) in enumerate(zip(before, after, strict=True)) if one != two]
    return tuple(  # type: ignore[return-value]
        "; ".join(f"{fields[n]}: {_WORDS.get((fields[n], side[n]), side[n])}" for n in other)
        for side in (before, after)
    )


def _cases(
    found: DictionaryDiff, impact: Impact | None, codings: pd.DataFrame | None
) -> dict[int, list[list[str]]]:
    """Number of a change -> case id and what was said of each affected row."""
    if impact is None or codings is None:
        return {}
    of_row = {
        r: (c, v) for r, c, v in zip(codings["row_id"], codings["case_id"], codings["verbatim"], strict=True)
    }
    key = ["level", "code", "kind"]
    number = {k: n for n, k in enumerate(found.changes[key].itertuples(index=False, name=None))}
    cases: dict[int, list[list[str]]] = {}
    for row_id, term, *change in impact.rows[["row_id", "term", *key]].itertuples(index=False, name=None):
        case_id, verbatim = of_row[row_id]
        cases.setdefault(number[tuple(change)], []).append([case_id, verbatim or term])
    return cases


def _errors(impact: Impact | None) -> list[tuple[str, int]]:
    counts = impact.errors["error"].value_counts() if impact else {}
    return [(text, int(counts.get(name, 0))) for name, text in ERRORS.items() if counts.get(name, 0)]


def _inert(text: str) -> Any:
    """JSON that cannot end the element that it stands in."""
    from markupsafe import Markup

    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))
