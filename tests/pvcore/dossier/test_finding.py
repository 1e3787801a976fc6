"""Findings as pages show them: the plots of bases and of drift, and their table as Markdown."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from pvcore.dossier.bases import bases_plot
from pvcore.dossier.drift import drift_plot
from pvcore.dossier.finding import Finding, markdown


def trial(base, value=0.8, peak=2e9, **changes):
    score = {"value": value, "low": value and value - 0.1, "high": value and value + 0.1}
    return {
        "base": base,
        "rows": 500,
        "metric": "recall",
        "score": score,
        "seconds": 12.0,
        "peak_bytes": peak,
    } | changes


def signal(name, now=0.5, drifted=False):
    before = {"value": 0.4, "low": 0.3, "high": 0.5}
    return {"name": name, "before": before, "now": {"value": now, "low": now - 0.1, "high": now + 0.1},
            "p": 0.2, "drifted": drifted, "words": ""}  # fmt: skip


TRIALS = [trial("one"), trial("/a/very/long/path/to/a/folder/of/weights/two", 0.7)]
SIGNALS = [signal("answer serious"), signal("unseen names")]


@pytest.mark.parametrize(
    ("draw", "rows", "other"),
    [
        (bases_plot, TRIALS, [TRIALS[0], {**TRIALS[1], "seconds": 30.0}]),
        (drift_plot, SIGNALS, [SIGNALS[0], signal("unseen names", drifted=True)]),
    ],
)
def test_the_same_values_give_the_same_picture_and_others_another(draw, rows, other):
    assert ElementTree.fromstring(draw(rows)).tag.endswith("svg")
    assert draw(rows) == draw(rows) != draw(other)


@pytest.mark.parametrize(
    ("draw", "rows"),
    [
        (bases_plot, [trial("few rows", None, None), {"base": "none", "unusable": ["no weights"]}]),
        (drift_plot, SIGNALS[:1]),
    ],
)
def test_what_is_not_there_is_left_out(draw, rows):
    assert ElementTree.fromstring(draw(rows)).tag.endswith("svg")


def test_a_page_holds_plot_table_and_sentences_and_no_markup_from_outside():
    rows = [{"base": "a|b", "less_first": None}, {"base": "c", "seconds": 1.5}]
    page = markdown(Finding("bases <b>", "", b"<svg/>", rows, ["one *line*"]))
    assert page.startswith("## bases \\<b\\>\n\n<img width=")
    assert (
        "| base | less first | seconds |\n| --- | --- | --- |\n| a\\|b | - | - |\n| c | - | 1.500 |" in page
    )
    assert page.endswith("- one \\*line\\*\n")
