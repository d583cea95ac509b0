"""Solutions step by step, coloured by score or label: where did each break?"""

import math
from collections.abc import Sequence

from assay import stats
from assay.data.conversations import turn
from assay.pages.examples import half_marked
from assay.report.html import Block, Headline, Paragraph, Section, Solution, Step
from assay.stats import Estimate
from assay.types import Message, RolloutLabels, Score, StepLabels, Unscored

__all__ = ["labels_headline", "solution", "solutions_section", "telling"]


def solutions_section(
    records: Sequence[StepLabels],
    scores: Sequence[Score | Unscored] | None = None,
    *,
    title: str = "Solutions, step by step",
    most: int = 12,
    seed: int = 0,
) -> Section:
    """Some solutions, drawn at random, half of them with a step labelled wrong where there are so
    many.

    scores: one a record, on the scale of probabilities; steps are coloured by them, else by their
    labels.
    """
    chosen = telling(records, most=most, seed=seed)
    half = sum(_is_broken(records[i]) for i in chosen)
    what = "the model's score" if scores is not None else "its label"
    blocks: list[Block] = [
        Paragraph(
            f"{len(chosen)} of {len(records):,} solutions, {half} of them with a step labelled"
            f" wrong. Steps are coloured by {what}, red for wrong and green for right; those"
            f" without are not.{_legend(records)}"
        )
    ]
    blocks += [solution(records[i], None if scores is None else scores[i]) for i in chosen]
    return Section(title, blocks)


def _legend(records: Sequence[StepLabels]) -> str:
    """What the numbers beside a step that was labelled by rollouts are."""
    kinds = {record.meaning for record in records if isinstance(record, RolloutLabels)}
    if not kinds:
        return ""
    of = {
        "monte_carlo": "the chance to end right from there",
        "correctness": "the chance that no step so far is wrong (sound)",
    }
    stated = " or ".join(of[kind] for kind in sorted(kinds) if kind in of)
    return (
        " Beside a step: how many rollouts from after it ended right, and a 95 % interval of"
        f" {stated}, open to the side of a label of 0 or 1."
    )


def labels_headline(records: Sequence[StepLabels]) -> Headline:
    """What labels came to: their mean, and how many solutions have no wrong step; by prompt."""
    labelled = [r for r in records if any(y is not None for y in r.labels)]
    pairs = [(r.prompt.text, y) for r in labelled for y in r.labels if y is not None]
    empty = len(records) - len(labelled)
    if not pairs:
        nothing = Estimate(value=math.nan, low=math.nan, high=math.nan, n=0, unscored=empty)
        return Headline({"mean label": nothing})
    prompts, labels = zip(*pairs, strict=True)
    whole = [float(not _is_broken(record)) for record in labelled]
    of = [record.prompt.text for record in labelled]
    return Headline(
        {
            "mean label of a step": stats.proportion(labels, clusters=prompts, unscored=empty),
            "solutions without a wrong step": stats.proportion(whole, clusters=of, unscored=empty),
        }
    )


def telling(records: Sequence[StepLabels], *, most: int = 12, seed: int = 0) -> list[int]:
    """Indices of some solutions to show: at random, half of them broken where there are so many,
    and those first."""
    return half_marked([_is_broken(record) for record in records], most=most, seed=seed)


def solution(record: StepLabels, score: Score | Unscored | None = None) -> Solution:
    """One solution; a step's notes are its score, its label, and what the label rests on."""
    steps = []
    between = _answered(record.response.turns)
    values = score.steps if isinstance(score, Score) else ()
    for t, text in enumerate(record.response.steps):
        label, notes = record.labels[t], []
        value = values[t] if t < len(values) else None
        if value is not None:
            notes.append(f"score {value:.2f}")
        if label is not None:
            notes.append(f"label {label:.2f}" if 0 < label < 1 else f"label {label:.0f}")
        if isinstance(record, RolloutLabels):
            notes += _rests_on(record, t)
        shown = f"[assistant] {text}" if record.response.turns else text.strip("\n") or text
        steps.append(Step(shown, value if score is not None else label, notes))
        steps += [Step(turn(each), None) for each in between.get(t, ())]
    caption = f"Not scored: {score.reason}." if isinstance(score, Unscored) else ""
    return Solution(record.prompt.text, steps, caption)


def _answered(turns: Sequence[Message]) -> dict[int, list[Message]]:
    """What tools and users said after each turn of the assistant, by its number."""
    found: dict[int, list[Message]] = {}
    step = -1
    for message in turns:
        step += message.role == "assistant"
        if message.role != "assistant":
            found.setdefault(step, []).append(message)
    return found


def _rests_on(record: RolloutLabels, t: int) -> list[str]:
    """What a step's label rests on: its rollouts, and the interval of what the label states."""
    low, high = record.intervals[t]
    interval = f"[{low:.2f}, {high:.2f}]"
    counts = f"{record.right[t]} of {record.rollouts[t]} right" if record.rollouts[t] else ""
    if record.meaning == "monte_carlo":
        return [f"{counts} {interval}"] if counts else []
    stated = [] if record.labels[t] is None else [f"sound {interval}"]
    return [*stated, *([counts] if counts else [])]


def _is_broken(record: StepLabels) -> bool:
    return any(y is not None and y < 0.5 for y in record.labels)
