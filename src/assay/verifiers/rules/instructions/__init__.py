"""Instructions that a program can check, by id: the 25 of IFEval (arXiv:2311.07911), and others'
own.

An instruction is a frozen dataclass: `id` is the name that data uses, its fields are the published
arguments, `check` gives a verdict on a text, and `example` and `counterexample` write a text that
follows it and one that does not, so that it can be tested with any arguments. Adding one here is a
class in a module's `__all__`. From outside it is named `package.module:Class` by whoever runs the
check, never by the data: a row that could name code could run it.
"""

import functools
import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, Protocol, cast

from pydantic import TypeAdapter, ValidationError

from assay import components
from assay.errors import ConfigError, DataError
from assay.types import Prompt, Verdict

__all__ = [
    "INSTRUCTIONS",
    "Instruction",
    "Mode",
    "build",
    "evaluate",
    "known",
    "of_prompt",
    "validate",
    "variants",
]

Mode = Literal["strict", "loose"]
Known = Mapping[str, "type[Instruction]"]


class Instruction(Protocol):
    """What can be followed and checked."""

    id: ClassVar[str]
    """The name that data uses, such as keywords:existence."""

    def check(self, text: str) -> Verdict:
        """Return whether the text follows it."""
        ...

    def example(self) -> str:
        """A text that follows it."""
        ...

    def counterexample(self) -> str:
        """A text that does not, if not by much."""
        ...


def _ours() -> dict[str, type[Instruction]]:
    subjects = sorted(
        found.name for found in pkgutil.iter_modules(__path__) if not found.name.startswith("_")
    )
    modules = [importlib.import_module(f"{__name__}.{subject}") for subject in subjects]
    found: dict[str, type[Instruction]] = {}
    for module in modules:
        classes = (getattr(module, name) for name in module.__all__)
        found |= {cls.id: cls for cls in classes}
    return found


INSTRUCTIONS: Final[Known] = MappingProxyType(_ours())
"""Id -> class."""


def known(outside: Sequence[str] = ()) -> Known:
    """The registry with others' classes, each as `package.module:Class`."""
    found = dict(INSTRUCTIONS)
    for name in outside:
        if ":" not in name:
            raise ConfigError(f"{name!r} names no class; give package.module:Class")
        cls = components.load("instructions", name)
        methods = all(
            callable(getattr(cls, method, None))
            for method in ("check", "example", "counterexample")
        )
        if not is_dataclass(cls) or not methods or not isinstance(getattr(cls, "id", None), str):
            raise ConfigError(
                f"{name} is no instruction: a dataclass with id, check, example and counterexample"
            )
        cls = cast(type[Instruction], cls)
        if cls.id in found:
            raise ConfigError(
                f"{name} has the id {cls.id!r}, which {found[cls.id].__name__} has; give it another"
            )
        found[cls.id] = cls
    return found


def build(id: str, kwargs: Mapping[str, Any], among: Known = INSTRUCTIONS) -> Instruction:
    """The instruction of an id and its arguments, of which those that are None are left out, as
    some data has them.

    Raises `ConfigError` for an unknown id and for arguments that are missing, unknown or of the
    wrong kind.
    """
    if id not in among:
        raise ConfigError(f"no instruction is called {id!r}; there is {', '.join(sorted(among))}")
    cls = among[id]
    takes = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    given = {name: value for name, value in kwargs.items() if value is not None}
    there = ", ".join(takes) or "no argument"
    if unknown := sorted(given.keys() - takes.keys()):
        raise ConfigError(f"{id} has no argument {unknown[0]!r}; there is {there}")
    needs = [
        name for name, field in takes.items() if field.default is field.default_factory is MISSING
    ]
    if missing := [name for name in needs if name not in given]:
        raise ConfigError(f"{id} needs {missing[0]!r}; there is {there}")
    try:
        return _adapter(cls).validate_python(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{id}, {at or 'arguments'}: {first['msg']}; there is {there}") from error


@functools.cache
def _adapter(cls: type[Instruction]) -> TypeAdapter[Instruction]:
    return TypeAdapter(cls)


def of_prompt(prompt: Prompt, among: Known = INSTRUCTIONS) -> tuple[Instruction, ...]:
    """The instructions that a prompt has in `meta["instructions"]`, a list of {id, kwargs}; ()
    where it has none."""
    listed = prompt.meta.get("instructions", ())
    where = f"prompt {prompt.id!r}" if prompt.id else f"prompt {prompt.text[:40]!r}"
    if not isinstance(listed, (list, tuple)) or not all(isinstance(one, Mapping) for one in listed):
        raise DataError(f"{where}: meta.instructions: expected a list of {{id, kwargs}}")
    found = []
    for i, one in enumerate(listed):
        id, kwargs = one.get("id"), one.get("kwargs") or {}
        if not isinstance(id, str) or not isinstance(kwargs, Mapping):
            raise DataError(
                f"{where}: meta.instructions[{i}]: expected an id and an object of arguments"
            )
        try:
            found.append(build(id, kwargs, among))
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from error
    return tuple(found)


def evaluate(instruction: Instruction, text: str, mode: Mode = "strict") -> Verdict:
    """Return whether a response follows an instruction.

    A blank response follows none. strict: the response as it is. loose: right too where one of its
    `variants` follows; where none does, the verdict is the strict one, since a variant that cannot
    be judged excuses nothing.
    """
    if not text.strip():
        return Verdict(outcome="wrong", reason="the response is blank", stage=instruction.id)
    verdict = instruction.check(text)
    if mode == "loose" and verdict.outcome != "right":
        for name, variant in variants(text).items():
            if variant.strip() and (other := instruction.check(variant)).outcome == "right":
                return other.model_copy(update={"reason": f"{other.reason} ({name})", "span": None})
    return verdict


def variants(text: str) -> dict[str, str]:
    """Return what loose evaluation also looks at: without the first line, the last, or both, each
    with and without stars."""
    lines = text.split("\n")
    cut = {
        "without its first line": "\n".join(lines[1:]).strip(),
        "without its last line": "\n".join(lines[:-1]).strip(),
        "without its first and last lines": "\n".join(lines[1:-1]).strip(),
    }
    bare = {f"{name} and without stars": variant.replace("*", "") for name, variant in cut.items()}
    return {"without stars": text.replace("*", ""), **cut, **bare}


def validate(instruction: Instruction) -> None:
    """Raises `DataError` unless its example is right and its counterexample wrong."""
    for text, outcome in (
        (instruction.example(), "right"),
        (instruction.counterexample(), "wrong"),
    ):
        if (found := evaluate(instruction, text)).outcome != outcome:
            raise DataError(
                f"{instruction}: {text[:60]!r} should be {outcome}, but is {found.outcome}:"
                f" {found.reason}"
            )
