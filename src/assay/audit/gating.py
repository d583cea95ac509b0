"""Make a gate: hold a judge against what people say."""

import hashlib
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from assay.answerers.ledger import asked_anew
from assay.audit.gate import Anchor, By, Gate, Known, Labels, Mark, Rule, Slice, bound, number
from assay.audit.human import Case, Label
from assay.audit.verdicts import reading_of, values_of
from assay.errors import ConfigError
from assay.http.client import models_named
from assay.protocols import Judge, Scorer
from assay.stats import Estimate, proportion
from assay.stats.agreement import pairwise_agreement
from assay.stats.binary import agreement_of
from assay.stats.label_noise import label_accuracy

__all__ = ["make"]

ALPHA: Final = 0.01
"""Level of each test for drift: asked every week, 0.05 would close every gate by chance."""

Verdicts = Sequence[Sequence[bool | None]]


def make(
    judge: Judge | Scorer,
    cases: Sequence[Case],
    *,
    word: str = "",
    floor: float = 0.85,
    rule: Rule = "lower",
    threshold: float | None = None,
    by: By = "human",
    blind: Known = "unknown",
    source: str = "",
    days: int = 90,
    anchors: int = 40,
    seed: int = 0,
    now: datetime | None = None,
) -> Gate:
    """Measure a judge against labels, and say whether it may score.

    rule: agreement's lower end must reach the floor, or its value, overall and for every criterion
    and subset. threshold: least score of a response that means yes; None = 0.5, for scores in
    [0, 1]. anchors: labels that are kept to be asked again, with all others of their prompts; they
    are asked twice now, and no ledger answers the second time. A gate that is closed is returned
    as well.
    """
    if not 0 < floor <= 1 or days < 1 or anchors < 1:
        raise ConfigError(
            f"floor is {floor}, days {days} and anchors {anchors}; they must be in (0, 1], and at"
            " least 1 and 1"
        )
    groups, labels = [case.group for case in cases], [case.labels for case in cases]
    pairs = cases[0].pair
    values = values_of(judge, groups, labels, pairs=pairs)
    reading = reading_of(cases, values, threshold)
    said = [[reading.verdict(value) for value in row] for row in values]
    kept = _drawn(cases, anchors, seed)
    with asked_anew(), models_named() as served:
        twice = values_of(judge, [groups[i] for i in kept], [labels[i] for i in kept], pairs=pairs)
    again = [[reading.verdict(value) for value in row] for row in twice]
    slices, now = _slices(cases, said, floor, seed), now or datetime.now(UTC)
    return Gate(
        judge=bound(
            judge,
            word=word,
            kind="pairs" if pairs else "points",
            threshold=reading.least,
            served=[*served],
        ),
        labels=_described(cases, source, by, blind),
        slices=slices,
        repeat=number(_repeated([cases[i].key for i in kept], [said[i] for i in kept], again)),
        floor=floor,
        rule=rule,
        reasons=tuple(_reasons(slices, floor, rule, by, blind)),
        made=now,
        expires=now + timedelta(days=days),
        alpha=ALPHA,
        anchors=tuple(
            _anchor(cases[i], said[i], values[i], row) for i, row in zip(kept, again, strict=True)
        ),
    )


def _repeated(keys: Sequence[str], said: Verdicts, again: Verdicts) -> Estimate:
    """The share of verdicts that are the same when asked again."""
    same = [
        (key, float(one is two))
        for key, first, second in zip(keys, said, again, strict=True)
        for one, two in zip(first, second, strict=True)
    ]
    return proportion([one for _, one in same], clusters=[key for key, _ in same])


def _slices(cases: Sequence[Case], said: Verdicts, floor: float, seed: int) -> tuple[Slice, ...]:
    """Measure all items, and those of each criterion and subset."""
    names: dict[str, list[tuple[str, Label, bool | None]]] = {"overall": []}
    for case, row in zip(cases, said, strict=True):
        for label, verdict in zip(case.labels, row, strict=True):
            of = {"criterion": label.criterion, "subset": label.subset}
            parts = [f"{what} {name}" for what, name in of.items() if name]
            for name in ("overall", *parts):
                names.setdefault(name, []).append((case.key, label, verdict))
    return tuple(_slice(name, some, floor, seed) for name, some in names.items())


