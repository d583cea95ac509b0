"""Examples on a page: a prompt and some of its responses, what was said of each, and which was
chosen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from assay.data.conversations import transcript
from assay.report.html import Block, Fork, Paragraph, Section, Step, Tree
from assay.types import Group, Preference, Ranking, Record, Score, StepLabels, Unscored

__all__ = ["Answer", "brief", "cut", "example", "half_marked", "mistakes", "winners"]

MOST: Final = 6
"""Examples of a kind."""
BESIDE: Final = 4
"""Responses shown of a pool."""
LONGEST: Final = 1200
"""Characters shown of a text."""
BRIEF: Final = 220
"""Characters of a text that are shown without a click."""

Scores = Sequence[Sequence[Score | Unscored]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response, and what is known of it."""

    text: str
    notes: Sequence[str] = ()
    """Such as its score and its label."""
    badge: str = ""
    """What it is above all, such as "chosen"."""
    shade: float | None = None
    """What colours it, from 0, wrong, to 1, right."""


def example(question: str, answers: Sequence[Answer], facts: Sequence[str] = ()) -> Tree:
    """Lay out a prompt and its answers; long texts open by a click."""
    forks = [
        Fork(Step(cut(a.text), a.shade, a.notes), brief(a.text), a.badge, marked=bool(a.badge))
        for a in answers
    ]
    return Tree(cut(question), facts, forks)


def mistakes(records: Sequence[Record], scores: Scores, *, most: int = MOST) -> list[Section]:
    """Show where a scorer is surest and the label says otherwise; none where it makes no mistake.

    A mistake is a response that is scored above a better one to the same prompt; of responses
    without another beside them, a probability on the wrong side of one half. scores: one group for
    a record, as `Scorer.score` gives them.
    """
    wrong: list[tuple[float, Tree]] = []
    for record, group in zip(records, scores, strict=True):
        match record:
            case Preference():
                wrong += _misranked(record, group, [record.prefer, 1 - record.prefer])
            case Ranking():
                wrong += _misranked(record, group, record.grades)
            case StepLabels():
                wrong += _misjudged(record, group[0])
    if not wrong:
        return []
    wrong.sort(key=lambda pair: -pair[0])
    words = (
        f"The {min(most, len(wrong))} of {len(wrong):,} mistakes that the scorer is surest of: look"
        " whether it is the scorer that is wrong, or the label."
    )
    trees = [tree for _, tree in wrong[:most]]
    return [Section("Most certain mistakes", [Paragraph(words), *trees])]


def winners(
    groups: Sequence[Group],
    scores: Scores,
    gold: Sequence[Sequence[float | None]],
    *,
    most: int = MOST,
    seed: int = 0,
) -> list[Section]:
    """Show what a scorer chose for some prompts, drawn at random, beside others that it did not.

    gold: the worth of every response; None or NaN where it is not known. Half of the prompts have a
    better response than the chosen one, where there are so many.
    """
    pools = [
        (group, row, [w if w is not None and math.isfinite(w) else None for w in worth])
        for group, row, worth in zip(groups, scores, gold, strict=True)
        if sum(isinstance(score, Score) for score in row) > 1
    ]
    if not pools:
        return []
    missed = [_is_beaten(row, worth) for _, row, worth in pools]
    drawn = half_marked(missed, most=most, seed=seed)
    words = (
        f"{len(drawn)} of {len(pools):,} prompts, {sum(missed[i] for i in drawn)} of them with a"
        " better response that was left; below each, the highest scores first."
    )
    trees: list[Block] = [_choice(*pools[i]) for i in drawn]
    return [Section("What was chosen", [Paragraph(words), *trees])]


