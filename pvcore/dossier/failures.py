"""Wrong answers as a reader may see them: by case number, and of the text only what the policy allows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pvcore.annotations.personal_data import find
from pvcore.evaluation.sets import NOTHING

CUT = " …"


def shown(
    changed: Mapping[str, Any],
    texts: Mapping[str, str],
    excerpts: int,
    named: Callable[[str], str] = str,
) -> dict[str, Any]:
    """`evaluation.compare.changed_answers` with what may be printed beside each case, under "excerpt".

    `texts` has the text of each example id, `excerpts` the characters of it that the policy
    (`personal_data.excerpts`) lets out, 0 for none; `named` puts a label into words.
    """
    rows = []
    for row in changed["rows"]:
        text = texts.get(row["example_id"], "")
        said = {
            key: answered(row[key], text, excerpts, named)
            for key in ("label", "candidate", "champion")
            if row[key] is not None
        }
        rows.append({**row, **said, "excerpt": excerpt(text, excerpts)})
    return {**changed, "rows": rows, "excerpts": excerpts}


def excerpt(text: str, length: int) -> str:
    """The first `length` characters, likely identifiers of every kind replaced by their kind; "" for none.

    The search is made in the whole text, so that none is cut in two and missed.
    """
    if not length:
        return ""
    made, at = "", 0
    for kind, start, end, _ in find(text):
        made += text[at:start] + f"[{kind.replace('_', ' ')}]"
        at = end
    made += text[at:]
    return made if len(made) <= length else made[:length].rstrip() + CUT


def answered(label: str, text: str, excerpts: int, named: Callable[[str], str] = str) -> str:
    """An answer in words. Marked spans are the source's own words: without leave they are only counted."""
    if not label.startswith("{"):
        return named(label) or NOTHING
    spans = json.loads(label).get("spans", [])
    if not spans:
        return "nothing marked"
    if not excerpts:
        counts: dict[str, int] = {}
        for span in spans:
            counts[span["label"]] = counts.get(span["label"], 0) + 1
        return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    words = "; ".join(f"{span['label']} “{text[span['start'] : span['end']]}”" for span in spans)
    return excerpt(words, excerpts)
