"""Shells' completion of commands and of what may stand behind them."""

from collections.abc import Mapping, Sequence

from assay.errors import ConfigError

__all__ = ["completion"]

ZSH = """autoload -Uz compinit bashcompinit
(( $+functions[compdef] )) || compinit
bashcompinit
"""
"""What lets zsh read a script of bash; its own completion has to be on before."""


def completion(shell: str, below: Mapping[str, Sequence[str]]) -> str:
    """Return a script that completes names of commands, and the words below each.

    Raises `ConfigError` for a shell other than bash, zsh and fish.
    """
    if shell == "fish":
        return _fish(below)
    if shell not in ("bash", "zsh"):
        raise ConfigError("--print-completion needs a shell: bash, zsh or fish")
    head = ZSH if shell == "zsh" else ""
    cases = "\n".join(
        f'    {name}) words="{" ".join(words)}" ;;' for name, words in below.items() if words
    )
    return f"""{head}_assay() {{
  local words=""
  case "$COMP_CWORD:${{COMP_WORDS[1]}}" in
    1:*) words="{" ".join(below)} help" ;;
    2:*) case "${{COMP_WORDS[1]}}" in
{cases}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F _assay assay"""


def _fish(below: Mapping[str, Sequence[str]]) -> str:
    """Return lines that complete in fish, which counts the words before the one at hand."""
    words = " ".join([*below, "help"])
    first = f"complete -c assay -f -n 'test (count (commandline -opc)) = 1' -a '{words}'"
    second = [
        f"complete -c assay -n 'test (commandline -opc | string join _) = assay_{name}'"
        f" -a '{' '.join(choices)}'"
        for name, choices in below.items()
        if choices
    ]
    return "\n".join([first, *second])
