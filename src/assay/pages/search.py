"""What searches did: what they paid, why they stopped, and the tree of all that was written for
some prompts.

A tree is shown as its path to the choice, read from top to bottom as a solution is; what was
written in the place of each step is folded below it, by what became of it. Where nothing was
chosen, and within the folds, a line follows the continuation below which most was written: so folds
lie in one another only as often as a tree can be halved, nine deep for 500 texts, however long its
paths are.
"""

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, Literal, get_args

from assay import stats
from assay.errors import DataError
from assay.pages.examples import brief, cut, half_marked
from assay.report.html import (
    Block,
    Fold,
    Fork,
    Headline,
    KeyValues,
    Paragraph,
    Section,
    Step,
    Table,
    Tree,
    shown,
)
from assay.search import Node, SearchResult
from assay.types import Score, Unscored

__all__ = ["search_section", "search_tree"]

Fate = Literal["chosen", "kept", "continued", "finished", "not finished", "pruned", "looked ahead"]
"""What became of a text, in the order of their folds."""

LARGEST: Final = 600
"""Texts drawn of a tree, beside the path to its choice."""


def search_section(
    results: Sequence[SearchResult],
    *,
    right: Sequence[float | None] | None = None,
    title: str = "Searches",
    most: int = 6,
    seed: int = 0,
) -> Section:
    """What was paid for all prompts, and the trees of some, drawn at random.

    right: the gold of each choice, 1 for a right one; None where it is not known. Half of the trees
    then have a wrong or no choice, where there are so many.
    """
    if right is not None and len(right) != len(results):
        raise DataError(
            f"{len(right)} values of right for {len(results)} results; give one a result, or none"
        )
    if not results:
        return Section(title, [Paragraph("No prompt was searched.")])
    blocks: list[Block] = [Headline(_tiles(results, right))]
    blocks += [KeyValues(_summary(results)), _costs(results)]
    grown = [i for i, result in enumerate(results) if result.nodes]
    if not grown:
        return Section(
            title, [*blocks, Paragraph("No tree can be drawn: the results hold no texts.")]
        )
    gold = right or [None] * len(results)
    chosen = [
        grown[i] for i in half_marked([_is_wrong(gold[i]) for i in grown], most=most, seed=seed)
    ]
    probable = all(_is_probable(result.nodes) for result in results)
    said = f"{len(chosen)} of {len(results):,} prompts"
    if right is not None:
        said += f", {sum(_is_wrong(gold[i]) for i in chosen)} of them without a right choice"
    blocks.append(Paragraph(f"{said}. {_legend(probable)}"))
    blocks += [search_tree(results[i], right=gold[i], probable=probable) for i in chosen]
    return Section(title, blocks)


def search_tree(
    result: SearchResult, *, right: float | None = None, probable: bool | None = None
) -> Tree:
    """The tree of one prompt.

    right: the gold of the choice. probable: whether scores are probabilities and give the colours
    themselves, not their ranks; None = whether those of this tree could be. Raises `DataError`
    where a text stands before its parent.
    """
    tree = _Grown.of(result, _is_probable(result.nodes) if probable is None else probable)
    question = cut(result.group.prompt.text)
    return Tree(question, _facts(result, right, tree), tree.line(tree.children[-1]))


def _tiles(
    results: Sequence[SearchResult], right: Sequence[float | None] | None
) -> dict[str, stats.Estimate]:
    """What the choices are worth, where that is known, and what a prompt cost."""
    tiles = {}
    known = [value for value in right or () if value is not None]
    if known:
        open_ = len(results) - len(known)
        is_share = all(value in (0, 1) for value in known)
        measure = stats.proportion if is_share else stats.mean
        name = "choices that are right" if is_share else "gold of the choices"
        tiles[name] = measure(known, unscored=open_)
    tiles["samples per prompt"] = stats.mean([result.spent.samples for result in results])
    tokens = [result.spent.generated_tokens for result in results]
    counted = [count for count in tokens if count is not None]
    if counted:
        missing = len(tokens) - len(counted)
        tiles["generated tokens per prompt"] = stats.mean(counted, unscored=missing)
    return tiles


def _summary(results: Sequence[SearchResult]) -> dict[str, str | int]:
    """Prompts, choices, stops, what was saved and what was missing."""
    stops = Counter(result.stopped for result in results if result.stopped)
    said = list(chain.from_iterable(map(_said, results)))
    reasons = Counter(score.reason for score in said if isinstance(score, Unscored))
    unscored = f"{reasons.total():,} of {len(said):,}"
    return {
        "prompts": len(results),
        "with a choice": sum(result.choice is not None for result in results),
        "stopped early": _counted(stops) or "none",
        "samples saved by stopping": sum(result.spent.saved for result in results),
        "samples missing": sum(result.spent.missing for result in results),
        "texts unscored": (
            f"{unscored}: {_counted(dict(reasons.most_common(5)))}" if reasons else unscored
        ),
    }


