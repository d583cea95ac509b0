import math
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from assay.errors import DataError
from assay.pages.rl import reinforcement_report
from assay.pages.rl_arms import arms_report
from assay.pages.rl_plots import arms, proxy_and_gold, reinforcement_curves
from assay.report.html import (
    Bullets,
    Details,
    Figure,
    Headline,
    Paragraph,
    Section,
    Solution,
    Table,
    page,
)
from assay.runs.evaluations import course, eval_points
from tests.pages.test_curves import SVG, texts
from tests.pages.test_evaluation import RUN
from tests.report.test_html import NASTY, Document

Row = dict[str, Any]
PROXY = [0.4, 0.6, 0.7, 0.8, 0.9]
HACKED = [0.5, 0.6, 0.7, 0.5, 0.3]
HEALTHY = [0.5, 0.6, 0.7, 0.75, 0.74]
TITLES = ["What came out", "Over the steps", "What it wrote", "Settings"]


def measured(value: float | None, half: float = 0.03, n: int = 300, unscored: int = 0) -> list[Any]:
    return [
        value,
        None if value is None else value - half,
        None if value is None else value + half,
        n,
        unscored,
    ]


def run_rows(
    gold: list[float] | None,
    proxy: list[float] = PROXY,
    name: str = "verifier",
    *,
    trained: bool = False,
) -> list[Row]:
    """A start row, and a look every ten steps, at KL 0, 1, 4, 9, 16; trained: a row a step as
    well."""
    rows: list[Row] = [{"prompts": 6261, "held_out_prompts": 300}]
    for step in range(41):
        if step and trained:
            parts = {"prm": 0.5 + step / 100, "outcome": 0.5}
            rows.append(
                {
                    "step": step,
                    "reward": 0.4 + step / 80,
                    "rewards": parts,
                    "kl": step / 4,
                    "length": 11.0,
                }
            )
            rows[-1] |= {
                "steps": 5.0,
                "entropy": 0.3,
                "finished": 1.0,
                "duplicates": 0.1,
                "gradient_norm": 0.7,
            }
            rows[-1] |= {"beta": 0.05, "unscored": step % 3, "tokens_per_second": 3000.0}
        if step % 10 == 0:
            i = step // 10
            watch: Row = {
                "proxy": measured(proxy[i]),
                "gold": {},
                "kl": measured(float(i * i)),
                "length": measured(11.0),
            }
            watch["steps"] = measured(5.0 - i)
            if gold is not None:
                watch["gold"][name] = measured(gold[i], unscored=2)
            rows.append({"step": step, "eval": watch})
    return rows


def sample(step: int, text: str = "So 7.", **more: Any) -> Row:
    row = {
        "step": step,
        "prompt": "How many?",
        "response": ["First.\n", text],
        "proxy": 0.7,
        "step_scores": [0.9, 0.2],
    }
    return row | {"gold": {"verifier": 1.0}} | more


def report(
    rows: list[Row], samples: list[Row] | None = None, peak: int | None = None
) -> list[Section]:
    return reinforcement_report(RUN, rows, samples or [], peak=peak)


def blocks(section: Section, kind: type) -> list:
    return [block for block in section.blocks if isinstance(block, kind)]


def words(section: Section) -> str:
    said = [block.text for block in blocks(section, Paragraph)]
    return "\n".join([*said, *(text for block in blocks(section, Bullets) for text in block.texts)])


def rings(svg: str) -> list[tuple[float, str]]:
    """Markers with a border and no filling: where they stand from left to right, and their
    colour."""
    used = [(use, use.get("style", "")) for use in ET.fromstring(svg).iter(f"{SVG}use")]
    empty = [(use, style) for use, style in used if "fill-opacity: 0;" in style]
    return sorted(
        (float(use.get("x", "nan")), re.findall(r"stroke: var\(--(\w+)", style)[0])
        for use, style in empty
    )


