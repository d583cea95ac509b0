"""Tests of a program, as data: what a coding task carries beside its prompt, in
`Prompt.meta["tests"]`.

* `Calls`       call a function, compare what it returns: expected values are known here and stay
here
* `Streams`     run a whole program on an input, compare what it prints
* `Assertions`  sources that assert: HumanEval's `check`, MBPP's lines, pytest's files
* `Reference`   inputs alone; the expected values are what a reference solution returns for them, in
half the limits
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from assay.errors import DataError
from assay.sandbox.inside.codec import encode
from assay.types import Prompt, Record
from assay.verifiers.code.compare import Comparison

__all__ = [
    "Assertions",
    "Call",
    "Calls",
    "Input",
    "Reference",
    "Stream",
    "Streams",
    "Suite",
    "suite_of",
    "with_suite",
]


class Input(Record):
    """Arguments of one call."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_inf_nan="constants"
    )  # infinity is an argument

    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = Field(default_factory=dict)


class Call(Input):
    """Arguments of one call and what it returns, or the name of the error it raises.

    An error of a class that is made from the named one is one too, as in `except`; a module before
    the name is not compared.
    """

    expected: Any = None
    raises: str | None = None


class _Compared(Record):
    """How the task's own results are compared, where it says so; else as the verifier is set."""

    absolute: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    """Floats, complex numbers and decimals that differ by no more are the same."""
    relative: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Such numbers that differ by no more than this times the expected one are the same."""
    numbers: Literal["strict", "equal"] | None = None
    """equal: 2 is 2.0."""
    sequences: Literal["strict", "equal"] | None = None
    """equal: (1, 2) is [1, 2]."""

    def comparison(self, otherwise: Comparison) -> Comparison:
        """The verifier's comparison, with what the task says of its own."""
        return Comparison(
            numbers=self.numbers or otherwise.numbers,
            sequences=self.sequences or otherwise.sequences,
            absolute=max(self.absolute, otherwise.absolute),
            relative=max(self.relative, otherwise.relative),
        )


class _Callable(_Compared):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    entry: str
    """The function to call; "Class.method" for a method of a new object."""
    values: Literal["json", "tagged"] = "json"
    """How values are written: plain JSON, or the tagged form that also tells tuples, sets and
    bytes."""
    stub: str = ""
    """The start of the program that a response may continue, as HumanEval's prompts are; "" where
    there is none."""

    def encoded(self, value: Any) -> Any:
        """A value of the suite in tagged form."""
        return value if self.values == "tagged" else encode(value)


class Calls(_Callable):
    """Calls with known results."""

    kind: Literal["calls"] = "calls"
    cases: tuple[Call, ...] = Field(min_length=1)

    @classmethod
    def of(cls, entry: str, cases: Sequence[tuple[Sequence[Any], Any]], stub: str = "") -> Self:
        """From Python values: `Calls.of("add", [((1, 2), 3)])`."""
        made = [
            Call(arguments=tuple(map(encode, arguments)), expected=encode(expected))
            for arguments, expected in cases
        ]
        return cls(entry=entry, cases=tuple(made), values="tagged", stub=stub)


class Reference(_Callable):
    """Calls whose results a reference solution gives; it catches answers learned by heart from the
    shown tests."""

    kind: Literal["reference"] = "reference"
    solution: str
    """The reference program."""
    distinct: int = Field(default=2, ge=1)
    """Fewest different answers that it must give: a constant would pass tests that all expect the
    same."""
    cases: tuple[Input, ...] = Field(min_length=1)


class Stream(Record):
    """What a program reads, and what it then prints."""

    stdin: str = ""
    stdout: str


class Streams(_Compared):
    """A whole program, run once a case."""

    kind: Literal["streams"] = "streams"
    cases: tuple[Stream, ...] = Field(min_length=1)
    entry: Literal[""] = ""
    stub: str = ""
    """What stands before every program, such as imports that the task takes for granted."""


class Assertions(Record):
    """Sources that pass unless they raise, each run by itself: a list of several gives part of the
    credit for part of it."""

    kind: Literal["assertions"] = "assertions"
    tests: tuple[str, ...] = Field(min_length=1)
    entry: str = ""
    """The function that the tests call under its own name and as `candidate`."""
    before: str = ""
    """Imports and helpers that the tests use: trusted, and run beside the tests, not beside the
    program."""
    stub: str = ""
    """The start of the program that a response may continue; "" where there is none."""
    pytest: bool = False
    """Whether the sources are files of pytest tests. Needs pytest."""
    module: str = "solution"
    """The name by which tests import the program."""


Suite = Annotated[Calls | Reference | Streams | Assertions, Field(discriminator="kind")]

_READ: TypeAdapter[Any] = TypeAdapter(Suite)


def suite_of(prompt: Prompt) -> Suite | None:
    """The tests that a prompt carries; None where it carries none. Raises `DataError` where they
    are malformed."""
    tests = prompt.meta.get("tests")
    if tests is None:
        return None
    try:
        found: Suite = _READ.validate_python(tests)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"prompt {prompt.id or prompt.text[:40]!r}: meta.tests.{where}: {first['msg']}"
        ) from error
    return found


def with_suite(prompt: Prompt, suite: Suite) -> Prompt:
    """The prompt with the tests in its `meta`."""
    return prompt.model_copy(
        update={
            "meta": {**prompt.meta, "tests": suite.model_dump(mode="json", exclude_defaults=False)}
        }
    )