def half_marked(marked: Sequence[bool], *, most: int, seed: int) -> list[int]:
    """Draw indices of some items: at random, half of them marked where there are so many, and those
    first."""
    order = np.random.default_rng(seed).permutation(len(marked)).tolist()
    first = [i for i in order if marked[i]]
    rest = [i for i in order if not marked[i]]
    half = min(len(first), max(most // 2, most - len(rest)))
    return [*first[:half], *rest[: most - half]]


def cut(text: str, longest: int = LONGEST) -> str:
    """Beginning and end of what is too long for a page that should be light."""
    if len(text) <= longest:
        return text
    return f"{text[: longest * 2 // 3]} … ({len(text):,} characters) … {text[-longest // 3 :]}"


def brief(text: str) -> str:
    """Beginning and end of a long text, where questions are taken up and answers are given; nothing
    of a short one."""
    words = " ".join(text.split())
    if len(words) <= BRIEF:
        return ""
    return f"{words[: BRIEF - 80].rsplit(' ', 1)[0]} … {words[-80:].split(' ', 1)[-1]}"


def _misranked(
    group: Group, scores: Sequence[Score | Unscored], worth: Sequence[float]
) -> list[tuple[float, Tree]]:
    """The response with the highest score and the best one, where they differ: by how much, and
    the two."""
    known = {i: score.value for i, score in enumerate(scores) if isinstance(score, Score)}
    if len(known) < 2:
        return []
    top = max(known, key=lambda i: known[i])
    best = max(known, key=lambda i: (worth[i], known[i]))
    if worth[top] >= worth[best]:
        return []
    texts = [transcript(response) for response in group.responses]
    answers = [
        Answer(text=texts[i], notes=_notes(known[i], worth[i]), badge=badge, shade=shade)
        for i, badge, shade in ((top, "preferred", 0.0), (best, "better", 1.0))
    ]
    return [(known[top] - known[best], example(group.prompt.text, answers))]


def _misjudged(record: StepLabels, score: Score | Unscored) -> list[tuple[float, Tree]]:
    """A response whose last label and whose probability lie on two sides of one half."""
    label = record.labels[-1] if record.labels else None
    if not isinstance(score, Score) or label is None or not 0 <= score.value <= 1:
        return []
    if (score.value > 0.5) == (label > 0.5):
        return []
    notes = _notes(score.value, label)
    answer = Answer(text=transcript(record.response), notes=notes, shade=label)
    return [(abs(score.value - label), example(record.prompt.text, [answer]))]


def _choice(
    group: Group, scores: Sequence[Score | Unscored], worth: Sequence[float | None]
) -> Tree:
    """A pool's highest scores, and the best response where it is not among them."""
    known = {i: score.value for i, score in enumerate(scores) if isinstance(score, Score)}
    order = sorted(known, key=lambda i: -known[i])
    shown = order[:BESIDE]
    valued = {i: value for i in known if (value := worth[i]) is not None}
    best = max(valued, key=lambda i: (valued[i], known[i]), default=order[0])
    if best not in shown and valued[best] > valued.get(order[0], -math.inf):
        shown = [*shown[:-1], best]
    low, high = min(valued.values(), default=0.0), max(valued.values(), default=0.0)
    answers = []
    for i in shown:
        value = valued.get(i)
        shade = (value - low) / (high - low) if value is not None and high > low else None
        badge = "chosen" if i == order[0] else ""
        notes = _notes(known[i], value)
        text = transcript(group.responses[i])
        answers.append(Answer(text=text, notes=notes, badge=badge, shade=shade))
    facts = [f"{len(group.responses):,} responses"]
    if group.prompt.reference is not None:
        facts.append(f"reference answer: {cut(group.prompt.reference, 200)}")
    return example(group.prompt.text, answers, facts)


def _is_beaten(scores: Sequence[Score | Unscored], worth: Sequence[float | None]) -> bool:
    known = {i: score.value for i, score in enumerate(scores) if isinstance(score, Score)}
    valued = [value for i in known if (value := worth[i]) is not None]
    chosen = worth[max(known, key=lambda i: known[i])]
    return chosen is not None and max(valued) > chosen


def _notes(score: float, worth: float | None) -> list[str]:
    return [f"score {score:.3g}", *([] if worth is None else [f"gold {worth:.3g}"])]
