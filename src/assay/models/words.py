r"""A layout's settings as words, `key=value`, as they stand behind a model's name on the command
line."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from assay.errors import ConfigError
from assay.models.layout import Layout

__all__ = ["KEYS", "LAYOUT_KEYS", "changed"]

LAYOUT_KEYS: Final = tuple(
    name for name in Layout.model_fields if name not in ("whole", "chat_template_sha256")
)
"""Settings of a layout that can be given as words."""

KEYS: Final = ("preset", "calibration", *LAYOUT_KEYS)
"""Settings that can stand behind a model's name."""

_YES, _NO = ("yes", "true", "1"), ("no", "false", "0")


def changed(layout: Layout, words: Mapping[str, str]) -> Layout:
    r"""The layout with settings given as words. In texts, `\n` is a line break and `\t` a tab.

    Raises `ConfigError` naming a setting that there is none of, or a value that does not fit it.
    """
    update: dict[str, Any] = {}
    for key, word in words.items():
        if key not in LAYOUT_KEYS:
            raise ConfigError(
                f"{key!r} is no setting of a layout; there is {', '.join(LAYOUT_KEYS)}"
            )
        wanted = Layout.model_fields[key].annotation
        value: Any = word.replace(r"\n", "\n").replace(r"\t", "\t")
        if wanted is bool:
            if word not in (*_YES, *_NO):
                raise ConfigError(f"{key}={word}: give yes or no")
            value = word in _YES
        elif wanted is int:
            if not word.isdecimal() or not int(word):
                raise ConfigError(f"{key}={word}: give a whole number above 0")
            value = int(word)
        elif key == "template" and word not in (known := get_args(wanted)):
            raise ConfigError(f"template={word}: there is {', '.join(known)}")
        update[key] = value
    return layout.model_copy(update=update)
