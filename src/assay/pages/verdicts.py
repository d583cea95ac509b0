"""Verdicts of a program that checks: how many, decided by what, against which labels, and what they
look like."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay import stats
from assay.pages.examples import Answer, cut, example
from assay.report.html import Block, Estimates, Headline, Paragraph, Section, Table
from assay.stats import Estimate
from assay.types import Verdict

__all__ = ["Checked", "estimates", "verdict_sections"]

SHOWN = 12
"""Examples of a kind."""
SHADES = {"right": 1.0, "wrong": 0.0}
"""Colours of verdicts; what is undecided has none."""


@dataclass(frozen=True)
class Checked:
    """A response, what was said of it, and its label where the data has one."""

    where: str
    """Prompt and number of the response, for a reader to find it."""
    cluster: str
    """Text of the prompt: responses to the same one are not independent."""
    text: str
    verdict: Verdict
    label: float | None = None


def estimates(checked: Sequence[Checked]) -> dict[str, Estimate]:
    """The share right of what was decided, and the share of labels agreed with; 95 % intervals over
    prompts."""
    decided = [item for item in checked if item.verdict.outcome != "undecided"]
    right = [float(item.verdict.outcome == "right") for item in decided]
    open_ = len(checked) - len(decided)
    found = {
        "right": stats.proportion(
            right, clusters=[item.cluster for item in decided], unscored=open_
        )
    }
    labelled = [item for item in decided if item.label is not None]
    if labelled:
        agree = [float(_agrees(item)) for item in labelled]
        unlabelled = sum(item.label is not None for item in checked) - len(labelled)
        found["agreement with the labels"] = stats.proportion(
            agree, clusters=[item.cluster for item in labelled], unscored=unlabelled
        )
    if any(item.verdict.credit is not None for item in decided):
        credit = [
            1.0 if item.verdict.outcome == "right" else item.verdict.credit or 0.0
            for item in decided
        ]
        found["credit"] = stats.proportion(
            credit, clusters=[item.cluster for item in decided], unscored=open_
        )
    return found


def verdict_sections(checked: Sequence[Checked], found: Mapping[str, Estimate]) -> list[Section]:
    """The verdicts in numbers, where they disagree with labels, and examples of each kind."""
    first: list[Block] = [
        Headline(dict(found)),
        Estimates(dict(found)),
        *_counts(checked),
    ]
    sections = [Section("Verdicts", first)]
    decided = [
        item for item in checked if item.verdict.outcome != "undecided" and item.label is not None
    ]
    disagree = [item for item in decided if not _agrees(item)]
    if disagree:
        sections.append(Section("Where labels and verdicts disagree", _examples(disagree)))
    for outcome in ("undecided", "wrong", "right"):
        chosen = [item for item in checked if item.verdict.outcome == outcome]
        if chosen:
            sections.append(Section(f"Some that are {outcome}", _examples(_spread(chosen))))
    return sections


def _agrees(item: Checked) -> bool:
    return item.label is not None and (item.verdict.outcome == "right") == (item.label > 0.5)


def _counts(checked: Sequence[Checked]) -> list[Block]:
    by_stage = Counter((item.verdict.outcome, item.verdict.stage or "-") for item in checked)
    by_source = Counter[tuple[str, str]](
        (i.verdict.source or "nowhere", i.verdict.outcome) for i in checked
    )
    sources = sorted({source for source, _ in by_source})
    kinds = ("right", "wrong", "undecided")
    return [
        Table(
            ("verdict", "decided by", "responses"),
            [(outcome, stage, count) for (outcome, stage), count in by_stage.most_common()],
            caption="what decided: the check, or what stopped it",
        ),
        Table(
            ("found in", *kinds),
            [(source, *(by_source[source, kind] for kind in kinds)) for source in sources],
            caption="where in the response the answer was found",
        ),
    ]


def _spread(items: Sequence[Checked]) -> list[Checked]:
    """Some of each reason's kind before a second of any."""
    seen: Counter[str] = Counter()
    order = []
    for place, item in enumerate(items):
        order.append((seen[item.verdict.stage], place))
        seen[item.verdict.stage] += 1
    return [items[place] for _, place in sorted(order)[:SHOWN]]


def _examples(items: Sequence[Checked]) -> list[Block]:
    blocks: list[Block] = []
    if len(items) > SHOWN:
        blocks.append(Paragraph(f"{SHOWN} of {len(items):,}."))
    return [*blocks, *(_example(item) for item in items[:SHOWN])]


def _example(item: Checked) -> Block:
    """A response, the answer that was found in it, and what decided."""
    verdict = item.verdict
    notes = [] if item.label is None else [f"label {item.label:g}"]
    if verdict.answer is not None:
        notes.append(f"answer {cut(verdict.answer, 80)}, found in {verdict.source or 'the text'}")
    why = f"{verdict.outcome} ({verdict.stage})" if verdict.stage else verdict.outcome
    facts = [item.where, f"{why}: {cut(verdict.reason, 300)}" if verdict.reason else why]
    answer = Answer(text=item.text, notes=notes, shade=SHADES.get(verdict.outcome))
    return example(item.cluster, [answer], facts)