def test_a_gold_that_falls_while_the_proxy_climbs_is_said_in_words_and_numbers() -> None:
    rows = [
        *run_rows(HACKED, trained=True),
        {"step": 40, "alarm": "gold falls", "text": "From 0.7 to 0.3."},
    ]
    sections = report(rows, peak=20)
    assert [section.title for section in sections] == TITLES
    first = sections[0]
    said = words(first)
    assert "over-optimized: after step 20, gold fell while the proxy went on climbing" in said
    assert "its peak is 0.700 [0.670, 0.730], at step 20 (KL 4 nats)" in said
    assert (
        "step 40 (KL 16 nats), is worth 0.300 [0.270, 0.330]: a fall, the intervals apart" in said
    )
    assert "worse than before training (0.500 [0.470, 0.530])" in said
    assert "from gold's peak at step 20 to the end, it climbed, the intervals apart" in said
    assert "Step 40, gold falls: From 0.7 to 0.3." in said
    assert list(blocks(first, Headline)[0].values) == [
        "gold, step 0",
        "gold, step 20 (peak)",
        "gold, step 40 (end)",
        "proxy, step 40 (end)",
    ]


@pytest.mark.parametrize(
    ("gold", "proxy", "said"),
    [
        (HEALTHY, PROXY, "The policy got better"),
        ([0.5, 0.51, 0.5, 0.49, 0.5], PROXY, "The proxy climbed and gold stayed where it was"),
        ([0.5] * 5, [0.5] * 5, "Neither gold nor the proxy rose"),
        (HACKED, [0.5] * 5, "The policy got worse after step 20"),
        ([0.5, 0.4, 0.3, 0.2, 0.1], PROXY, "over-optimized: from the start on"),
    ],
)
def test_the_verdict_is_that_of_the_intervals(
    gold: list[float], proxy: list[float], said: str
) -> None:
    found = words(report(run_rows(gold, proxy))[0])
    assert said in found
    assert "No alarm was raised." in found


def test_without_gold_the_report_says_what_a_proxy_cannot_tell() -> None:
    first = report(run_rows(None))[0]
    assert "Only the proxy was measured" in words(first)
    assert "cannot tell" in words(first)
    svg = blocks(first, Figure)[0].svg
    assert "proxy, n = 300" in texts(svg)
    assert not any("gold" in text for text in texts(svg))


def test_the_peak_is_ringed_where_it_is_and_kl_is_on_a_square_root_scale() -> None:
    svg = proxy_and_gold({"run": eval_points(run_rows(HACKED))})
    said = [
        (text.text or "", float(text.get("x", "nan")))
        for text in ET.fromstring(svg).iter(f"{SVG}text")
    ]
    at = {text: x for text, x in said if re.fullmatch(r"0|1|2|5|10", text)}
    assert at["1"] - at["0"] == pytest.approx((at["5"] - at["0"]) / math.sqrt(5), abs=0.2)
    assert "0.700 at step 20" in [text for text, _ in said]
    ((x, colour),) = rings(svg)
    assert x == pytest.approx(at["0"] + 2 * (at["1"] - at["0"]), abs=0.2)
    assert colour == "blue"
    given = proxy_and_gold({"run": eval_points(run_rows(HACKED))}, peaks={"run": 10})
    assert "0.600 at step 10" in texts(given)
    with pytest.raises(DataError, match="step 13 is given as the peak"):
        report(run_rows(HACKED), peak=13)


def test_proxy_and_gold_have_panels_of_their_own_where_their_scales_differ() -> None:
    together = texts(proxy_and_gold({"run": eval_points(run_rows(HACKED))}))
    assert "proxy (broken line) and gold (verifier), n = 300" in together
    large = [20 * value for value in PROXY]
    assert {"proxy, n = 300", "gold (verifier), n = 300"} <= set(
        texts(proxy_and_gold({"r": eval_points(run_rows(HACKED, large))}))
    )