def _slice(
    name: str, rows: Sequence[tuple[str, Label, bool | None]], floor: float, seed: int
) -> Slice:
    known = [(key, label, verdict) for key, label, verdict in rows if label.human is not None]
    truth = [float(bool(label.human)) for _, label, _ in known]
    judged = [math.nan if verdict is None else float(verdict) for *_, verdict in known]
    chosen = [label.probability for _, label, _ in known]
    weights = [1 / share for share in chosen if share is not None] or None
    keys = [key for key, *_ in known]
    numbers = agreement_of(truth, judged, clusters=keys, weights=weights, seed=seed)
    several = [(key, label.votes) for key, label, _ in rows if len(label.votes) > 1]
    if several:
        most = max(len(votes) for _, votes in several)
        ratings = [[*votes, *[None] * (most - len(votes))] for _, votes in several]
        people = pairwise_agreement(ratings, clusters=[key for key, _ in several])
        numbers["human_agreement"] = people
        ends = [label_accuracy(x) if x >= 0.5 else math.nan
                for x in (people.value, people.low, people.high)]  # fmt: skip
        numbers["human_ceiling"] = Estimate(value=ends[0], low=ends[1], high=ends[2], n=people.n)
    table: dict[str, int] = {}
    for _, label, verdict in known:
        cell = f"{_word(label.human)}/{_word(verdict)}"
        table[cell] = table.get(cell, 0) + 1
    agreement = numbers["agreement"]
    return Slice(
        name=name,
        table=table,
        split=len(rows) - len(known),
        numbers={key: number(one) for key, one in numbers.items()},
        passes={"lower": agreement.low >= floor, "point": agreement.value >= floor},
    )


def _word(verdict: bool | None) -> str:
    return {True: "yes", False: "no", None: "none"}[verdict]


def _reasons(slices: Sequence[Slice], floor: float, rule: Rule, by: str, blind: Known) -> list[str]:
    found = []
    for one in slices:
        if not one.passes[rule]:
            end = "lower end" if rule == "lower" else "value"
            found.append(f"{one.name}: the {end} of agreement {one['agreement']:.3f} is below the"
                         f" floor {floor:g}")  # fmt: skip
    kappa = slices[0]["kappa"]
    if not kappa.value > 0 or kappa.low <= 0:
        found.append(f"nothing shows that it is better than a constant verdict: kappa {kappa:.3f}")
    if by == "ai":
        found.append("the labels are a model's, not people's")
    if blind == "no":
        found.append("raters saw the judge's verdicts")
    return found


def _described(cases: Sequence[Case], source: str, by: By, blind: Known) -> Labels:
    labels = [label for case in cases for label in case.labels]
    body = [
        [case.group.model_dump(mode="json"), [(one.place, one.criterion) for one in case.labels]]
        for case in cases
    ]
    weighted = labels[0].probability is not None
    return Labels(
        source=source,
        sha256=hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest(),
        items=len(labels),
        raters=sum(len(label.votes) for label in labels) / len(labels),
        by=by,
        blind=blind,
        sampling="weighted by selection probability" if weighted else "all alike",
    )


def _drawn(cases: Sequence[Case], wanted: int, seed: int) -> list[int]:
    """Numbers of cases, drawn until they hold so many labels with a majority."""
    found, labels = [], 0
    for i in np.random.default_rng(seed).permutation(len(cases)):
        there = sum(label.human is not None for label in cases[i].labels)
        if there and labels < wanted:
            found.append(int(i))
            labels += there
    return sorted(found)


def _anchor(
    case: Case,
    said: Sequence[bool | None],
    values: Sequence[float | None],
    again: Sequence[bool | None],
) -> Anchor:
    rows = zip(case.labels, said, values, again, strict=True)
    marks = [
        Mark(
            place=label.place,
            criterion=label.criterion,
            human=label.human,
            verdict=verdict,
            value=value,
            again=second,
        )
        for label, verdict, value, second in rows
        if label.human is not None
    ]
    return Anchor(group=case.group, marks=tuple(marks))
