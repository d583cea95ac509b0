"""Small projects that several tests label."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assay.annotate.labels import Pair
from assay.annotate.records import Project
from assay.annotate.store import Store
from assay.annotate.tables import ASSIGNMENTS, ITEMS, LABELS
from assay.annotate.tasks import Task
from assay.types import Prompt, Response

FIRST, SECOND = Pair(choice="first"), Pair(choice="second")
OPEN: list[Store] = []
"""Stores to be closed after a test."""


def pairs(n: int, kind: str = "q", **others: Any) -> list[Task]:
    return [
        Task.pair(Prompt.of(f"{kind}{i}"), Response.of("yes"), Response.of("no"), **others)
        for i in range(n)
    ]


def store(where: "str | Path", n: int, gold: int = 0, **settings: Any) -> Store:
    tasks = pairs(n) + pairs(gold, "gold", gold=FIRST)
    OPEN.append(Store.create(where, Project(**settings), tasks))
    return OPEN[-1]


def projections(some: Store) -> dict[str, list[dict[str, Any]]]:
    """All that is made from events; drafts and leases are not."""
    with some._reading() as connection:
        return {
            table.name: [
                {name: value for name, value in row.items() if name not in ("draft", "lease")}
                for row in connection.execute(
                    sa.select(table).order_by(*table.primary_key.columns)
                ).mappings()
            ]
            for table in (ITEMS, ASSIGNMENTS, LABELS)
        }
