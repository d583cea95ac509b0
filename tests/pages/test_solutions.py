from assay.pages.solutions import solution, solutions_section
from assay.report.html import Section, Solution, Step, page
from assay.types import Prompt, Response, RolloutLabels, Score, StepLabels, Unscored

PROMPT = Prompt.of("How <many>?")


def rolled() -> RolloutLabels:
    return RolloutLabels(
        prompt=PROMPT,
        response=Response(steps=("First.\n", "<b>Second</b>.\n", "Third.")),
        labels=(1.0, 0.25, None),
        right=(4, 1, 0),
        rollouts=(4, 4, 0),
        intervals=((0.5, 1.0), (0.03, 0.7), (0.0, 1.0)),
    )


def test_a_step_says_what_is_known_of_it() -> None:
    found = solution(rolled(), Score(value=0.2, steps=(0.9, 0.2, 0.55)))
    assert [step.text for step in found.steps] == ["First.", "<b>Second</b>.", "Third."]
    assert found.steps[0].notes == ["score 0.90", "label 1", "4 of 4 right [0.50, 1.00]"]
    assert found.steps[1].notes == ["score 0.20", "label 0.25", "1 of 4 right [0.03, 0.70]"]
    assert found.steps[2].notes == ["score 0.55"]
    assert [step.level for step in found.steps] == ["s9", "s2", "s6"]
    by_label = solution(rolled())
    assert [step.level for step in by_label.steps] == ["s10", "s2", "none"]
    lost = solution(rolled(), Unscored(reason="too long"))
    assert [step.level for step in lost.steps] == ["none"] * 3
    assert "too long" in lost.caption


def test_model_text_is_escaped_and_shades_are_classes() -> None:
    html = page("t", [Section("s", [solution(rolled())])])
    assert "&lt;b&gt;Second&lt;/b&gt;" in html
    assert "How &lt;many&gt;?" in html
    assert '<div class="step s10">' in html
    assert '<div class="step none">' in html
    assert Step("x", -3.0).level == "s0"
    assert Step("x", 7.0).level == "s10"


def test_half_of_what_is_shown_broke_somewhere() -> None:
    def record(i: int, *labels: float) -> StepLabels:
        steps = tuple(f"{i} {t}" for t in range(len(labels)))
        return StepLabels(prompt=Prompt.of(str(i)), response=Response(steps=steps), labels=labels)

    records = [record(i, 1, 1) for i in range(50)] + [record(i, 1, 0) for i in range(50, 56)]
    shown = [
        block for block in solutions_section(records, most=8).blocks if isinstance(block, Solution)
    ]
    assert sum(int(block.question) >= 50 for block in shown) == 4
    assert len(shown) == 8
    few = [b for b in solutions_section(records[:50], most=8).blocks if isinstance(b, Solution)]
    assert len(few) == 8
    all_broken = [
        b for b in solutions_section(records[50:], most=8).blocks if isinstance(b, Solution)
    ]
    assert len(all_broken) == 6
    assert solutions_section([], most=8).blocks
