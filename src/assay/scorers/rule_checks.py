"""Rules as a scorer: what a program can check of a response by itself, and the instructions that
its prompt gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from assay.errors import ConfigError, DataError
from assay.fingerprint import fingerprint
from assay.types import Group, Prompt, Score, Unscored, Verdict
from assay.verifiers.rules import instructions

__all__ = ["Rule", "Ruled"]


class Rule(Protocol):
    """Checks a text by itself."""

    def check(self, text: str) -> Verdict:
        """Right, wrong or undecided."""
        ...


@dataclass(frozen=True, kw_only=True)
class Ruled:
    """1 for a response that keeps all rules and follows all of its prompt's instructions; or the
    share that it does.

    A prompt's instructions are in its `meta["instructions"]`, as {id, kwargs}.
    """

    rules: tuple[Rule, ...] = ()
    """Rules for every response; see `verifiers.rules`."""
    credit: Literal["all", "share"] = "all"
    """all: 1 or 0. share: the share that holds."""
    mode: instructions.Mode = "strict"
    """Mode of instructions. loose: a first or last line and stars may be left out (IFEval's second
    way to count)."""
    outside: tuple[str, ...] = ()
    """Instructions of others that prompts may give, each as package.module:Class."""

    def __post_init__(self) -> None:
        if wrong := [rule for rule in self.rules if not callable(getattr(rule, "check", None))]:
            raise ConfigError(f"{wrong[0]!r} is no rule: it has no check(text)")
        instructions.known(self.outside)

    @property
    def fingerprint(self) -> str:
        """Name by the rules, and by the code of others' instructions."""
        return fingerprint((self.rules, self.credit, self.mode, instructions.known(self.outside)))

    def score(self, groups: Sequence[Group]) -> list[list[Score | Unscored]]:
        """One score a response, in order; `Unscored` where a rule that matters is undecided, or
        there is none."""
        return [[verdict.score for verdict in verdicts] for verdicts in self.verdicts(groups)]

    def verdicts(self, groups: Sequence[Group]) -> list[list[Verdict]]:
        """One verdict a response: that of all its rules and instructions together."""
        return [
            [together(checks, self.credit) for checks in group] for group in self.checks(groups)
        ]

    def checks(self, groups: Sequence[Group]) -> list[list[tuple[Verdict, ...]]]:
        """For each response a verdict a rule and then one an instruction, in order.

        Raises `ConfigError` for an instruction that there is not, and `DataError` for a list of
        them that is none, before any response is looked at.
        """
        among = instructions.known(self.outside)
        asked = [instructions.of_prompt(group.prompt, among) for group in groups]
        return [
            [
                (
                    *(rule.check(response.answer) for rule in self.rules),
                    *(instructions.evaluate(one, response.answer, self.mode) for one in given),
                )
                for response in group.responses
            ]
            for group, given in zip(groups, asked, strict=True)
        ]

    def validate(
        self, prompts: Sequence[Prompt] = (), *, good: Sequence[str] = (), bad: Sequence[str] = ()
    ) -> None:
        """Raises `DataError` unless what should hold does, and what should not does not.

        Each instruction of the prompts accepts the example that it writes and refuses the
        counterexample, and so does each rule that has them. Every `good` text keeps all rules;
        every `bad` one breaks at least one.
        """
        among = instructions.known(self.outside)
        for prompt in prompts:
            for one in instructions.of_prompt(prompt, among):
                instructions.validate(one)
        expected: list[tuple[Sequence[Any], str, str]] = [
            (self.rules, text, "right") for text in good
        ]
        expected += [(self.rules, text, "wrong") for text in bad]
        for rule in self.rules:
            for method, outcome in (("example", "right"), ("counterexample", "wrong")):
                if hasattr(rule, method):
                    expected.append(((rule,), getattr(rule, method)(), outcome))
        for rules, text, outcome in expected:
            found = together([rule.check(text) for rule in rules], "all")
            if found.outcome != outcome:
                raise DataError(
                    f"{text[:60]!r} should be {outcome}, but is {found.outcome}: {found.reason}"
                )


def together(checks: Sequence[Verdict], credit: Literal["all", "share"]) -> Verdict:
    """One verdict of several.

    A check that is undecided leaves the share undecided, and "all" too unless another one is wrong:
    then not all hold, whatever it would have said.
    """
    wrong = [check for check in checks if check.outcome == "wrong"]
    undecided = [check for check in checks if check.outcome == "undecided"]
    if not checks:
        return Verdict(
            outcome="undecided", reason="there is no rule, and the prompt gives no instruction"
        )
    if undecided and (credit == "share" or not wrong):
        reason = "; ".join(f"{check.stage}: {check.reason}" for check in undecided)
        return Verdict(outcome="undecided", reason=reason, stage=undecided[0].stage)
    held = len(checks) - len(wrong) - len(undecided)
    if not wrong:
        return Verdict(
            outcome="right",
            reason=f"all {held} hold",
            stage=checks[0].stage if held == 1 else "all",
        )
    return Verdict(
        outcome="wrong",
        reason="; ".join(f"{check.stage}: {check.reason}" for check in wrong),
        stage=wrong[0].stage,
        span=wrong[0].span,
        credit=held / len(checks) if credit == "share" else None,
    )
