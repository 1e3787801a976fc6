"""The dossier in a real browser: alone, in the dark, at 200 %, and on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pvcore.dossier.failures import shown
from pvcore.dossier.report import dossier
from pvcore.evaluation import metrics as m
from pvcore.evaluation.compare import changed_answers, evaluate, frame
from pvcore.evaluation.gate import Policy, decide
from pvcore.records import Example, Prediction

LONG = "a_name_that_is_much_longer_than_any_column_of_this_table_is_wide_" * 4


def _page() -> str:
    names = ("non-serious", "serious")
    cases = [Example(f"e{n}", f"{LONG}{n}", "", names[n % 2], f"k{n}", ("negation",)) for n in range(60)]
    answers = frame(cases, [Prediction(c.example_id, names[n % 3 == 0], 0.9) for n, c in enumerate(cases)])
    policy = Policy.model_validate({"problems": {"seriousness": {"floors": {"accuracy": 0.1}}}})
    report = evaluate("seriousness", [m.accuracy(), m.recall("serious")], answers, answers, policy, 1)
    return dossier(
        version="seriousness@2",
        problem="seriousness",
        report=report,
        decision=decide(report, policy, first=False),
        policy=policy,
        champion="seriousness@1",
        positive="serious",
        changed=shown(changed_answers(answers, answers), {}, 0),
        dataset={"digest": "ab" * 32, LONG: LONG},
        batches=[["Batch", "Cases"], *([LONG, "1"] for _ in range(40))],
    )


def test_the_dossier_reads_well_anywhere_and_asks_for_nothing(chromium: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(_page(), encoding="utf-8")
    said: list[str] = []
    # 640 pixels are a window of 1,280 at 200 %.
    page = chromium.new_page(viewport={"width": 640, "height": 900}, color_scheme="dark")
    page.on("console", lambda message: said.append(message.text))
    page.on(
        "request",
        lambda sent: None if sent.url.startswith(("data:", file.as_uri())) else said.append(sent.url),
    )
    page.goto(file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 640
    # Dark where the reader asks for it, with text that is told from it (WCAG 1.4.3 asks for 4.5 : 1).
    assert _contrast(page, "body") > 7 and _contrast(page, ".soft") > 4.5
    page.emulate_media(media="print")
    assert _contrast(page, "body") > 7
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
    page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    assert (tmp_path / "page.pdf").read_bytes().count(b"/Type /Page\n") >= 4
    assert said == []
    page.close()


def _contrast(page: Any, selector: str) -> float:
    """Contrast of a text with the page behind it, by WCAG 2.2."""
    colours = page.evaluate(
        "name => [getComputedStyle(document.querySelector(name)).color,"
        " getComputedStyle(document.body).backgroundColor]",
        selector,
    )
    light, dark = sorted((_luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(part) / 255 for part in colour.strip("rgb()").split(",")]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
