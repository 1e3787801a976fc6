"""Text from outside as text: what it says is shown, what it would do (to a terminal, a table, a page) is not.

Control characters move a terminal's cursor, set its title or forge a line of a log; characters that turn the
direction of writing show "exe.fdp" as "pdf.exe" (CVE-2021-42574); markup becomes links, pictures that call
somebody, or headings that nobody wrote.
"""

from __future__ import annotations

import re

_TURNING = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
CONTROL = re.compile(f"[\0-\x1f\x7f-\x9f\u2028\u2029{_TURNING}\ud800-\udfff]")
"""C0 and C1 controls, ends of lines and paragraphs, direction marks, and halves of characters."""
_MARKUP = re.compile(r"([\\`*_{}\[\]<>|&~#!])")


def block(text: str) -> str:
    """For a terminal: lines and tabs stay, every other control character is written as its escape."""
    return CONTROL.sub(lambda c: c[0] if c[0] in "\n\t" else _escape(c), text)


def line(text: str) -> str:
    """For a log: one line, whatever it holds."""
    return CONTROL.sub(_escape, text)


def inert(text: str) -> str:
    """For Markdown: one line that neither breaks a table nor becomes markup."""
    return _MARKUP.sub(r"\\\1", line(" ".join(text.split())))


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
