"""What a judge says: examples with its reasons first, then how far it agrees with labels and with
itself, how it is biased, and what it cost."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from assay.data.conversations import transcript
from assay.data.decisions import Decisions
from assay.data.records import as_group
from assay.evaluation.comparisons import orders, side
from assay.evaluation.report import Report
from assay.evaluation.rubrics import CriterionFigures
from assay.pages.evaluation import evaluation_sections, run_section
from assay.pages.examples import Answer, cut, example
from assay.questions import Comparison, Distribution, Game
from assay.report.html import (
    Block,
    Bullets,
    Details,
    Estimates,
    Headline,
    KeyValues,
    Paragraph,
    Section,
    Table,
    Text,
)
from assay.stats import Estimate, numbers
from assay.types import Group, Preference, Ranking, Record, Score, StepLabels, Unscored

if TYPE_CHECKING:
    from assay.evaluation.judges import JudgeAudit

__all__ = [
    "criteria_sections",
    "decision_examples",
    "judge_sections",
    "pair_examples",
    "point_examples",
]

MOST: Final = 4
"""Examples of a kind."""
CRITERIA: Final = 100
"""Criteria shown."""
WORDS: Final = 300
"""Characters shown of a criterion."""
LONGEST: Final = 4000
"""Characters shown of what a judge wrote."""


def judge_sections(
    measured: Report,
    examples: Sequence[Section],
    bill: Mapping[str, str],
    audit: "JudgeAudit | None",
    run: Mapping[str, Any],
) -> list[Section]:
    """Return the sections of a judge's page."""
    tables, *rest = evaluation_sections(measured)
    short = [block for block in tables.blocks if isinstance(block, Headline)]
    others = [block for block in tables.blocks if not isinstance(block, Headline)]
    found = [Section("In short", [*short, KeyValues(bill)]), *examples]
    found += [Section("All numbers", others), *rest]
    if audit is not None:
        found.append(_audit_section(audit))
    return [*found, run_section(run)]


def _audit_section(audit: "JudgeAudit") -> Section:
    body = [
        [
            f"{row.name}: {row.meaning}",
            row.verdict,
            numbers.cells(row.effect)[0],
            numbers.interval_of(row.effect),
            row.effect.n,
            row.p_value,
            row.q_value,
            row.detectable,
        ]
        for row in audit.rows
    ]
    head = ["bias", "verdict", "effect", "95 % interval", "n", "p", "q", "detectable"]
    caption = (
        "q is p corrected for the number of rows; what is smaller than detectable is found less"
        " than four times of five"
    )
    described = _described(audit)
    blocks: list[Block] = [Table(head, body, caption)] if body else []
    if described:
        blocks.append(Estimates(described))
    return Section("Biases", [*blocks, Bullets(audit.notes)] if audit.notes else blocks)


def _described(audit: "JudgeAudit") -> dict[str, Estimate]:
    """What describes the judge and is not tested, each above what stands beside it."""
    found: dict[str, Estimate] = {}
    for name, estimate in audit.metrics.items():
        found[name.replace("_", " ")] = estimate
        if name in audit.baselines:
            found[f"{name.replace('_', ' ')}, beside it"] = audit.baselines[name]
    return found


def pair_examples(pairs: Sequence[Group], said: Sequence[Comparison | Unscored]) -> list[Section]:
    """Show pairs where the judge is surest and the label says otherwise, pairs whose two orders
    contradict each other, some others, and some without a verdict."""
    judged = [(p, s) for p, s in zip(pairs, said, strict=True) if isinstance(s, Comparison)]
    wrong, right = _split(judged, lambda pair: side(pair[1].prefer) * _label(pair[0]) < 0)
    flipped, rest = _split(right, lambda pair: _flips(pair[1]))
    wrong.sort(key=lambda pair: -abs(pair[1].prefer - 0.5))
    missing = [(p, s.reason) for p, s in zip(pairs, said, strict=True) if isinstance(s, Unscored)]
    kinds = (
        ("Where judge and label disagree, the surest first", wrong),
        ("Where the two orders contradict each other", flipped),
        ("Some other verdicts", rest),
    )
    sections = [_pairs_section(title, some) for title, some in kinds if some]
    if missing:
        blocks: list[Block] = [
            example(pair.prompt.text, [Answer(text=transcript(r)) for r in pair.responses], [why])
            for pair, why in missing[:MOST]
        ]
        sections.append(Section("Some without a verdict", [_of(missing), *blocks]))
    return sections


