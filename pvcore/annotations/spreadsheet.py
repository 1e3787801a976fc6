"""Cells of a CSV file that a spreadsheet shows and does not compute (OWASP, CSV injection).

Reports come from outside, and a spreadsheet takes "=HYPERLINK(...)" for a formula. An apostrophe in front makes
it text; reading takes that apostrophe away, so that what went out for work comes back as it was.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def guarded(cell: str) -> str:
    """The cell as it is written."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """The cell as it was meant."""
    return cell[1:] if cell[:1] == "'" and _FORMULA.match(cell) else cell