def _said(result: SearchResult) -> list[Score | Unscored]:
    """All that the scorer said for a prompt."""
    scores = [node.score for node in result.nodes] or result.scores
    return [score for score in scores if score is not None]


def _costs(results: Sequence[SearchResult]) -> Table:
    spent = [result.spent for result in results]
    rows = [
        _cost("samples", [one.samples for one in spent]),
        _cost("generated tokens", [one.generated_tokens for one in spent]),
        _cost("scored tokens", [one.scored_tokens for one in spent]),
    ]
    return Table(
        ("spent on a prompt", "mean", "95 % interval", "largest", "prompts\nnot counted"), rows
    )


def _cost(name: str, values: Sequence[int | None]) -> tuple[str | int, ...]:
    counted = [value for value in values if value is not None]
    unknown = len(values) - len(counted)
    if not counted:
        return name, "not counted", "–", "–", unknown
    mean = stats.mean(counted)
    ends = (
        f"[{shown(mean.low)}, {shown(mean.high)}]"
        if math.isfinite(mean.low)
        else stats.bracket(mean)
    )
    return name, shown(mean.value), ends, max(counted), unknown


def _legend(probable: bool) -> str:
    colours = (
        "Colours run from red, a score of 0, to green, a score of 1"
        if probable
        else (
            "Scores are no probabilities, so colours run from red to green by their rank within the"
            " tree"
        )
    )
    return (
        "The strong line leads from top to bottom to the choice; below each of its steps, folded,"
        " stands what was written in its place, with its scores from lowest to highest. Pruned is"
        " what was neither finished nor continued; looked ahead, what was written only to rank the"
        f" text before it. {colours}; what has no score has no colour."
    )


def _facts(result: SearchResult, right: float | None, tree: "_Grown") -> list[str]:
    """What is to be said of a whole tree."""
    facts = []
    if result.choice is None:
        facts.append("nothing was chosen")
    elif right is not None:
        facts.append(
            "the choice is "
            + ("right" if right == 1 else "wrong" if right == 0 else f"worth {right:.2f}")
        )
    if result.choice is not None and not any(tree.marked):
        facts.append("its choice is not among its texts")
    if (reference := result.group.prompt.reference) is not None:
        facts.append(f"reference answer: {cut(reference, 200)}")
    facts.append(f"{result.spent.samples:,} samples")
    for what, tokens in (
        ("generated", result.spent.generated_tokens),
        ("scored", result.spent.scored_tokens),
    ):
        facts.append(
            f"{what} tokens not counted" if tokens is None else f"{tokens:,} tokens {what}"
        )
    if result.stopped:
        facts.append(f"stopped early: {result.stopped}")
    fates = Counter(tree.fates)
    total = len(result.nodes)
    facts.append(
        f"{total:,} texts:"
        f" {', '.join(f'{fates[fate]:,} {fate}' for fate in get_args(Fate) if fates[fate])}"
    )
    drawn = sum(tree.drawn)
    if drawn < total:
        facts.append(f"drawn are the first {LARGEST:,} written, and the path to the choice")
    return facts


