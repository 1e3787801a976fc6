from __future__ import annotations

import threading
from xml.etree import ElementTree

import pytest

from pvcore.dossier import plots

CURVE = [(step, 1.0 / step) for step in range(1, 61)]


def drawings(judged):
    return {
        "curve": lambda **options: plots.training_curve(CURVE, **options),
        "empty curve": lambda **options: plots.training_curve([], **options),
        "gate": lambda **options: plots.gate_intervals(judged.decision, **options),
        "slices": lambda **options: plots.slice_values(judged.report, "accuracy", **options),
    }


@pytest.mark.parametrize("name", ["curve", "empty curve", "gate", "slices"])
def test_the_same_values_give_the_same_picture(passed, name):
    draw = drawings(passed)[name]
    svg, png = draw(), draw(format="png")
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert png.startswith(b"\x89PNG")
    assert b"http://www.w3.org" in svg and b"<dc:date>" not in svg
    assert draw() == svg and draw(format="png") == png


def test_other_values_give_another_picture(passed, failed):
    assert plots.gate_intervals(passed.decision) != plots.gate_intervals(failed.decision)
    assert plots.training_curve(CURVE) != plots.training_curve(CURVE[:-1])


def test_a_decision_without_intervals_can_be_drawn(passed):
    bare = type(passed.decision)("fail", ("missing: x",), (), False)
    assert ElementTree.fromstring(plots.gate_intervals(bare)).tag.endswith("svg")


def test_one_figure_is_drawn_at_a_time():
    expected, drawn = plots.training_curve(CURVE), []
    thread = threading.Thread(target=lambda: drawn.append(plots.training_curve(CURVE)))
    with plots.DRAWING:  # as another thread would hold it while matplotlib's settings are its own
        thread.start()
        thread.join(0.5)
        assert drawn == []
    thread.join()
    assert drawn == [expected]


def test_the_running_mean_looks_back_only():
    assert plots._running_mean([1.0, 3.0, 5.0, 7.0], 2) == [1.0, 2.0, 4.0, 6.0]
