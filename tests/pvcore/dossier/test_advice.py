"""The page of advice: text that came from data is text, whatever it looks like."""

from __future__ import annotations

from pvcore.advice.costs import Costs
from pvcore.advice.decision import Facts, decide
from pvcore.advice.sufficiency import sufficiency
from pvcore.dossier.advice import advice_page, costs_shown
from pvcore.dossier.finding import Finding
from pvcore.evaluation.curve import Interval
from pvcore.records import Example

HOSTILE = '"><script>alert(1)</script>'


def test_labels_and_words_are_escaped() -> None:
    rows = [Example("e1", "c1", "some words", HOSTILE, "k1")]
    found = sufficiency("coding", "ranking", (), rows, terms=True)
    page = advice_page(
        "coding", decide(Facts()), found, agreement={HOSTILE: Interval(0.5, 0.4, 0.6)},
        measured={"Which base?": Finding("bases", HOSTILE, b"<svg/>", [{HOSTILE: HOSTILE}], [HOSTILE])},
    )  # fmt: skip
    assert "<script" not in page and page.count("&lt;script&gt;") == 5


def test_a_price_too_small_to_print_is_not_nothing() -> None:
    costs = Costs(2e-9, 3e-4, 1.5, 180.0, 480_000.0, 20_708.0)
    rows = costs_shown(costs, 24)["rows"]
    assert [row["case"] for row in rows] == ["below 0.0000001", "0.0003", "1.5"]


def test_what_was_not_measured_names_the_command_that_would() -> None:
    found = sufficiency("ddi", "classification", ("no", "yes"), [])
    page = advice_page("ddi", decide(Facts()), found, measured={"Which base?": "pv bases ddi BASE BASE"})
    assert "<h2>Which base?</h2>" in page and "<code>pv bases ddi BASE BASE</code>" in page


def test_agreement_and_gains_have_a_column_only_where_they_are_known() -> None:
    rows = [Example(f"e{n}", f"c{n}", "some words", "yes" if n % 2 else "no", f"k{n}") for n in range(8)]
    found = sufficiency("ddi", "classification", ("no", "yes"), rows)
    bare = advice_page("ddi", decide(Facts()), found)
    assert "agreement (alpha)" not in bare and "bring to its recall" not in bare
    told = advice_page(
        "ddi",
        decide(Facts()),
        found,
        agreement={"yes": Interval(0.71, 0.65, 0.77)},
        gains={"no": Interval(0.02, -0.01, 0.05)},
    )
    assert ">0.71 (0.65 to 0.77)<" in told and "+0.020 (-0.010 to +0.050)" in told