def _split(
    pairs: Sequence[tuple[Group, Comparison]], holds: Callable[[tuple[Group, Comparison]], bool]
) -> tuple[list[tuple[Group, Comparison]], list[tuple[Group, Comparison]]]:
    """The pairs of which something holds, and the others."""
    kinds: dict[bool, list[tuple[Group, Comparison]]] = {True: [], False: []}
    for pair in pairs:
        kinds[holds(pair)].append(pair)
    return kinds[True], kinds[False]


def _pairs_section(title: str, some: Sequence[tuple[Group, Comparison]]) -> Section:
    blocks: list[Block] = [_of(some)]
    for pair, said in some[:MOST]:
        blocks += _pair(pair, said)
    return Section(title, blocks)


def _of(some: Sequence[object]) -> Paragraph:
    return Paragraph(f"{min(MOST, len(some))} of {len(some):,}.")


def _pair(pair: Group, said: Comparison) -> list[Block]:
    """A pair, who wins, and what the judge wrote in each game."""
    shares = (said.prefer, 1 - said.prefer)
    labels = (pair.prefer, 1 - pair.prefer) if isinstance(pair, Preference) else None
    answers = [
        Answer(
            text=transcript(response),
            notes=[
                f"judge {shares[i]:.2f}",
                *([] if labels is None else [f"label {labels[i]:g}"]),
            ],
            badge="preferred" if side(shares[i]) > 0 else "",
            shade=None if labels is None else labels[i],
        )
        for i, response in enumerate(pair.responses)
    ]
    facts = [_game(game) for game in said.games]
    return [example(pair.prompt.text, answers, facts), *_written(said.games)]


def _game(game: Game) -> str:
    order = "shown the other way round" if game.swapped else "shown in this order"
    who = f"{game.judge}, {order}" if game.judge else order
    if game.first is None:
        return f"{who}: no verdict, {game.unscored}"
    second = max(0.0, 1 - game.first - game.tie)
    return f"{who}: {game.first:.2f} for the upper, {second:.2f} for the lower, tie {game.tie:.2f}"


def _written(games: Sequence[Game]) -> list[Block]:
    critiques = [(game, game.critique) for game in games if game.critique]
    if not critiques:
        return []
    blocks: list[Block] = []
    for game, critique in critiques:
        blocks += [Paragraph(_game(game)), Text(cut(critique, LONGEST))]
    return [Details("What the judge wrote", blocks)]


def _label(pair: Group) -> int:
    return side(pair.prefer) if isinstance(pair, Preference) else 0


def _flips(said: Comparison) -> bool:
    """Whether the two orders name two winners: each order's, not each member's of a panel."""
    return {1, -1} <= {*orders(said)}


