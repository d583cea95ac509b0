"""What is wrong, and what is lopsided, in a stream of records: one pass, a few numbers kept for
each.

Nothing here is refused: duplicates, contradictions and biases are counted and reported, for only
the user knows which of them matter. Rates have an interval clustered by prompt. Memory is some 200
bytes a record, whatever its length.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations

import numpy as np

from assay.data.dedupe import labels_of, wordless
from assay.data.records import (
    digest,
    normalised,
    normalised_prompt_key,
    prompt_of,
    responses_of,
    texts_of,
)
from assay.errors import DataError
from assay.stats import Estimate, proportion
from assay.types import Preference, Ranking, Record, StepLabels, ToolCall

__all__ = ["Report", "check"]

EXAMPLES = 3
FIRST, TIES, LONGER = "first response preferred", "ties", "longer wins"
CUT_WORDS = 8
"""A response of at least so many words that ends in a letter, a comma or the like may have been
cut."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a file holds. Records are numbered from 1 in `examples`."""

    kinds: dict[str, int]
    """Records by kind."""
    prompts: int
    """Distinct prompts, after `records.normalised`."""
    exact_duplicates: int
    """Records equal to an earlier one in kind, prompt, responses and labels."""
    relabelled: int
    """Records equal to an earlier one in kind, prompt and responses, with another label."""
    near_duplicates: int
    """Records equal to an earlier one only after `records.normalised`."""
    same_responses: int
    """Preferences between two equal texts."""
    contradictions: int
    """Pairs of responses to one prompt, each preferred over the other somewhere."""
    cycles: int
    """Sets of three or more responses to one prompt that are preferred in a circle, contradictions
    left aside."""
    empty_prompts: int
    empty_responses: int
    unfinished: int
    """Responses marked as not finished."""
    maybe_cut: int
    """Responses of 8 words or more that end in a letter, a comma, a colon, a dash or an open
    bracket: a hint only."""
    trajectories: int
    """Responses of several turns."""
    turns: int
    """Turns of the assistant in them."""
    calls: int
    """Calls of tools in them."""
    bad_calls: int
    """Calls whose arguments are no JSON."""
    longer_wins: Estimate | None
    """How often the longer (in characters) of two responses to a prompt is the better; ties left
    out. 0.5: no bias."""
    rates: dict[str, Estimate]
    """Base rates of the labels."""
    leaked_records: int | None
    """Records whose prompt is in the data compared against; None when nothing was."""
    leaked_prompts: int | None
    """Distinct prompts among them."""
    examples: dict[str, tuple[tuple[int, ...], ...]]
    """A few places of each finding, as record numbers."""


def check(records: Iterable[Record], against: Collection[int] | None = None) -> Report:
    """Look at every record once.

    against: `normalised_prompt_key` of each prompt that should not be there.
    """
    kinds: Counter[str] = Counter()
    copies, texts, turns = _Copies(), _Texts(), _Turns()
    order, labels = _Order(), _Labels()
    prompts: set[int] = set()
    leaked: Counter[int] = Counter()
    for number, record in enumerate(records, 1):
        key = normalised_prompt_key(record)
        said = texts_of(record)
        kinds[type(record).__name__] += 1
        prompts.add(key)
        copies.add(number, key, record, said)
        texts.add(record, said)
        turns.add(record)
        order.add(number, key, record, said)
        labels.add(key, record, said)
        if against is not None and key in against:
            leaked[key] += 1
    contradictions, cycles = order.findings()
    return Report(
        kinds=dict(kinds),
        prompts=len(prompts),
        exact_duplicates=copies.exact,
        relabelled=copies.relabelled,
        near_duplicates=copies.near,
        same_responses=order.same,
        contradictions=len(contradictions),
        cycles=len(cycles),
        empty_prompts=texts.empty_prompts,
        empty_responses=texts.empty_responses,
        unfinished=texts.unfinished,
        maybe_cut=texts.maybe_cut,
        trajectories=turns.trajectories,
        turns=turns.turns,
        calls=turns.calls,
        bad_calls=turns.bad_calls,
        longer_wins=labels.longer_wins(),
        rates=labels.rates(),
        leaked_records=None if against is None else leaked.total(),
        leaked_prompts=None if against is None else len(leaked),
        examples={
            "exact_duplicates": tuple(copies.examples),
            "contradictions": tuple(contradictions[:EXAMPLES]),
            "cycles": tuple(cycles[:EXAMPLES]),
        },
    )


