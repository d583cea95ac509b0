"""Protocols that were published, as values: prompts, verdicts, and what they count.

The prompts are those of the sources, with placeholders of this library. Two readings differ from
the sources', and matter where a judge writes a label more than once: the last verdict counts, not
the first (MT-Bench) nor none where they differ (Arena-Hard), and a rating that is no whole number
is no verdict.

Sources: MT-Bench's llm_judge/data/judge_prompts.jsonl in lm-sys/FastChat (arXiv:2306.05685);
AlpacaEval's weighted_alpaca_eval_gpt4_turbo in tatsu-lab/alpaca_eval (arXiv:2404.04475);
Arena-Hard's config/judge_config.yaml in lmarena/arena-hard-auto (arXiv:2406.11939).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from assay.judges.pairwise import PairProtocol
from assay.judges.pointwise import PointProtocol
from assay.questions import Option, Question

__all__ = [
    "ALPACA_EVAL",
    "ARENA_HARD",
    "MT_BENCH_PAIR",
    "MT_BENCH_PAIR_REFERENCE",
    "MT_BENCH_SINGLE",
    "MT_BENCH_SINGLE_REFERENCE",
    "PUBLISHED",
]


def _labels(names: Sequence[str], form: str) -> Question:
    """A question that the prompt asks: text-free, with the labels it tells to write."""
    options = tuple(Option(name=name) for name in names)
    return Question(kind="choice", text="", options=options, form=form)


_ABC: Final = _labels(["A", "B", "C"], "[[{}]]")

_RATING: Final = Question(
    kind="score",
    text="",
    options=tuple(Option(name=str(level), value=level) for level in range(1, 11)),
    form="[[{}]]",
)

MT_BENCH_PAIR: Final = PairProtocol(prompt="mt-bench-pair", question=_ABC, rule="agree")
"""MT-Bench's pair-v2: both orders, and a tie unless both say the same."""

MT_BENCH_PAIR_REFERENCE: Final = PairProtocol(
    prompt="mt-bench-pair-reference", question=_ABC, rule="agree"
)
"""MT-Bench's pair-math-v1, for its questions of maths, reasoning and code."""

MT_BENCH_SINGLE: Final = PointProtocol(prompt="mt-bench-single", question=_RATING)
"""MT-Bench's single-v1: a rating from 1 to 10. As a judge of pairs, `as_judge(..., how="strict",
margin=0.1)`."""

MT_BENCH_SINGLE_REFERENCE: Final = PointProtocol(
    prompt="mt-bench-single-reference", question=_RATING
)
"""MT-Bench's single-math-v1."""

ALPACA_EVAL: Final = PairProtocol(
    prompt="alpaca-eval",
    question=_labels(["m", "M"], "{}"),
    outcomes=("first", "second"),
    orders="drawn",
)
"""AlpacaEval 2's weighted preference: one order, drawn by the instruction, and P(m) / (P(m) + P(M))
by an answerer that reads labels. Its outputs 1 and 2 are the group's first and second response, so
that its preference, from 1 to 2, is 2 - prefer. With rule="agree" it is discrete."""

ARENA_HARD: Final = PairProtocol(
    prompt="arena-hard",
    question=_labels(["A>>B", "A>B", "A=B", "B>A", "B>>A"], "[[{}]]"),
    outcomes=("first", "first", "tie", "second", "second"),
    weights=(3.0, 1.0, 1.0, 1.0, 3.0),
)
"""Arena-Hard: five labels, both orders, and a clear win counted as three games; prefer is the mean
over all games. A pair in which one order has no verdict is left out, as there."""

PUBLISHED: Final[Mapping[str, PairProtocol | PointProtocol]] = {
    "alpaca-eval": ALPACA_EVAL,
    "arena-hard": ARENA_HARD,
    "mt-bench-pair": MT_BENCH_PAIR,
    "mt-bench-pair-reference": MT_BENCH_PAIR_REFERENCE,
    "mt-bench-single": MT_BENCH_SINGLE,
    "mt-bench-single-reference": MT_BENCH_SINGLE_REFERENCE,
}
"""By the words that name them."""
