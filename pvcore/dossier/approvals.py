"""The signatures under a version, put into its dossier when that is read: the page is written before anybody signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

HEADING = '<h2 id="approval">Approval</h2>'
COLUMNS = ("name", "time", "meaning", "reason", "roles", "key")


def with_signatures(page: str, rows: Sequence[Mapping[str, Any]], *, digest: str, entry: int) -> str:
    """The page with a table of signatures as of ledger entry `entry`; `digest` is that of the page as registered.

    A row has name, time, meaning, reason, roles and key. The same arguments give the same bytes.
    """
    told = (
        f"<p>The signatures of the ledger up to entry {entry}, added to the page that was registered "
        f"(SHA-256 <code>{digest}</code>, written before anybody could sign).</p>"
    )
    if rows:
        heads = "".join(f"<th>{column.capitalize()}</th>" for column in COLUMNS)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(_text(row[column]))}</td>' for column in COLUMNS)}</tr>"
            for row in rows
        )
        told += f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    else:
        told += "<p>Nobody has signed.</p>"
    before, found, after = page.partition(HEADING)
    if not found:
        before, _, after = page.rpartition("</body>")
        return f"{before}{HEADING}{told}</body>{after}"
    return f"{before}{HEADING}{told}{after}"


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
