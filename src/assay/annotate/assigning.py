"""Who is given which task next, in which order its responses are shown, and which labels differ."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from assay.annotate.labels import Label, decides
from assay.annotate.records import Annotator, Project
from assay.annotate.tables import ANNOTATORS, ASSIGNMENTS, ITEMS

__all__ = ["differ", "draw", "left_for", "open_to", "order_of", "pick", "room_for"]


def order_of(secret: str, task: str, annotator: int, n: int) -> tuple[int, ...]:
    """Draw the order in which an annotator is shown a task's n responses, all orders alike.

    secret: of the store. A task's name follows from what is shown, so that without a secret an
    annotator could tell from the order shown which response the pool has first.
    """
    digest = hashlib.sha256(f"{secret}\n{task}\n{annotator}".encode()).digest()
    order = list(range(n))
    random.Random(int.from_bytes(digest, "big")).shuffle(order)
    return tuple(order)


def draw(
    among: Sequence[str], weights: Mapping[str, float], rng: random.Random
) -> tuple[str, float]:
    """Draw one by weight; return it with its probability. One without a weight has the mean."""
    mean = sum(weights.values()) / len(weights) if weights else 1.0
    each = [weights.get(name, mean) for name in among]
    total = sum(each)
    if not total > 0:
        each, total = [1.0] * len(among), float(len(among))
    (place,) = rng.choices(range(len(among)), each)
    return among[place], each[place] / total


def differ(labels: Sequence[Label]) -> bool:
    """Say whether two labels of a task decide anything otherwise; "can't tell" never differs."""
    columns = zip(*map(decides, labels), strict=True)
    return any(len(set(column) - {None}) > 1 for column in columns)


def _was_given(annotator: int, *states: str, purpose: str = "label") -> sa.Exists:
    """Whether an annotator was given the item of the query around this one."""
    return sa.exists().where(
        ASSIGNMENTS.c.task == ITEMS.c.task,
        ASSIGNMENTS.c.annotator == annotator,
        ASSIGNMENTS.c.purpose == purpose,
        ASSIGNMENTS.c.state.in_(states),
    )


def open_to(annotator: int) -> sa.Select[str]:
    """Select the items that lack labels and that an annotator neither labelled, skipped nor has
    open; what a lease took from them can come back."""
    given = _was_given(annotator, "open", "saved", "skipped")
    return sa.select(ITEMS.c.task).where(ITEMS.c.open, sa.not_(given)).order_by(ITEMS.c.place)


def left_for(annotator: int) -> sa.Select[int]:
    """Select how many items an annotator can still be given or has open.

    It is the open items without theirs, as the latter are few.
    """
    count = sa.select(sa.func.count())
    mine = (
        count.select_from(ASSIGNMENTS)
        .join(ITEMS, ITEMS.c.task == ASSIGNMENTS.c.task)
        .where(ASSIGNMENTS.c.annotator == annotator, ASSIGNMENTS.c.purpose == "label")
    )
    gone = mine.where(ITEMS.c.open, ASSIGNMENTS.c.state.in_(["saved", "skipped"]))
    under_way = mine.where(sa.not_(ITEMS.c.open), ASSIGNMENTS.c.state == "open")
    all_open = count.select_from(ITEMS).where(ITEMS.c.open)
    return sa.select(
        all_open.scalar_subquery() - gone.scalar_subquery() + under_way.scalar_subquery()
    )


def gold_for(annotator: int) -> sa.Select[str]:
    """Select the gold items that an annotator was not given."""
    given = _was_given(annotator, "open", "saved", "skipped", purpose="gold")
    return sa.select(ITEMS.c.task).where(ITEMS.c.gold, sa.not_(given)).order_by(ITEMS.c.seq)


UNDER_WAY: Final = sa.exists().where(
    ASSIGNMENTS.c.task == ITEMS.c.task,
    ASSIGNMENTS.c.purpose == "adjudicate",
    ASSIGNMENTS.c.state.in_(["open", "saved"]),
)


def to_adjudicate(annotator: int, per_item: int) -> sa.Select[str]:
    """Select the items with all their labels that differ, that nobody adjudicates, and that the
    annotator did not label, unless there is no other active adjudicator."""
    others = sa.exists().where(
        ANNOTATORS.c.id != annotator,
        ANNOTATORS.c.active,
        ANNOTATORS.c.role.in_(["adjudicator", "admin"]),
    )
    return (
        sa.select(ITEMS.c.task)
        .where(
            ITEMS.c.disputed,
            ITEMS.c.labels >= per_item,
            sa.not_(UNDER_WAY),
            sa.not_(_was_given(annotator, "skipped", purpose="adjudicate")),
            sa.not_(sa.and_(others, _was_given(annotator, "saved"))),
        )
        .order_by(ITEMS.c.seq)
    )


def room_for(task: str, purpose: str) -> sa.Select[str]:
    """Select an item where it can be given for a purpose once more."""
    lacks = ITEMS.c.open if purpose == "label" else sa.and_(ITEMS.c.disputed, sa.not_(UNDER_WAY))
    return sa.select(ITEMS.c.task).where(ITEMS.c.task == task, lacks)


def pick(
    connection: sa.Connection,
    project: Project,
    annotator: Annotator,
    weights: Mapping[str, float] | None,
    rng: random.Random,
) -> tuple[str, str, float] | None:
    """Choose a task for an annotator: its id, its purpose, and the probability of the draw.

    weights: per open task, under a strategy that draws. Disputes come first, to whoever decides
    them. A gold item takes the place of a task at random; after the last task comes none.
    """
    if annotator.role != "annotator":
        disputes = to_adjudicate(annotator.id, project.labels_per_item)
        if dispute := connection.scalar(disputes.limit(1)):
            return dispute, "adjudicate", 1.0
    items = open_to(annotator.id)
    if weights is not None:
        if not (among := connection.scalars(items).all()):
            return None
        task, probability = draw(among, weights, rng)
    else:
        first = connection.scalar(items.limit(1))
        if first is None:
            return None
        task, probability = first, 1.0
        if project.choose == "random":
            count = sa.select(sa.func.count()).select_from(items.order_by(None).subquery())
            probability = 1 / (connection.scalar(count) or 1)
    if project.gold_share and rng.random() < project.gold_share:
        gold = connection.scalars(gold_for(annotator.id)).all()
        if gold:
            return rng.choice(gold), "gold", project.gold_share / len(gold)
    return task, "label", probability
