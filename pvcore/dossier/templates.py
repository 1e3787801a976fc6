"""The templates of all pages, and pictures in them: a page loads nothing from elsewhere."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def image(svg: bytes) -> str:
    """A picture as the source of an image: inline, two figures on a page would share the ids inside them."""
    return "data:image/svg+xml;base64," + b64encode(svg).decode()


@cache
def templates() -> Environment:
    """The templates; every text that is put into one is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("pvcore.dossier", "."), autoescape=True, undefined=StrictUndefined
    )
    made.tests["digest"] = lambda value: bool(re.fullmatch(r"[0-9a-f]{64}", str(value)))
    return made