def test_several_golds_are_told_of_and_drawn_each() -> None:
    rows = run_rows(HACKED)
    for row in rows:
        if "eval" in row:
            row["eval"]["gold"]["larger model"] = measured(0.8)
    first = report(rows)[0]
    assert "Gold (larger model): its peak is 0.800 [0.770, 0.830], at step 0" in words(first)
    assert {"verifier 0.300", "larger model 0.800", "proxy 0.900"} <= set(
        texts(blocks(first, Figure)[0].svg)
    )


def test_the_table_of_looks_is_folded_and_has_every_number() -> None:
    (folded,) = blocks(report(run_rows(HACKED))[0], Details)
    (table,) = folded.blocks
    assert isinstance(table, Table)
    assert table.head == [
        "step",
        "KL",
        "proxy",
        "gold:\nverifier",
        "tokens per\nresponse",
        "n",
        "unscored",
    ]
    assert table.rows[1] == [
        "10",
        "1",
        "0.600\n[0.570, 0.630]",
        "0.600\n[0.570, 0.630]",
        "11.0",
        "300",
        "2",
    ]
    assert len(table.rows) == 5


def test_panels_that_would_be_empty_are_not_drawn() -> None:
    said = texts(reinforcement_curves(run_rows(HACKED, trained=True), peak=20))
    names = {
        "reward",
        "parts of the reward",
        "gradient norm",
        "shares of responses",
        "unscored responses",
        "held out",
    }
    assert names <= set(said)
    few = texts(
        reinforcement_curves(
            [{"step": 1, "reward": 0.5, "kl": None, "rewards": {"prm": 0.5}}, {"step": 2}]
        )
    )
    assert {text for text in few if not re.fullmatch(r"[\d.]+", text)} == {"reward", "step"}
    with pytest.raises(DataError, match="no row"):
        reinforcement_curves([{"prompts": 3}])


def test_rows_with_little_in_them_are_left_out_with_a_sentence() -> None:
    with pytest.raises(DataError, match="no rows"):
        report([])
    sections = report([{"prompts": 3}])
    assert "never evaluated" in words(sections[0])
    assert words(sections[1]) == "No step was taken."
    assert words(sections[2]) == "No responses were kept."
    assert "nothing of them was written down" in words(report([{"step": 1}])[1])
    bare = report([{"step": 0, "eval": {"proxy": measured(None), "gold": {"verifier": None}}}])
    assert "Not even the proxy has a value" in words(bare[0])
    one = report([{"step": 5, "eval": {"gold": {"verifier": measured(0.5)}}}])[0]
    assert "one evaluation only" in words(one)
    assert "step" in texts(blocks(one, Figure)[0].svg)
    page("t", [*sections, *bare, one])


def test_malformed_looks_are_refused_by_row_and_name() -> None:
    with pytest.raises(DataError, match=r"row 1: eval\.kl: '\[1, 2\]' is no estimate"):
        eval_points([{"step": 0, "eval": {"kl": [1, 2]}}])
    with pytest.raises(DataError, match=r"row 2: eval\.gold\.verifier: 'high' is no estimate"):
        eval_points([{}, {"step": 0, "eval": {"gold": {"verifier": "high"}}}])
    with pytest.raises(DataError, match=r"row 1: an evaluation without a step"):
        eval_points([{"eval": {}}])


def test_of_two_looks_at_one_step_the_later_counts() -> None:
    rows = [*run_rows(HACKED), {"step": 40, "eval": {"gold": {"verifier": measured(0.72)}}}]
    seen = eval_points(rows)
    assert [look.step for look in seen] == [0, 10, 20, 30, 40]
    went = course(seen, "verifier")
    assert went is not None
    assert (went.top.step, went.fell) == (40, False)


def test_responses_stand_early_at_the_peak_and_at_the_end_with_their_scores() -> None:
    samples = [sample(step) for step in (0, 10, 20, 40)]
    solutions = blocks(report(run_rows(HACKED), samples)[2], Solution)
    assert [solution.question for solution in solutions] == [
        "Before training · proxy 0.7 · verifier 1",
        "Gold's peak, step 20 · proxy 0.7 · verifier 1",
        "The end, step 40 · proxy 0.7 · verifier 1",
    ]
    assert [step.notes for step in solutions[0].steps] == [["0.90"], ["0.20"]]
    assert [step.level for step in solutions[0].steps] == ["s9", "s2"]
    bare = [sample(0, step_scores=[], proxy=None, gold={"verifier": None}), {"step": 40}]
    few = blocks(report(run_rows(HACKED), bare)[2], Solution)
    assert few[0].question == "Before training · proxy not scored · verifier not scored"
    assert [step.level for step in few[0].steps] == ["none"] * 2
    assert few[1].caption == "An empty response."


