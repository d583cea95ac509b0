"""A component that lives outside the library."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.protocols import Generator, Scorer
from assay.search import SearchResult
from assay.types import Prompt


@dataclass(frozen=True, kw_only=True)
class Outside:
    """A search of somebody else's."""

    n: int = 3
    where: Path = Path("somewhere")

    def __call__(
        self, prompts: Sequence[Prompt], generator: Generator, scorer: Scorer
    ) -> list[SearchResult]:
        return []
