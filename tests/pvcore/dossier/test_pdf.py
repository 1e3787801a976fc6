from __future__ import annotations

import re
import sys
import time
import zlib

import pytest

from pvcore.dossier.pdf import to_pdf
from pvcore.errors import PvError

PAGE = (
    '<html lang="en"><head><title>coding@1</title><style>body, code { font: 16px serif }</style></head>'
    "<body><h1>coding@1</h1>{}<code>x</code></body></html>"
)


def _installed() -> None:
    try:
        import weasyprint  # noqa: F401
    except (ImportError, OSError) as error:
        pytest.skip(f"WeasyPrint or Pango is not installed: {error}")


def test_the_same_page_is_the_same_pdf() -> None:
    _installed()
    found = to_pdf(PAGE.replace("{}", ""))
    time.sleep(1.1)  # a font may hold the second in which it was cut
    assert found.startswith(b"%PDF-") and found == to_pdf(PAGE.replace("{}", ""))
    streams = re.findall(rb"FlateDecode.*?>>\nstream\n(.*?)\nendstream", found, re.DOTALL)
    objects = b"".join(map(zlib.decompress, streams))
    assert set(re.findall(rb"/FontName ?/\w+\+([\w-]+)", objects)) == {b"Dossier-Bold", b"Dossier-Mono"}


def test_nothing_but_the_page_is_loaded(tmp_path, caplog: pytest.LogCaptureFixture) -> None:
    _installed()
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"no picture")
    to_pdf(PAGE.replace("{}", f'<img src="{secret.as_uri()}" alt="x">'))
    assert "disallowed protocol" in caplog.text


def test_letters_that_no_font_has_are_named_and_never_left_out() -> None:
    _installed()
    to_pdf(PAGE.replace("{}", "Dr. Jürgen Müller, Иванов, ≥ 95%"))
    to_pdf(PAGE.replace("{}", "\x08 \u2028 \U0010fffe"))  # nothing that anybody reads
    rare = "\U00016ab0"  # Tangsa: a machine that has a font for it has one for every script
    with pytest.raises(PvError, match=f"no font of this machine has {rare}, which a PDF would show as empty"):
        to_pdf(PAGE.replace("{}", f"Dr {rare} Roe {rare}"))


def test_without_weasyprint_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(PvError, match=r"pip install 'pv-retrain\[pdf\]'.*print it"):
        to_pdf(PAGE)
