"""`assay compare PROMPTS`: several searches at several sizes, accuracy against generated tokens."""

from dataclasses import dataclass

from assay.cli.search import Searching

__all__ = ["Command"]


@dataclass(frozen=True, kw_only=True)
class Command(Searching):
    """Compare strategies at several sizes: accuracy against the tokens that they generate, and at
    equal tokens.

    Samples are shared where the strategies draw the same ones, but each is charged for all that it
    uses.
    """

    strategies: tuple[str, ...] = ("best-of-n", "majority", "weighted-majority", "beam", "dvts")
    """Names, each with settings where they differ from the defaults: beam:width=2,lookahead=1."""
    ns: tuple[int, ...] = (1, 4, 16)
    """Sizes: the n of each strategy."""

    def __call__(self) -> None:
        """Search with each, measure, draw."""
        from assay.workflows.compare import compare

        result = compare(self.strategies, self.prompts, ns=self.ns, **self.arguments())
        print(result)
        print(f"wrote compare.json, report.html and run.json in {self.out}")
