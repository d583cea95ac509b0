"""What a run's page says of the parts of its reward."""

from typing import Any

from assay.pages.rl import reinforcement_report
from assay.pages.rl_parts import parts_section
from assay.report.html import Paragraph, Table
from assay.runs.evaluations import eval_points
from tests.pages.test_evaluation import RUN
from tests.pages.test_rl import HEALTHY, measured, run_rows

Row = dict[str, Any]


def rows(**more: Any) -> list[Row]:
    found = run_rows(HEALTHY, trained=True)
    for row in found:
        if "reward" in row:
            row["coverage"] = {"judge": 0.75 if row["step"] % 2 else 0.5, "right": 1.0}
            row["gates"], row["shut_groups"] = {"right": 0.5}, 0.25
            row |= more
        elif "eval" in row:
            row["eval"]["parts"] = {"judge": measured(row["step"] / 100), "right": measured(0.5)}
    return found


def table(given: list[Row], top: int | None = None) -> tuple[str, Table]:
    (section,) = parts_section(given, eval_points(given), top)
    said, shown = section.blocks
    assert isinstance(said, Paragraph)
    assert isinstance(shown, Table)
    return str(said), shown


def test_parts_stand_with_their_estimates_and_coverage() -> None:
    said, shown = table(rows(), top=30)
    assert list(shown.head) == [
        "part",
        "step 0\nheld out",
        "step 30 (peak)\nheld out",
        "step 40\nheld out",
        "scored in training\n(mean, least)",
    ]
    judge, right = shown.body
    assert judge[0] == "judge"
    assert "0.300" in judge[2]
    assert judge[-1] == "0.625, 0.5"
    assert right[0] == "right (gate)"
    assert "25% of the groups" in said


def test_an_influence_below_0_is_pointed_at() -> None:
    said, shown = table(rows(influence={"judge": -0.5}, spread={"judge": 0.2}))
    assert shown.body[0][-2:] == ["0.2", "-0.5, -0.5"]
    assert shown.body[1][-1] is None
    assert "below 0" in said
    assert "below 0" not in table(rows())[0]


def test_a_reward_of_one_part_has_no_such_section() -> None:
    plain = run_rows(HEALTHY, trained=True)
    assert parts_section(plain, eval_points(plain), None) == []
    titles = [section.title for section in reinforcement_report(RUN, rows())]
    assert titles[1] == "Parts of the reward"
