"""What a text from outside would do to a terminal, a log or a page, it does not do."""

from __future__ import annotations

import pytest

from pvcore.plain import block, inert, line

ATTACKS = [
    "\x1b]0;owned\x07\x1b[2Ka",  # sets the title of a window, wipes the line
    "\x9b31ma",  # the same command in one byte
    "a\rINFO approved",
    "a\u2028b\u2029c",
    "\u202egnp.exe",  # shows as exe.png
    "\ud800",
]


@pytest.mark.parametrize("text", ATTACKS)
def test_no_control_character_is_left(text: str) -> None:
    for shown in (block(text), line(text), inert(text)):
        shown.encode()
        assert shown.isprintable()


def test_a_text_of_several_lines_stays_readable_and_a_line_is_one() -> None:
    assert block("a\n\tb") == "a\n\tb"
    assert line("a\nERROR forged") == "a\\nERROR forged"


@pytest.mark.parametrize(
    "text",
    ["![](http://x/pixel)", "[a](javascript:alert(1))", "<img src=x onerror=y>", "a | b", "&lt;b&gt;", "# PASS",
     "a\n\n# PASS", "a\r\r# PASS", "``` x", "~~a~~", "**a**"],
)  # fmt: skip
def test_markdown_has_no_markup_and_one_line(text: str) -> None:
    shown = inert(text)
    assert "\n" not in shown and "\r" not in shown
    bare = "".join(
        shown[i] for i in range(len(shown)) if shown[i] in "`*_[]<>|&~#!" and shown[i - 1 : i] != "\\"
    )
    assert not bare
