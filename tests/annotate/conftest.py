"""Stores on both databases."""

import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy")

from tests.annotate import postgres, stores


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while stores.OPEN:
        stores.OPEN.pop().close()


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory where there is one: these tests wait for no disk."""
    where = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=where) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, memory: Path) -> Callable[[], "str | Path"]:
    """A function that names a new place for a store each time."""
    numbers = count()
    if request.param == "sqlite":
        return lambda: memory / f"labels-{next(numbers)}.db"
    url = request.getfixturevalue("postgres_url")
    return lambda: postgres.database(url, f"{memory.name}-{next(numbers)}")
