from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from pvcore.annotations.consistency import measure
from pvcore.dossier import mapping
from pvcore.dossier.failures import shown
from pvcore.dossier.intended import IntendedUse
from pvcore.dossier.report import dossier, markdown_gate_table
from pvcore.dossier.tables import frequencies
from pvcore.evaluation.compare import changed_answers, evaluate, frame
from pvcore.evaluation.criteria import criteria_metrics
from pvcore.evaluation.gate import Decision
from pvcore.evaluation.reliability import Reliability
from pvcore.evaluation.report import Estimate
from pvcore.records import CRITERIA, Annotation, Example, Prediction

VOID = {"meta", "img", "br", "link"}
DIGEST = "ab" * 32
INTENDED = IntendedUse(
    stated_by="Dr Jane Roe",
    stated_on="2026-02-01",
    purpose="Suggests whether a report is serious.",
    question_of_interest="Which reports are serious?",
    not_for=("closing a case",),
    limits=("Words may be denied.",),
    risks=("A missed case waits.",),
)


class Reader(HTMLParser):
    """Text, attributes, and whether every tag is closed in its order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.sections: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        found = dict(attrs)
        self.links += [found[name] for name in ("src", "href") if name in found]
        self.ids += [found["id"]] if "id" in found else []
        self.sections += [found["id"]] if tag == "h2" else []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text += " " + data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    reader.text = re.sub(r"\s+", " ", reader.text)
    return reader


def page(judged, **more) -> str:
    details = {
        "version": "seriousness@2",
        "champion": "seriousness@1",
        "positive": "serious",
        "changed": shown(changed_answers(judged.candidate, judged.champion, positive="serious"), {}, 0),
        "intended": INTENDED,
        "curve": [(1, 0.7), (2, 0.5)],
        "dataset": {"digest": DIGEST, "counts": {"train": 1204}, "batches": ["a.json", "b.xml"]},
        "agreement": {"kappa": 0.8612345},
        "migration": {"unchanged": 90, "recoded": 4, "needs_review": 1},
        "specification": {"lora": {"rank": 16}, "parent": None},
        "reproduce": ["pv verify seriousness@2"],
        "digests": {"adapter": DIGEST},
        "created": "2026-03-01 06:12 UTC",
    }
    return dossier(
        problem="seriousness",
        report=judged.report,
        decision=judged.decision,
        policy=judged.policy,
        **{**details, **more},
    )


def test_a_model_that_missed_a_case_in_five_hundred_is_not_said_to_find_all(passed):
    overall = passed.report.overall
    recall = overall.results["recall"]
    few = dataclasses.replace(recall, candidate=Estimate(0.998, 0.9965, 1.0, 0.001))
    group = dataclasses.replace(overall, results={**overall.results, "recall": few})
    said = frequencies(dataclasses.replace(passed.report, overall=group), "serious")[0]
    assert "the candidate finds almost 100 (the interval allows almost 100 to 100)" in said


def test_the_page_says_what_a_reader_looks_for(passed):
    text = read(page(passed)).text
    for part in (
        "seriousness@2",
        "compared with the champion seriousness@1",
        "met every criterion that was set before",
        "Of 100 serious cases the candidate finds about 96 (the interval allows",
        "The champion: 95.",
        "Stated by Dr Jane Roe on 2026-02-01. Suggests whether a report is serious.",
        "question of interest Which reports are serious?",
        "closing a case Limits Words may be denied. The model suggests; a qualified person decides.",
        "the policy lets no text of a case out",
        "None were asked of this version",
        "It is no learning curve",
        "This held-out set has decided 2 times",
        "truly serious 96 4 missed",
        "8 of 200 answers differ from the annotators'. Against the champion, 0 are newly wrong and 2 newly right",
        "counts: train 1204",
        "a.json, b.xml",
        "0.861235",
        "recoded 4 moved to another code",
        "lora: rank 16",
        "pv verify seriousness@2",
        "Not approved yet when this page was written",
        DIGEST,
        passed.report.held_out,
    ):
        assert part in text, part


def test_the_page_stands_alone_and_does_not_change(passed):
    html = page(passed)
    reader = read(html)
    inside = [link for link in reader.links if link.startswith("#")]
    assert {link[1:] for link in inside} == set(reader.ids) == set(reader.sections)
    assert all(link.startswith("data:image/svg+xml;base64,") for link in reader.links if link not in inside)
    assert len(reader.links) - len(inside) == 4
    assert not re.search(r"url\(|@import|<script|<iframe|<object", html)
    assert html == page(passed) and len(html) < 400_000


def test_a_failure_shows_its_reasons_and_cannot_be_approved(failed):
    assert failed.decision.outcome == "fail"
    text = read(page(failed)).text
    assert "What stands in the way" in text
    for reason in failed.decision.reasons:
        assert reason in text
    assert "No approval can be given: the decision is fail" in text


def test_a_first_version_needs_no_champion_and_few_facts(first):
    bare = dossier(
        version="seriousness@1",
        problem="seriousness",
        report=first.report,
        decision=first.decision,
        policy=first.policy,
    )
    text = read(bare).text
    assert "judged against fixed floors" in text
    assert "Difference to champion" not in text and "newly wrong" not in text
    assert "TF-IDF" in text


def test_a_page_can_be_read_by_a_screen_reader(passed):
    """Headings leave no level out, tables have a caption or headed rows, headers say what they head, pictures speak."""
    html = page(passed, behaviour=BEHAVIOUR, balance=[["Label", "train"], ["serious", 3]])
    levels = [int(level) for level in re.findall(r"<h([1-6])", html)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for table in re.findall(r"<table.*?</table>", html, re.DOTALL):
        assert "<caption>" in table or table.startswith('<table class="facts">'), table[:200]
        assert all("scope=" in header for header in re.findall(r"<th[ >][^>]*", table)), table[:200]
    assert all(len(alt) > 20 for alt in re.findall(r'<img [^>]*alt="([^"]*)"', html))
    assert '<html lang="en">' in html and "<main>" in html


BEHAVIOUR = {
    "tests": DIGEST,
    "kinds": {
        "negation": {
            "tests": 12, "passed": 11, "withheld": 1, "champion": 12, "better": 0, "worse": 1, "p_worse": 0.5,
            "failures": [
                {"test": "denied", "form": "expected", "texts": ["She was <b>not</b> admitted."],
                 "asked": "non-serious", "found": ["serious"], "champion_passed": True},
            ],
        },
    },
}  # fmt: skip


def test_behaviour_tests_are_shown_with_their_failures(passed, first):
    html = page(passed, behaviour=BEHAVIOUR)
    text = read(html).text
    assert "negation 12 11 12 0.500 1" in text
    assert "She was <b>not</b> admitted. → serious non-serious passed" in text and "<b>not</b>" not in html
    assert "Champion passed" not in read(page(first, behaviour=BEHAVIOUR, champion=None)).text


def test_a_dictionarys_effect_is_told_from_the_models(passed):
    value = {"value": 0.5, "low": 0.4, "high": 0.6, "error": 0.05}
    states = dict.fromkeys(("champion_old", "champion_new", "candidate_new", "dictionary", "model"), value)
    effects = {"old": "26.1", "new": "27.0", "words": "The dictionary alone.", "cases": 90, "relabelled": 4}
    rows = [{"metric": "accuracy", "higher_is_better": True, **states}]
    text = read(page(passed, effects={**effects, "results": rows})).text
    assert "90 held-out examples, 4 of them with another label in MedDRA 27.0 than in 26.1" in text
    assert "accuracy 0.500 0.400 to 0.600" in text and "+0.500 +0.400 to +0.600" in text
    bare = read(page(passed, effects={**effects, "results": []})).text
    assert "The dictionary alone." in bare and "From the model" not in bare


def test_an_intended_use_that_nobody_stated_says_so(passed):
    text = read(page(passed, intended=IntendedUse())).text
    assert "nobody who answers for the use of this model has stated it yet" in text
    assert "intended_use/seriousness.yaml" in text


def test_the_page_maps_its_parts_to_what_auditors_ask(passed):
    html = page(passed)
    table = html[html.index('id="mapping"') :]
    for part in (*mapping.PART11, *mapping.CREDIBILITY):
        assert f'<th scope="row">{part.clause}</th>' in table
    assert [part.clause for part in mapping.CREDIBILITY] == list("1234567")
    known = set(re.findall(r'<h2 id="(\w+)"', page(passed, dictionary={"MedDRA version": "27.0"}))) | {
        "guardrails"
    }
    assert {name for part in (*mapping.PART11, *mapping.CREDIBILITY) for name in part.sections} <= known


@pytest.mark.parametrize("field", ["champion", "version", "created", "approvers"])
def test_no_text_becomes_markup(passed, field):
    nasty = "<script>alert(1)</script>"
    arguments = {field: nasty}
    rows = [["Label", nasty], [nasty, 1]]
    meant = IntendedUse(purpose=nasty, not_for=(nasty,), risks=(nasty,), users=(nasty,))
    html = page(
        passed,
        dataset={nasty: nasty},
        reproduce=[nasty],
        balance=rows,
        batches=rows,
        intended=meant,
        **arguments,
    )
    assert "<script" not in html and "&lt;script&gt;" in html


def test_a_learning_curve_is_shown_with_what_it_was_fitted_to_or_the_command_that_measures_it(passed):
    assert "<code>pv curve seriousness</code>" in page(passed)
    facts = {"measured": "2026-02-03", "MedDRA version": "27.0", "dataset": DIGEST}
    html = page(passed, learning={"plot": b"<svg/>", "words": ["More brings <nothing>."], "facts": facts})
    assert "pv curve" not in html and "More brings &lt;nothing&gt;." in html
    assert all(value in html for value in facts.values()) and read(html)


def test_the_page_claims_no_compliance(passed, failed, first):
    for judged in (passed, failed, first):
        said = read(page(judged)).text
        assert said.count(mapping.CLAIM) == 1 and "no claim of compliance" in mapping.CLAIM
        text = said.replace(mapping.CLAIM, "").lower()
        assert not re.search(r"\b(compliant|complies|compliance|certified|validated)\b", text)
        assert "not a statement that any regulation or standard is met" in text


def test_the_gate_table_is_markdown_with_every_criterion(passed):
    table = markdown_gate_table(passed.report, passed.decision)
    assert table.startswith("## seriousness: PASS\n")
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows[: 2 + len(passed.decision.checks)]}) == 1
    assert sum(line.endswith("| pass |") for line in rows) == len(passed.decision.checks)
    assert "| metric | candidate | champion | TF-IDF |" in table
    assert "| recall | 0.960 | 0.950 | 0.700 |" in table
    for reason in passed.decision.reasons:
        assert reason in table


def test_criteria_have_a_table_of_their_own(passed):
    cases = [
        Example(f"e{n}", f"case-{n}", "", "serious", f"k{n}", criteria={"death": n < 10}) for n in range(40)
    ]
    found, none = (
        frame(cases, [Prediction(e.example_id, "serious", 1.0, criteria=(("death", p(n)),), met=m(n))
                      for n, e in enumerate(cases)])
        for p, m in ((lambda n: 1 - n / 40, lambda n: ("death",) * (n < 20)), (lambda n: 0.5, lambda n: ()))
    )  # fmt: skip
    report = evaluate("seriousness", criteria_metrics(CRITERIA), found, None, passed.policy, 1,
                      baselines={"TF-IDF": none})  # fmt: skip
    page_text = read(page(dataclasses.replace(passed, report=report))).text
    assert "The seriousness criteria" in page_text and "death recall" not in page_text
    table = markdown_gate_table(report, passed.decision)
    assert "| death | 10 | 1.000 | 0.250 | 1.000 | 0.500 |" in table
    assert "| hospitalisation | 0 |" in table and "death recall" not in table
    assert "The seriousness criteria" not in read(page(passed)).text


def test_markdown_cannot_be_broken_by_a_name(passed):
    decision = Decision("fail", ("missing: a|b <img>\n# title",), (), False)
    table = markdown_gate_table(passed.report, decision)
    assert r"- missing: a\|b \<img\> \# title" in table


def test_consistency_is_shown_as_tables_of_text(passed):
    said = [
        Annotation(f"c{i}", "seriousness", {"serious": i < 5 or name == "a<b>"}, name)
        for i in range(9)
        for name in ("a<b>", "z")
    ]
    tables = page(passed, consistency=json.loads(measure("dataset x", said).to_json()))
    assert (
        "4 disagreement(s) that nobody has settled" in tables and "<caption>To talk about</caption>" in tables
    )
    assert read(tables) and "a&lt;b&gt; and z" in tables and "a<b>" not in tables
    assert "To talk about" not in page(passed)


def test_confidence_and_guardrails_are_shown_where_they_were_measured(passed):
    found = Reliability(
        bins=((0.6, 0.5, 40), (0.9, 0.95, 160)),
        curve=((0.1, 0.0), (0.5, 0.02), (1.0, 0.1)),
        calibration_error=0.0412,
        area=0.0333,
        coverage=0.925,
        risk=0.0541,
        raised={"confidence": {"withhold": 15}, "unlike training": {"warn": 4}},
    )
    measured = dataclasses.replace(passed, report=dataclasses.replace(passed.report, reliability=found))
    html = page(
        measured, changed={**shown(changed_answers(passed.candidate, passed.champion), {}, 0), "withheld": 15}
    )
    reader = read(html)
    for part in (
        "92.5% of the held-out cases are answered, and 5.4% of these answers are wrong",
        "calibration error 0.041; area under the risk-coverage curve 0.033",
        "unlike training the text is further from the training data than held-out texts usually are 4 0",
        "A withheld answer counts as missed or as a false alarm",
        "15 were withheld",
    ):
        assert part in reader.text, part
    assert sum(link.startswith("data:image") for link in reader.links) == 6
    assert "guardrails" in reader.ids and "guardrails" not in read(page(passed)).ids
    assert html == page(
        measured, changed={**shown(changed_answers(passed.candidate, passed.champion), {}, 0), "withheld": 15}
    )
