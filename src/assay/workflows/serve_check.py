"""Ask a running server and the model here about the same conversations, and say what differs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from assay.data.records import all_pairs, as_group
from assay.errors import ConfigError, DataError
from assay.evaluation.serving import Explanation, cut_off, explain, rank_flips
from assay.http.spread import Servers
from assay.scorers.remote import ASSAY, DIALECTS
from assay.scorers.wires import WIRES
from assay.specs.compute import dtype_of
from assay.stats.intervals import Array
from assay.workflows._data import Data, read
from assay.workflows._served import Pair, Served, Sides, built_in, readable, unusable

if TYPE_CHECKING:
    from assay.scorers.local import LocalScorer

__all__ = ["ServeCheck", "WayResult", "serve_check"]

ADVICE: Final = {
    "sigmoid": (
        "gives a sigmoid of the logit; ask with use_activation false, or serve the model with"
        ' problem_type "regression"'
    ),
    "softmax": (
        "gives a softmax over one output, which is always 1: ask a path that gives logits, such as"
        " SGLang's /classify and not its /v1/classify"
    ),
    "softmax of two": "gives a softmax over the two outputs, and not their difference",
    "logit": "gives logits, and the model's scores are probabilities",
}
WAYS: Final = {
    "ids": "token ids", "text": "texts", "messages": "messages", "conversation": "conversations"
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class WayResult:
    """What a server answers to conversations that are sent in one way."""

    way: str
    """ids, text or messages; "conversation" for servers that lay out all by themselves."""
    compared: int
    """Conversations that have a score on both sides."""
    largest: float
    """Largest difference between scores; NaN where none could be compared."""
    flips: int
    """Pairs of conversations in the other order."""
    tied: int
    """Pairs that are tied there and not here."""
    pairs: int
    findings: tuple[str, ...]
    explanation: Explanation | None = field(repr=False)

    def __str__(self) -> str:
        """A line, and one per finding."""
        head = f"{WAYS[self.way]}: {self.compared} compared, largest difference {self.largest:.2g}"
        order = f"{self.flips} of {self.pairs} pairs in another order, {self.tied} tied"
        return "\n".join([f"{head}; {order}", *(f"  - {one}" for one in self.findings)])


@dataclass(frozen=True, kw_only=True)
class ServeCheck:
    """How a server's scores compare with the model's own."""

    url: str
    ways: tuple[WayResult, ...]
    left_out: int = 0
    """Conversations that the model itself does not score."""

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not any(way.findings for way in self.ways)

    def __str__(self) -> str:
        """What was found."""
        lines = [str(way) for way in self.ways]
        if self.left_out:
            lines.append(f"{self.left_out} conversations are not scored here and were not sent")
        end = "scores as the model here does" if self.same else "does not score as the model here"
        return "\n".join([*lines, f"{self.url} {end}"])


def serve_check(
    url: str,
    *,
    model: "str | LocalScorer",
    data: Data | None = None,
    dialect: str = ASSAY,
    send: Sequence[str] = (),
    name: str = "",
    key_variable: str = "ASSAY_API_KEY",
    limit: int = 32,
    tolerance: float | None = None,
    format: str | None = None,
    device: str = "auto",
    dtype: str | None = "auto",
) -> ServeCheck:
    """Compare a server's scores with those of the model that it should serve.

    model: a reward model's folder, or its scorer. data: records whose first `limit` responses are
    sent besides a few fixed conversations. send: ways to send them, of those that the dialect has;
    all by default. name: the server's of the model. tolerance: largest difference that means
    nothing; None is what the model's precision leaves. Raises `ConfigError` for what is no reward
    model or a dialect or way that there is none of, `BackendError` where the server cannot be
    asked.
    """
    local = _local(model, device, dtype)
    ways = _ways(dialect, send, local)
    pairs = [*built_in(local), *islice(_given(data, format), limit)]
    kept = readable(local, pairs)
    if not kept:
        raise DataError("no conversation is scored by the model here; give others with --data")
    server = Servers(urls=(url.rstrip("/").removesuffix("/v1"),), key_variable=key_variable)
    check = _Check(Sides(local, server, dialect, name, kept), tolerance)
    results: list[WayResult] = []
    for way in ways:
        by_ids = next((result for result in results if result.way == "ids"), None)
        results.append(check.way(way, by_ids=by_ids))
    return ServeCheck(url=url, ways=tuple(results), left_out=len(pairs) - len(kept))


def _local(model: "str | LocalScorer", device: str, dtype: str | None) -> "LocalScorer":
    from assay.scorers.local import LocalScorer
    from assay.specs.scorers import scorer

    found = scorer(model, device, dtype=dtype_of(dtype))
    if not isinstance(found, LocalScorer):
        raise ConfigError(
            f"{model} is no reward model of one network; give the folder of the model that is"
            " served"
        )
    return found


def _ways(dialect: str, send: Sequence[str], local: "LocalScorer") -> list[str]:
    from assay.models.implicit import ImplicitRewardModel

    if dialect not in DIALECTS:
        raise ConfigError(f"no dialect is called {dialect!r}; there is {', '.join(DIALECTS)}")
    there = ["conversation"] if dialect == ASSAY else [*WIRES[dialect].takes]
    if dialect != ASSAY and isinstance(local.model, ImplicitRewardModel):
        raise ConfigError(f"an implicit reward model is served by assay serve, not by {dialect}")
    own = local.model.layout.template != "chat" or local.model.readout.at == "step_tag"
    if own and "messages" in there:
        # No chat template lays such texts out, or puts step tags into them.
        there.remove("messages")
    if unknown := [way for way in send if way not in there]:
        raise ConfigError(
            f"{dialect} is not sent {', '.join(unknown)}; there is {', '.join(there)}"
        )
    return [way for way in there if not send or way in send]


def _given(data: Data | None, format: str | None) -> Iterator[Pair]:
    if data is not None:
        yield from all_pairs([as_group(record) for record in read(data, format, None)])


@dataclass(frozen=True)
class _Check:
    """A server and the model, ready to be compared on conversations."""

    sides: Sides
    tolerance: float | None

    def way(self, way: str, by_ids: WayResult | None) -> WayResult:
        """Compare what the server gives where conversations are sent in one way.

        by_ids: the result with token ids, where there is one.
        """
        expected = self.sides.expected([sequence.ids for _, sequence in self.sides.kept])
        served = self.sides.served(way)
        failed = Counter(
            reason
            for mine, there in zip(expected, served, strict=True)
            if (reason := unusable(mine, there))
        )
        findings = [f"{count} conversations have no score: {why}" for why, count in failed.items()]
        both = [
            i
            for i, (mine, there) in enumerate(zip(expected, served, strict=True))
            if not unusable(mine, there)
        ]
        got = [one for i in both if isinstance(one := served[i], Served)]
        if not got:
            nothing: Any = {"largest": float("nan"), "flips": 0, "tied": 0, "pairs": 0}
            return WayResult(
                way=way, compared=0, findings=tuple(findings), explanation=None, **nothing
            )
        mine, theirs = _flat(expected[i] for i in both), _flat(one.numbers for one in got)
        limit = self._limit(mine)
        found = self._explained(both, mine, theirs, got, limit)
        lengths = np.repeat(
            [len(self.sides.kept[i][1].ids) for i in both], [len(x.numbers) for x in got]
        )
        agreed = by_ids is not None and by_ids.explanation is not None and by_ids.explanation.exact
        findings += _in_words(found, lengths, limit, laid_out_there=agreed)
        findings += self._tokens(both, got, found)
        last = np.cumsum([len(one.numbers) for one in got]) - 1
        flips, tied, pairs = rank_flips(mine[last], theirs[last], limit)
        if flips and not findings:
            findings.append(f"{flips} of {pairs} pairs are in another order")
        largest = float(np.abs(mine - theirs).max())
        return WayResult(
            way=way, compared=len(both), largest=largest, flips=flips, tied=tied, pairs=pairs,
            findings=tuple(findings), explanation=found,
        )  # fmt: skip

    def _limit(self, expected: Array) -> float:
        from assay.models.parity import tolerance_of

        if self.tolerance is not None:
            return self.tolerance
        shares = self.sides.dialect == ASSAY and self.sides.local.model.readout.link == "sigmoid"
        spread = float(np.std(expected))
        return tolerance_of(self.sides.local.model) * (0.25 if shares else max(1.0, spread))

    def _explained(
        self, both: Sequence[int], mine: Array, theirs: Array, got: Sequence[Served], limit: float
    ) -> Explanation:
        """Explain the served numbers, with other tokens only where those of the layout do not."""
        pair = self.sides.local.model.readout.weights == (-1.0, 1.0) and self.sides.dialect != ASSAY
        found = explain({"": mine}, theirs, tolerance=limit, pair=pair)
        if found.exact:
            return found
        from assay.scorers.mislaid import cuts, mislaid

        pairs, sequences = zip(*(self.sides.kept[i] for i in both), strict=True)
        counted = [one.tokens for one in got]
        others = dict(mislaid(self.sides.local.model.encoder, pairs, sequences))
        others |= cuts([s.ids for s in sequences], counted)
        if all(one.ids is not None for one in got):
            others["tokens of its own"] = [one.ids or () for one in got]
        shape = [len(one.numbers) for one in got]
        variants = {"": mine}
        for what, ids in others.items():
            rows = self.sides.expected(ids)
            if [len(row) for row in rows] == shape:
                variants[what] = _flat(rows)
        return explain(variants, theirs, tolerance=limit, pair=pair)

    def _tokens(self, both: Sequence[int], got: Sequence[Served], found: Explanation) -> list[str]:
        """Say where other tokens are read, by the ids or else by their count."""
        ours = [self.sides.kept[i][1].ids for i in both]
        pairs = [(mine, one.ids) for mine, one in zip(ours, got, strict=True) if one.ids]
        if differing := [(mine, ids) for mine, ids in pairs if mine != ids]:
            decode = self.sides.local.model.encoder.tokenizer.convert_ids_to_tokens
            return [f"{len(differing)} of {len(pairs)} are read as other tokens:"
                    f" {_difference(*differing[0], decode)}"]  # fmt: skip
        more = {one.tokens - len(mine) for mine, one in zip(ours, got, strict=True) if one.tokens}
        if (found.plain and found.exact) or more <= {0}:
            return []
        low, high = min(more), max(more)
        between = f"{low:+d}" if low == high else f"{low:+d} to {high:+d}"
        return [f"it counts {between} tokens against the layout's"]


def _flat(rows: Any) -> Array:
    return np.array([x for row in rows for x in row], dtype=np.float64)


def _in_words(
    found: Explanation, lengths: Array, limit: float, *, laid_out_there: bool
) -> list[str]:
    """What an explanation means for who serves. laid_out_there: token ids give the same scores."""
    cut = None if found.exact else cut_off(found.left, lengths, limit)
    lines = []
    if found.exact or found.holds or cut:
        if found.variant:
            lines.append(f"reads {found.variant}, and not what the model was trained on")
        if found.activation != "none":
            lines.append(ADVICE[found.activation])
        if found.affine:
            lines.append(
                f"gives {found.slope:.4g} x {found.shift:+.4g} of the logit x: logits are scaled or"
                " shifted there"
            )
    if cut:
        lines.append(
            f"conversations of {cut[1]} tokens and more differ, by up to {found.left.max():.2g},"
            f" and all of up to {cut[0]} agree: long ones are cut off there"
        )
    elif not found.exact and found.holds:
        size = np.sqrt(np.mean(found.left**2))
        lines.append(
            f"numbers differ by {size:.2g} (root mean square; {found.noise:.2%} of their spread),"
            f" {found.left.max():.2g} at most: another precision, such as bfloat16"
        )
    elif not found.exact:
        why = (
            "token ids are read as here, so conversations are laid out by another template"
            if laid_out_there
            else "other weights, another model, or another template"
        )
        lines.append(f"numbers differ by up to {found.left.max():.2g}: {why}")
    return lines


def _difference(mine: Sequence[int], theirs: Sequence[int], decode: Any) -> str:
    """The first place at which two sequences of tokens differ."""
    place = next(
        (i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b),
        min(len(mine), len(theirs)),
    )
    ours, there = (decode(list(ids[place : place + 3])) for ids in (mine, theirs))
    return f"{len(theirs)} for {len(mine)}, from place {place} on {there} for {ours}"