@dataclass
class _Copies:
    """Duplicates, by the hashes of a record's texts with and without labels, and of its normalised
    texts."""

    exact: int = 0
    relabelled: int = 0
    near: int = 0
    examples: list[tuple[int, ...]] = field(default_factory=list)
    _labelled: set[int] = field(default_factory=set)
    _bare: set[int] = field(default_factory=set)
    _normal: set[int] = field(default_factory=set)

    def add(self, number: int, key: int, record: Record, said: Sequence[str]) -> None:
        kind = f"{type(record).__name__} {wordless(record)}"
        bare = digest(kind, prompt_of(record).text, *said)
        labelled = digest(str(bare), labels_of(record))
        close = digest(kind, str(key), *map(normalised, said))
        if labelled in self._labelled:
            self.exact += 1
            if len(self.examples) < EXAMPLES:
                self.examples.append((number,))
        elif bare in self._bare:
            self.relabelled += 1
        elif close in self._normal:
            self.near += 1
        self._labelled.add(labelled)
        self._bare.add(bare)
        self._normal.add(close)


@dataclass
class _Texts:
    """Texts that are empty or may have been cut."""

    empty_prompts: int = 0
    empty_responses: int = 0
    unfinished: int = 0
    maybe_cut: int = 0

    def add(self, record: Record, said: Sequence[str]) -> None:
        self.empty_prompts += not prompt_of(record).text.strip()
        for response, whole in zip(responses_of(record), said, strict=True):
            text = response.answer.rstrip()
            self.empty_responses += not whole.strip()
            self.unfinished += not response.finished
            self.maybe_cut += (
                text[-1:].isalpha() or text[-1:] in tuple(",;:-–—([{") if _is_long(text) else 0
            )


@dataclass
class _Turns:
    """Trajectories, and the calls in them."""

    trajectories: int = 0
    turns: int = 0
    calls: int = 0
    bad_calls: int = 0

    def add(self, record: Record) -> None:
        for response in responses_of(record):
            self.trajectories += bool(response.turns)
            self.turns += len(response.steps) if response.turns else 0
            for call in chain.from_iterable(turn.tool_calls for turn in response.turns):
                self.calls += 1
                self.bad_calls += _is_bad(call)