@dataclass(frozen=True)
class _Grown:
    """A tree, and all that it takes to draw it."""

    nodes: Sequence[Node]
    probable: bool
    shades: Sequence[float | None]
    fates: Sequence[Fate]
    marked: Sequence[bool]
    """Whether a text is on the path to the choice."""
    drawn: Sequence[bool]
    children: Mapping[int, Sequence[int]]
    """Those that are drawn; -1 has the first steps."""
    sizes: Sequence[int]
    """Texts at and below each."""

    @classmethod
    def of(cls, result: SearchResult, probable: bool) -> "_Grown":
        nodes = result.nodes
        texts: list[str] = []
        for i, node in enumerate(nodes):
            if not -1 <= node.parent < i:
                raise DataError(
                    f"text {i} of a search's tree has parent {node.parent}, which does not stand"
                    " before it"
                )
            texts.append((texts[node.parent] if node.parent >= 0 else "") + node.text)
        fates = _fates(result, texts)
        marked = [False] * len(nodes)
        at = fates.index("chosen") if "chosen" in fates else -1
        while at >= 0:
            marked[at] = True
            at = nodes[at].parent
        drawn = [i < LARGEST or on for i, on in enumerate(marked)]
        children: dict[int, list[int]] = defaultdict(list)
        sizes = [1] * len(nodes)
        for i in reversed(range(len(nodes))):
            if nodes[i].parent >= 0:
                sizes[nodes[i].parent] += sizes[i]
        for i, node in enumerate(nodes):
            if drawn[i]:
                children[node.parent].append(i)
        return cls(nodes, probable, _shades(nodes, probable), fates, marked, drawn, children, sizes)

    def line(self, starts: Sequence[int]) -> list[Fork]:
        """From one of several first steps down to an end; the others, and those at every step
        below, are folded."""
        forks = []
        while starts:
            main = max(starts, key=lambda i: (self.marked[i], self.sizes[i], *self._rank(i)))
            forks.append(self._fork(main, [i for i in starts if i != main]))
            starts = self.children.get(main, ())
        return forks

    def _fork(self, i: int, beside: Sequence[int]) -> Fork:
        node, fate, marked = self.nodes[i], self.fates[i], self.marked[i]
        notes = []
        if isinstance(node.score, Score):
            std = f" ± {node.score.std:.2g}" if node.score.std is not None else ""
            notes.append(self._value(node.score.value) + std)
        elif node.score is not None:
            notes.append(f"unscored: {cut(node.score.reason, 200)}")
        if node.count > 1:
            notes.append(f"{node.count:,} samples")
        if not node.text:
            notes.append("ends without a further word")
        badge = fate if fate in ("chosen", "kept") else ""
        if not badge:
            notes.append(fate)
        elif not node.finished:
            notes.append("not finished")
        text = node.text.strip("\n") or node.text
        short = "" if marked else brief(text)
        step = Step(text if marked else cut(text), self.shades[i], notes)
        return Fork(step, short, badge, marked, self._folds(beside))

    def _folds(self, some: Sequence[int]) -> list[Fold]:
        """Lines that leave at one place, put together by what became of their first steps; the best
        first."""
        by_fate: dict[Fate, list[int]] = defaultdict(list)
        for i in sorted(some, key=self._rank, reverse=True):
            by_fate[self.fates[i]].append(i)
        folds = []
        for fate in get_args(Fate):
            if ones := by_fate.get(fate):
                scores = [score for i in ones if isinstance(score := self.nodes[i].score, Score)]
                ends = dict.fromkeys(self._value(score.value) for score in scores[-1:] + scores[:1])
                said = f", {' to '.join(ends)}" if ends else ""
                folds.append(Fold(f"{len(ones):,} {fate}{said}", [self.line([i]) for i in ones]))
        return folds

    def _rank(self, i: int) -> tuple[float, int]:
        """What is scored higher is larger, then what was written first."""
        score = self.nodes[i].score
        return score.value if isinstance(score, Score) else -float("inf"), -i

    def _value(self, value: float) -> str:
        return f"{value:.2f}" if self.probable else f"{value:.3g}"


def _fates(result: SearchResult, texts: Sequence[str]) -> list[Fate]:
    """What became of each text, from the prompt on."""
    candidates = [(response.text, response.finished) for response in result.group.responses]
    chosen = None if result.choice is None else candidates[result.choice]
    kept, weighed = {candidates[i] for i in result.kept}, set(candidates)

    def fate(node: Node, text: str) -> Fate:
        key = text, node.finished
        if key == chosen:
            return "chosen"
        if key in kept:
            return "kept"
        if node.expanded:
            return "continued"
        if node.lookahead:
            return "looked ahead"
        if node.finished:
            return "finished"
        # What was chosen among in the end was not pruned, though it has no end: a length limit, or
        # a budget, cut it.
        return "not finished" if key in weighed else "pruned"

    return [fate(node, text) for node, text in zip(result.nodes, texts, strict=True)]


def _shades(nodes: Sequence[Node], probable: bool) -> list[float | None]:
    """Each score on a scale from 0 to 1: itself, or the share of the tree's other scores below it,
    ties half."""
    values = sorted(node.score.value for node in nodes if isinstance(node.score, Score))

    def shade(value: float) -> float:
        if probable:
            return value
        others = len(values) - 1
        return (
            (bisect_left(values, value) + bisect_right(values, value) - 1) / 2 / others
            if others
            else 0.5
        )

    return [shade(node.score.value) if isinstance(node.score, Score) else None for node in nodes]


def _is_probable(nodes: Iterable[Node]) -> bool:
    return all(0 <= node.score.value <= 1 for node in nodes if isinstance(node.score, Score))


def _is_wrong(right: float | None) -> bool:
    return right is not None and right < 0.5


def _counted(counts: Mapping[str, int]) -> str:
    """Such as "decided (12), budget (3)"."""
    return ", ".join(f"{cut(name, 200)} ({count:,})" for name, count in counts.items())