def test_step_scores_beyond_probabilities_are_coloured_by_what_is_shown() -> None:
    section = report(run_rows(HACKED), [sample(0, step_scores=[-3.0, 5.0])])[2]
    assert [step.level for step in blocks(section, Solution)[0].steps] == ["s0", "s10"]
    assert "from red, -3, to green, 5" in words(section)


def test_model_text_and_names_are_shown_and_never_interpreted() -> None:
    rows = [*run_rows(HACKED, name=NASTY), {"step": 40, "alarm": NASTY, "text": NASTY}]
    html = page("t", report(rows, [sample(0, NASTY, prompt=NASTY, gold={NASTY: 1.0})]))
    html += page("t", arms_report({NASTY: rows, "b": run_rows(HEALTHY)}, notes=[NASTY]))
    for document in map(Document, html.split("<!doctype html>")[1:]):
        assert "script" not in document.tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }}" in html


def test_the_same_rows_write_the_same_page() -> None:
    samples = [sample(0), sample(40)]
    pages = [page("t", report(run_rows(HACKED, trained=True), samples)) for _ in range(2)]
    assert pages[0] == pages[1]
    assert len(pages[0]) < 190_000


FIVE = {
    "prm": run_rows(HACKED),
    "outcome": run_rows(HEALTHY),
    "verifiable": run_rows([0.5, 0.7, 0.8, 0.9, 0.95]),
    "flat": run_rows([0.5] * 5),
    "proxy only": run_rows(None),
}


def test_arms_lie_over_each_other_with_gold_above_and_steps_below() -> None:
    svg = arms(FIVE)
    said = texts(svg)
    assert {
        "gold (verifier), n = 300",
        "steps per response, n = 300",
        "prm 0.300",
        "verifiable 0.950",
        "flat 0.500",
    } <= set(said)
    assert not any(text.startswith("proxy only 0") for text in said)
    assert "proxy only 1.000" in said
    # Steps 0, 20, 30 and 40, each in its arm's colour.
    assert [colour for _, colour in rings(svg)] == ["pink", "blue", "orange", "green"]
    with pytest.raises(DataError, match="no run"):
        arms({"a": [{"step": 1}]})


def test_a_comparison_of_arms_says_whose_gold_fell() -> None:
    sections = arms_report(FIVE, run=RUN)
    assert [s.title for s in sections] == [
        "Arms side by side",
        "Proxy and gold",
        "Alarms",
        "Every evaluation",
        "Settings",
    ]
    assert blocks(sections[0], Bullets)[0].texts == [
        "Over-optimized, gold falling while the proxy climbed: prm.",
        "Gold rose and did not fall: outcome and verifiable.",
        "Gold neither clearly rose nor fell: flat.",
        "No gold (verifier) was measured, so nothing can be said of what was learnt: proxy only.",
        (
            "Highest at the end is verifiable with 0.950 [0.920, 0.980], its interval above all"
            " others."
        ),
    ]
    (table,) = blocks(sections[0], Table)
    assert table.rows[0] == [
        "prm",
        "0.500\n[0.470, 0.530]",
        "0.700\n[0.670, 0.730]\nstep 20",
        "0.300\n[0.270, 0.330]",
        "16",
        "5 → 1",
    ]
    assert table.rows[-1][1:4] == ["–"] * 3
    assert Document(page("t", sections)).of("h2")[0] == "Arms side by side"
    with pytest.raises(DataError, match="no arm has an evaluation"):
        arms_report({"a": [{"step": 1}]})
