"""Labels by people: tasks, labels, the store, who labels what next, and how far they agree.

Nothing here knows of the web; the page is `assay.annotate_app`. `compare`, `rank`, `mark_steps` and
`ask` put one question to people and return at once; called as `assay.annotate(pool)` it makes a
project (`assay.workflows.annotate`).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.annotate.asking import ask, compare, mark_steps, rank

__all__ = ["ask", "compare", "mark_steps", "rank"]


def __getattr__(name: str) -> Any:
    """Import what asks people when it is first asked for: it needs a database."""
    if name not in __all__:
        raise AttributeError(f"module 'assay.annotate' has no attribute {name!r}")
    from assay.annotate import asking

    return getattr(asking, name)