@dataclass
class _Order:
    """Who is preferred over whom: one (prompt, winner, loser, record) a comparison, as hashes, 32
    bytes."""

    same: int = 0
    _rows: "array[int]" = field(default_factory=lambda: array("Q"))

    def add(self, number: int, key: int, record: Record, said: Sequence[str]) -> None:
        if not isinstance(record, (Preference, Ranking)):
            return
        hashes = list(map(digest, said))
        self.same += isinstance(record, Preference) and hashes[0] == hashes[1]
        for (i, one), (j, other) in combinations(enumerate(_grades(record)), 2):
            if one != other and hashes[i] != hashes[j]:
                won, lost = (i, j) if one > other else (j, i)
                self._rows.extend((key, hashes[won], hashes[lost], number))

    def findings(self) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        """Contradictions and cycles, each as the record numbers that show it."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        rows = np.frombuffer(self._rows, dtype=np.uint64).reshape(-1, 4)
        if not len(rows):
            return [], []
        # A node is a response to a prompt; an edge leads from the better to the worse.
        ends = np.concatenate([rows[:, [0, 1]], rows[:, [0, 2]]])
        nodes, codes = np.unique(ends, axis=0, return_inverse=True)
        won, lost = codes.reshape(2, -1).astype(np.int64)
        edge, back = won * len(nodes) + lost, lost * len(nodes) + won
        both = np.isin(edge, back)
        pairs: dict[int, list[int]] = {}
        for pair, number in zip(
            np.minimum(edge, back)[both].tolist(), rows[both, 3].tolist(), strict=True
        ):
            pairs.setdefault(pair, []).append(number)
        graph = csr_array(
            (np.ones(int((~both).sum())), (won[~both], lost[~both])), shape=(len(nodes), len(nodes))
        )
        _, parts = connected_components(graph, connection="strong")
        inside = ~both & (
            parts[won] == parts[lost]
        )  # an edge within a strong component lies on a cycle
        rings: dict[int, list[int]] = {}
        for part, number in zip(parts[won][inside].tolist(), rows[inside, 3].tolist(), strict=True):
            rings.setdefault(part, []).append(number)
        return [tuple(sorted(set(x))) for x in pairs.values()], [
            tuple(sorted(set(x))) for x in rings.values()
        ]


@dataclass
class _Labels:
    """Base rates and length bias: for each rate, a prompt and a credit an item."""

    _credit: dict[str, tuple["array[int]", "array[float]"]] = field(default_factory=dict)
    _lengths: "array[int]" = field(default_factory=lambda: array("Q"))
    _right: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, key: int, record: Record, said: Sequence[str]) -> None:
        if isinstance(record, (Preference, Ranking)):
            self._compared(key, record, [len(text) for text in said])
        elif isinstance(record, StepLabels):
            self._labelled(key, record)

    def longer_wins(self) -> Estimate | None:
        """From preferences and rankings, a record's pairs averaged; else from right and wrong
        answers to a prompt."""
        if (compared := self._estimate(LONGER)) is not None:
            return compared
        rows = np.frombuffer(self._lengths, dtype=np.uint64).reshape(-1, 2)
        right = np.frombuffer(self._right, dtype=np.float64) >= 0.5
        order = np.argsort(rows[:, 0], kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(rows[order, 0])) + 1) if len(order) else []
        credits = []
        for group in groups:
            lengths, good = rows[group, 1].astype(np.int64), right[group]
            signs = np.sign(lengths[good][:, None] - lengths[~good][None, :])
            if (signs != 0).any():
                credits.append(float((signs[signs != 0] > 0).mean()))
        return proportion(credits) if credits else None

    def rates(self) -> dict[str, Estimate]:
        """The base rates, by name."""
        # What the layout fixes (chosen before rejected, no ties) is no finding.
        fixed = {FIRST: 1.0, TIES: 0.0}
        names = [
            name
            for name, (_, x) in self._credit.items()
            if {fixed.get(name)} != set(x) and name != LONGER
        ]
        return {name: estimate for name in names if (estimate := self._estimate(name)) is not None}

    def _estimate(self, name: str) -> Estimate | None:
        prompts, credit = self._credit.get(name, (array("Q"), array("d")))
        return proportion(np.frombuffer(credit), clusters=prompts.tolist()) if len(credit) else None

    def _put(self, name: str, key: int, credit: float) -> None:
        prompts, values = self._credit.setdefault(name, (array("Q"), array("d")))
        prompts.append(key)
        values.append(credit)

    def _compared(self, key: int, record: Preference | Ranking, lengths: Sequence[int]) -> None:
        grades = _grades(record)
        wins = [
            (one > other) == (lengths[i] > lengths[j])
            for (i, one), (j, other) in combinations(enumerate(grades), 2)
            if one != other and lengths[i] != lengths[j]
        ]
        if wins:
            self._put(LONGER, key, sum(wins) / len(wins))
        if isinstance(record, Preference):
            self._put(FIRST, key, record.prefer)
            self._put(TIES, key, record.prefer == 0.5)
        elif set(grades) <= {0.0, 1.0}:
            for grade in grades:
                self._put("responses graded 1", key, grade)

    def _labelled(self, key: int, record: StepLabels) -> None:
        known = [label for label in record.labels if label is not None]
        if not known:
            return
        if len(known) == 1 and record.labels[-1] is not None:
            name = (
                "answers right" if len(record.labels) == 1 else "last steps right (alone labelled)"
            )
            self._put(name, key, known[0])
            self._lengths.extend((key, len(record.response.text)))
            self._right.append(known[0])
            return
        for label in known:
            self._put("labelled steps right", key, label)
        self._put("solutions without a wrong step", key, min(known) >= 0.5)


def _grades(record: Preference | Ranking) -> tuple[float, ...]:
    return (record.prefer, 1.0 - record.prefer) if isinstance(record, Preference) else record.grades


def _is_bad(call: ToolCall) -> bool:
    try:
        call.parsed()
    except DataError:
        return True
    return False


def _is_long(text: str) -> bool:
    return text.count(" ") + 1 >= CUT_WORDS
