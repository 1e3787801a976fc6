"""A page of the dossier as PDF, by WeasyPrint and with fonts that come along: the same page, the same bytes."""

from __future__ import annotations

import contextlib
import logging
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from pvcore.errors import PvError

FACES = (
    ("Dossier", "normal", "DejaVuSans.ttf"),
    ("Dossier", "bold", "DejaVuSans-Bold.ttf"),
    ("Dossier Mono", "normal", "DejaVuSansMono.ttf"),
)
"""Of matplotlib, which draws the plots with them."""
STYLE = """
body { font-family: "Dossier" !important; font-size: 8.5pt !important } table { font-size: 7.5pt !important }
code { font-family: "Dossier Mono" !important }
"""
"""Important, as the page's own style wins otherwise; smaller, as DejaVu is wider than what browsers choose."""
ADVICE = (
    "a PDF needs WeasyPrint and Pango. Run: pip install 'pv-retrain[pdf]' (and on Debian or Ubuntu: "
    "apt install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0); or write the HTML page and print it"
)


def to_pdf(page: str) -> bytes:
    """A4, with page numbers. Nothing is loaded but the page itself.

    Raises PvError where a program is missing, or the fonts of this machine lack letters of the page: a name of empty
    boxes is no printed name of a signature.
    """
    try:
        import weasyprint
        from weasyprint.text.fonts import FontConfiguration
        from weasyprint.urls import URLFetcher
    except (ImportError, OSError) as error:  # OSError: Pango is not there
        raise PvError(f"{ADVICE}. ({str(error).splitlines()[0]})") from None
    from matplotlib import get_data_path

    folder = Path(get_data_path(), "fonts", "ttf")
    faces = "".join(
        f'@font-face {{ font-family: "{family}"; font-weight: {weight}; src: url("{(folder / file).as_uri()}") }}\n'
        for family, weight, file in FACES
    )
    fonts = FontConfiguration()
    own = weasyprint.CSS(string=faces + STYLE, font_config=fonts)
    # A page carries everything itself; whatever else it asked for is not fetched.
    inside = URLFetcher(allowed_protocols=("data",))
    with _no_time_of_day(), _unwritten() as letters:
        made = weasyprint.HTML(string=page, url_fetcher=inside).write_pdf(
            stylesheets=[own], font_config=fonts, pdf_tags=True
        )
    if letters:
        raise PvError(
            f"no font of this machine has {' '.join(letters)}, which a PDF would show as empty boxes. Install one that "
            "has (Debian and Ubuntu: apt install fonts-noto-core fonts-noto-cjk), or write the "
            "HTML page and print it."
        )
    return bytes(made)


@contextlib.contextmanager
def _unwritten() -> Iterator[dict[str, None]]:
    """The letters and digits that WeasyPrint had no font for, of which it tells in its log alone.

    A control character or an emoji of a report hides no name and no number: it keeps nobody from the page.
    """
    found: dict[str, None] = {}

    def heed(record: logging.LogRecord) -> bool:
        if str(record.msg).startswith(".notdef glyph") and isinstance(record.args, tuple):
            letter = str(record.args[0])
            if unicodedata.category(letter)[0] in "LMN":
                found[letter] = None
        return True

    log = logging.getLogger("weasyprint")
    log.addFilter(heed)
    try:
        yield found
    finally:
        log.removeFilter(heed)


@contextlib.contextmanager
def _no_time_of_day() -> Iterator[None]:
    """Where HarfBuzz-Subset is not installed fontTools cuts the fonts, and writes the time into them but for this."""
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = "0"
    try:
        yield
    finally:
        del os.environ["SOURCE_DATE_EPOCH"]
        if before is not None:
            os.environ["SOURCE_DATE_EPOCH"] = before
