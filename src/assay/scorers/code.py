"""Programs run against their task's tests, as a scorer: the gold reward of coding tasks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from assay.fingerprint import ByContent
from assay.scorers.cache import remembered
from assay.types import Group, Score, Unscored, Verdict
from assay.verifiers.code.suites import Suite, suite_of
from assay.verifiers.code.verifier import Code

__all__ = ["Executed"]


@dataclass(frozen=True)
class Executed:
    """1 for a response whose program passes the tests in its prompt's `meta["tests"]`, 0 for one
    whose does not.

    Responses of a batch run beside each other, and a program that was judged before is not run
    again.
    """

    code: Code = field(default_factory=Code)
    """How programs are found, run and judged."""
    _known: dict[tuple[str, str], Verdict] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    fingerprint = ByContent()

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order; `Unscored` where the prompt has no tests, or the sandbox
        fails.

        Raises `SandboxUnavailable` where there is no sandbox of the level, and `DataError` for
        malformed tests.
        """
        return [[verdict.score for verdict in verdicts] for verdicts in self.verdicts(groups)]

    def verdicts(
        self, groups: Sequence[Group], show: Callable[[int], None] = lambda _: None
    ) -> list[list[Verdict]]:
        """One verdict a response, in order. `show` is told how many responses are done."""
        suites = [suite_of(group.prompt) for group in groups]
        keys = ["" if suite is None else suite.model_dump_json() for suite in suites]
        wanted: dict[tuple[str, str], tuple[str, Suite]] = {}
        for group, suite, key in zip(groups, suites, keys, strict=True):
            if suite is not None:
                wanted |= {
                    (key, response.answer): (response.answer, suite) for response in group.responses
                }
        found = remembered(self._known, wanted, lambda items: self.code.check_all(items, show))
        without = Verdict(
            outcome="undecided", reason='the prompt has no tests in meta["tests"]', stage="no tests"
        )
        return [
            [found.get((key, response.answer), without) for response in group.responses]
            for group, key in zip(groups, keys, strict=True)
        ]
