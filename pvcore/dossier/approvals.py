"""Signatures that came after a page was written: an appendix to it, as of now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pvcore.errors import RegistryError

END = "</body>"
"""Where a page's own text ends; everything before it stays as it was stored."""


def with_approvals(page: str, approvals: Sequence[Mapping[str, Any]], *, digest: str, asof: str) -> str:
    """The stored page with an appendix: every answer that was signed, with name, time, meaning, reason and key.

    `approvals` are rows of `pvcore.cycle.overview.signatures`, `digest` is the stored page's, `asof` the time
    at which the ledger was read. A printed record of a signature shows these (21 CFR 11.50). Raises RegistryError
    for a page that has no place for it.
    """
    from pvcore.dossier.templates import templates

    start, end, rest = page.rpartition(END)
    if not end:
        raise RegistryError(
            "the stored dossier has no end to add signatures at: was it made by this platform?"
        )
    text = templates().get_template("approvals.html.j2").render(rows=approvals, digest=digest, asof=asof)
    return start + text + end + rest
