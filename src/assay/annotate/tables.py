"""Tables of a store."""

from typing import Any, Final

import sqlalchemy as sa

__all__ = [
    "ANNOTATORS",
    "APPENDED",
    "ASSIGNMENTS",
    "EVENTS",
    "ITEMS",
    "LABELS",
    "META",
    "METADATA",
    "TABLES",
    "TASKS",
    "TRUTH",
]

METADATA: Final = sa.MetaData()


def _text(
    name: str, *more: sa.ForeignKey, unique: bool = False, null: bool = False
) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, *more, nullable=null, unique=unique)


def _number(name: str, *more: sa.ForeignKey, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, *more, nullable=null)


def _flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _real(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Double, nullable=False)


def _numbered(name: str) -> sa.Column[Any]:
    """A key that the writer counts up: writers take turns, so that there are no gaps."""
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)


META: Final = sa.Table(
    "meta", METADATA, sa.Column("name", sa.Text, primary_key=True), _text("value")
)

# JSON is kept as text: it comes back to the byte, and PostgreSQL's type refuses a NUL.
EVENTS: Final = sa.Table(
    "events",
    METADATA,
    _numbered("seq"),
    _real("time"),
    _text("kind"),
    _number("annotator", null=True),
    _text("task", null=True),
    _text("assignment", null=True),
    _text("key", null=True, unique=True),
    _text("payload"),
)

TASKS: Final = sa.Table(
    "tasks", METADATA, _numbered("seq"), _text("id", unique=True), _text("body")
)

ANNOTATORS: Final = sa.Table(
    "annotators",
    METADATA,
    _numbered("id"),
    _text("name"),
    _text("role"),
    _text("pseudonym", unique=True),
    _text("token", unique=True),
    _flag("active"),
)

# What follows is made from the above.

ITEMS: Final = sa.Table(
    "items",
    METADATA,
    _numbered("seq"),
    _text("task", sa.ForeignKey("tasks.id"), unique=True),
    sa.Column("place", sa.BigInteger, nullable=False),
    _flag("gold"),
    _real("probability"),
    _number("labels"),
    _number("taken"),
    _flag("open"),
    _flag("disputed"),
    _flag("adjudicated"),
    sa.Index("items_next", "open", "place"),
    sa.Index("items_gold", "gold", "seq"),
    sa.Index("items_disputed", "disputed", "seq"),
)
"""A narrow row per task. place: where it comes among the others; taken: labels and open
assignments; open: whether it can be given to somebody."""

ASSIGNMENTS: Final = sa.Table(
    "assignments",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    _text("task", sa.ForeignKey("tasks.id")),
    _number("annotator", sa.ForeignKey("annotators.id")),
    _text("purpose"),
    _text("state"),
    _text("shown"),
    _real("probability"),
    _flag("suggested"),
    _real("lease"),
    _number("opened"),
    _number("closed", null=True),
    _text("draft", null=True),
    sa.UniqueConstraint("task", "annotator", "purpose"),
    sa.Index("assignments_of", "annotator", "state", "opened"),
    sa.Index("assignments_leased", "state", "lease"),
)
"""state: open, saved, skipped or expired; shown: the order; opened and closed: numbers of the
events that did it."""

LABELS: Final = sa.Table(
    "labels",
    METADATA,
    _numbered("seq"),
    _text("assignment", sa.ForeignKey("assignments.id"), unique=True),
    _text("task", sa.ForeignKey("tasks.id")),
    _number("annotator", sa.ForeignKey("annotators.id")),
    _text("purpose"),
    _text("body"),
    _real("seconds"),
    _real("time"),
    sa.Index("labels_of", "annotator", "seconds"),
)

APPENDED: Final = (EVENTS, TASKS)
TRUTH: Final = (META, ANNOTATORS, TASKS, EVENTS)
TABLES: Final = tuple(METADATA.sorted_tables)
