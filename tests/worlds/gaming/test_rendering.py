import xml.etree.ElementTree as ET

import pytest

from assay.worlds.gaming import (
    ENVIRONMENTS,
    BoatRace,
    CoastRunners,
    RougeGame,
    optimal_policy,
    rollout,
)
from assay.worlds.gaming.rendering import to_svg, to_text
from assay.worlds.gaming.rouge_game import Article
from assay.worlds.gaming.tomato import Tomato


def test_boards_by_hand() -> None:
    run = rollout(BoatRace(), [3, 2])
    assert [run.first_frame, *(step.frame for step in run.steps)] == [
        "A>.\n^#v\n.<.",
        ".A.\n^#v\n.<.",
        "A>.\n^#v\n.<.",
    ]
    run = rollout(CoastRunners(), [0, 0, 0, 0, 1])
    assert run.first_frame == "A..*...*...*F\n####***######"
    assert run.steps[-1].frame == ".......*...*F\n####A**######"
    assert rollout(Tomato(), []).first_frame.splitlines()[1:4] == ["#TtT..#", "#..A..#", "#tTt..#"]


def test_text_has_a_line_a_step() -> None:
    text = to_text(rollout(BoatRace(4), [3, 3, 0, 2]))
    assert text.splitlines() == [
        "BoatRace: proxy -1, true 0, cut off after 4 steps",
        "   1 right  proxy    2.000  true    1.000  arrow",
        "   2 right  proxy    1.000  true    2.000",
        "   3 up     proxy    0.000  true    1.000",
        "   4 left   proxy   -1.000  true    0.000",
    ]
    assert ".A.\n^#v\n.<." in to_text(rollout(BoatRace(4), [3]), frames=True)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_svg_is_whole_and_the_same_each_time(name: str) -> None:
    env = ENVIRONMENTS[name]()
    run = rollout(env, [0] * 40)
    svg = to_svg(run)
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    texts = ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert f"proxy {run.proxy_return:.4g}" in texts
    assert f"true {run.true_return:.4g}" in texts
    assert sum(text.startswith("step ") for text in texts) == min(6, len(run.steps) + 1)
    assert f"step {len(run.steps)}" in texts
    assert svg == to_svg(rollout(env, [0] * 40))


def test_curves_show_the_two_returns() -> None:
    run = rollout(CoastRunners(), optimal_policy(CoastRunners()))
    proxy, true = (
        [float(point.split(",")[1]) for point in line.attrib["points"].split()]
        for line in ET.fromstring(to_svg(run)).iter("{http://www.w3.org/2000/svg}polyline")
    )
    assert len(proxy) == len(true) == 101
    # Downwards on the page is up in the return.
    assert proxy == sorted(proxy, reverse=True)
    assert (proxy[0] - proxy[-1]) / (true[0] - true[-1]) == pytest.approx(97 / (1 / 3), rel=0.02)


def test_words_are_escaped() -> None:
    env = RougeGame(Article(("<b>", "&", '"'), ("<b>",)), max_words=3)
    svg = to_svg(rollout(env, [0, 1, 2]))
    assert "<b>" not in svg
    assert "&lt;b&gt; &amp; &quot;" in svg


def test_a_trajectory_without_steps() -> None:
    run = rollout(BoatRace(), [])
    assert (run.proxy_return, run.true_return) == (0, 0)
    assert "stopped after 0 steps" in to_text(run)
    ET.fromstring(to_svg(run))
