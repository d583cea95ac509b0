"""Components as subcommands: the built-in ones, and classes of one's own. No command of its own."""

import re
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Union, get_type_hints

import tyro

from assay import components

__all__ = ["choices"]

OWN = re.compile(r"[\w.]+:[A-Za-z_]\w*")
"""`package.module:Class`."""


def choices(
    kind: str,
    arguments: Sequence[str],
    hidden: Collection[str] = (),
    called: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """Return the union of all components of a kind, a subcommand each.

    arguments: of the command line; a `package.module:Class` at its head is offered, too. hidden:
    settings that the command sets itself and that are no options. called: other names, under which
    components are offered instead of their own.
    """
    names = [*components.names(kind), *filter(OWN.fullmatch, arguments[:1])]
    shown = {name: called.get(name, name) for name in names}
    return Union[tuple(_choice(kind, name, shown[name], hidden) for name in names)]  # noqa: UP007


def _choice(kind: str, name: str, shown: str, hidden: Collection[str]) -> Any:
    cls = components.load(kind, name)
    hints: dict[str, Any] = get_type_hints(cls, include_extras=True)
    for setting in hints.keys() & set(hidden):
        # The parser reads its marks from annotations, and components know no parser.
        cls.__annotations__[setting] = Annotated[hints[setting], tyro.conf.Suppress]
    return Annotated[cls, tyro.conf.subcommand(shown, prefix_name=False)]