def point_examples(
    records: Sequence[Record], scores: Sequence[Sequence[Score | Unscored]]
) -> list[Section]:
    """Show some responses with their scores: the lowest, the highest, and some without any."""
    rows = [
        (record, i, score)
        for record, row in zip(records, scores, strict=True)
        for i, score in enumerate(row)
    ]
    scored = sorted(
        ((record, i, score) for record, i, score in rows if isinstance(score, Score)),
        key=lambda row: row[2].value,
    )
    missing = [row for row in rows if isinstance(row[2], Unscored)]
    ends = scored[: MOST // 2] + scored[MOST // 2 :][-(MOST // 2) :]
    kinds = (("The lowest and the highest scores", ends), ("Some without a score", missing[:MOST]))
    return [
        Section(title, [*chain.from_iterable(_point(*row) for row in some)])
        for title, some in kinds
        if some
    ]


def _point(record: Record, i: int, score: Score | Unscored) -> list[Block]:
    group = as_group(record)
    notes = []
    if isinstance(record, Ranking):
        notes.append(f"label {record.grades[i]:g}")
    elif isinstance(record, Preference):
        notes.append(f"label {(record.prefer, 1 - record.prefer)[i]:g}")
    elif isinstance(record, StepLabels):
        notes.append(f"labels {', '.join('–' if x is None else f'{x:g}' for x in record.labels)}")
    if isinstance(score, Unscored):
        answer = Answer(text=transcript(group.responses[i]), notes=notes)
        return [example(group.prompt.text, [answer], [score.reason])]
    facts = [f"{name}: {'no verdict' if x is None else f'{x:.2f}'}" for name, x in
             score.parts.items()]  # fmt: skip
    if len(score.steps) > 1:
        facts.append(f"steps: {', '.join(f'{x:.2f}' for x in score.steps)}")
    spread = f" ± {score.std:.2g}" if score.std else ""
    notes.insert(0, f"score {score.value:.3g}{spread}")
    answer = Answer(text=transcript(group.responses[i]), notes=notes)
    said = [Text(cut(score.critique, LONGEST))] if score.critique else []
    shown: Block = example(group.prompt.text, [answer], facts)
    return [shown, *([Details("What the judge wrote", said)] if said else [])]


def criteria_sections(figures: Sequence[CriterionFigures]) -> list[Section]:
    """Show what was said of each criterion; those of a rubric per prompt, the most asked first."""
    if not figures:
        return []
    most = sorted(figures, key=lambda one: -one.asked)[:CRITERIA]
    body = [
        [
            f"{one.id}: {cut(one.text, WORDS)}",
            one.points,
            one.credit,
            one.asked,
            one.abstained,
            one.failed,
            _remark(one),
        ]
        for one in most
    ]
    head = ["criterion", "points", "mean credit", "asked", "cannot assess", "no answer", ""]
    still = sum(not one.varies for one in figures)
    caption = f"{len(most)} of {len(figures):,} criteria; {still:,} never vary and pay nobody"
    return [Section("Criteria", [Table(head, body, caption)])]


def _remark(one: CriterionFigures) -> str:
    if one.gate:
        return f"a gate, fired {one.fired} times{', always' if one.always_fires else ''}"
    return "" if one.varies else "never varies"


def decision_examples(
    records: Sequence[Decisions], answers: Sequence[Sequence[Distribution | Unscored]]
) -> list[Section]:
    """Show questions where the answer is surest and gold says otherwise, and some without any."""
    wrong: list[tuple[float, Block]] = []
    missing: list[Block] = []
    for record, row in zip(records, answers, strict=True):
        for question, gold, answer in zip(record.questions, record.gold, row, strict=True):
            names = [str(option.name) for option in question.options]
            title = f"{cut(record.prompt.text)}\n\n{question.text}"
            if isinstance(answer, Unscored):
                missing.append(example(title, [], [answer.reason]))
            elif gold is not None and gold.top != answer.top:
                shares = [
                    Answer(text=name, notes=[f"answer {p:.2f}", f"gold {g:.2f}"], shade=g)
                    for name, p, g in zip(
                        names, answer.probabilities, gold.probabilities, strict=True
                    )
                ]
                tree: list[Block] = [example(title, shares, [question.name])]
                wrong.append((max(answer.probabilities), tree[0]))
    wrong.sort(key=lambda pair: -pair[0])
    kinds = (
        ("Where answer and gold disagree, the surest first", [block for _, block in wrong]),
        ("Some without an answer", missing),
    )
    return [Section(title, [_of(some), *some[:MOST]]) for title, some in kinds if some]
